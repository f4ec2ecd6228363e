//! The first message of a client.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::Wall;
use crate::id::ClientId;

use super::advice::Advice;
use super::error::Error;
use super::ext::{Ack, Timesync, Told};
use super::reply::{Reply, TOO_OFTEN_PAUSE};
use super::timestamp::Timestamp;
use super::{Config, Message};

const VERSION: &str = "1.0";
const CHANNEL: &str = "/meta/handshake";

/// A handshake that the protocol has nothing against; the application decides.
#[derive(Debug)]
pub struct Greeting {
    id: Option<Box<str>>,
    timesync: Option<Timesync>,
    stamped: bool,
    pub(super) acknowledge: bool,
}

impl Greeting {
    /// Looks at a handshake. The error is the reply that refuses it.
    pub fn read(message: &Message<'_>, config: &Config, now: Wall) -> Result<Self, Bytes> {
        judge(message, config).map_err(|error| refusal(message, &error, config, now))?;
        let asked = message.asked();
        Ok(Self {
            id: message.id.clone(),
            timesync: asked.timesync,
            stamped: message.stamped,
            acknowledge: asked.acknowledge,
        })
    }

    /// The reply to a client that is welcome.
    pub fn accept(&self, client: ClientId, config: &Config, now: Wall) -> Bytes {
        let types: Vec<_> = config.transports.iter().map(|kind| kind.name()).collect();
        let told = Told {
            ack: self.acknowledge.then_some(Ack::Enabled(true)),
            timesync: self.timesync.and_then(|timesync| timesync.answer(now)),
        };
        Reply {
            id: self.id.as_deref(),
            channel: Some(CHANNEL),
            client_id: Some(&client.to_string()),
            version: Some(VERSION),
            minimum_version: Some(VERSION),
            supported_connection_types: Some(&types),
            successful: true,
            advice: Some(Advice::usual(config)),
            ext: told.or_none(),
            timestamp: self.stamped.then_some(Timestamp(now)),
            ..Reply::default()
        }
        .encode()
    }

    /// The reply to a client that the application refuses; `none`: it shall not come again.
    pub fn refuse(&self, error: &str, none: bool, config: &Config, now: Wall) -> Bytes {
        let advice = if none {
            Advice::none()
        } else {
            Advice::usual(config)
        };
        self.refuse_with(error, advice, now)
    }

    /// The reply to a client that may try again after a pause, which is at least a second.
    pub fn refuse_for_now(&self, error: &Error, pause: Duration, now: Wall) -> Bytes {
        let advice = Advice::retry_after(pause.max(TOO_OFTEN_PAUSE));
        self.refuse_with(&error.to_string(), advice, now)
    }

    fn refuse_with(&self, error: &str, advice: Advice, now: Wall) -> Bytes {
        Reply {
            id: self.id.as_deref(),
            channel: Some(CHANNEL),
            error: Some(error),
            advice: Some(advice),
            timestamp: self.stamped.then_some(Timestamp(now)),
            ..Reply::default()
        }
        .encode()
    }
}

/// Nothing would be different the next time, so the client is told not to come again, and what it could speak instead.
fn refusal(message: &Message<'_>, error: &Error, config: &Config, now: Wall) -> Bytes {
    let types: Vec<_> = config.transports.iter().map(|kind| kind.name()).collect();
    Reply {
        id: message.id.as_deref(),
        channel: message.channel.as_deref(),
        version: Some(VERSION),
        minimum_version: Some(VERSION),
        supported_connection_types: Some(&types),
        error: Some(&error.to_string()),
        advice: Some(Advice::none()),
        timestamp: message.stamped.then_some(Timestamp(now)),
        ..Reply::default()
    }
    .encode()
}

fn judge(message: &Message<'_>, config: &Config) -> Result<(), Error> {
    message.target()?;
    if let Some(version) = message.minimum_version()
        && is_above_ours(&version)
    {
        return Err(Error::VersionUnsupported(plain(&version)));
    }
    let theirs = message.connection_types();
    let common = config
        .transports
        .iter()
        .any(|ours| theirs.iter().any(|name| name == ours.name()));
    if theirs.is_empty() || common {
        Ok(())
    } else {
        Err(Error::ConnectionTypesUnsupported)
    }
}

/// Whether a version is above 1.0: its first number counts, then whether anything but zeros follows a 1.
fn is_above_ours(version: &str) -> bool {
    let mut parts = version.trim().split('.');
    let major: u64 = parts.next().and_then(|part| part.parse().ok()).unwrap_or(1);
    major > 1 || (major == 1 && parts.any(|part| part.bytes().any(|byte| byte != b'0')))
}

/// What may stand in an error: no separators, no surprises, not long.
fn plain(version: &str) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '.';
    version.chars().filter(allowed).take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::is_above_ours;

    #[test]
    fn versions_compare_by_number() {
        for fine in ["1.0", "1", "0.9", "1.0.0", "", "beta"] {
            assert!(!is_above_ours(fine), "{fine}");
        }
        for above in ["1.1", "2", "2.0", "10.0", "1.0beta", "1.0.1"] {
            assert!(is_above_ours(above), "{above}");
        }
    }
}
