//! What a client sends: a JSON array of messages, or one of them bare.

mod written;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::ClientId;
use crate::json::{DEPTH_MAX, deeper_than};
use crate::limit;

use super::advice::Wish;
use super::channel::{Channel, Meta};
use super::error::Error;
use super::ext::Asked;
use written::{Batch, Written};

/// The longest message id, in bytes.
pub const ID_MAX: usize = 64;

/// One message of a client. Fields nobody asked for are gone.
#[derive(Debug)]
pub struct Message<'a> {
    /// As it was sent, a number as a string; empty where there is none.
    pub id: Option<Box<str>>,
    /// As it was sent.
    pub channel: Option<Cow<'a, str>>,
    /// Who sends it; an identifier that cannot be ours is none.
    pub client: Option<ClientId>,
    /// What is published, unread.
    pub data: Option<&'a RawValue>,
    /// The extensions, unread.
    pub ext: Option<&'a RawValue>,
    /// It carries a `timestamp`, and so does its reply.
    pub stamped: bool,
    /// Its sender has sent too much: it is not done, and told so. Never read from a message.
    pub too_often: bool,
    advice: Option<&'a RawValue>,
    subscription: Option<&'a RawValue>,
    minimum_version: Option<&'a RawValue>,
    connection_types: Option<&'a RawValue>,
}

/// Why a body holds no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON, or nested too deep.
    #[error(
        "the body is not JSON in UTF-8, or nested deeper than 128 levels, or names a field twice"
    )]
    Json,
    /// It is JSON, but neither a message nor an array of them.
    #[error("the body is neither a message nor an array of messages")]
    NotMessages,
    /// Too many at once.
    #[error("too many messages; limit reached: [limits] batch = {0}")]
    TooMany(usize),
}

impl Malformed {
    /// More than `max` messages.
    pub fn too_many(max: usize) -> Self {
        limit::reached("[limits] batch");
        Self::TooMany(max)
    }
}

/// One channel or several, in the shape in which they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subscription {
    /// A bare string.
    One(Box<str>),
    /// An array.
    Many(Vec<Box<str>>),
}

/// Reads a request body of at most `batch_max` messages. It is taken whole or refused whole.
pub fn parse(body: &str, batch_max: usize) -> Result<Vec<Message<'_>>, Malformed> {
    if deeper_than(body, DEPTH_MAX) {
        return Err(Malformed::Json);
    }
    let Batch { messages, beyond } = serde_json::from_str(body).map_err(|_| why_not(body))?;
    if beyond || messages.len() > batch_max {
        return Err(Malformed::too_many(batch_max));
    }
    Ok(messages.into_iter().map(Message::from).collect())
}

/// What is wrong with a body that could not be read: JSON of something else is told from what is no JSON.
fn why_not(body: &str) -> Malformed {
    let Ok(whole) = serde_json::from_str::<&RawValue>(body) else {
        return Malformed::Json;
    };
    let elements = match whole.get().as_bytes().first() {
        Some(b'{') => vec![whole],
        Some(b'[') => serde_json::from_str(whole.get()).unwrap_or_default(),
        _ => Vec::new(),
    };
    let objects = elements
        .iter()
        .all(|element| element.get().starts_with('{'));
    match objects && !elements.is_empty() {
        true => Malformed::Json,
        false => Malformed::NotMessages,
    }
}

impl Message<'_> {
    /// The channel, or why there is none; the id is looked at too.
    pub fn target(&self) -> Result<Channel<'_>, Error> {
        let id = self.id.as_deref().unwrap_or("0");
        let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !letters || id.is_empty() || id.len() > ID_MAX {
            return Err(Error::MessageIdInvalid);
        }
        let channel = self.channel.as_deref().ok_or(Error::ChannelMissing)?;
        Channel::parse(channel).map_err(|_| Error::ChannelInvalid)
    }

    /// Whether it is a handshake.
    pub fn is_handshake(&self) -> bool {
        self.may_be("/meta/handshake") && self.target() == Ok(Channel::Meta(Meta::Handshake))
    }

    /// Whether it is a connect.
    pub fn is_connect(&self) -> bool {
        self.may_be("/meta/connect") && self.target() == Ok(Channel::Meta(Meta::Connect))
    }

    /// Saves a closer look at most messages, which are asked this more than once.
    fn may_be(&self, name: &str) -> bool {
        let channel = self.channel.as_deref();
        channel.is_some_and(|channel| channel.starts_with(name))
    }

    /// What it asks of the connect.
    pub(super) fn wish(&self) -> Wish {
        Wish::read(self.advice)
    }

    /// The extensions it uses.
    pub(super) fn asked(&self) -> Asked {
        Asked::read(self.ext)
    }

    /// What it (un)subscribes.
    pub(super) fn subscription(&self) -> Result<Subscription, Error> {
        let written = self.subscription.ok_or(Error::SubscriptionMissing)?;
        if written.get() == "null" {
            return Err(Error::SubscriptionMissing);
        }
        serde_json::from_str(written.get()).map_err(|_| Error::SubscriptionInvalid)
    }

    /// The oldest protocol it can do with.
    pub(super) fn minimum_version(&self) -> Option<String> {
        serde_json::from_str(self.minimum_version?.get()).ok()
    }

    /// The transports it can do; empty for any.
    pub(super) fn connection_types(&self) -> Vec<String> {
        self.connection_types
            .and_then(|types| serde_json::from_str(types.get()).ok())
            .unwrap_or_default()
    }
}

