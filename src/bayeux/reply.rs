//! What a client is answered. Every reply is built anew; nothing a client sent is copied but its id and its channels.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::advice::Advice;
use super::error::Error;
use super::ext::Told;
use super::message::{Message, Subscription};
use super::timestamp::Timestamp;
use crate::clock::Wall;
use crate::json;

/// The pause of a client that has sent too much.
pub const TOO_OFTEN_PAUSE: Duration = Duration::from_millis(1_000);

/// One reply, field by field.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_connection_types: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription: Option<&'a Subscription>,
    pub successful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

impl Reply<'_> {
    /// The reply as it goes out.
    pub fn encode(&self) -> Bytes {
        json::to_vec(self).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
    }
}

/// The reply to a message that was refused for `error`.
pub fn refusal(message: &Message<'_>, error: &Error, now: Wall) -> Bytes {
    let advice = match error {
        Error::SessionUnknown => Some(Advice::handshake()),
        // Clients keep advice, so only the one that may make a pause is asked for it.
        Error::TooOften if message.is_connect() => Some(Advice::retry_after(TOO_OFTEN_PAUSE)),
        _ => None,
    };
    Reply {
        id: message.id.as_deref(),
        channel: message.channel.as_deref(),
        error: Some(&error.to_string()),
        advice,
        timestamp: message.stamped.then_some(Timestamp(now)),
        ..Reply::default()
    }
    .encode()
}

/// The replies to messages of a client nobody knows.
pub fn unknown_client(messages: &[Message<'_>], now: Wall) -> Vec<Bytes> {
    let reply = |message: &Message<'_>| {
        let unknown = if message.too_often {
            Error::TooOften
        } else {
            Error::SessionUnknown
        };
        refusal(message, &message.target().err().unwrap_or(unknown), now)
    };
    messages.iter().map(reply).collect()
}

/// The unsolicited message that ends a client.
pub fn farewell() -> Bytes {
    Bytes::from_static(br#"{"channel":"/meta/disconnect","successful":true}"#)
}

/// Messages as one JSON array.
pub fn array(messages: &[Bytes]) -> Vec<u8> {
    let mut array = Vec::with_capacity(array_length(messages));
    put_array(&mut array, messages);
    array
}

/// How many bytes [`put_array`] puts.
pub fn array_length(messages: &[Bytes]) -> usize {
    let bytes: usize = messages.iter().map(Bytes::len).sum();
    bytes + messages.len().saturating_sub(1) + 2
}

/// Appends messages as one JSON array.
pub fn put_array(out: &mut Vec<u8>, messages: &[Bytes]) {
    out.push(b'[');
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(message);
    }
    out.push(b']');
}
