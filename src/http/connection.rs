//! One connection of a listener, as the edges know it.

use std::net::SocketAddr;

use super::slots::Slot;

/// One connection of a listener.
///
/// It holds its place among the connections that the listener allows: whoever goes on with the socket after an upgrade
/// keeps the value, so that the place stays taken.
#[derive(Debug)]
pub struct Connection {
    /// Unique in this process.
    pub id: u64,
    /// The other end of the socket: perhaps a proxy, see [`Caller`](super::Caller).
    pub peer: SocketAddr,
    /// The socket itself speaks TLS.
    pub secure: bool,
    _slot: Option<Slot>,
}

impl Connection {
    /// A connection that takes `slot` until it is dropped.
    pub fn new(id: u64, peer: SocketAddr, secure: bool, slot: Option<Slot>) -> Self {
        Self {
            id,
            peer,
            secure,
            _slot: slot,
        }
    }
}
