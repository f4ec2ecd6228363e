//! A poster whose reports can be awaited, and what it is given to do.

use std::future::ready;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::*;
use crate::clock::Wall;
use crate::id::SessionId;
use crate::push::Secret;

pub const BODY: &[u8] = br#"{"deviceId":"dev-42"}"#;
pub const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A poster whose reports can be awaited.
pub struct TestPoster {
    pub poster: Poster,
    pub clock: Clock,
    pub reports: UnboundedReceiver<Report>,
    pub seen: Vec<Report>,
}

impl TestPoster {
    pub fn to<const N: usize>(destinations: [(&str, Destination); N]) -> Self {
        let named = |(name, destination): (&str, Destination)| (name.to_owned(), destination);
        let (tell, reports) = unbounded_channel();
        let clock = Clock::system();
        let poster = Poster::new(
            destinations.map(named).into(),
            clock,
            Metrics::default(),
            Box::new(by_http),
            move |report| {
                drop(tell.send(report));
                ready(())
            },
        );
        Self {
            poster: poster.unwrap(),
            clock,
            reports,
            seen: Vec::new(),
        }
    }

    pub fn offer(&self, destination: &str, number: u64) {
        self.offer_again(destination, number, 0);
    }

    /// After `failed` attempts, the last at the end of the schedule.
    pub fn offer_again(&self, destination: &str, number: u64, failed: u32) {
        let job = self.job(destination, number, failed);
        assert!(self.poster.offer(job).is_ok());
    }

    pub fn job(&self, destination: &str, number: u64, failed: u32) -> Job {
        let now = self.clock.now().instant;
        Job {
            delivery: delivery(number),
            destination: destination.into(),
            body: Bytes::from_static(BODY),
            traceparent: TRACEPARENT.into(),
            owed_at: Instant(now.0 - u64::from(failed) * 60_000),
            failed,
        }
    }

    pub async fn report(&mut self) -> Report {
        let report = self.reports.recv().await.unwrap();
        self.seen.push(report.clone());
        report
    }

    /// The next delivery that ended, or goes on.
    pub async fn settled(&mut self) -> (u64, Outcome) {
        loop {
            if let Report::Settled { delivery, outcome } = self.report().await {
                return (delivery.number, outcome);
            }
        }
    }

    /// The same, with what is told after it.
    pub async fn next_settled(&mut self) {
        self.settled().await;
        self.poster.drained_for_tests().await;
        while let Ok(report) = self.reports.try_recv() {
            self.seen.push(report);
        }
    }

    pub fn metrics(&self) -> String {
        let mut registry = Registry::default();
        self.poster.metrics().register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }
}

impl Poster {
    /// Waits until nothing is under way.
    async fn drained_for_tests(&self) {
        let mut workers = self.shared.workers.subscribe();
        let _ = workers.wait_for(|workers| *workers == 0).await;
    }
}

pub fn destination(url: String) -> Destination {
    Destination {
        url,
        message: None,
        secrets: vec![secret()],
        retry: RetrySchedule::new(vec![Duration::from_secs(2)]).unwrap(),
        timeout: Duration::from_secs(10),
        concurrency: 2,
    }
}

pub fn secret() -> Secret {
    Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
}

pub fn delivery(number: u64) -> DeliveryId {
    DeliveryId {
        session: SessionId::new(Wall(1_700_000_000_000), 7),
        number,
    }
}

pub fn given_up(reason: &str) -> Outcome {
    Outcome::Dead {
        reason: reason.to_owned(),
    }
}
