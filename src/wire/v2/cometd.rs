//! The data messages of the CometD API: complete Bayeux messages for `/service/chatV2/{service}`.

use bytes::Bytes;
use serde::Serialize;

use super::Failure;
use super::failure::Entry;
use super::reply::{Messages, Shown, Stretch};
use crate::id::SessionId;
use crate::wire::json::on_channel;

/// The channel of a service.
pub fn channel(service: &str) -> String {
    format!("/service/chatV2/{service}")
}

/// Events, or none, for the customer. `secure_key` is the one of the CometD door, the same for the life of the chat.
pub fn data(channel: &str, chat: SessionId, secure_key: &str, stretch: Stretch<'_>) -> Bytes {
    let data = Data {
        chat_ended: stretch.chat_ended,
        status_code: 0,
        secure_key,
        chat_id: Some(Shown(chat)),
        user_id: "deprecated",
        alias: "0",
        monitored: stretch.monitored,
        messages: Messages(stretch.events),
        next_position: Some(stretch.next_position),
        errors: None,
        reference_id: None,
    };
    on_channel(channel, &data)
}

/// Why an operation was not done. `secure_key` is what the caller gave, or, for a chat that never was, a fresh key that
/// opens nothing.
pub fn failed(
    channel: &str,
    chat: Option<SessionId>,
    secure_key: &str,
    failure: &Failure,
    reference_id: &str,
) -> Bytes {
    let data = Data {
        chat_ended: failure.chat_ended,
        status_code: failure.status_code,
        secure_key,
        chat_id: chat.map(Shown),
        user_id: "deprecated",
        alias: "0",
        monitored: false,
        messages: Messages(&[]),
        next_position: None,
        errors: Some(failure.entries()),
        reference_id: Some(reference_id),
    };
    on_channel(channel, &data)
}

/// Where the first field of [`Data`] says that the chat has ended.
const ENDED: &[u8] = br#","data":{"chatEnded":true,"#;

/// Whether a message made by [`data`] says that the chat has ended.
pub fn says_ended(message: &[u8]) -> bool {
    let head = &message[..message.len().min(1024)];
    head.windows(ENDED.len()).any(|part| part == ENDED)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    chat_ended: bool,
    status_code: u8,
    secure_key: &'a str,
    #[serde(serialize_with = "text_or_empty")]
    chat_id: Option<Shown<SessionId>>,
    user_id: &'static str,
    alias: &'static str,
    monitored: bool,
    messages: Messages<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Entry<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_id: Option<&'a str>,
}

/// Clients need a string there, even where there is no chat.
fn text_or_empty<S: serde::Serializer>(
    chat: &Option<Shown<SessionId>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match chat {
        Some(chat) => chat.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{chat, greeting, shared};

    #[test]
    fn an_event_is_told_in_the_shape_of_the_api() {
        let events = [shared(greeting(7))];
        let stretch = Stretch {
            events: &events,
            next_position: 8,
            chat_ended: false,
            monitored: false,
        };
        let told = data(&channel("customer-support"), chat(), "a2V5", stretch);
        assert_golden!("cometd-data", &told);
    }

    #[test]
    fn the_last_message_is_known_from_its_beginning() {
        let told = |chat_ended| {
            let stretch = Stretch {
                events: &[],
                next_position: 8,
                chat_ended,
                monitored: false,
            };
            data(&channel("customer-support"), chat(), "a2V5", stretch)
        };
        assert!(says_ended(&told(true)));
        assert!(!says_ended(&told(false)));
    }

    #[test]
    fn a_chat_that_never_was_has_an_empty_id() {
        let failure = Failure::finally(161, "nickname is missing, or firstName and lastName");
        let told = failed(
            &channel("customer-support"),
            None,
            "a2V5",
            &failure,
            "ref-1",
        );
        assert_golden!("cometd-failed", &told);
    }
}
