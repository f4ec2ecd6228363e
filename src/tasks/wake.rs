//! Wakes the sessions whose deadline has come. It takes no input: it looks into the store, by the second, and may look
//! twice.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{Clock, Instant};
use crate::hub::shard::Input;
use crate::hub::shard_of;
use crate::id::SessionId;
use crate::store;

/// How often the index of deadlines is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// Sessions that are woken at a time; more wait for the next look, which then comes at once.
const PAGE: usize = 512;

/// The pause between two pages of those that were awake at the end, so that they are not all loaded at once.
const BREATH: Duration = Duration::from_millis(10);

/// Wakes sessions until the shards are gone. First those that were awake when the process ended.
pub async fn run(store: store::Shared, shards: Vec<mpsc::Sender<Input>>, clock: Clock) {
    for page in store.awake_at_start().chunks(PAGE) {
        if !wake(&shards, page.to_vec()).await {
            return;
        }
        tokio::time::sleep(BREATH).await;
    }
    loop {
        let due = look(&store, clock.now().instant).await;
        let full = due.len() >= PAGE;
        if !wake(&shards, due).await {
            return;
        }
        // A full page is given time to be loaded, so that the same is not read again.
        tokio::time::sleep(if full { EVERY / 10 } else { EVERY }).await;
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
