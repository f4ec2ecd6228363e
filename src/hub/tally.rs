//! What has happened since the start, counted for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::chat::EventKind;
use crate::wire::event::{TYPE_NAMES, type_name};

/// Counts that only grow.
#[derive(Debug, Default)]
pub struct Tally {
    events: [AtomicU64; TYPE_NAMES.len()],
    shard_queue_full: AtomicU64,
}

impl Tally {
    /// How many events of each type became durable.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.events.iter().map(|count| count.load(Relaxed));
        TYPE_NAMES.into_iter().zip(counts)
    }

    /// How many inputs were refused because the queue of their shard was full.
    pub fn shard_queue_full(&self) -> u64 {
        self.shard_queue_full.load(Relaxed)
    }

    pub(super) fn happened(&self, kind: &EventKind) {
        let name = type_name(kind);
        let place = TYPE_NAMES.iter().position(|known| *known == name);
        if let Some(count) = place.and_then(|place| self.events.get(place)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn queue_was_full(&self) {
        self.shard_queue_full.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_counts_under_its_type() {
        let tally = Tally::default();
        tally.happened(&EventKind::ParticipantJoined);
        for name in ["read-confirm", "configure-session"] {
            tally.happened(&EventKind::Notice { name: name.into() });
        }
        let counted: Vec<_> = tally.events().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("ParticipantJoined", 1), ("Notice", 2)]);
    }
}
