//! One connection of a listener, as the edges know it.

use std::any::Any;
use std::net::SocketAddr;

/// One connection of a listener.
///
/// It holds its place at the listener: whoever goes on with the socket after an upgrade keeps the value, so that the
/// socket still counts among the connections allowed, and a listener that is draining waits for it.
#[derive(Debug)]
pub struct Connection {
    /// Unique in this process.
    pub id: u64,
    /// The other end of the socket: perhaps a proxy, see [`Caller`](super::Caller).
    pub peer: SocketAddr,
    /// The socket itself speaks TLS.
    pub secure: bool,
    /// It came while the listener was draining: it is told so, and nothing is begun for it.
    pub late: bool,
    _place: Option<Place>,
}

/// What a listener gives a connection to hold: whose end tells it that the connection has gone.
pub type Place = Box<dyn Any + Send + Sync>;

impl Connection {
    /// A connection that holds `place` until it is dropped.
    pub fn new(id: u64, peer: SocketAddr, secure: bool, place: Option<Place>) -> Self {
        Self {
            id,
            peer,
            secure,
            late: false,
            _place: place,
        }
    }

    /// The same, come late or not.
    pub fn late(self, late: bool) -> Self {
        Self { late, ..self }
    }
}
