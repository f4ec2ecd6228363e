//! Between the shards and the poster.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::settings;
use crate::chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::hub::shard::{Input, Push};
use crate::hub::shard_of;
use crate::lifecycle::Exit;
use crate::tasks::push::{Couriers, Job, Metrics, Poster, Report};
use crate::tasks::shards;

/// The poster as the shards see it.
pub(super) struct Pushes(pub(super) Poster);

impl shards::Pushes for Pushes {
    fn offer(&self, push: Push) -> Result<(), Push> {
        let job = Job {
            delivery: push.delivery,
            destination: push.destination.into(),
            body: push.body,
            traceparent: traceparent().into(),
            owed_at: push.owed_at,
            failed: push.failed,
        };
        self.0.offer(job).map_err(|job| Push {
            delivery: job.delivery,
            destination: job.destination.into(),
            body: job.body,
            owed_at: job.owed_at,
            failed: job.failed,
        })
    }

    fn gave_up(&self, destination: &str) {
        self.0.metrics().gave_up(destination);
    }

    fn owed(&self, destination: &str, more: i64) {
        self.0.owed(destination, more);
    }
}

/// A poster that reports to the shards.
pub(super) fn poster(
    config: &Config,
    clock: Clock,
    couriers: Couriers,
    shards: &[mpsc::Sender<Input>],
    metrics: &mut Registry,
) -> Result<Poster, Exit> {
    let counted = Metrics::default();
    counted.register(metrics);
    let shards: Arc<[mpsc::Sender<Input>]> = shards.into();
    Poster::new(
        settings::destinations(config),
        clock,
        counted,
        couriers,
        move |report| tell(shards.clone(), report),
    )
    .map_err(|error| Exit::unavailable("the push destinations", error))
}

/// A report waits for room: it is never lost.
async fn tell(shards: Arc<[mpsc::Sender<Input>]>, report: Report) {
    match report {
        Report::Settled { delivery, outcome } => {
            let shard = &shards[shard_of(delivery.session, shards.len())];
            let _ = shard.send(Input::Settled(delivery, outcome)).await;
        }
        Report::Room { destination, room } => {
            let each = room.div_ceil(shards.len().max(1));
            for shard in &*shards {
                let _ = shard.send(Input::PushRoom(destination.clone(), each)).await;
            }
        }
        // What waits for a destination that wants nothing more becomes a dead letter at once.
        Report::Recovered { destination } | Report::Disabled { destination } => {
            for shard in &*shards {
                let _ = shard.send(Input::PushRecovered(destination.clone())).await;
            }
        }
    }
}

/// A new trace: W3C *Trace Context*, version 00, sampled. Neither of its two identifiers may be 0.
fn traceparent() -> String {
    let mut random = [0; 24];
    // Without randomness traces are mixed up, no worse.
    let _ = chance::fill(&mut random);
    let (words, _) = random.as_chunks();
    let word = |at: usize| words.get(at).copied().map_or(0, u64::from_ne_bytes);
    format!(
        "00-{:016x}{:016x}-{:016x}-01",
        word(0) | 1,
        word(1),
        word(2) | 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_push_begins_a_trace_of_its_own() {
        let (one, other) = (traceparent(), traceparent());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
    }
}
