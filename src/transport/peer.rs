//! Who is at the other end of a WebSocket: the part of a socket that knows Bayeux and does no IO.

use std::sync::Arc;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::bayeux::{self, Carrier, Malformed, Message, Request, unknown_client};

use super::Registry;
use super::client::Client;
use super::driver::Visit;
use super::signal::Signal;
use super::upgrade::Visitor;

/// Replies that wait for a slow peer before reading stops.
const OUTBOX_MAX: usize = 256;

/// The owner of a socket.
pub struct Peer {
    registry: Arc<Registry>,
    visitor: Visitor,
    signal: Arc<Signal>,
    client: Option<Arc<Client>>,
    /// The client was made by a handshake on this socket: no other may be used here.
    greeted: bool,
    /// Replies that no session gives.
    outbox: Vec<Bytes>,
}

/// Why a socket ends.
pub enum End {
    /// The peer is gone.
    Gone,
    /// We close it.
    Close(CloseCode, &'static str),
}

impl Peer {
    pub fn new(registry: Arc<Registry>, visitor: Visitor) -> Self {
        Self {
            signal: registry.open_socket(visitor.connection.id),
            registry,
            visitor,
            client: None,
            greeted: false,
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
        let mut messages = std::mem::take(&mut self.outbox);
        if messages.is_empty()
            && let Some(client) = &self.client
        {
            match client.poll_frame(self.visitor.connection.id) {
                Some(frame) => messages = frame,
                None if client.is_over() => self.let_go(),
                None => {}
            }
        }
        (!messages.is_empty()).then_some(messages)
    }

    /// Whether another frame may be read: not while too much is unanswered.
    pub fn may_read(&self) -> bool {
        let id = self.visitor.connection.id;
        self.outbox.len() < OUTBOX_MAX
            && self
                .client
                .as_ref()
                .is_none_or(|client| client.may_read(id))
    }

    /// Takes what the peer sent.
    pub fn take(&mut self, frame: Frame) -> Result<(), End> {
        match frame {
            Frame::Text(text) => self.read(&text),
            Frame::Binary(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.read(text),
                Err(_) => Err(End::Close(CloseCode::Invalid, "malformed")),
            },
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => Ok(()),
            Frame::Close(_) => Err(End::Close(CloseCode::Normal, "")),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), End> {
        let max = self.registry.config().batch_max;
        let messages = bayeux::parse(text, max).map_err(|why| match why {
            Malformed::Json => End::Close(CloseCode::Invalid, "malformed"),
            Malformed::NotMessages => End::Close(CloseCode::Protocol, "not Bayeux messages"),
            Malformed::TooMany(_) => End::Close(CloseCode::Policy, "limit reached: [limits] batch"),
        })?;
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
            return self.outbox.extend(unknown_client(messages));
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
            .filter_map(|message| self.registry.client(message));
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
        if let Some(client) = self.client.take() {
            client.detach(self.visitor.connection.id);
        }
        self.greeted = false;
    }

    /// The socket has ended.
    pub fn release(&mut self) {
        self.let_go();
        self.registry.close_socket(self.visitor.connection.id);
    }
}

impl Drop for Peer {
    /// The task may be dropped at the end of the process; then too the session learns of it.
    fn drop(&mut self) {
        self.release();
    }
}
