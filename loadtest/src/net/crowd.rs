//! All connections of a run, and the one loop that serves them.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mio::{Events, Interest, Poll, Token};

use super::wire::Wire;

/// A connection of the crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub usize);

/// The connections, edge-triggered.
pub struct Crowd {
    poll: Poll,
    events: Events,
    wires: Vec<Option<Wire>>,
    scratch: Vec<u8>,
    paused: Vec<bool>,
}

impl Crowd {
    /// Nobody yet.
    pub fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            wires: Vec::new(),
            scratch: vec![0; 64 * 1024],
            paused: Vec::new(),
        })
    }

    /// One more.
    pub fn add(&mut self, mut wire: Wire) -> Result<Id> {
        let id = Id(self.wires.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(wire.stream(), Token(id.0), interest)?;
        self.wires.push(Some(wire));
        self.paused.push(false);
        Ok(id)
    }

    /// Sends a message on one connection, at once.
    pub fn send(&mut self, id: Id, message: &[u8]) -> Result<()> {
        self.with(id, |wire| wire.push(message))
    }

    /// Sends a whole HTTP request on one connection, at once.
    pub fn send_raw(&mut self, id: Id, request: &[u8]) -> Result<()> {
        self.with(id, |wire| wire.push_raw(request))
    }

    /// This one is not read from until it is resumed: what a client does that has gone to sleep.
    pub fn pause(&mut self, id: Id, paused: bool) {
        self.paused[id.0] = paused;
    }

    /// Closes a connection without a goodbye.
    pub fn close(&mut self, id: Id) {
        self.wires[id.0] = None;
    }

    /// Waits for at most `timeout`, and hands over what came. A connection that fails ends the run: a server that is
    /// measured may not drop one.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut on: impl FnMut(Id, &mut Wire, &[u8]) -> Result<()>,
    ) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &self.events {
            let id = Id(event.token().0);
            if self.paused[id.0] {
                continue;
            }
            let Some(wire) = &mut self.wires[id.0] else {
                continue;
            };
            wire.receive(&mut self.scratch, &mut |wire, message| {
                on(id, wire, message)
            })
            .with_context(|| format!("on connection {}", id.0))?;
        }
        Ok(())
    }

    /// Reads what a paused connection has left in its socket, after it was resumed.
    pub fn catch_up(
        &mut self,
        id: Id,
        mut on: impl FnMut(Id, &mut Wire, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some(wire) = &mut self.wires[id.0] else {
            return Ok(());
        };
        wire.receive(&mut self.scratch, &mut |wire, message| {
            on(id, wire, message)
        })
    }

    fn with(&mut self, id: Id, push: impl FnOnce(&mut Wire)) -> Result<()> {
        let Some(wire) = &mut self.wires[id.0] else {
            return Ok(());
        };
        push(wire);
        wire.flush()
            .with_context(|| format!("on connection {}", id.0))
    }
}
