//! Messages as they are written, read in one pass: their values are looked at by whoever needs them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The fields in whose values we believe nothing yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) channel: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) client_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) ext: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) advice: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) subscription: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) minimum_version: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) supported_connection_types: Option<&'a RawValue>,
}

/// A field that is there, were it `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// The messages of a body. What is far beyond any limit is looked over, and not kept.
pub(super) struct Batch<'a> {
    pub(super) messages: Vec<Written<'a>>,
    pub(super) beyond: bool,
}

/// More messages than any configuration allows.
const BATCH_MAX: usize = 10_000;

impl<'de> Deserialize<'de> for Batch<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BatchVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message or an array of messages")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        let message = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Batch {
            messages: vec![message],
            beyond: false,
        })
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Self::Value, S::Error> {
        let mut messages = Vec::with_capacity(1);
        while let Some(Object(message)) = elements.next_element()? {
            if messages.len() == BATCH_MAX {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Batch {
                    messages,
                    beyond: true,
                });
            }
            messages.push(message);
        }
        Ok(Batch {
            messages,
            beyond: false,
        })
    }
}

/// A message in an array: an object, and not an array of its values, which would be read as one too.
struct Object<'a>(Written<'a>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor).map(Self)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Written<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        Written::deserialize(MapAccessDeserializer::new(map))
    }
}
