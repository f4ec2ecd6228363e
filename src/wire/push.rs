//! The bodies of push notifications: seed *Push notifications via GMS to HTTP server*.
//!
//! A body is made from what was stored when the push became owed, so every attempt at it sends the same bytes.
//! `monitored` is therefore always false here: it may change between two attempts.

use bytes::Bytes;
use serde::Serialize;

use super::event::{Seen, Sight};
use super::json::encode;
use super::keys::Keys;
use crate::chat::Event;
use crate::id::{ParticipantId, SessionId};
use crate::push::{Content, Delivery, Subscription};

/// `flex-push-content`: what a push without event gives a REST client to refresh with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reveal {
    /// `session-id`.
    pub session_id: bool,
    /// `user-id`.
    pub user_id: bool,
    /// `secure-key`, of the REST door.
    pub secure_key: bool,
    /// `app-dbid`, the REST alias.
    pub app_dbid: bool,
}

impl Default for Reveal {
    fn default() -> Self {
        Self {
            session_id: true,
            user_id: true,
            secure_key: false,
            app_dbid: false,
        }
    }
}

/// What a body is made with, beside the delivery.
#[derive(Clone, Copy, Debug)]
pub struct With<'a> {
    /// Makes the keys in the body.
    pub keys: &'a Keys,
    /// Whose chat it is.
    pub session: SessionId,
    /// The service's name, where it is part of the key (`GCTI_GMS_ClientChannel`).
    pub service: Option<&'a str>,
    /// `[server] alias`.
    pub alias: &'a str,
    /// `flex-push-content`.
    pub reveal: Reveal,
    /// `customhttp.message`, which takes the place of the content; empty: unused.
    pub replacement: &'a str,
}

/// The body of a delivery. `event` is the one that [`Content::Event`] tells of; without it only the device is named.
pub fn body(
    delivery: &Delivery,
    subscription: &Subscription,
    event: Option<&Event>,
    with: &With<'_>,
) -> Bytes {
    let device_id = subscription.device_id.as_str();
    if !with.replacement.is_empty() {
        return encode(&Body {
            message: Some(with.replacement),
            device_id,
        });
    }
    match (&delivery.content, event) {
        (
            Content::Notify {
                attempt,
                position,
                next_position,
                chat_ended,
            },
            _,
        ) => {
            let notice = Notice {
                attempt: *attempt,
                position: *position,
                utc_time: delivery.owed_wall.0,
            };
            notify(notice, *next_position, *chat_ended, device_id, with)
        }
        (Content::Event { chat_ended, .. }, Some(event)) if subscription.include_payload => {
            let message = Message {
                secure_key: with.keys.cometd(with.session, with.service),
                chat_id: DEPRECATED,
                next_position: event.index + 1,
                messages: [Seen::new(event, Sight::Push)],
                alias: "0",
                chat_ended: *chat_ended,
                user_id: DEPRECATED,
                status_code: 0,
                monitored: false,
            };
            encode(&Body {
                message: Some(message),
                device_id,
            })
        }
        (Content::Event { .. }, _) => encode(&Body::<()> {
            message: None,
            device_id,
        }),
    }
}

const DEPRECATED: &str = "deprecated";

/// What a push without event tells.
struct Notice {
    attempt: u32,
    position: Option<u64>,
    utc_time: u64,
}

fn notify(
    notice: Notice,
    next_position: u64,
    chat_ended: bool,
    device_id: &str,
    with: &With<'_>,
) -> Bytes {
    let message = Message {
        secure_key: with.keys.cometd(with.session, with.service),
        chat_id: DEPRECATED,
        next_position,
        messages: [Pseudo::of(notice, with)],
        alias: "0",
        chat_ended,
        user_id: DEPRECATED,
        status_code: 0,
        monitored: false,
    };
    encode(&Body {
        message: Some(message),
        device_id,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<T>,
    device_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<T> {
    secure_key: String,
    chat_id: &'static str,
    next_position: u64,
    messages: [T; 1],
    alias: &'static str,
    chat_ended: bool,
    user_id: &'static str,
    status_code: u8,
    monitored: bool,
}

/// The event that is none: nobody's `PushUrl` with index 0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pseudo<'a> {
    from: Nobody,
    index: u8,
    text: &'static str,
    r#type: &'static str,
    utc_time: u64,
    user_data: Coordinates<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nobody {
    nickname: &'static str,
    participant_id: u32,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Coordinates<'a> {
    notify_attempt: String,
    notify_position: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_dbid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
}

impl<'a> Pseudo<'a> {
    fn of(notice: Notice, with: &With<'a>) -> Self {
        let (keys, session, reveal) = (with.keys, with.session, with.reveal);
        let user = keys.user(session, ParticipantId(1));
        Self {
            from: Nobody {
                nickname: "",
                participant_id: 0,
                r#type: "Client",
            },
            index: 0,
            text: "PUSH-NOTIFICATION",
            r#type: "PushUrl",
            utc_time: notice.utc_time,
            user_data: Coordinates {
                notify_attempt: notice.attempt.to_string(),
                notify_position: match notice.position {
                    Some(position) => position.to_string(),
                    None => "-1".to_owned(),
                },
                secure_key: reveal.secure_key.then(|| keys.rest(session)),
                app_dbid: reveal.app_dbid.then_some(with.alias),
                user_id: reveal.user_id.then(|| user.to_string()),
                session_id: reveal.session_id.then(|| session.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests;
