//! What clients say: Bayeux messages, structured content, keys, and how JSON is written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::text;
use crate::bayeux::{self, Malformed, Message};
use crate::chat::{Kv, KvList, UserData};
use crate::clock::Wall;
use crate::id::{ClientId, ParticipantId, SessionId, UserId};
use crate::push::{Destinations, Subscription, Wish};
use crate::wire::agent::{self, answer};
use crate::wire::keys::Keys;
use crate::wire::v2::{Fields, Operation, Publish};

/// Messages in one request, as `[limits] batch` has it.
const BATCH_MAX: usize = 100;
/// Bytes of an answer to an agent beside what it gives back.
const ANSWER_MAX: usize = 4096;

/// Bayeux messages: what is accepted is JSON, within its limits, and means the same once it was written by our own writer.
pub fn bayeux(bytes: &[u8]) {
    let Some(body) = text(bytes) else { return };
    match bayeux::parse(body, BATCH_MAX) {
        Ok(messages) => {
            assert!(messages.len() <= BATCH_MAX);
            assert!(serde_json::from_str::<&RawValue>(body).is_ok());
            messages.iter().for_each(reads_back);
        }
        Err(Malformed::NotMessages | Malformed::TooMany(_)) => {
            assert!(serde_json::from_str::<&RawValue>(body).is_ok());
        }
        Err(Malformed::Json) => {}
    }
}

#[derive(Serialize)]
struct Written<'a> {
    id: Option<&'a str>,
    channel: Option<&'a str>,
    data: Option<&'a RawValue>,
    ext: Option<&'a RawValue>,
}

fn reads_back(message: &Message<'_>) {
    let target = message.target();
    assert!(!(message.is_handshake() && message.is_connect()));
    let written = Written {
        id: message.id.as_deref(),
        channel: message.channel.as_deref(),
        data: message.data,
        ext: message.ext,
    };
    let mut again = Vec::new();
    let written = crate::json::append(&mut again, &written);
    assert!(written.is_ok());
    let again = String::from_utf8_lossy(&again);
    let messages = bayeux::parse(&again, 1).unwrap_or_default();
    let [read] = messages.as_slice() else {
        panic!("a message that was accepted is refused once it is written again");
    };
    assert_eq!(read.id, message.id);
    assert_eq!(read.channel, message.channel);
    assert_eq!(read.target(), target);
    let of =
        |value: Option<&RawValue>| value.map_or("null".to_owned(), |value| value.get().to_owned());
    assert_eq!(of(read.data), of(message.data));
    assert_eq!(of(read.ext), of(message.ext));
}

/// Structured content of customers and of agents: nothing is longer than what was sent, no NUL comes through, and whoever
/// asked for something impossible is told so in a few words.
pub fn publish(bytes: &[u8]) {
    let Some(data) = text(bytes) else { return };
    customers(data);
    agents(data);
}

fn customers(data: &str) {
    let publish = Publish::parse(data);
    assert!(publish.secure_key.len() <= data.len());
    if let Ok(operation) = publish.operation {
        // A NUL would be written as an escape.
        assert!(
            !format!("{operation:?}").contains("\\0"),
            "a NUL came through"
        );
        let _ = operation.into_command();
    }
    let Ok(fields) = Fields::from_json(data) else {
        return;
    };
    let size: usize = fields
        .user_data
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    assert!(size <= data.len());
    assert!(bytes_of(&fields.attributes) <= data.len());
    if let Ok(Operation::RequestChat(asked)) = Operation::named("requestChat", fields) {
        let _ = crate::wire::v2::request_chat(
            "customer-support",
            asked,
            &crate::chat::Policy::default(),
        );
    }
}

fn bytes_of(list: &KvList) -> usize {
    let item = |item: &Kv| match item {
        Kv::Text(text) => text.len(),
        Kv::List(list) => bytes_of(list),
    };
    list.0
        .iter()
        .map(|(key, value)| key.len() + item(value))
        .sum()
}

fn agents(data: &str) {
    match agent::Request::parse(data) {
        Ok(request) => assert!(
            !format!("{:?}", request.operation).contains("\\0"),
            "a NUL came through"
        ),
        Err(malformed) => {
            let told = answer::refused(&malformed.asked, malformed.code, &malformed.advice);
            assert!(told.len() <= ANSWER_MAX, "{} bytes", told.len());
            assert!(serde_json::from_slice::<&RawValue>(&told).is_ok());
        }
    }
}

/// Our own writer of JSON writes what `serde_json` writes, and what was read from it.
pub fn json(bytes: &[u8]) {
    let lossy = String::from_utf8_lossy(bytes);
    same_as_serde(&*lossy);
    same_as_serde(&lossy.chars().collect::<Vec<_>>());
    let pairs: BTreeMap<&str, &str> = lossy
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    same_as_serde(&pairs);
    if let Some(numbers) = bytes.first_chunk::<8>() {
        same_as_serde(&(
            u64::from_le_bytes(*numbers),
            i64::from_le_bytes(*numbers),
            [u128::MAX],
        ));
        same_as_serde(&BTreeMap::from([(i64::from_le_bytes(*numbers), ())]));
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes)
        && !has_float(&value)
    {
        same_as_serde(&value);
    }
    if let Ok(raw) = serde_json::from_slice::<&RawValue>(bytes) {
        same_as_serde(&[raw]);
    }
}

fn same_as_serde<T: Serialize + ?Sized>(value: &T) {
    let ours = crate::json::to_vec(value).ok();
    let theirs = serde_json::to_vec(value).ok();
    assert!(ours == theirs, "written differently");
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Keys and identifiers that somebody made up: none opens anything, and what is read as an identifier is written as it was.
pub fn keys(bytes: &[u8]) {
    let Some(guess) = text(bytes) else { return };
    let mine = SessionId::new(Wall(1_700_000_000_000), 42);
    let keys = Keys::new([7; 32]).for_service("customer-support");
    for key in guess.lines().chain([guess]) {
        identifiers(key);
        assert_eq!(keys.open(key), None, "a guess opened a chat");
        let user = keys.user(mine, ParticipantId(1)).to_string();
        assert!(!keys.check_rest_or_cometd(mine, Some(&user), key));
    }
    let user_data: UserData = guess
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let known = Destinations {
        names: ["customhttp".to_owned(), "main.debug.customhttp".to_owned()].into(),
    };
    for cometd in [false, true] {
        if let Ok(Some(subscription)) = Subscription::parse(&user_data, cometd, false, &known) {
            assert!(known.names.contains(&subscription.destination));
        }
    }
    let present = Subscription {
        device_id: "phone".to_owned(),
        destination: "main.debug.customhttp".to_owned(),
        include_payload: true,
        resend: false,
        notify_requestor: false,
    };
    let wish = Wish::read(&user_data, true);
    let renewed = wish.map(|wish| wish.subscription(Some(&present), false, &known));
    if let Some(Ok(renewed)) = renewed {
        assert!(renewed.is_some_and(|renewed| known.names.contains(&renewed.destination)));
    }
}

fn identifiers(text: &str) {
    if let Ok(session) = text.parse::<SessionId>() {
        assert_eq!(session.to_string(), text);
        assert_eq!(SessionId::checked(session.to_bytes()), Ok(session));
    }
    if let Ok(client) = text.parse::<ClientId>() {
        assert_eq!(client.to_string(), text);
    }
    if let Ok(user) = text.parse::<UserId>() {
        assert!(user.to_string().eq_ignore_ascii_case(text));
    }
}
