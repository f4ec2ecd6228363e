//! The steps of the push side, as they are stored.

mod delivery;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::clock::{Instant, Wall};
use crate::push;
use delivery::{Delivery, Outcome};

type Text<'a> = Cow<'a, str>;

#[derive(Serialize, Deserialize)]
pub(super) enum Change<'a> {
    #[serde(rename = "sub")]
    Subscribed(Subscription<'a>),
    #[serde(rename = "un")]
    Unretrieved {
        #[serde(rename = "i")]
        index: u64,
    },
    #[serde(rename = "gone")]
    Removed(Removal),
    #[serde(rename = "owe")]
    Owed(Delivery),
    #[serde(rename = "ack")]
    Acknowledged {
        #[serde(rename = "i")]
        position: u64,
    },
    #[serde(rename = "out")]
    Settled {
        #[serde(rename = "n")]
        number: u64,
        #[serde(rename = "o")]
        outcome: Outcome<'a>,
        #[serde(rename = "t")]
        at: u64,
    },
    #[serde(rename = "spent")]
    Spent,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Subscription<'a> {
    #[serde(rename = "id")]
    device_id: Text<'a>,
    #[serde(rename = "to")]
    destination: Text<'a>,
    #[serde(rename = "p", default)]
    include_payload: bool,
    #[serde(rename = "r", default)]
    resend: bool,
    #[serde(rename = "o", default)]
    notify_requestor: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Removal {
    #[serde(rename = "i")]
    index: u64,
    #[serde(rename = "p")]
    told: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Round {
    #[serde(rename = "idle")]
    Idle,
    #[serde(rename = "post")]
    Posting {
        #[serde(rename = "n")]
        number: u64,
        #[serde(rename = "a")]
        attempt: u32,
    },
    #[serde(rename = "wait")]
    Waiting {
        #[serde(rename = "a")]
        attempt: u32,
        #[serde(rename = "t")]
        since: u64,
    },
    #[serde(rename = "spent")]
    Spent,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Subscriber<'a> {
    #[serde(rename = "s")]
    subscription: Subscription<'a>,
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    owed: Vec<Delivery>,
    #[serde(rename = "u", default, skip_serializing_if = "Vec::is_empty")]
    unretrieved: Vec<u64>,
    #[serde(rename = "r")]
    round: Round,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    removed: Option<Removal>,
    #[serde(rename = "n")]
    next_number: u64,
}

impl<'a> From<&'a push::Change> for Change<'a> {
    fn from(change: &'a push::Change) -> Self {
        match change {
            push::Change::Subscribed(subscription) => Change::Subscribed(subscription.into()),
            push::Change::Unretrieved { index } => Change::Unretrieved { index: *index },
            push::Change::Removed(removal) => Change::Removed((*removal).into()),
            push::Change::Owed(delivery) => Change::Owed(delivery.into()),
            push::Change::Acknowledged { position } => Change::Acknowledged {
                position: *position,
            },
            push::Change::Settled {
                number,
                outcome,
                at,
            } => Change::Settled {
                number: *number,
                outcome: outcome.into(),
                at: at.0,
            },
            push::Change::Spent => Change::Spent,
        }
    }
}

impl From<Change<'_>> for push::Change {
    fn from(change: Change<'_>) -> Self {
        match change {
            Change::Subscribed(subscription) => Self::Subscribed(subscription.into()),
            Change::Unretrieved { index } => Self::Unretrieved { index },
            Change::Removed(removal) => Self::Removed(removal.into()),
            Change::Owed(delivery) => Self::Owed(delivery.into()),
            Change::Acknowledged { position } => Self::Acknowledged { position },
            Change::Settled {
                number,
                outcome,
                at,
            } => Self::Settled {
                number,
                outcome: outcome.into(),
                at: Instant(at),
            },
            Change::Spent => Self::Spent,
        }
    }
}

impl<'a> From<&'a push::Subscription> for Subscription<'a> {
    fn from(wish: &'a push::Subscription) -> Self {
        Self {
            device_id: (&wish.device_id).into(),
            destination: (&wish.destination).into(),
            include_payload: wish.include_payload,
            resend: wish.resend,
            notify_requestor: wish.notify_requestor,
        }
    }
}

impl From<Subscription<'_>> for push::Subscription {
    fn from(wish: Subscription<'_>) -> Self {
        Self {
            device_id: wish.device_id.into_owned(),
            destination: wish.destination.into_owned(),
            include_payload: wish.include_payload,
            resend: wish.resend,
            notify_requestor: wish.notify_requestor,
        }
    }
}

impl From<push::Removal> for Removal {
    fn from(push::Removal { index, told }: push::Removal) -> Self {
        Self { index, told }
    }
}

impl From<Removal> for push::Removal {
    fn from(Removal { index, told }: Removal) -> Self {
        Self { index, told }
    }
}

impl From<push::Round> for Round {
    fn from(round: push::Round) -> Self {
        match round {
            push::Round::Idle => Self::Idle,
            push::Round::Posting { number, attempt } => Self::Posting { number, attempt },
            push::Round::Waiting { attempt, since } => Self::Waiting {
                attempt,
                since: since.0,
            },
            push::Round::Spent => Self::Spent,
        }
    }
}

impl From<Round> for push::Round {
    fn from(round: Round) -> Self {
        match round {
            Round::Idle => Self::Idle,
            Round::Posting { number, attempt } => Self::Posting { number, attempt },
            Round::Waiting { attempt, since } => Self::Waiting {
                attempt,
                since: Instant(since),
            },
            Round::Spent => Self::Spent,
        }
    }
}

impl From<&push::Subscriber> for Subscriber<'_> {
    fn from(subscriber: &push::Subscriber) -> Self {
        let parts = subscriber.parts();
        let push::Subscription {
            device_id,
            destination,
            include_payload,
            resend,
            notify_requestor,
        } = parts.subscription;
        Self {
            subscription: Subscription {
                device_id: device_id.into(),
                destination: destination.into(),
                include_payload,
                resend,
                notify_requestor,
            },
            owed: parts.owed.iter().map(Into::into).collect(),
            unretrieved: parts.unretrieved,
            round: parts.round.into(),
            removed: parts.removed.map(Into::into),
            next_number: parts.next_number,
        }
    }
}

impl From<Subscriber<'_>> for push::Subscriber {
    fn from(stored: Subscriber<'_>) -> Self {
        Self::from_parts(push::SubscriberParts {
            subscription: stored.subscription.into(),
            owed: stored.owed.into_iter().map(Into::into).collect(),
            unretrieved: stored.unretrieved,
            round: stored.round.into(),
            removed: stored.removed.map(Into::into),
            next_number: stored.next_number,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
