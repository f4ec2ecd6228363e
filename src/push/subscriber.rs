//! The push side of one chat: what was fetched, what is owed, when to resend.
//!
//! The `on_…` functions and [`due`](Subscriber::due) decide and alter nothing; they answer [`Change`]s, which are stored
//! with the record of their command and folded in by [`apply`](Subscriber::apply). Apply what one call answered before
//! making the next, also within one command: deliveries are numbered by what was applied.

mod fold;
mod owing;
#[cfg(test)]
mod stories;

use std::collections::VecDeque;

use super::{Content, Delivery, Outcome, ResendSchedule, Subscription};
use crate::chat::{Event, EventKind, QuitReason};
use crate::clock::{Instant, Now};

/// Pushes that one chat owes at once. Beyond it the oldest that nobody has begun are given up, so that a chat whose
/// receiver is dead does not grow for ever; and a viewer that has left so many events unacknowledged vouches no longer.
pub const OWED_MAX: usize = 1000;

/// The push side of one chat with a subscription. Altered only by [`apply`](Self::apply), so that replay gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The wish.
    pub subscription: Subscription,
    /// What is owed, in the order in which it must be made; only the first is ever under way.
    pub owed: VecDeque<Delivery>,
    /// Indexes of events that the customer has not fetched and was not told of by a delivery of their own, ascending.
    /// In resend mode only the first and the last: what lies between changes nothing.
    unretrieved: VecDeque<u64>,
    /// Where the resend schedule stands.
    round: Round,
    /// The customer is no longer in the session.
    removed: Option<Removal>,
    /// What the next delivery is numbered.
    next_number: u64,
}

/// Where a resend schedule stands: seed *Reliable push notifications delivery*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Round {
    /// Nothing was pushed of what is not fetched.
    #[default]
    Idle,
    /// A push is owed or under way; the wait for the next begins when it is settled.
    Posting {
        /// Its delivery.
        number: u64,
        /// Its `notify-attempt`.
        attempt: u32,
    },
    /// A push was made, and the customer has not fetched.
    Waiting {
        /// Its `notify-attempt`.
        attempt: u32,
        /// When it was settled.
        since: Instant,
    },
    /// All resends were made in vain; the next event starts anew.
    Spent,
}

/// The customer's leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The index of its `ParticipantLeft`.
    pub index: u64,
    /// It is pushed (−1 in resend mode): not asked for by the customer itself, or `NotifyRequestor` is on.
    pub told: bool,
}

/// One step of the push side; stored in the record of the command that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a subscription now (or another one).
    Subscribed(Subscription),
    /// There is an event that the customer has to fetch, or would have to, were there no viewer.
    Unretrieved {
        /// The event.
        index: u64,
    },
    /// The customer is no longer in the session.
    Removed(Removal),
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
        /// When: the wait before a resend counts from here.
        at: Instant,
    },
    /// The resend schedule is spent.
    Spent,
}

/// A delivery that was given up: a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Which.
    pub delivery: Delivery,
    /// To where.
    pub destination: String,
    /// Why, in words.
    pub reason: String,
    /// When.
    pub at: Instant,
}

/// What the subscriber is told about the session when it decides: as it is after the command.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The index that the next event will have.
    pub next_index: u64,
    /// The session is over for its customer.
    pub ended: bool,
    /// A live CometD client watches for the customer, and pushes to active clients are off.
    pub viewer_live: bool,
}

/// Everything about a [`Subscriber`], for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberParts {
    /// The wish.
    pub subscription: Subscription,
    /// What is owed, in order.
    pub owed: Vec<Delivery>,
    /// Indexes not fetched and not told of, ascending.
    pub unretrieved: Vec<u64>,
    /// Where the resend schedule stands.
    pub round: Round,
    /// The customer's leaving.
    pub removed: Option<Removal>,
    /// What the next delivery is numbered.
    pub next_number: u64,
}

