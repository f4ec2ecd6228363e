//! Who is at the other end of a WebSocket: the part of a socket that knows Bayeux and does no IO.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::bayeux::{self, Carrier, Malformed, Message, Request, unknown_client};

use super::Registry;
use super::client::Client;
use super::reception::Visit;
use super::signal::Signal;
use super::upgrade::Visitor;

/// Replies that wait for a slow peer before reading stops.
const OUTBOX_MAX: usize = 256;
/// The same, in bytes: a refusal carries the id and the channel of what it refuses, however long.
const OUTBOX_BYTES: usize = bayeux::FRAME_BYTES;
/// Clients that have ended and are owed replies before reading stops.
const PARTING_MAX: usize = 8;

/// The owner of a socket.
pub struct Peer {
    registry: Arc<Registry>,
    visitor: Visitor,
    signal: Arc<Signal>,
    client: Option<Arc<Client>>,
    /// The client was made by a handshake on this socket: no other may be used here.
    greeted: bool,
    /// Clients that have ended, and have yet to be told how their last publishes went.
    parting: Vec<Arc<Client>>,
    /// Replies that no session gives.
    outbox: Vec<Bytes>,
}

/// Why a socket ends.
pub enum End {
    /// The peer is gone.
    Gone,
    /// We close it.
    Close(Close, &'static str),
    /// The peer has closed it, with this code, and is answered the same.
    Answer(Option<u16>),
}

/// Why we close a socket (RFC 6455, section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    Normal = 1000,
    Away = 1001,
    Protocol = 1002,
    Invalid = 1007,
    Policy = 1008,
    TooBig = 1009,
}

impl Close {
    pub fn code(self) -> u16 {
        self as u16
    }
}

impl Peer {
    pub fn new(registry: Arc<Registry>, visitor: Visitor) -> Self {
        Self {
            signal: registry.open_socket(visitor.connection.id),
            registry,
            visitor,
            client: None,
            greeted: false,
            parting: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// By what the socket's task is woken.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// The socket speaks for no client.
    pub fn is_unbound(&self) -> bool {
        self.client.is_none()
    }

    /// What is to be written now: replies made here, then what the session has.
    pub fn next_frame(&mut self) -> Option<Vec<Bytes>> {
        if !self.outbox.is_empty() {
            return Some(std::mem::take(&mut self.outbox));
        }
        if let Some(last) = self.last_words() {
            return Some(last);
        }
        let client = self.client.as_ref()?;
        let frame = client.poll_frame(self.visitor.connection.id);
        if frame.is_none() && client.is_over() {
            self.let_go();
            return self.last_words();
        }
        frame
    }

    /// What clients that have ended are still told; those that are owed nothing more are forgotten.
    fn last_words(&mut self) -> Option<Vec<Bytes>> {
        let id = self.visitor.connection.id;
        let mut place = 0;
        while let Some(client) = self.parting.get(place) {
            // Asked before: what it is told last may come in between.
            let done = client.is_done();
            let frame = client.poll_frame(id);
            if frame.is_some() {
                return frame;
            }
            if done {
                self.parting.remove(place).detach(id);
            } else {
                place += 1;
            }
        }
        None
    }

    /// Whether another frame may be read: not while too much is unanswered.
    pub fn may_read(&self) -> bool {
        let id = self.visitor.connection.id;
        self.outbox.len() < OUTBOX_MAX
            && self.outbox.iter().map(Bytes::len).sum::<usize>() < OUTBOX_BYTES
            && self.parting.len() < PARTING_MAX
            && self
                .client
                .as_ref()
                .is_none_or(|client| client.may_read(id))
    }

    /// Takes the messages of a frame.
    pub fn take(&mut self, text: &str) -> Result<(), End> {
        let max = self.registry.config().batch_max;
        let mut messages = bayeux::parse(text, max).map_err(|why| match why {
            Malformed::Json => End::Close(Close::Invalid, "malformed"),
            Malformed::NotMessages => End::Close(Close::Protocol, "not Bayeux messages"),
            Malformed::TooMany(_) => End::Close(Close::Policy, "limit reached: [limits] batch"),
        })?;
        let address = self.visitor.connection.address;
        self.registry.count(&mut messages, address);
        if let Some(handshake) = messages.iter().find(|message| message.is_handshake()) {
            self.greet(handshake);
        } else if !messages.is_empty() {
            self.submit(&messages);
        }
        Ok(())
    }

    fn greet(&mut self, handshake: &Message<'_>) {
        let visit = Visit {
            carrier: Carrier::Socket,
            connection: self.visitor.connection,
            authorization: self.visitor.authorization.as_deref(),
            browser: self.visitor.browser,
            socket: Some(&self.signal),
        };
        let (reply, client) = self.registry.handshake(handshake, &visit);
        self.outbox.push(reply);
        if let Some(client) = client {
            self.let_go();
            self.client = Some(client);
            self.greeted = true;
        }
    }

    fn submit(&mut self, messages: &[Message<'_>]) {
        self.adopt(messages);
        let Some(client) = &self.client else {
            let now = self.registry.now().wall;
            return self.outbox.extend(unknown_client(messages, now));
        };
        client.handle(bayeux::Input::Request(Request {
            exchange: self.registry.next_exchange(),
            connection: self.visitor.connection.id,
            carrier: Carrier::Socket,
            crowded: false,
            messages,
        }));
    }

    /// A socket on which nobody shook hands speaks for whom its messages name: some clients shake hands over HTTP.
    fn adopt(&mut self, messages: &[Message<'_>]) {
        if self.client.as_ref().is_some_and(|client| client.is_over()) {
            self.let_go();
        }
        if self.greeted && self.client.is_some() {
            return;
        }
        let mut named = messages
            .iter()
            .filter_map(|message| self.registry.client(message))
            .filter(|client| !client.is_over());
        let Some(client) = named.next() else {
            return;
        };
        let known = self
            .client
            .as_ref()
            .is_some_and(|known| known.id() == client.id());
        if !known {
            self.let_go();
            client.attach(self.visitor.connection.id, &self.signal);
            self.client = Some(client);
        }
    }

    fn let_go(&mut self) {
        self.greeted = false;
        match self.client.take() {
            Some(client) if client.is_over() => self.parting.push(client),
            Some(client) => client.detach(self.visitor.connection.id),
            None => {}
        }
    }

    /// The peer has taken nothing for too long, and the socket is to end.
    pub fn stalled(&self) {
        self.registry.stalled.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(
            address = %self.visitor.connection.address,
            "a WebSocket is closed: what is written to it finds no taker"
        );
    }

    /// The socket has ended.
    pub fn release(&mut self) {
        self.let_go();
        for client in self.parting.drain(..) {
            client.detach(self.visitor.connection.id);
        }
        self.registry.close_socket(self.visitor.connection.id);
    }
}

impl Drop for Peer {
    /// The task may be dropped at the end of the process; then too the session learns of it.
    fn drop(&mut self) {
        self.release();
    }
}
