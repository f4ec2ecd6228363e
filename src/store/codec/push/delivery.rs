//! Deliveries and how they ended, as they are written.

use super::*;

#[derive(Serialize, Deserialize)]
pub(in crate::store::codec) struct Delivery {
    #[serde(rename = "n")]
    number: u64,
    #[serde(rename = "t")]
    owed_at: u64,
    #[serde(rename = "w")]
    owed_wall: u64,
    #[serde(rename = "c")]
    content: Content,
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    failed: u32,
    #[serde(rename = "b")]
    not_before: u64,
    #[serde(rename = "ra", default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

#[derive(Serialize, Deserialize)]
enum Content {
    #[serde(rename = "ev")]
    Event {
        #[serde(rename = "i")]
        index: u64,
        #[serde(rename = "e", default)]
        chat_ended: bool,
    },
    #[serde(rename = "note")]
    Notify {
        #[serde(rename = "a")]
        attempt: u32,
        #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        #[serde(rename = "x")]
        next_position: u64,
        #[serde(rename = "e", default)]
        chat_ended: bool,
    },
}

#[derive(Serialize, Deserialize)]
pub(in crate::store::codec) enum Outcome<'a> {
    #[serde(rename = "ok")]
    Delivered,
    #[serde(rename = "again")]
    Retry {
        #[serde(rename = "b")]
        not_before: u64,
        #[serde(rename = "ra", default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    #[serde(rename = "dead")]
    Dead {
        #[serde(rename = "r")]
        reason: Text<'a>,
    },
}

impl From<&push::Delivery> for Delivery {
    fn from(delivery: &push::Delivery) -> Self {
        Self {
            number: delivery.number,
            owed_at: delivery.owed_at.0,
            owed_wall: delivery.owed_wall.0,
            content: (&delivery.content).into(),
            failed: delivery.failed,
            not_before: delivery.not_before.0,
            retry_after: delivery.retry_after.map(|at| at.0),
        }
    }
}

impl From<Delivery> for push::Delivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            number: delivery.number,
            owed_at: Instant(delivery.owed_at),
            owed_wall: Wall(delivery.owed_wall),
            content: delivery.content.into(),
            failed: delivery.failed,
            not_before: Instant(delivery.not_before),
            retry_after: delivery.retry_after.map(Instant),
        }
    }
}

impl From<&push::Content> for Content {
    fn from(content: &push::Content) -> Self {
        match *content {
            push::Content::Event { index, chat_ended } => Self::Event { index, chat_ended },
            push::Content::Notify {
                attempt,
                position,
                next_position,
                chat_ended,
            } => Self::Notify {
                attempt,
                position,
                next_position,
                chat_ended,
            },
        }
    }
}

impl From<Content> for push::Content {
    fn from(content: Content) -> Self {
        match content {
            Content::Event { index, chat_ended } => Self::Event { index, chat_ended },
            Content::Notify {
                attempt,
                position,
                next_position,
                chat_ended,
            } => Self::Notify {
                attempt,
                position,
                next_position,
                chat_ended,
            },
        }
    }
}

impl<'a> From<&'a push::Outcome> for Outcome<'a> {
    fn from(outcome: &'a push::Outcome) -> Self {
        match outcome {
            push::Outcome::Delivered => Self::Delivered,
            push::Outcome::Retry {
                not_before,
                retry_after,
            } => Self::Retry {
                not_before: not_before.0,
                retry_after: retry_after.map(|at| at.0),
            },
            push::Outcome::Dead { reason } => Self::Dead {
                reason: reason.into(),
            },
        }
    }
}

impl From<Outcome<'_>> for push::Outcome {
    fn from(outcome: Outcome<'_>) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Retry {
                not_before,
                retry_after,
            } => Self::Retry {
                not_before: Instant(not_before),
                retry_after: retry_after.map(Instant),
            },
            Outcome::Dead { reason } => Self::Dead {
                reason: reason.into_owned(),
            },
        }
    }
}