impl Subscriber {
    /// A new subscriber: nothing is owed, and nothing fetched.
    pub fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            owed: VecDeque::new(),
            unretrieved: VecDeque::new(),
            round: Round::Idle,
            removed: None,
            next_number: 1,
        }
    }

    /// Decides what a new event owes; one that the customer may not see is never shown here.
    ///
    /// `own`: it is the customer's own. Its final `ParticipantLeft` is the removal. Nothing is owed after that.
    pub fn on_event(&self, event: &Event, own: bool, look: Look, now: Now) -> Vec<Change> {
        if self.removed.is_some() {
            return Vec::new();
        }
        match final_leaving(event) {
            Some(quit) if own => self.on_removed(event.index, quit, look, now),
            _ if own && !self.subscription.notify_requestor => Vec::new(),
            _ => self.tell_of(event.index, look, now),
        }
    }

    /// Decides what it means that everything before `position` was fetched, or delivered over CometD: waiting resends are
    /// cancelled, what is owed already is still made. Answers nothing where nothing changes.
    ///
    /// A fetch over REST acknowledges all events up to the last, whatever position was asked for: `position` is then the
    /// next index. Losing an acknowledgement that was not stored can only make a push come twice.
    pub fn on_acknowledged(&self, position: u64) -> Vec<Change> {
        match self.unretrieved.front() {
            Some(first) if *first < position => vec![Change::Acknowledged { position }],
            _ => Vec::new(),
        }
    }

    /// Decides what is owed when the CometD client that watched has expired: everything that it has not acknowledged.
    ///
    /// After a start no client is there: whoever [`awaits_viewer`](Self::awaits_viewer) is owed it then.
    pub fn on_viewer_gone(&self, look: Look, now: Now) -> Vec<Change> {
        if !self.awaits_viewer() {
            return Vec::new();
        }
        if self.subscription.resend {
            let first = self.unretrieved.front().copied().unwrap_or(look.next_index);
            return vec![self.notify(0, first, look, now)];
        }
        self.each_owed(self.unretrieved.iter().copied(), look, now)
    }

    /// Decides what follows from the outcome of an attempt. An outcome of a delivery that is no longer owed is ignored, so
    /// the same may be reported twice.
    pub fn on_attempt(
        &self,
        number: u64,
        outcome: Outcome,
        schedule: &ResendSchedule,
        now: Now,
    ) -> Vec<Change> {
        if !self.owed.iter().any(|delivery| delivery.number == number) {
            return Vec::new();
        }
        let ended = !matches!(outcome, Outcome::Retry { .. });
        let mut changes = vec![Change::Settled {
            number,
            outcome,
            at: now.instant,
        }];
        if ended && self.is_last_of_round(number, schedule) {
            changes.push(Change::Spent);
        }
        changes
    }

    /// Decides which resend is due.
    pub fn due(&self, schedule: &ResendSchedule, look: Look, now: Now) -> Vec<Change> {
        let Round::Waiting { attempt, .. } = self.round else {
            return Vec::new();
        };
        let due = self.poll_timeout(schedule, look.viewer_live);
        if due.is_none_or(|due| now.instant < due) {
            return Vec::new();
        }
        if attempt >= schedule.attempts {
            return vec![Change::Spent];
        }
        let first = self.unretrieved.front().copied().unwrap_or(look.next_index);
        vec![self.notify(attempt + 1, first, look, now)]
    }

    /// When [`due`](Self::due) wants to be called next; never while a viewer is live. When the first delivery wants to be
    /// attempted is said by [`head`](Self::head).
    pub fn poll_timeout(&self, schedule: &ResendSchedule, viewer_live: bool) -> Option<Instant> {
        match self.round {
            Round::Waiting { attempt, since } if !viewer_live => {
                Some(since + schedule.delay(attempt))
            }
            _ => None,
        }
    }

    /// The delivery that may be under way, from its [`ready_at`](Delivery::ready_at) on: no other, because those of one
    /// chat are made in order.
    pub fn head(&self) -> Option<&Delivery> {
        self.owed.front()
    }

    /// The delivery that `change`, which is about to be folded in, gives up.
    pub fn given_up(&self, change: &Change) -> Option<GivenUp> {
        let Change::Settled {
            number,
            outcome: Outcome::Dead { reason },
            at,
        } = change
        else {
            return None;
        };
        let delivery = self.owed.iter().find(|owed| owed.number == *number)?;
        Some(GivenUp {
            delivery: delivery.clone(),
            destination: self.subscription.destination.clone(),
            reason: reason.clone(),
            at: *at,
        })
    }

    /// What the next delivery is numbered.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// There are events that nobody was told of, because a viewer was live when they came.
    pub fn awaits_viewer(&self) -> bool {
        !self.unretrieved.is_empty() && (!self.subscription.resend || self.round == Round::Idle)
    }

    /// Everything that a snapshot needs.
    pub fn parts(&self) -> SubscriberParts {
        SubscriberParts {
            subscription: self.subscription.clone(),
            owed: self.owed.iter().cloned().collect(),
            unretrieved: self.unretrieved.iter().copied().collect(),
            round: self.round,
            removed: self.removed,
            next_number: self.next_number,
        }
    }

    /// The reverse of [`parts`](Self::parts).
    pub fn from_parts(parts: SubscriberParts) -> Self {
        Self {
            subscription: parts.subscription,
            owed: parts.owed.into(),
            unretrieved: parts.unretrieved.into(),
            round: parts.round,
            removed: parts.removed,
            next_number: parts.next_number,
        }
    }
}

/// The quit reason of a leaving that is not for a while. One without a reason was not asked for.
fn final_leaving(event: &Event) -> Option<QuitReason> {
    match event.kind {
        EventKind::ParticipantLeft { reason: None, quit } => {
            Some(quit.unwrap_or(QuitReason::Server))
        }
        _ => None,
    }
}
