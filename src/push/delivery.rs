//! One push that is owed.

use crate::clock::{Instant, Now, Wall};

/// One push that is owed, until its outcome is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number among the deliveries of the chat, from 1; with the chat's id it makes the `webhook-id`.
    pub number: u64,
    /// When it became owed: the transport schedule counts from here.
    pub owed_at: Instant,
    /// The same moment for `utcTime`.
    pub owed_wall: Wall,
    /// What the body tells.
    pub content: Content,
    /// Attempts that failed so far.
    pub failed: u32,
    /// Not to be attempted before, unless its destination recovers.
    pub not_before: Instant,
    /// Not to be attempted before even then: the receiver's own `Retry-After`.
    pub retry_after: Option<Instant>,
}

/// What the body of a push tells. The body is made from this and the stored event when it is sent, and is the same for
/// every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The event of this index (payload or device id alone, as subscribed).
    Event {
        /// The event.
        index: u64,
        /// `chatEnded` when it became owed.
        chat_ended: bool,
    },
    /// A resend-type push: `PUSH-NOTIFICATION`.
    Notify {
        /// `notify-attempt`, from 0.
        attempt: u32,
        /// `notify-position`; `None`: −1, the customer was removed.
        position: Option<u64>,
        /// `nextPosition`.
        next_position: u64,
        /// `chatEnded` when it became owed.
        chat_ended: bool,
    },
}

/// How a delivery ended, or that it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx.
    Delivered,
    /// Failed; another attempt at this moment.
    Retry {
        /// When (already jittered, `Retry-After` honoured).
        not_before: Instant,
        /// What `Retry-After` asked for, if anything.
        retry_after: Option<Instant>,
    },
    /// Given up: kept as a dead letter.
    Dead {
        /// In words: `HTTP 404`, `connection refused`, `schedule spent`.
        reason: String,
    },
}

impl Delivery {
    /// A delivery that becomes owed now, and may be attempted at once.
    pub fn new(number: u64, content: Content, now: Now) -> Self {
        Self {
            number,
            owed_at: now.instant,
            owed_wall: now.wall,
            content,
            failed: 0,
            not_before: now.instant,
            retry_after: None,
        }
    }

    /// When it may be attempted; `recovered`: its destination has answered again since the last failure.
    pub fn ready_at(&self, recovered: bool) -> Instant {
        if recovered {
            self.retry_after.unwrap_or_default()
        } else {
            self.not_before
        }
    }

    /// Another attempt is to be made at `not_before`.
    pub(super) fn postpone(&mut self, not_before: Instant, retry_after: Option<Instant>) {
        self.failed = self.failed.saturating_add(1);
        self.not_before = not_before;
        self.retry_after = retry_after;
    }
}