impl Subscription {
    /// The names, in order.
    pub fn names(&self) -> &[Box<str>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

impl<'a> From<Written<'a>> for Message<'a> {
    fn from(written: Written<'a>) -> Self {
        let client = written.client_id.and_then(text);
        Self {
            id: written.id.and_then(id),
            channel: written.channel.and_then(text),
            client: client.and_then(|text| text.parse().ok()),
            data: written.data,
            ext: written.ext,
            stamped: written.timestamp.is_some(),
            too_often: false,
            advice: written.advice,
            subscription: written.subscription,
            minimum_version: written.minimum_version,
            connection_types: written.supported_connection_types,
        }
    }
}

fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let plain = value
        .get()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match plain {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(value.get()).ok().map(Cow::Owned),
    }
}

/// A string as it is; what is neither string nor `null` as it was written, to be looked at by `target`.
fn id(value: &RawValue) -> Option<Box<str>> {
    match value.get() {
        "null" => None,
        other => Some(text(value).map_or_else(|| other.into(), |id| id.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Option<Malformed> {
        parse(body, 100).err()
    }

    #[test]
    fn row_002_an_object_is_an_array_of_one() {
        let one = parse(r#" {"channel":"/x","data":1} "#, 100).expect("a message");
        assert_eq!(one[0].channel.as_deref(), Some("/x"));
        assert_eq!(one[0].data.map(RawValue::get), Some("1"));
    }

    #[test]
    fn row_008_what_is_not_json_is_refused() {
        for body in [
            "",
            "{bad",
            "[{}] x",
            "[{}",
            "{\"a\":}",
            "[{\"id\":1,\"id\":2}]",
        ] {
            assert_eq!(refused(body), Some(Malformed::Json), "{body}");
        }
    }

    #[test]
    fn row_009_no_messages_are_no_error() {
        assert_eq!(parse("[]", 100).map(|messages| messages.len()), Ok(0));
    }

    #[test]
    fn row_010_what_is_no_message_is_refused() {
        for body in ["null", "42", "\"s\"", "[1]", "[null]", "[[]]", "[{},2]"] {
            assert_eq!(refused(body), Some(Malformed::NotMessages), "{body}");
        }
    }

    #[test]
    fn row_013_depth_is_bounded_and_numbers_are_kept() {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"channel":"/x","data":{open}"[[\"[["{close}}}"#)
        };
        assert!(parse(&nested(DEPTH_MAX - 1), 100).is_ok());
        assert_eq!(refused(&nested(DEPTH_MAX)), Some(Malformed::Json));
        assert_eq!(refused(&"[".repeat(60_000)), Some(Malformed::Json));
        for number in ["1e400", "-0", "9223372036854775808"] {
            let body = format!(r#"[{{"channel":"/x","data":{number}}}]"#);
            let messages = parse(&body, 100).expect("messages");
            assert_eq!(messages[0].data.map(RawValue::get), Some(number));
        }
    }

    #[test]
    fn a_batch_is_bounded() {
        assert_eq!(parse("[{},{},{}]", 2).err(), Some(Malformed::TooMany(2)));
    }

    #[test]
    fn row_093_an_id_is_letters_and_digits() {
        let target = |id: &str| {
            let body = format!(r#"{{"channel":"/x","id":{id}}}"#);
            let message = parse(&body, 1).expect("a message").remove(0);
            (message.target().err(), message.id.map(String::from))
        };
        assert_eq!(target("9"), (None, Some("9".to_owned())));
        assert_eq!(target("\"a9\""), (None, Some("a9".to_owned())));
        assert_eq!(target("null"), (None, None));
        for bad in ["\"8-a\"", "\"\"", "1.5", "{}", "[]"] {
            assert_eq!(target(bad).0, Some(Error::MessageIdInvalid), "{bad}");
        }
    }

    #[test]
    fn escapes_in_names_are_read() {
        let message = parse(r#"{"channel":"\/service\/\u0061"}"#, 1).expect("a message");
        assert_eq!(message[0].target(), Ok(Channel::Service("/service/a")));
    }
}
