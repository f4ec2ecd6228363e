//! A receiver of pushes: reads requests, answers each 204 after a given time, and can play dead.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::http;

const LISTENER: Token = Token(usize::MAX);
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// One destination.
pub struct Receiver {
    poll: Poll,
    events: Events,
    listener: Option<TcpListener>,
    address: SocketAddr,
    connections: Vec<Option<Connection>>,
    answers: VecDeque<(Instant, usize)>,
    latency: Duration,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Receiver {
    /// Listens on a port of its own, and takes `latency` to answer.
    pub fn new(latency: Duration) -> Result<Self> {
        let mut receiver = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            listener: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections: Vec::new(),
            answers: VecDeque::new(),
            latency,
            scratch: vec![0; 64 * 1024],
        };
        receiver.rise()?;
        Ok(receiver)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Is down: connections are refused, those that were open are gone, and what was not answered never is.
    pub fn fall(&mut self) {
        self.listener = None;
        self.connections.clear();
        self.answers.clear();
    }

    /// Is up, again.
    pub fn rise(&mut self) -> Result<()> {
        let mut listener = TcpListener::bind(self.address)?;
        self.address = listener.local_addr()?;
        self.poll
            .registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Takes what came, answers what is due, and hands over every request: head and body.
    pub fn turn(&mut self, timeout: Duration, mut on: impl FnMut(&[u8])) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let ready: Vec<Token> = self.events.iter().map(mio::event::Event::token).collect();
        for token in ready {
            if token == LISTENER {
                self.accept()?;
            } else {
                self.read(token.0, &mut on);
            }
        }
        self.answer_due();
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        while let Some(Ok((mut stream, _))) = self.listener.as_ref().map(TcpListener::accept) {
            let number = self.connections.len();
            self.poll
                .registry()
                .register(&mut stream, Token(number), Interest::READABLE)?;
            self.connections.push(Some(Connection {
                stream,
                input: Vec::new(),
            }));
        }
        Ok(())
    }

    fn read(&mut self, number: usize, on: &mut impl FnMut(&[u8])) {
        let Some(Some(connection)) = self.connections.get_mut(number) else {
            return;
        };
        loop {
            match connection.stream.read(&mut self.scratch) {
                Ok(count @ 1..) => connection.input.extend_from_slice(&self.scratch[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The other side is done with it.
                Ok(0) | Err(_) => {
                    self.connections[number] = None;
                    return;
                }
            }
        }
        while let Some((_, end)) = http::request(&connection.input) {
            on(&connection.input[..end]);
            connection.input.drain(..end);
            self.answers
                .push_back((Instant::now() + self.latency, number));
        }
    }

    fn answer_due(&mut self) {
        let now = Instant::now();
        while let Some(&(due, number)) = self.answers.front() {
            if due > now {
                break;
            }
            self.answers.pop_front();
            if let Some(Some(connection)) = self.connections.get_mut(number) {
                // An answer fits into the buffer of a socket that has one request at a time.
                let _ = connection.stream.write(ANSWER);
            }
        }
    }
}
