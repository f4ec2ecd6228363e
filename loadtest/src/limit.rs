//! What the machine allows: a Bayeux server that understands just enough of this generator's messages to answer them,
//! and checks, keeps and stores nothing. It reads a socket once for each readiness, and writes to it once a turn.

mod talk;

use std::convert::Infallible;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::net::{http, websocket};
use talk::{Carrier, Line, Talk};

const LISTENER: Token = Token(usize::MAX);
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Serves on a port of loopback until the process is ended. Over HTTP events go with connects, as Parlor's do; or one's
/// own `rides` on the reply to its publish, as with CometD.
pub fn serve(port: u16, rides: bool) -> Result<Infallible> {
    let mut server = Server::new(port, Talk::new(rides))?;
    println!("ready port={port} pid={}", std::process::id());
    let mut events = Events::with_capacity(1024);
    loop {
        match server.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        server.turn(&events)?;
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    lines: Lines,
    talk: Talk,
    scratch: Vec<u8>,
}

// All connections, and those that have something to write.
#[derive(Default)]
struct Lines {
    all: Vec<Option<Connection>>,
    spoken: Vec<Line>,
}

struct Connection {
    stream: TcpStream,
    carrier: Carrier,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Server {
    fn new(port: u16, talk: Talk) -> Result<Self> {
        let poll = Poll::new()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            lines: Lines::default(),
            talk,
            scratch: vec![0; 64 * 1024],
        })
    }

    fn turn(&mut self, events: &Events) -> Result<()> {
        for event in events {
            match event.token() {
                LISTENER => self.accept()?,
                Token(line) => self.read(line)?,
            }
        }
        for line in self.lines.flush() {
            self.talk.gone(line);
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            let line = Token(self.lines.all.len());
            self.poll.registry().register(&mut stream, line, interest)?;
            self.lines.all.push(Some(Connection {
                stream,
                carrier: Carrier::Http,
                input: Vec::new(),
                output: Vec::new(),
            }));
        }
        Ok(())
    }

    fn read(&mut self, line: Line) -> Result<()> {
        // It may be here because it can be written to again.
        self.lines.spoken.push(line);
        let Some(connection) = &mut self.lines.all[line] else {
            return Ok(());
        };
        loop {
            match connection.stream.read(&mut self.scratch) {
                Ok(count @ 1..) => {
                    connection.input.extend_from_slice(&self.scratch[..count]);
                    if count < self.scratch.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    self.lines.all[line] = None;
                    self.talk.gone(line);
                    return Ok(());
                }
            }
        }
        let input = std::mem::take(&mut connection.input);
        let used = self.hear(line, &input)?;
        if let Some(connection) = &mut self.lines.all[line] {
            connection.input = input;
            connection.input.drain(..used);
        }
        Ok(())
    }

    // Every whole message of `input`; returns how much of it that was.
    fn hear(&mut self, line: Line, input: &[u8]) -> Result<usize> {
        let mut used = 0;
        while let Some(connection) = &mut self.lines.all[line] {
            let carrier = connection.carrier;
            let rest = &input[used..];
            let Some((start, end)) = message(carrier, rest)? else {
                break;
            };
            used += end;
            if rest.starts_with(b"GET ") {
                connection.output.extend_from_slice(UPGRADED);
                connection.carrier = Carrier::WebSocket;
                continue;
            }
            let lines = &mut self.lines;
            let mut say = |line, body: &[u8]| lines.say(line, body);
            self.talk
                .heard(line, carrier, &rest[start..end], &mut say)?;
        }
        Ok(used)
    }
}

impl Lines {
    fn say(&mut self, line: Line, body: &[u8]) {
        let Some(connection) = &mut self.all[line] else {
            return;
        };
        if connection.output.is_empty() {
            self.spoken.push(line);
        }
        match connection.carrier {
            Carrier::WebSocket => websocket::push_server_text(&mut connection.output, body),
            Carrier::Http => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                connection.output.extend_from_slice(head.as_bytes());
                connection.output.extend_from_slice(body);
            }
        }
    }

    // Writes what the sockets take; returns the lines that are broken.
    fn flush(&mut self) -> Vec<Line> {
        let mut broken = Vec::new();
        for line in self.spoken.drain(..) {
            let Some(connection) = &mut self.all[line] else {
                continue;
            };
            if connection.write().is_err() {
                self.all[line] = None;
                broken.push(line);
            }
        }
        broken
    }
}

impl Connection {
    fn write(&mut self) -> std::io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

// Where the first message begins and ends, if all of it is there.
fn message(carrier: Carrier, bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    Ok(match carrier {
        Carrier::Http => http::request(bytes),
        Carrier::WebSocket => match websocket::parse(bytes)? {
            websocket::Frame::Text { start, end } => Some((start, end)),
            websocket::Frame::Partial => None,
            other => bail!("the generator sent {other:?}"),
        },
    })
}
