//! A dead letter, as it is stored under its place.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::store::{DeadLetter, DeadLetterPlace};

#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a> {
    #[serde(rename = "to")]
    destination: Cow<'a, str>,
    #[serde(rename = "r")]
    reason: Cow<'a, str>,
    #[serde(rename = "w")]
    owed_at: u64,
    /// Bodies are JSON, and so UTF-8.
    #[serde(rename = "b", default, skip_serializing_if = "str::is_empty")]
    body: Cow<'a, str>,
}

impl<'a> From<&'a DeadLetter> for Stored<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        Self {
            destination: letter.destination.as_str().into(),
            reason: letter.reason.as_str().into(),
            owed_at: letter.owed_at.0,
            body: String::from_utf8_lossy(&letter.body),
        }
    }
}

impl Stored<'_> {
    pub(super) fn at(self, place: DeadLetterPlace) -> DeadLetter {
        DeadLetter {
            delivery: place.delivery,
            destination: self.destination.into_owned(),
            reason: self.reason.into_owned(),
            at: place.at,
            owed_at: Wall(self.owed_at),
            body: self.body.into_owned().into(),
        }
    }
}
