//! Writing and reading JSON, for the shapes of this module.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _, Serialize};
use serde_json::value::RawValue;

use crate::chat::{Kv, KvList};
use crate::json;

/// A JSON text. The shapes of this module have string keys and nothing that can fail to be written.
pub(super) fn encode<T: Serialize>(shape: &T) -> Bytes {
    json::to_vec(shape).map(Bytes::from).unwrap_or_default()
}

/// Room for a message that carries one event of usual length: an encoding that fits is never moved.
const MESSAGE_BYTES: usize = 1024;

/// A Bayeux message that carries `data` on `channel`.
pub(super) fn on_channel<T: Serialize>(channel: &str, data: &T) -> Bytes {
    let mut message = Vec::with_capacity(MESSAGE_BYTES);
    let written = json::append(&mut message, &Message { channel, data });
    written.map(|()| Bytes::from(message)).unwrap_or_default()
}

#[derive(Serialize)]
struct Message<'a, T> {
    channel: &'a str,
    data: &'a T,
}

/// The members of a JSON object, unparsed; of a repeated one the last.
pub(super) fn members(json: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(json).ok()
}

/// The members of a JSON object, unparsed, as they follow each other, repeated ones too.
pub(super) fn members_in_order(json: &str) -> Option<Vec<(String, &RawValue)>> {
    let mut json = serde_json::Deserializer::from_str(json);
    let members = json.deserialize_map(InOrder).ok()?;
    json.end().ok().map(|()| members)
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// What a value is, where only texts count.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// `null`: as if it were not there.
    Absent,
    /// A string, or a number or truth value as it is written.
    Text(String),
    /// An object or array.
    Nested,
}

/// A value as a text.
pub(super) fn scalar(value: &RawValue) -> Scalar {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'{' | b'[') => Scalar::Nested,
        Some(b'n') => Scalar::Absent,
        Some(b'"') => serde_json::from_str(json).map_or(Scalar::Nested, Scalar::Text),
        _ => Scalar::Text(json.to_owned()),
    }
}

/// A key-value list: objects of texts and of objects, at most [`DEPTH_MAX`] deep; `None` for anything else.
pub(super) fn list(value: &RawValue) -> Option<KvList> {
    list_below(value, DEPTH_MAX)
}

/// How deep key-value lists go.
const DEPTH_MAX: usize = 8;

fn list_below(value: &RawValue, depth: usize) -> Option<KvList> {
    let depth = depth.checked_sub(1)?;
    let mut list = KvList::default();
    for (name, value) in members(value.get())? {
        let item = match scalar(value) {
            Scalar::Absent => continue,
            Scalar::Text(text) => Kv::Text(text),
            Scalar::Nested => Kv::List(list_below(value, depth)?),
        };
        list.0.insert(name, item);
    }
    Some(list)
}

/// Whether a text or a name in a list has a NUL in it, which is refused everywhere.
pub(super) fn list_has_nul(list: &KvList) -> bool {
    list.0.iter().any(|(name, value)| {
        name.contains('\0')
            || match value {
                Kv::Text(text) => text.contains('\0'),
                Kv::List(below) => list_has_nul(below),
            }
    })
}

/// A key-value list to be written.
pub(super) struct List<'a>(pub(super) &'a KvList);

impl Serialize for List<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, value)| (name, Item(value))))
    }
}

struct Item<'a>(&'a Kv);

impl Serialize for Item<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Kv::Text(text) => serializer.serialize_str(text),
            Kv::List(list) => List(list).serialize(serializer),
        }
    }
}

/// A scalar of JSON, given back exactly as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Verbatim(Box<RawValue>);

impl Verbatim {
    /// Takes a string or number of at most `bytes_max`.
    pub(super) fn of(value: &RawValue, bytes_max: usize) -> Option<Self> {
        let short = value.get().len() <= bytes_max;
        let simple = matches!(scalar(value), Scalar::Text(_));
        (short && simple).then(|| Self(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn scalars_become_texts() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        assert_eq!(scalar(&raw(r#""a\u00e9""#)), text("aé"));
        assert_eq!(scalar(&raw("12.50")), text("12.50"));
        assert_eq!(scalar(&raw("true")), text("true"));
        assert_eq!(scalar(&raw("null")), Scalar::Absent);
        assert_eq!(scalar(&raw("[1]")), Scalar::Nested);
    }

    #[test]
    fn members_are_found_in_the_order_of_the_document() {
        let members = members_in_order(r#" {"b":1,"a":[2],"b":{}} "#).unwrap();
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert_eq!(members[2].1.get(), "{}");
        assert!(members_in_order("{} {}").is_none());
        assert!(members_in_order("[1]").is_none());
    }

    #[test]
    fn lists_nest_but_not_without_end() {
        let nested = list(&raw(r#"{"a":{"b":1},"c":"d","e":null}"#)).unwrap();
        assert_eq!(nested.text(&["a", "b"]), Some("1"));
        assert_eq!(nested.text(&["c"]), Some("d"));
        assert_eq!(nested.0.len(), 2);
        assert_eq!(list(&raw(r#"{"a":[1]}"#)), None);
        let deep = format!("{}1{}", r#"{"a":"#.repeat(9), "}".repeat(9));
        assert_eq!(list(&raw(&deep)), None);
    }
}
