//! What a client is answered. Every reply is built anew; nothing a client sent is copied but its id and its channels.

use bytes::Bytes;
use serde::Serialize;

use super::advice::Advice;
use super::error::Error;
use super::ext::Told;
use super::message::{Message, Subscription};

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
}

impl Reply<'_> {
    /// The reply as it goes out.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
    }
}

/// The reply to a message that was refused for `error`.
pub fn refusal(message: &Message<'_>, error: &Error) -> Bytes {
    let unknown = *error == Error::SessionUnknown;
    Reply {
        id: message.id.as_deref(),
        channel: message.channel.as_deref(),
        error: Some(&error.to_string()),
        advice: unknown.then(Advice::handshake),
        ..Reply::default()
    }
    .encode()
}

/// The replies to messages of a client nobody knows.
pub fn unknown_client(messages: &[Message<'_>]) -> Vec<Bytes> {
    let reply = |message: &Message<'_>| {
        let error = message.target().err().unwrap_or(Error::SessionUnknown);
        refusal(message, &error)
    };
    messages.iter().map(reply).collect()
}

/// The unsolicited message that ends a client.
pub fn farewell() -> Bytes {
    Bytes::from_static(br#"{"channel":"/meta/disconnect","successful":true}"#)
}
