//! A sleeping session, as it is stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::chat::{IdleNotices, Participant};
use super::push::Subscriber;
use super::{StoredKey, words};
use crate::chat;
use crate::clock::{Instant, Wall};
use crate::id::ParticipantId;
use crate::store::Snapshot;

#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a> {
    #[serde(rename = "c")]
    chat: Session<'a>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    push: Option<Subscriber<'a>>,
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    remembered: Vec<StoredKey>,
    #[serde(rename = "l", default)]
    touched: u64,
    #[serde(rename = "g", default)]
    granted_once: bool,
}

#[derive(Serialize, Deserialize)]
struct Session<'a> {
    #[serde(rename = "s")]
    service: Cow<'a, str>,
    #[serde(rename = "t")]
    created_at: u64,
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(rename = "a", default)]
    async_mode: bool,
    #[serde(rename = "as", default)]
    async_status: i8,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<u64>,
    #[serde(rename = "i")]
    next_index: u64,
    #[serde(rename = "n")]
    next_participant: u32,
    #[serde(rename = "w", default)]
    participants: Vec<Participant<'a>>,
    #[serde(rename = "d", default)]
    user_data: Cow<'a, chat::UserData>,
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<(u32, u64)>,
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    idle_notices: Option<IdleNotices>,
    #[serde(rename = "ir", default)]
    idle_regular: Timer,
    #[serde(rename = "ia", default)]
    idle_asynchronous: Timer,
    #[serde(rename = "is", default)]
    idle_seen: u16,
}

#[derive(Default, Serialize, Deserialize)]
struct Timer {
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
}

words!(Stage for chat::Stage { Quiet = "q", Alerted = "1", AlertedTwice = "2" });

impl<'a> From<&'a Snapshot> for Stored<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self {
            chat: snapshot.chat.parts().into(),
            push: snapshot.push.as_ref().map(Into::into),
            remembered: snapshot.remembered.iter().map(Into::into).collect(),
            touched: snapshot.presence.touched.0,
            granted_once: snapshot.presence.granted_once,
        }
    }
}

impl From<Stored<'_>> for Snapshot {
    fn from(stored: Stored<'_>) -> Self {
        Self {
            chat: chat::Session::from_parts(stored.chat.into()),
            push: stored.push.map(Into::into),
            remembered: stored.remembered.into_iter().map(Into::into).collect(),
            presence: chat::Liveness {
                touched: Instant(stored.touched),
                granted_once: stored.granted_once,
            },
        }
    }
}

impl<'a> From<&'a chat::SessionParts> for Session<'a> {
    fn from(parts: &'a chat::SessionParts) -> Self {
        let receipts = parts.receipts.iter();
        Self {
            service: Cow::Borrowed(&parts.service),
            created_at: parts.created_at.0,
            subject: parts.subject.as_ref().map(Into::into),
            async_mode: parts.async_mode,
            async_status: parts.async_status,
            closed_at: parts.closed_at.map(|at| at.0),
            next_index: parts.next_index,
            next_participant: parts.next_participant,
            participants: parts.participants.iter().map(Into::into).collect(),
            user_data: Cow::Borrowed(&parts.user_data),
            receipts: receipts.map(|(whose, index)| (whose.0, *index)).collect(),
            idle_notices: parts.idle_notices.map(Into::into),
            idle_regular: parts.idle.regular.into(),
            idle_asynchronous: parts.idle.asynchronous.into(),
            idle_seen: parts.idle.seen,
        }
    }
}

impl From<Session<'_>> for chat::SessionParts {
    fn from(stored: Session<'_>) -> Self {
        let receipts = stored.receipts.into_iter();
        Self {
            service: stored.service.into(),
            created_at: Wall(stored.created_at),
            subject: stored.subject.map(Cow::into_owned),
            async_mode: stored.async_mode,
            async_status: stored.async_status,
            closed_at: stored.closed_at.map(Wall),
            next_index: stored.next_index,
            next_participant: stored.next_participant,
            participants: stored.participants.into_iter().map(Into::into).collect(),
            user_data: stored.user_data.into_owned(),
            receipts: receipts
                .map(|(whose, index)| (ParticipantId(whose), index))
                .collect(),
            idle_notices: stored.idle_notices.map(Into::into),
            idle: chat::Idle {
                regular: stored.idle_regular.into(),
                asynchronous: stored.idle_asynchronous.into(),
                seen: stored.idle_seen,
            },
        }
    }
}

impl From<chat::Timer> for Timer {
    fn from(timer: chat::Timer) -> Self {
        Self {
            since: timer.since.map(|since| since.0),
            stage: Some(timer.stage)
                .filter(|stage| *stage != chat::Stage::default())
                .map(Into::into),
        }
    }
}

impl From<Timer> for chat::Timer {
    fn from(stored: Timer) -> Self {
        Self {
            since: stored.since.map(Instant),
            stage: stored.stage.map(Into::into).unwrap_or_default(),
        }
    }
}
