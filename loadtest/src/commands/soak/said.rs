//! What was said, and what of it has arrived.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use serde_json::Value;

use crate::mark::Mark;

/// By the number of the chat.
pub type Sayings = HashMap<u32, Said>;

/// What was said in one chat, and what of it has arrived.
#[derive(Clone, Copy, Default)]
pub struct Said {
    pub written: u32,
    pub heard: u32,
    pub joined: bool,
}

/// Agents are told what they wrote themselves, too: only what a customer wrote counts there, and only what an agent wrote
/// is pushed, so that each counts once.
pub fn heard(message: &[u8], said: &mut Sayings, delivered: &mut u64) {
    for mark in Mark::all(message) {
        let Some(said) = said.get_mut(&mark.writer) else {
            continue;
        };
        if mark.number > said.heard {
            *delivered += u64::from(mark.number - said.heard);
            said.heard = mark.number;
        }
    }
}

/// The answer to an agent's request: whoever has joined is spoken to from now on.
pub fn joined(message: &[u8], said: &mut Sayings) -> Result<()> {
    if memmem::find(message, b"\"requestId\"").is_none() {
        return Ok(());
    }
    let messages: Value = serde_json::from_slice(message).context("an answer that is no JSON")?;
    for data in messages
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| &message["data"])
    {
        let Some(number) = data["requestId"]
            .as_str()
            .and_then(|id| id.strip_prefix("join-"))
        else {
            continue;
        };
        if data["ok"] != true {
            bail!("an agent may not join: {data}");
        }
        if let Some(said) = number
            .parse()
            .ok()
            .and_then(|number: u32| said.get_mut(&number))
        {
            said.joined = true;
        }
    }
    Ok(())
}
