//! Wakes the sessions whose deadline has come. It takes no input: it looks into the store, by the second, and may look
//! twice.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{Clock, Instant};
use crate::hub::shard::Input;
use crate::hub::shard_of;
use crate::id::SessionId;
use crate::store;
use crate::tasks::shards::Gauges;

/// How often the index of deadlines is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// Sessions that are woken at a time; more wait for the next look, which then comes soon.
const PAGE: usize = 256;
/// While more than these are being loaded no others are woken, so that a customer who comes meanwhile does not wait behind
/// all of them.
const LOADING_MAX: usize = 64;
/// How often that is looked at.
const BREATH: Duration = Duration::from_millis(2);

/// Wakes sessions until the shards are gone. First those that were awake when the process ended.
pub async fn run(
    store: store::Shared,
    shards: Vec<mpsc::Sender<Input>>,
    gauges: Arc<Gauges>,
    clock: Clock,
) {
    for page in store.awake_at_start().chunks(PAGE) {
        if !wake(&shards, page.to_vec()).await {
            return;
        }
        loaded(&gauges).await;
    }
    loop {
        let due = look(&store, clock.now().instant).await;
        let full = due.len() >= PAGE;
        if !wake(&shards, due).await {
            return;
        }
        // A full page is given time to be loaded, so that the same is not read again.
        tokio::time::sleep(if full { EVERY / 10 } else { EVERY }).await;
        loaded(&gauges).await;
    }
}

/// Waits until most of those that were woken have been loaded.
async fn loaded(gauges: &Gauges) {
    loop {
        tokio::time::sleep(BREATH).await;
        if gauges.loading.load(Relaxed) <= LOADING_MAX {
            return;
        }
    }
}

async fn look(store: &store::Shared, now: Instant) -> Vec<SessionId> {
    store.due(now, PAGE).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the deadlines of sleeping sessions cannot be read");
        Vec::new()
    })
}

async fn wake(shards: &[mpsc::Sender<Input>], sessions: Vec<SessionId>) -> bool {
    let mut shares = vec![Vec::new(); shards.len()];
    for session in sessions {
        shares[shard_of(session, shards.len())].push(session);
    }
    for (shard, share) in shards.iter().zip(shares) {
        if !share.is_empty() && shard.send(Input::Wake(share)).await.is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::id::Epoch;
    use crate::store::memory::Memory;
    use crate::store::{Batch, Record, Store};

    /// After a crash all that had been awake were asked for at once: whoever wrote then waited behind them.
    #[tokio::test]
    async fn those_that_were_awake_are_woken_as_fast_as_they_are_loaded() {
        let store: store::Shared = Arc::new(with_awake(PAGE + 1));
        let gauges = Arc::new(Gauges::default());
        gauges.loading.store(LOADING_MAX + 1, Relaxed);
        let (shard, mut inputs) = mpsc::channel(8);
        let running = tokio::spawn(run(store, vec![shard], gauges.clone(), Clock::system()));
        assert_eq!(woken(&mut inputs).await, Some(PAGE));
        let more = tokio::time::timeout(Duration::from_millis(100), woken(&mut inputs));
        assert!(more.await.is_err(), "while those are being loaded");
        gauges.loading.store(LOADING_MAX, Relaxed);
        assert_eq!(woken(&mut inputs).await, Some(1));
        running.abort();
    }

    async fn woken(inputs: &mut mpsc::Receiver<Input>) -> Option<usize> {
        match inputs.recv().await? {
            Input::Wake(sessions) => Some(sessions.len()),
            _ => None,
        }
    }

    /// A store with sessions that were never put away.
    fn with_awake(count: usize) -> Memory {
        let memory = Memory::new();
        let (done, stored) = std::sync::mpsc::channel();
        let mut lane = memory.lane(Box::new(move |completions| {
            done.send(completions.len()).unwrap();
        }));
        for number in 0..count as u64 {
            let batch = Batch {
                session: SessionId::new(Wall(1), number),
                epoch: Epoch(1),
                record: Record {
                    changes: Vec::new(),
                    push: Vec::new(),
                    remembered: None,
                },
            };
            lane.commit(number, batch);
        }
        let mut left = count;
        while left > 0 {
            left -= stored.recv().unwrap();
        }
        memory
    }
}
