//! What a shard wants done.

use super::*;

/// What the driver must do.
pub enum Output {
    /// Commit a batch under this number.
    Commit(u64, Batch),
    /// Let the lane take batches again.
    Reset,
    /// Load a session.
    Load(SessionId),
    /// Read events from the store.
    Fetch(Fetch),
    /// Put a session away until the deadline.
    PutAway(SessionId, Box<Snapshot>, Option<Instant>),
    /// A session is no longer readable.
    Forget(SessionId),
    /// Post a push.
    Push(Push),
    /// Keep a push that was given up.
    DeadLetter {
        /// The push.
        letter: store::DeadLetter,
        /// Whether the poster has counted it, or it was kept before.
        counted: bool,
    },
    /// So many more pushes are owed to a destination, or fewer.
    Owed(String, i64),
}

/// Events wanted from the store, and what for.
pub struct Fetch {
    /// Of which session.
    pub session: SessionId,
    /// From which index on.
    pub from: u64,
    /// How much, bytes.
    pub bytes_max: usize,
    pub(super) purpose: Purpose,
}

pub(super) enum Purpose {
    Page(ParticipantId, usize, Reply<Page>),
    /// The answer to a join.
    Join {
        viewer: ViewerId,
        /// It has a new seat, which goes on where the answer ends.
        seated: bool,
        participant: ParticipantId,
        bytes_max: usize,
        reply: Reply<Joined>,
    },
    Seat(ViewerId),
    Push(u64),
    DeadLetter(Box<dead_letters::Grave>),
}

/// A push to be posted now.
#[derive(Clone, Debug)]
pub struct Push {
    /// Its identity: the `webhook-id`.
    pub delivery: DeliveryId,
    /// To where.
    pub destination: String,
    /// The body, the same for every attempt.
    pub body: bytes::Bytes,
    /// When it became owed.
    pub owed_at: Instant,
    /// Attempts that failed before.
    pub failed: u32,
}
