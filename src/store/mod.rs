//! What is kept, and what is promised about it.
//!
//! [`Store`] states its guarantees; `tests/it/store.rs` holds every adapter to them.

pub(crate) mod codec;
mod dead_letter;
pub mod embedded;
pub mod memory;
pub mod summed;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::dead_letter::{DEAD_LETTERS_KEPT, DeadLetter, DeadLetterPlace};
use crate::chat;
use crate::clock::Instant;
use crate::id::{Epoch, SessionId};
use crate::push;

/// What one command wrote: one record, durable as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The steps of the conversation, in order.
    pub changes: Vec<chat::Change>,
    /// The steps of its push side, in order, after the conversation's.
    pub push: Vec<push::Change>,
    /// An `Idempotency-Key` that this command used up.
    pub remembered: Option<Remembered>,
}

/// A command that was done under a key, so that its repetition is recognised for 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// A hash of the key and of what was asked.
    pub key: u128,
    /// When.
    pub at: Instant,
    /// The index of its event, if it had one.
    pub index: Option<u64>,
}

/// A record on its way to the disk.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose it is.
    pub session: SessionId,
    /// The writer's ownership; an older one than the store knows is refused.
    pub epoch: Epoch,
    /// What is written.
    pub record: Record,
}

/// A session as it stands in the store: fold `records` into `snapshot`.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The state when it was last put away; `None` if it never was.
    pub snapshot: Option<Snapshot>,
    /// Every record since, in order.
    pub records: Vec<Record>,
    /// The ownership, won by this loading.
    pub epoch: Epoch,
}

/// Everything about a session but its transcript: derived from its records, written when it goes to sleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The conversation.
    pub chat: chat::Session,
    /// Its push side.
    pub push: Option<push::Subscriber>,
    /// Idempotency keys still remembered.
    pub remembered: Vec<Remembered>,
    /// When the customer last gave a sign of life.
    pub presence: chat::Liveness,
}

impl Snapshot {
    /// A session of which nothing is known yet, or that was never put away.
    pub fn new(chat: chat::Session, now: Instant) -> Self {
        Self {
            chat,
            push: None,
            remembered: Vec::new(),
            presence: chat::Liveness::new(now),
        }
    }
}

/// How a batch ended. Completions of one lane come in the order of its commits.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The number that the lane gave the batch.
    pub ticket: u64,
    /// Durable, or not.
    pub result: Result<(), Error>,
}

/// Whether the store takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Writable,
    /// The disk is full; it will again, by itself, once there is room.
    NoSpace,
    /// A sync failed: nothing is written until the process has been restarted.
    ReadOnly,
}

/// Why the store could not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The disk is full.
    #[error(
        "no space on the disk of the data folder; commands are accepted again once there is some"
    )]
    NoSpace,
    /// A write or sync failed.
    #[error("the store is read-only since a write or sync failed; restart when the disk is sound")]
    ReadOnly,
    /// An earlier batch of the same lane failed, so this one, decided after it, was not written.
    #[error("an earlier write failed")]
    Abandoned,
    /// Somebody else owns the session now.
    #[error("the session is owned by another node")]
    Fenced,
    /// The record does not fit into the log.
    #[error("a record of more than {bytes_max} bytes cannot be stored")]
    TooLarge {
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// The session's own record is damaged.
    #[error("a stored record of session {session} is damaged ({place})")]
    Damaged {
        /// The session.
        session: SessionId,
        /// File and offset.
        place: String,
    },
}

/// Sessions, each as it stands or why it cannot be read.
pub type Peeked = Vec<(SessionId, Result<Stored, Error>)>;

/// A future of the store.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// What an embedded or a shared engine gives the hub.
///
/// * After a [`Completion`] with `Ok`, the record is there after any crash, whole; before it, nobody may be told of it.
/// * Records of one session are read back in the order of their commits, each once.
/// * A record that was torn by a crash before its completion is gone without trace; a damaged one hurts the session it
///   belongs to, which is named, and no other.
/// * [`put_away`](Self::put_away) and [`forget`](Self::forget) are derived knowledge: they may be undone by a crash, and
///   the records make up for it.
pub trait Store: Send + Sync + 'static {
    /// A way in for one shard. `done` is called from the store's own thread, in the order of the commits; it must not block.
    fn lane(&self, done: Box<dyn Fn(Vec<Completion>) + Send>) -> Box<dyn Lane>;

    /// Loads a session and wins its ownership; `None`: there is none.
    fn load(&self, session: SessionId) -> Answer<Option<Stored>>;

    /// Events of a session from index `from` on, in order, read-receipts that were taken back included, until
    /// `bytes_max` of record are read (at least one record, if there is one). Only durable events.
    fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Answer<Vec<chat::Event>>;

    /// The session sleeps: keeps its snapshot and wakes it by [`due`](Self::due) at `deadline`.
    fn put_away(&self, session: SessionId, snapshot: Snapshot, deadline: Option<Instant>);

    /// The session is no longer readable: its records may go.
    fn forget(&self, session: SessionId);

    /// Up to `limit` sleeping sessions whose deadline is not after `now`, the earliest first.
    fn due(&self, now: Instant, limit: usize) -> Answer<Vec<SessionId>>;

    /// Sessions that were awake when the process ended: to be loaded once after the start.
    fn awake_at_start(&self) -> Vec<SessionId>;

    /// Open (not closed) sessions by creation time after `after`, up to `limit`.
    fn open_sessions(&self, after: Option<SessionId>, limit: usize) -> Answer<Vec<SessionId>>;

    /// How many sessions are open, as far as is known at the start.
    fn open_count(&self) -> Result<u64, Error>;

    /// Sleeping sessions' snapshots with later records to be folded in by the caller, without winning their ownership.
    /// Those that are not there are left out; a damaged one hurts itself alone.
    fn peek(&self, sessions: Vec<SessionId>) -> Answer<Peeked>;

    /// Keeps a push that was given up, once: one of the same place is kept already. It is derived knowledge too; a crash
    /// soon after may undo it, and the record that says how the push ended makes up for it. Beyond a limit the oldest go.
    fn keep_dead_letter(&self, letter: DeadLetter);

    /// Up to `limit` dead letters after the place `after`, the oldest first.
    fn dead_letters(&self, after: Option<DeadLetterPlace>, limit: usize)
    -> Answer<Vec<DeadLetter>>;

    /// The secret that keys are derived from: 32 random bytes, made when the data folder was.
    fn secret(&self) -> [u8; 32];

    /// Whether writes are taken.
    fn condition(&self) -> Condition;

    /// Everything accepted is durable and the index is written when this returns: the end of a drain.
    fn close(&self) -> Answer<()>;
}

/// The way in for one shard.
pub trait Lane: Send {
    /// Queues a batch; its completion carries `ticket`. After a failure every batch is [`Error::Abandoned`] until
    /// [`reset`](Self::reset), because it was decided on state that was never stored.
    fn commit(&mut self, ticket: u64, batch: Batch);

    /// The shard has thrown away what it had decided since the failure.
    fn reset(&mut self);
}

/// A store behind a pointer.
pub type Shared = Arc<dyn Store>;
