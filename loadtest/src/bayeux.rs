//! Bayeux clients in the thousands: set up one after another, then served together.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use memchr::memmem;
use serde_json::{Value, json};

use crate::net::{Crowd, Id, Setup};

/// How long what a request asked for may take to come, while a client is set up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long goodbyes may take to be answered.
const GOODBYE: Duration = Duration::from_secs(5);

/// How clients are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// One socket for everything.
    Websocket,
    /// A held poll, and a second connection to write with.
    LongPolling,
}

/// Where a Bayeux server answers.
#[derive(Clone, Debug)]
pub struct Door {
    /// Its address.
    pub at: SocketAddr,
    /// The path, as `/genesys/cometd`.
    pub path: String,
    /// Put into the handshake's `ext`, where the server asks who is there.
    pub token: Option<&'static str>,
}

/// A client while it is set up.
pub struct Newcomer {
    poll: Setup,
    publish: Option<Setup>,
    transport: Transport,
    client_id: String,
    next: u64,
}

/// A client of the crowd.
#[derive(Debug)]
pub struct Member {
    poll: Id,
    publish: Id,
    transport: Transport,
    client_id: String,
    next: u64,
}

/// All clients of a run.
pub struct Clients {
    /// Their connections.
    pub crowd: Crowd,
    members: Vec<Member>,
    owners: Vec<Option<usize>>,
    connect: memmem::Finder<'static>,
    refused: memmem::Finder<'static>,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::LongPolling => "long-polling",
        }
    }
}

impl Newcomer {
    /// Handshakes; a client that writes over long-polling has a second connection.
    pub fn handshake(door: &Door, transport: Transport, writes: bool) -> Result<Self> {
        let mut poll = match transport {
            Transport::Websocket => Setup::websocket(door.at, &door.path)?,
            Transport::LongPolling => Setup::http(door.at, &door.path)?,
        };
        let mut request = json!({"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": [transport.name()]});
        if let Some(token) = door.token {
            request["ext"] = json!({"authentication": {"token": token}});
        }
        let replies = poll.ask(&json!([request]))?;
        let reply = replies
            .iter()
            .find(|reply| reply["channel"] == "/meta/handshake")
            .context("no reply to the handshake")?;
        let client_id = reply["clientId"]
            .as_str()
            .with_context(|| format!("the handshake was refused: {reply}"))?
            .to_owned();
        let publish = match transport {
            Transport::LongPolling if writes => {
                Some(Setup::http(door.at, &door.path)?.with_cookies_of(&poll))
            }
            _ => None,
        };
        let mut newcomer = Self {
            poll,
            publish,
            transport,
            client_id,
            next: 2,
        };
        newcomer.request(
            "/meta/connect",
            json!({"connectionType": transport.name(), "advice": {"timeout": 0}}),
        )?;
        Ok(newcomer)
    }

    /// Subscribes to a channel.
    pub fn subscribe(&mut self, channel: &str) -> Result<()> {
        self.request("/meta/subscribe", json!({"subscription": channel}))
            .map(drop)
    }

    /// Publishes, and waits until `wanted` finds what it looks for among the messages that come.
    pub fn publish<T>(
        &mut self,
        channel: &str,
        data: Value,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut messages = self.request(channel, json!({"data": data}))?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(found) = messages.iter().find_map(&mut wanted) {
                return Ok(found);
            }
            messages = match self.transport {
                Transport::Websocket => self.poll.answer()?,
                Transport::LongPolling => {
                    let poll = json!({"connectionType": self.transport.name(), "advice": {"timeout": 1000}});
                    self.request("/meta/connect", poll)?
                }
            };
        }
        bail!("what was published on {channel} was accepted, and never answered")
    }

    // One request and everything that came up to and with its reply.
    fn request(&mut self, channel: &str, mut fields: Value) -> Result<Vec<Value>> {
        let id = self.next.to_string();
        self.next += 1;
        fields["id"] = json!(id);
        fields["channel"] = json!(channel);
        fields["clientId"] = json!(self.client_id);
        self.poll.send(&json!([fields]))?;
        let mut all = Vec::new();
        loop {
            all.extend(self.poll.answer()?);
            let Some(reply) = all
                .iter()
                .find(|reply| reply["id"] == id.as_str() && reply.get("successful").is_some())
            else {
                continue;
            };
            if reply["successful"] != true {
                bail!("refused: {reply}");
            }
            return Ok(all);
        }
    }
}

