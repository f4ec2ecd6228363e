//! Bayeux over HTTP and WebSocket.
//!
//! A [`Registry`] holds the clients of one [`Application`]. [`long_poll::handle`] answers HTTP requests,
//! [`websocket::serve`] runs sockets; both hand what they read to the client's [`bayeux::Session`] and write what it says.
//! The application sees none of that: a [`Party`] is told what its client does, and a [`Handle`] takes events for it.
//!
//! Who serves HTTP owes the registry one thing: [`Registry::closed`] at the end of every connection, whose fate decides
//! whether the last reply arrived.

pub mod agents;
mod application;
pub(crate) mod browser;
mod client;
pub mod customers;
mod driver;
pub(crate) mod form;
mod handle;
pub mod long_poll;
mod peer;
mod reception;
mod sharded;
mod signal;
#[cfg(test)]
mod tests;
mod timers;
mod upgrade;
mod viewer;
mod waiting;
pub mod websocket;

use std::net::IpAddr;
use std::sync::Arc;

pub use application::{Application, Gone, Hello, Party, PublishDone, Refused};
pub use driver::{Counters, Registry};
pub use handle::Handle;
pub use waiting::Source;

use crate::bayeux;

/// The connection a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Its number, the same for all its requests. A WebSocket may keep that of the HTTP connection it grew from.
    pub id: bayeux::ConnectionId,
    /// The caller's address, proxies that are trusted taken into account.
    pub address: IpAddr,
    /// The caller speaks TLS, with us or with a trusted proxy.
    pub secure: bool,
}

/// The options of a registry.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Those of the protocol.
    pub bayeux: Arc<bayeux::Config>,
    /// `browserCookieSameSite`.
    pub same_site: SameSite,
    /// `[limits] clients`: sessions at a time; further handshakes are refused for a while. 0: no limit.
    pub clients_max: usize,
}

/// `browserCookieSameSite`: the `SameSite` of the `BAYEUX_BROWSER` cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// `None; Secure; Partitioned` under TLS, else `Lax`.
    #[default]
    Auto,
    /// `None; Secure; Partitioned`, always.
    None,
    /// `Lax`.
    Lax,
    /// `Strict`.
    Strict,
}
