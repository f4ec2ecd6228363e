//! Between the shards and the poster.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::{random, settings};
use crate::clock::Clock;
use crate::config::Config;
use crate::hub::shard::{Input, Push};
use crate::hub::shard_of;
use crate::id::DeliveryId;
use crate::lifecycle::Exit;
use crate::tasks::push::{Job, Metrics, Poster, Report};
use crate::tasks::shards;

/// Chats that are looked after when a destination has room again.
const ROOM: usize = 256;

/// The poster as the shards see it.
pub(super) struct Pushes(pub(super) Poster);

impl shards::Pushes for Pushes {
    fn offer(&self, push: Push) -> Result<(), Push> {
        let job = Job {
            delivery: push.delivery,
            destination: Arc::from(push.destination.as_str()),
            body: push.body.clone(),
            traceparent: traceparent().into(),
            owed_at: push.owed_at,
            failed: push.failed,
        };
        self.0.offer(job).map_err(|_| push)
    }
}

/// A poster that reports to the shards.
pub(super) fn poster(config: &Config, clock: Clock, shards: &[mpsc::Sender<Input>], metrics: &mut Registry) -> Result<Poster, Exit> {
    let counted = Metrics::default();
    counted.register(metrics);
    let shards = shards.to_vec();
    Poster::new(settings::destinations(config), clock, counted, move |report| tell(&shards, report))
        .map_err(|error| Exit::unavailable("the push destinations", error))
}

fn tell(shards: &[mpsc::Sender<Input>], report: Report) {
    match report {
        Report::Settled { session, number, outcome } => {
            let input = Input::Settled(DeliveryId { session, number }, outcome);
            send(&shards[shard_of(session, shards.len())], input);
        }
        Report::Room { destination } => {
            for shard in shards {
                send(shard, Input::PushRoom(destination.clone(), ROOM));
            }
        }
        // What waits for a destination that wants nothing more becomes a dead letter at once.
        Report::Recovered { destination } | Report::Disabled { destination } => {
            for shard in shards {
                send(shard, Input::PushRecovered(destination.clone()));
            }
        }
    }
}

/// A report is never lost: where the queue is full, it waits outside.
fn send(shard: &mpsc::Sender<Input>, input: Input) {
    if let Err(mpsc::error::TrySendError::Full(input)) = shard.try_send(input) {
        let shard = shard.clone();
        tokio::spawn(async move {
            let _ = shard.send(input).await;
        });
    }
}

/// A new trace: W3C *Trace Context*, version 00, sampled.
fn traceparent() -> String {
    format!("00-{:016x}{:016x}-{:016x}-01", random() | 1, random(), random() | 1)
}