impl Member {
    fn connect(&mut self) -> Vec<u8> {
        let fields = format!(
            "\"channel\":\"/meta/connect\",\"connectionType\":\"{}\"",
            self.transport.name()
        );
        self.message(&fields)
    }

    fn message(&mut self, fields: &str) -> Vec<u8> {
        let id = self.next;
        self.next += 1;
        format!(
            "[{{\"id\":\"{id}\",\"clientId\":\"{}\",{fields}}}]",
            self.client_id
        )
        .into_bytes()
    }
}

impl Clients {
    /// Nobody yet.
    pub fn new() -> Result<Self> {
        Ok(Self {
            crowd: Crowd::new()?,
            members: Vec::new(),
            owners: Vec::new(),
            connect: memmem::Finder::new(b"\"/meta/connect\""),
            refused: memmem::Finder::new(b"\"successful\":false"),
        })
    }

    /// A client joins, and holds its connect from now on. Returns its number.
    pub fn add(&mut self, newcomer: Newcomer) -> Result<usize> {
        let number = self.members.len();
        let poll = self.crowd.add(newcomer.poll.into_wire()?)?;
        self.owners.push(Some(number));
        let publish = match newcomer.publish {
            Some(publish) => {
                self.owners.push(Some(number));
                self.crowd.add(publish.into_wire()?)?
            }
            None => poll,
        };
        let mut member = Member {
            poll,
            publish,
            transport: newcomer.transport,
            client_id: newcomer.client_id,
            next: newcomer.next,
        };
        let connect = member.connect();
        self.members.push(member);
        self.crowd.send(poll, &connect)?;
        Ok(number)
    }

    /// A connection that is no Bayeux client; what comes on it is given to `on` with its own id.
    pub fn add_other(&mut self, wire: crate::net::Wire) -> Result<Id> {
        self.owners.push(None);
        self.crowd.add(wire)
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The connection that a client polls on.
    pub fn poll_of(&self, client: usize) -> Id {
        self.members[client].poll
    }

    /// Its connections.
    pub fn connections_of(&self, client: usize) -> Vec<Id> {
        let member = &self.members[client];
        let mut connections = vec![member.poll, member.publish];
        connections.dedup();
        connections
    }

    /// Publishes; `data` is JSON.
    pub fn publish(&mut self, client: usize, channel: &str, data: &str) -> Result<()> {
        let member = &mut self.members[client];
        let message = member.message(&format!("\"channel\":\"{channel}\",\"data\":{data}"));
        self.crowd.send(member.publish, &message)
    }

    /// Waits for at most `timeout`, goes on polling for everybody, and hands over what came: for a client its number.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut on: impl FnMut(Who, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let Self {
            crowd,
            members,
            owners,
            connect,
            refused,
        } = self;
        crowd.turn(timeout, |id, wire, message| {
            let Some(number) = owners[id.0] else {
                return on(Who::Other(id), message);
            };
            if refused.find(message).is_some() {
                bail!("the server refused: {}", String::from_utf8_lossy(message));
            }
            on(Who::Client(number), message)?;
            if connect.find(message).is_some() {
                wire.push(&members[number].connect());
            }
            Ok(())
        })
    }

    /// Everybody says goodbye, and is served no more. A server that answers by closing the connection has understood.
    pub fn leave(&mut self) -> Result<()> {
        for member in &mut self.members {
            let goodbye = member.message("\"channel\":\"/meta/disconnect\"");
            self.crowd.send(member.publish, &goodbye)?;
        }
        let answer = memmem::Finder::new(b"\"/meta/disconnect\"");
        let (mut owed, end) = (self.members.len(), Instant::now() + GOODBYE);
        while owed > 0 && Instant::now() < end {
            let heard = self.crowd.turn(Duration::from_millis(10), |_, _, message| {
                owed = owed.saturating_sub(answer.find_iter(message).count());
                Ok(())
            });
            if heard.is_err() {
                owed = owed.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Reads what waits for a client that was paused.
    pub fn catch_up(
        &mut self,
        client: usize,
        mut on: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Self {
            crowd,
            members,
            connect,
            ..
        } = self;
        let member = &mut members[client];
        crowd.catch_up(member.poll, |_, wire, message| {
            on(message)?;
            if connect.find(message).is_some() {
                wire.push(&member.connect());
            }
            Ok(())
        })
    }
}

/// Whom a message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A client, by its number.
    Client(usize),
    /// A connection that is no client.
    Other(Id),
}
