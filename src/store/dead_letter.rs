//! Pushes that were given up.

use std::fmt;

use bytes::Bytes;

use crate::clock::Wall;
use crate::id::DeliveryId;

/// How many dead letters are kept unless configuration says otherwise: `[push] dead-letters-kept`.
pub const DEAD_LETTERS_KEPT: usize = 10_000;

/// A push that was given up: kept so that it can be listed and sent again, also when its chat is gone.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which delivery; as text it was the `webhook-id`.
    pub delivery: DeliveryId,
    /// The destination's name as in metrics and logs.
    pub destination: String,
    /// Why it was given up, in words.
    pub reason: String,
    /// When it was given up.
    pub at: Wall,
    /// When it became owed.
    pub owed_at: Wall,
    /// What was posted; empty where it could not be made any more.
    pub body: Bytes,
}

/// Where a dead letter stands among the others: by time, then by delivery. The same push has the same place always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterPlace {
    /// When it was given up.
    pub at: Wall,
    /// Which delivery it was.
    pub delivery: DeliveryId,
}

impl DeadLetter {
    /// Where it stands.
    pub fn place(&self) -> DeadLetterPlace {
        DeadLetterPlace {
            at: self.at,
            delivery: self.delivery,
        }
    }
}

/// The body is somebody's message.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("delivery", &self.delivery)
            .field("destination", &self.destination)
            .field("reason", &self.reason)
            .field("at", &self.at)
            .field("owed_at", &self.owed_at)
            .field("bytes", &self.body.len())
            .finish()
    }
}
