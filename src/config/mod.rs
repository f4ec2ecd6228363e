//! Configuration.

mod meant;
mod tls;

pub use meant::{
    Agent, Cometd, Config, Destination, Endpoint, Limits, Listener, LoadLimits, Log, LogFormat,
    LogLevel, Push, PushContent, RateLimit, Role, SameSite, Secret, Server, Service, Store,
    Transport, Url,
};
pub use tls::{Tls, TlsError};
