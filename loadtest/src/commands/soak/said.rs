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
    /// Messages of it, numbered from 1.
    pub written: u32,
    /// The number of the last that has arrived.
    pub heard: u32,
    /// Its agent has joined.
    pub joined: bool,
}

/// What has arrived in all chats.
#[derive(Clone, Copy, Default)]
pub struct Arrivals {
    /// Messages, each once and in order.
    pub delivered: u64,
    /// Messages that had not come when a later one did.
    pub skipped: u64,
    /// Messages that came again, or after a later one.
    pub again: u64,
}

/// Agents are told what they wrote themselves, too: only what a customer wrote counts there, and only what an agent wrote
/// is pushed, so that each counts once.
pub fn heard(message: &[u8], said: &mut Sayings, arrivals: &mut Arrivals) {
    for mark in Mark::all(message) {
        let Some(said) = said.get_mut(&mark.writer) else {
            continue;
        };
        if mark.number > said.heard {
            arrivals.delivered += 1;
            arrivals.skipped += u64::from(mark.number - said.heard - 1);
            said.heard = mark.number;
        } else {
            arrivals.again += 1;
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
