//! The replies of the REST API, in the shapes of the seed's samples.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::Failure;
use super::failure::Entry;
use crate::chat::{Event, UserData};
use crate::id::{SessionId, UserId};
use crate::wire::event::{Seen, Sight};
use crate::wire::json::encode;

/// Whom a reply is for: what the caller has to give again.
#[derive(Clone, Copy)]
pub struct Party<'a> {
    /// `alias`.
    pub alias: &'a str,
    /// `chatId`.
    pub chat: SessionId,
    /// `userId`.
    pub user: UserId,
    /// `secureKey`, of the REST door.
    pub secure_key: &'a str,
}

/// A stretch of the transcript, of events that the customer may see.
#[derive(Clone, Copy)]
pub struct Stretch<'a> {
    /// The events, in order.
    pub events: &'a [Arc<Event>],
    /// `nextPosition`.
    pub next_position: u64,
    /// `chatEnded`.
    pub chat_ended: bool,
    /// `monitored`.
    pub monitored: bool,
}

/// The reply to *Request Chat*.
pub fn requested(party: Party<'_>, stretch: Stretch<'_>) -> Bytes {
    encode(&Requested {
        status_code: 0,
        alias: party.alias,
        user_id: Shown(party.user),
        secure_key: party.secure_key,
        messages: Messages(stretch.events),
        chat_id: Shown(party.chat),
        chat_ended: stretch.chat_ended,
        next_position: stretch.next_position,
    })
}

/// The reply to a call that has nothing to show: typing, push URL, nickname, notice, user data, read receipt.
pub fn accepted(party: Party<'_>, chat_ended: bool) -> Bytes {
    encode(&Reply::of(party, chat_ended))
}

/// The reply to *Send Message*, with the transcript or with an empty one.
pub fn sent(party: Party<'_>, stretch: Stretch<'_>) -> Bytes {
    encode(&Reply {
        messages: Some(Messages(stretch.events)),
        chat_id: Some(Shown(party.chat)),
        next_position: Some(stretch.next_position),
        ..Reply::of(party, stretch.chat_ended)
    })
}

/// The reply to *Refresh Chat*. `tenant` is `tenantName`.
pub fn refreshed(party: Party<'_>, stretch: Stretch<'_>, tenant: &str) -> Bytes {
    encode(&Reply {
        messages: Some(Messages(stretch.events)),
        chat_id: Some(Shown(party.chat)),
        tenant_name: Some(tenant),
        next_position: Some(stretch.next_position),
        monitored: Some(stretch.monitored),
        ..Reply::of(party, stretch.chat_ended)
    })
}

/// The reply to *Get Limits*.
pub fn limits(party: Party<'_>, chat_ended: bool, limits: &UserData) -> Bytes {
    encode(&Reply {
        user_data: Some(limits),
        ..Reply::of(party, chat_ended)
    })
}

/// The reply to *Upload File* (with `file-id`) and *Delete File*.
pub fn file(
    party: Party<'_>,
    chat_ended: bool,
    user_data: Option<&UserData>,
    next_position: u64,
) -> Bytes {
    encode(&Reply {
        messages: Some(Messages(&[])),
        chat_id: Some(Shown(party.chat)),
        user_data,
        next_position: Some(next_position),
        ..Reply::of(party, chat_ended)
    })
}

/// The reply to *Disconnect*: everything is null but the status.
pub fn disconnected() -> Bytes {
    Bytes::from_static(
        br#"{"messages":null,"chatEnded":null,"statusCode":0,"alias":null,"secureKey":null,"userId":null}"#,
    )
}

/// The reply where the call was not done, at either level; `chat` is what the caller named, if it named a possible one.
pub fn failed(
    alias: &str,
    chat: Option<SessionId>,
    failure: &Failure,
    reference_id: &str,
) -> Bytes {
    encode(&Failed {
        messages: Messages(&[]),
        chat_ended: failure.chat_ended,
        status_code: failure.status_code,
        alias,
        chat_id: chat.map(Shown),
        errors: failure.entries(),
        reference_id,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Requested<'a> {
    status_code: u8,
    alias: &'a str,
    user_id: Shown<UserId>,
    secure_key: &'a str,
    messages: Messages<'a>,
    chat_id: Shown<SessionId>,
    chat_ended: bool,
    next_position: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    messages: Option<Messages<'a>>,
    chat_ended: bool,
    status_code: u8,
    alias: &'a str,
    secure_key: &'a str,
    user_id: Shown<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_id: Option<Shown<SessionId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<&'a UserData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitored: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    messages: Messages<'a>,
    chat_ended: bool,
    status_code: u8,
    alias: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_id: Option<Shown<SessionId>>,
    errors: [Entry<'a>; 1],
    reference_id: &'a str,
}

impl<'a> Reply<'a> {
    fn of(party: Party<'a>, chat_ended: bool) -> Self {
        Self {
            messages: None,
            chat_ended,
            status_code: 0,
            alias: party.alias,
            secure_key: party.secure_key,
            user_id: Shown(party.user),
            chat_id: None,
            user_data: None,
            tenant_name: None,
            next_position: None,
            monitored: None,
        }
    }
}

/// Events as the customer sees them.
pub(super) struct Messages<'a>(pub(super) &'a [Arc<Event>]);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seen = self.0.iter().map(|event| Seen::new(event, Sight::Customer));
        serializer.collect_seq(seen)
    }
}

/// An identifier as its text.
pub(super) struct Shown<T>(pub(super) T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
