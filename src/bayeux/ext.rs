//! The extensions a client may negotiate in `ext`: acknowledged delivery (`ack`) and clock comparison (`timesync`).
//!
//! Whatever else stands in an `ext` is ignored and never echoed. The activity extension has nothing on the wire: it is a
//! deadline of the session. A `timestamp` stands beside `ext` and has a module of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::Wall;

/// The offset between the clocks, in milliseconds, below which a client's estimate is good enough.
const ACCURATE: i64 = 25;

/// What a request says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `ack`: `true` or `{"enabled":true}` in a handshake.
    pub acknowledge: bool,
    /// `ack`: the number of the last batch that came, in a connect.
    pub acknowledged: Option<u64>,
    /// `timesync`.
    pub timesync: Option<Timesync>,
}

/// The client's clock, and what it believes of ours; all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timesync {
    client: i64,
    lag: i64,
    offset: i64,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Told {
    /// The number of the batch, or that acknowledging is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// Our clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timesync: Option<TimesyncReply>,
}

/// `ack` in a reply.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Ack {
    /// In a handshake's.
    Enabled(bool),
    /// In a connect's.
    Batch(u64),
}

/// `timesync` in a reply: when the client sent, when we answered, how long that took us, how wrong the client is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TimesyncReply {
    tc: i64,
    ts: i64,
    p: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<i64>,
}

impl Asked {
    /// Reads the `ext` of a request; what is not as expected is not there.
    pub fn read(ext: Option<&RawValue>) -> Self {
        #[derive(Default, Deserialize)]
        struct Written {
            #[serde(default)]
            ack: Value,
            #[serde(default)]
            timesync: Value,
        }
        let written: Written = ext
            .and_then(|ext| serde_json::from_str(ext.get()).ok())
            .unwrap_or_default();
        Self {
            acknowledge: written.ack == Value::Bool(true)
                || written.ack["enabled"] == Value::Bool(true),
            acknowledged: written.ack.as_u64(),
            timesync: Timesync::read(&written.timesync),
        }
    }
}

impl Timesync {
    fn read(written: &Value) -> Option<Self> {
        Some(Self {
            client: written["tc"].as_i64()?,
            lag: written["l"].as_i64().unwrap_or(0),
            offset: written["o"].as_i64().unwrap_or(0),
        })
    }

    /// The answer at `now`; none when the client's estimate is good.
    pub fn answer(self, now: Wall) -> Option<TimesyncReply> {
        let server = i64::try_from(now.0).unwrap_or(i64::MAX);
        let accuracy = self
            .client
            .saturating_add(self.offset)
            .saturating_add(self.lag)
            .saturating_sub(server);
        if self.lag != 0 && accuracy.saturating_abs() < ACCURATE {
            return None;
        }
        Some(TimesyncReply {
            tc: self.client,
            ts: server,
            p: 0,
            a: Some(accuracy),
        })
    }
}

impl Told {
    /// Nothing to say: there is no `ext` then.
    pub fn or_none(self) -> Option<Self> {
        (self.ack.is_some() || self.timesync.is_some()).then_some(self)
    }
}
