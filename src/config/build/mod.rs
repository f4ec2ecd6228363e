//! From what is written to what is meant.

mod agents;
mod chats;
mod edges;
mod push;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use agents::hex;

use super::error::{Origin, Problem};
use super::kind::{Meaning, Meant};
use super::meant::{Config, LogFormat, LogLevel, Role, SameSite, Transport};
use super::place::SectionId;
use super::written::{Entry, Written};
use crate::chat::IdleNotices;

/// The configuration that `written` means, or why it means none.
pub(super) fn config(written: &Written) -> Result<Config, Problem> {
    let at = |path: &[&str]| Section {
        written,
        id: SectionId::of(path),
    };
    let chat = at(&["chat"]);
    Ok(Config {
        server: edges::server(&at(&["server"]))?,
        log: edges::log(&at(&["log"]))?,
        store: edges::store(&at(&["store"]))?,
        limits: edges::limits(&at(&["limits"]))?,
        rate_limit: edges::rate_limit(&at(&["rate-limit"]))?,
        load_limits: chats::load_limits(&at(&["settings"]))?,
        cometd: edges::cometd(&at(&["cometd"]))?,
        policy: Arc::new(chats::policy(written, &chat)?),
        reply_bytes_max: at(&["settings"]).read("max-reply-size")?,
        services: family(written, &["chat", "*"], chats::service)?,
        push: push::push(written)?,
        agents: agents::agents(written)?,
    })
}

/// A section whose options are being read.
struct Section<'a> {
    written: &'a Written,
    id: SectionId,
}

impl Section<'_> {
    /// An option that always has a value, its own or a default.
    fn read<T: Meant>(&self, option: &str) -> Result<T, Problem> {
        self.find(option)?.ok_or_else(|| Problem::Missing {
            at: self.written.origin_of(&self.id),
            section: self.id.to_string().into(),
            option: option.into(),
        })
    }

    /// An option that may have none.
    fn find<T: Meant>(&self, option: &str) -> Result<Option<T>, Problem> {
        let Some(entry) = self.entry(option) else {
            return Ok(None);
        };
        match T::meant(&entry.meaning) {
            Some(value) => Ok(Some(value)),
            None => Err(self.conflict(option, "is not what its kind promises")),
        }
    }

    fn entry(&self, option: &str) -> Option<&Entry> {
        self.written
            .effective(&self.id, option)
            .map(|(_, entry)| entry)
    }

    fn origin(&self, option: &str) -> Origin {
        self.entry(option).map_or_else(
            || self.written.origin_of(&self.id),
            |entry| entry.origin.clone(),
        )
    }

    fn conflict(&self, option: &str, conflict: impl Into<String>) -> Problem {
        Problem::Conflict {
            at: self.origin(option),
            section: self.id.to_string().into(),
            option: option.into(),
            conflict: conflict.into().into(),
        }
    }
}

/// All sections of a family, by name.
fn family<T>(
    written: &Written,
    path: &[&str],
    make: impl Fn(&Section<'_>) -> Result<T, Problem>,
) -> Result<BTreeMap<String, T>, Problem> {
    let names = written.names(path).into_iter();
    names
        .map(|name| {
            let id = SectionId::named(path, &name);
            Ok((name, make(&Section { written, id })?))
        })
        .collect()
}

/// Words of the file and what they stand for.
macro_rules! words {
    ($($type:ident { $($word:literal => $variant:ident),* })*) => {$(
        impl Meant for $type {
            fn meant(meaning: &Meaning) -> Option<Self> {
                match meaning {
                    Meaning::Text(word) => match word.as_str() {
                        $($word => Some(Self::$variant),)*
                        _ => None,
                    },
                    _ => None,
                }
            }
        }
    )*};
}

words! {
    LogFormat { "text" => Text, "json" => Json }
    LogLevel { "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace }
    IdleNotices { "none" => None, "major" => Major, "major2" => Major2, "typing" => Typing, "all" => All }
    Transport { "websocket" => WebSocket, "long-polling" => LongPolling, "callback-polling" => CallbackPolling }
    SameSite { "auto" => Auto, "none" => None, "lax" => Lax, "strict" => Strict }
    Role { "agent" => Agent, "supervisor" => Supervisor, "bot" => Bot }
}
