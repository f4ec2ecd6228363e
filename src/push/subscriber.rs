//! The push side of one chat: what was acknowledged, what is owed, when to resend.

use std::collections::VecDeque;

use super::{Content, Delivery, Outcome, ResendSchedule, Subscription};
use crate::chat::Event;
use crate::clock::{Instant, Now};

/// The push side of one chat with a subscription. Altered only by [`apply`](Self::apply), so that replay gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The wish.
    pub subscription: Subscription,
    /// What is owed, in the order in which it must be made; only the first is ever under way.
    pub owed: VecDeque<Delivery>,
    // push helper: acknowledged position, considered position, resend state, next number, removed …
}

/// One step of the push side; stored in the record of the command that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a subscription now (or another one).
    Subscribed(Subscription),
    /// A push is owed.
    Owed(Delivery),
    /// Everything before this position has been fetched or told.
    Acknowledged {
        /// The first position that has not.
        position: u64,
    },
    /// A delivery ended, or will be attempted again.
    Settled {
        /// Which.
        number: u64,
        /// How.
        outcome: Outcome,
    },
}

/// What the subscriber is told about the session when it decides.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The index that the next event will have.
    pub next_index: u64,
    /// The session is over.
    pub ended: bool,
    /// A live CometD client watches for the customer, and pushes to active clients are off.
    pub viewer_live: bool,
}

impl Subscriber {
    /// The pushes that become owed by a new event, which the customer may see.
    pub fn on_event(&self, event: &Event, own: bool, look: Look, now: Now) -> Vec<Change> {
        let _ = (
            event,
            own,
            look,
            now,
            Content::Event {
                index: 0,
                chat_ended: false,
            },
        );
        Vec::new()
    }

    /// When [`due`](Self::due) wants to be called next.
    pub fn poll_timeout(&self, schedule: &ResendSchedule) -> Option<Instant> {
        let _ = schedule;
        None
    }
}
