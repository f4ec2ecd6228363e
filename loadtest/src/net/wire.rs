//! One connection: bytes that wait to be read or written, and how messages stand in them.

use std::io::{ErrorKind, Read as _, Write as _};

use anyhow::{Context as _, Result, bail};
use mio::net::TcpStream;

use super::{http, websocket};

/// How messages stand in the bytes of a connection.
#[derive(Debug)]
pub enum Framing {
    /// A message is a WebSocket text frame.
    WebSocket,
    /// A message is the body of a POST, or of the answer to one. Holds the head of every request, up to and with
    /// `Content-Length: `.
    Http { head: String },
}

/// A connection that is ready for messages.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    framing: Framing,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, framing: Framing, input: Vec<u8>) -> Self {
        Self {
            stream,
            framing,
            input,
            output: Vec::new(),
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Puts a message behind what waits to be written.
    pub fn push(&mut self, message: &[u8]) {
        match &self.framing {
            Framing::WebSocket => websocket::push_text(&mut self.output, message),
            Framing::Http { head } => {
                self.output.extend_from_slice(head.as_bytes());
                self.output
                    .extend_from_slice(message.len().to_string().as_bytes());
                self.output.extend_from_slice(b"\r\n\r\n");
                self.output.extend_from_slice(message);
            }
        }
    }

    /// Puts a request with a path of its own behind what waits to be written (HTTP only).
    pub fn push_raw(&mut self, request: &[u8]) {
        self.output.extend_from_slice(request);
    }

    /// Writes what the socket takes; the rest waits for the next readiness.
    pub fn flush(&mut self) -> Result<()> {
        let mut done = 0;
        while done < self.output.len() {
            match self.stream.write(&self.output[done..]) {
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing to the server"),
            }
        }
        self.output.drain(..done);
        if self.output.is_empty() && self.output.capacity() > 64 * 1024 {
            self.output = Vec::new();
        }
        Ok(())
    }

    /// Reads what is there and hands over every whole message; what the handler pushes is written afterwards.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        on: &mut impl FnMut(&mut Wire, &[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("reading from the server"),
            };
            self.hand_over(&scratch[..count], on)?;
            // Less than was asked for: the socket is empty, and a new arrival is a new readiness.
            if count < scratch.len() {
                break;
            }
        }
        self.flush()
    }

    fn hand_over(
        &mut self,
        new: &[u8],
        on: &mut impl FnMut(&mut Wire, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.input.is_empty() {
            let used = self.messages(new, on)?;
            self.input.extend_from_slice(&new[used..]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(new);
            let used = self.messages(&input, on)?;
            input.drain(..used);
            if !input.is_empty() {
                self.input = input;
            }
        }
        Ok(())
    }

    fn messages(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(&mut Wire, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        match self.framing {
            Framing::WebSocket => self.frames(bytes, on),
            Framing::Http { .. } => self.responses(bytes, on),
        }
    }

    fn frames(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(&mut Wire, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            used += match websocket::parse(rest)? {
                websocket::Frame::Text { start, end } => {
                    on(self, &rest[start..end])?;
                    end
                }
                websocket::Frame::Ping { start, end } => {
                    websocket::push_pong(&mut self.output, &rest[start..end]);
                    end
                }
                websocket::Frame::Pong { end } => end,
                websocket::Frame::Close { code } => {
                    bail!("the server closed the WebSocket with {code}")
                }
                websocket::Frame::Partial => return Ok(used),
            };
        }
    }

    fn responses(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(&mut Wire, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        while let Some(response) = http::parse(&bytes[used..])? {
            let body = response
                .joined
                .as_deref()
                .unwrap_or(&bytes[used + response.body.0..used + response.body.1]);
            if response.status != 200 {
                bail!(
                    "the server answered HTTP {}: {}",
                    response.status,
                    String::from_utf8_lossy(body)
                );
            }
            on(self, body)?;
            used += response.end;
        }
        Ok(used)
    }
}
