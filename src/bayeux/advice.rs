//! What a server advises, and what a client asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;

/// Advice in a reply. Clients obey it on any channel, so it is never copied from a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What to do next.
    pub reconnect: Reconnect,
    /// The pause before it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// How long a connect is held, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Too many sessions of one browser wait at once.
    #[serde(
        rename = "multiple-clients",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub multiple_clients: bool,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconnect {
    /// Connect again.
    Retry,
    /// Begin anew.
    Handshake,
    /// Give up.
    None,
}

/// What a client asks for with a `/meta/connect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The request carried advice.
    pub given: bool,
    /// To be answered within this time.
    pub timeout: Option<Duration>,
    /// It will pause for so long afterwards.
    pub interval: Option<Duration>,
}

impl Advice {
    /// The usual advice.
    pub fn usual(config: &Config) -> Self {
        Self {
            reconnect: Reconnect::Retry,
            interval: Some(millis(config.interval)),
            timeout: Some(millis(config.timeout)),
            multiple_clients: false,
        }
    }

    /// To come back after a pause.
    pub fn retry_after(pause: Duration) -> Self {
        Self {
            interval: Some(millis(pause)),
            ..Self::only(Reconnect::Retry)
        }
    }

    /// To begin anew at once.
    pub fn handshake() -> Self {
        Self {
            interval: Some(0),
            ..Self::only(Reconnect::Handshake)
        }
    }

    /// To give up.
    pub fn none() -> Self {
        Self::only(Reconnect::None)
    }

    /// To come back after a pause, because too many sessions of one browser wait at once.
    pub fn crowded(pause: Duration) -> Self {
        Self {
            multiple_clients: true,
            ..Self::retry_after(pause)
        }
    }

    fn only(reconnect: Reconnect) -> Self {
        Self {
            reconnect,
            interval: None,
            timeout: None,
            multiple_clients: false,
        }
    }
}

impl Wish {
    /// Reads the `advice` of a request; what is not a number of milliseconds is not there.
    pub fn read(advice: Option<&serde_json::value::RawValue>) -> Self {
        #[derive(Default, Deserialize)]
        struct Written {
            #[serde(default)]
            timeout: serde_json::Value,
            #[serde(default)]
            interval: serde_json::Value,
        }
        let Some(advice) = advice else {
            return Self::default();
        };
        let written: Written = serde_json::from_str(advice.get()).unwrap_or_default();
        Self {
            given: true,
            timeout: written.timeout.as_u64().map(Duration::from_millis),
            interval: written.interval.as_u64().map(Duration::from_millis),
        }
    }
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
