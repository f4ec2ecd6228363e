//! A connection while it is being set up: one request, one answer, in turn. Then it joins the crowd.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::http::{self, header};
use super::websocket::{self, Frame};
use super::wire::{Framing, Wire};

/// How long an answer may take while a connection is set up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A blocking connection: set up, then [`Setup::into_wire`].
#[derive(Debug)]
pub struct Setup {
    stream: TcpStream,
    input: Vec<u8>,
    framing: Framing,
    cookies: Vec<String>,
    to: SocketAddr,
    path: String,
}

impl Setup {
    /// Connects, for POSTs to `path`.
    pub fn http(to: SocketAddr, path: &str) -> Result<Self> {
        let stream = connect(to)?;
        let mut setup = Self {
            stream,
            input: Vec::new(),
            framing: Framing::Http {
                head: String::new(),
            },
            cookies: Vec::new(),
            to,
            path: path.to_owned(),
        };
        setup.renew_head("application/json");
        Ok(setup)
    }

    /// Connects and upgrades to a WebSocket at `path`.
    pub fn websocket(to: SocketAddr, path: &str) -> Result<Self> {
        let mut setup = Self::http(to, path)?;
        write!(
            setup.stream,
            "GET {path} HTTP/1.1\r\nHost: {to}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )?;
        let response = setup.response()?;
        if response.0 != 101 {
            bail!(
                "the upgrade to WebSocket was answered with {}: {}",
                response.0,
                String::from_utf8_lossy(&response.1)
            );
        }
        setup.framing = Framing::WebSocket;
        Ok(setup)
    }

    /// Requests carry these cookies too (those of another connection of the same browser).
    pub fn with_cookies_of(mut self, other: &Setup) -> Self {
        self.cookies.clone_from(&other.cookies);
        self.renew_head("application/json");
        self
    }

    /// One Bayeux request, and the messages of its answer.
    pub fn ask(&mut self, request: &Value) -> Result<Vec<Value>> {
        self.send(request)?;
        self.answer()
    }

    /// Sends without waiting.
    pub fn send(&mut self, request: &Value) -> Result<()> {
        let mut wire = Vec::new();
        let body = request.to_string();
        match &self.framing {
            Framing::WebSocket => websocket::push_text(&mut wire, body.as_bytes()),
            Framing::Http { head } => {
                wire.extend_from_slice(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes())
            }
        }
        self.stream
            .write_all(&wire)
            .context("writing to the server")
    }

    /// The next messages from the server.
    pub fn answer(&mut self) -> Result<Vec<Value>> {
        let body = match self.framing {
            Framing::WebSocket => self.text()?,
            Framing::Http { .. } => self.body()?,
        };
        match serde_json::from_slice(&body).context("an answer that is no JSON")? {
            Value::Array(messages) => Ok(messages),
            message => Ok(vec![message]),
        }
    }

    /// Posts a form of its own to a path of its own, and reads the JSON that comes back.
    pub fn post(&mut self, path: &str, media_type: &str, body: &str) -> Result<Value> {
        self.stream
            .write_all(request(&self.to, path, media_type, body).as_bytes())?;
        let body = self.body()?;
        serde_json::from_slice(&body).context("an answer that is no JSON")
    }

    /// Fetches the page at this connection's own path.
    pub fn fetch(mut self) -> Result<String> {
        write!(
            self.stream,
            "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.path, self.to
        )?;
        Ok(String::from_utf8(self.body()?)?)
    }

    /// Ready for the crowd; what came unasked in the meantime is handed over with the next arrival.
    pub fn into_wire(self) -> Result<Wire> {
        self.stream.set_nonblocking(true)?;
        Ok(Wire::new(
            mio::net::TcpStream::from_std(self.stream),
            self.framing,
            self.input,
        ))
    }

    fn body(&mut self) -> Result<Vec<u8>> {
        let (status, body) = self.response()?;
        if status != 200 {
            bail!(
                "the server answered HTTP {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        Ok(body)
    }

    fn response(&mut self) -> Result<(u16, Vec<u8>)> {
        loop {
            if let Some(response) = http::parse(&self.input)? {
                let head = String::from_utf8_lossy(&self.input[..response.head]).into_owned();
                let body = response
                    .joined
                    .unwrap_or_else(|| self.input[response.body.0..response.body.1].to_vec());
                self.input.drain(..response.end);
                self.keep_cookies(&head);
                return Ok((response.status, body));
            }
            self.read_more()?;
        }
    }

    fn text(&mut self) -> Result<Vec<u8>> {
        loop {
            match websocket::parse(&self.input)? {
                Frame::Text { start, end } => {
                    let text = self.input[start..end].to_vec();
                    self.input.drain(..end);
                    return Ok(text);
                }
                Frame::Partial => self.read_more()?,
                Frame::Ping { start, end } => {
                    let mut pong = Vec::new();
                    websocket::push_pong(&mut pong, &self.input[start..end]);
                    self.stream.write_all(&pong)?;
                    self.input.drain(..end);
                }
                Frame::Pong { end } => drop(self.input.drain(..end)),
                other => bail!("the server sent {other:?} while a connection was set up"),
            }
        }
    }

    fn read_more(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).with_context(|| {
            let patience = PATIENCE.as_secs();
            format!("waiting for an answer of the server, at most {patience} s")
        })? {
            0 => bail!("the server closed the connection"),
            count => self.input.extend_from_slice(&buffer[..count]),
        }
        Ok(())
    }

    fn keep_cookies(&mut self, head: &str) {
        if let Some(cookie) = header(head, "set-cookie").and_then(|line| line.split(';').next()) {
            self.cookies.push(cookie.to_owned());
            self.renew_head("application/json");
        }
    }

    fn renew_head(&mut self, media_type: &str) {
        if let Framing::Http { head } = &mut self.framing {
            let cookies = self.cookies.join("; ");
            let cookie = if cookies.is_empty() {
                String::new()
            } else {
                format!("Cookie: {cookies}\r\n")
            };
            *head = format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\n{cookie}Content-Type: {media_type}\r\nContent-Length: ",
                self.path, self.to
            );
        }
    }
}

/// A whole POST.
pub fn request(to: &SocketAddr, path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let loopback = match to.ip() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    if !loopback {
        bail!(
            "{to} is not on loopback: loadtest measures servers of its own machine only ({}/8)",
            Ipv4Addr::LOCALHOST
        );
    }
    let stream =
        TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("connecting to {to}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}
