//! Domain types to bytes and back.
//!
//! One byte for the version, then JSON with short names: an operator can read what is stored. The shapes are types of
//! their own, so that the domain can improve while the disk stands still. What is added later gets a default, so that
//! older records go on being understood; `tests/fixtures/store` holds the codec to that.

mod chat;
mod dead_letter;
mod push;
mod snapshot;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DeadLetter, DeadLetterPlace, Record, Remembered, Snapshot};
use crate::clock::Instant;
use crate::json;

const VERSION: u8 = 1;

/// Why stored bytes are not understood. Never holds any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A later version wrote them.
    #[error("written in format {0}, which this version does not know")]
    Version(u8),
    /// They are not what this format says.
    #[error("not of the format it claims to be, near byte {0}")]
    Content(usize),
}

/// A record as it is written.
pub fn encode_record(record: &Record) -> Vec<u8> {
    encode(&StoredRecord {
        changes: record.changes.iter().map(Into::into).collect(),
        push: record.push.iter().map(Into::into).collect(),
        remembered: record.remembered.as_ref().map(Into::into),
    })
}

/// The reverse of [`encode_record`].
pub fn decode_record(bytes: &[u8]) -> Result<Record, Malformed> {
    let stored: StoredRecord<'_> = decode(bytes)?;
    Ok(Record {
        changes: stored.changes.into_iter().map(Into::into).collect(),
        push: stored.push.into_iter().map(Into::into).collect(),
        remembered: stored.remembered.map(Into::into),
    })
}

/// A snapshot as it is written.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    encode(&snapshot::Stored::from(snapshot))
}

/// The reverse of [`encode_snapshot`].
pub fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, Malformed> {
    decode::<snapshot::Stored<'_>>(bytes).map(Into::into)
}

/// A dead letter as it is written under its place.
pub fn encode_dead_letter(letter: &DeadLetter) -> Vec<u8> {
    encode(&dead_letter::Stored::from(letter))
}

/// The reverse of [`encode_dead_letter`].
pub fn decode_dead_letter(place: DeadLetterPlace, bytes: &[u8]) -> Result<DeadLetter, Malformed> {
    decode::<dead_letter::Stored<'_>>(bytes).map(|stored| stored.at(place))
}

#[derive(Serialize, Deserialize)]
struct StoredRecord<'a> {
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<chat::Change<'a>>,
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    push: Vec<push::Change<'a>>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    remembered: Option<StoredKey>,
}

/// A key of 128 bits is too large for a number of JSON.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    #[serde(rename = "h")]
    high: u64,
    #[serde(rename = "l")]
    low: u64,
    #[serde(rename = "t")]
    at: u64,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

impl From<&Remembered> for StoredKey {
    fn from(remembered: &Remembered) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let (high, low) = ((remembered.key >> 64) as u64, remembered.key as u64);
        Self {
            high,
            low,
            at: remembered.at.0,
            index: remembered.index,
        }
    }
}

impl From<StoredKey> for Remembered {
    fn from(stored: StoredKey) -> Self {
        Self {
            key: u128::from(stored.high) << 64 | u128::from(stored.low),
            at: Instant(stored.at),
            index: stored.index,
        }
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(VERSION);
    // Only what is in none of the stored shapes could make this fail: floats, strings of bytes, strange keys.
    if json::append(&mut bytes, value).is_err() {
        bytes.truncate(1);
    }
    bytes
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match bytes.split_first() {
        Some((&VERSION, json)) => {
            serde_json::from_slice(json).map_err(|error| Malformed::Content(error.column()))
        }
        Some((version, _)) => Err(Malformed::Version(*version)),
        None => Err(Malformed::Content(0)),
    }
}

/// An enum of plain words, and the way to the domain's and back.
macro_rules! words {
    ($name:ident for $domain:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        #[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
        pub(super) enum $name {
            $(#[serde(rename = $word)] $variant,)+
        }

        impl From<$domain> for $name {
            fn from(domain: $domain) -> Self {
                type Domain = $domain;
                match domain {
                    $(Domain::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$name> for $domain {
            fn from(stored: $name) -> Self {
                match stored {
                    $($name::$variant => Self::$variant,)+
                }
            }
        }
    };
}
use words;

#[cfg(test)]
mod tests;
