//! The Bayeux protocol, pure.

mod config;
mod event;

pub use config::{Config, ConnectionType};
pub use event::{Event, Offer, Source};

/// A connection (an HTTP connection or a WebSocket), numbered by whoever accepts it and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);
