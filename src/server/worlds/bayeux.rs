//! A Bayeux client as the stock ones are: it connects again and again, tries again when something breaks, shakes hands anew
//! when it is told to, and may come by either transport.

mod hearing;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::life::Life;
use super::net::{Arrival, Net, Post};
use crate::server::route::Door;

/// How long the server may hold a connect, and what a client waits beyond that.
const CONNECT_PATIENCE: u64 = 45_000;
/// How long anything else may take.
const PATIENCE: u64 = 15_000;

/// Connections of one browser.
const LINES_MAX: usize = 6;

/// By which transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Polling,
    Socket,
}

/// What a client tells its owner.
#[derive(Debug)]
pub(super) enum Heard {
    /// There is a session now, and it is subscribed.
    Ready,
    /// A publish was answered.
    Acknowledged { id: String, ok: bool, at: u64 },
    /// Nobody knows what became of a publish.
    Unanswered { id: String },
    /// Something for the owner.
    Data { data: Value, at: u64 },
    /// The server has forgotten the session.
    Forgotten,
    /// What was told last may come again.
    Broken,
    /// How many messages one answer had.
    Counted(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    Greeting,
    Subscribing,
    On,
}

#[derive(Debug)]
pub(super) struct Bayeux {
    pub(super) carrier: Carrier,
    door: Door,
    channel: &'static str,
    token: Option<&'static str>,
    phase: Phase,
    client: Option<String>,
    cookie: Option<String>,
    serial: u64,
    lines: Vec<u64>,
    /// What waits for a connection.
    backlog: VecDeque<(String, String)>,
    pub(super) socket: Option<u64>,
    /// Ids of what was sent and not answered, with the ticket of the request (0: by the socket), and when.
    asked: BTreeMap<String, (u64, u64)>,
    connect: Option<(String, u64, u64)>,
    not_before: u64,
    failures: u64,
    fresh: bool,
    pub(super) asleep_until: u64,
}

impl Bayeux {
    pub(super) fn new(door: Door, carrier: Carrier, token: Option<&'static str>) -> Self {
        let channel = match door {
            Door::Public => "/service/chatV2/customer-support",
            Door::Internal => "/service/agent",
        };
        Self {
            carrier,
            door,
            channel,
            token,
            phase: Phase::Away,
            client: None,
            cookie: None,
            serial: 0,
            lines: Vec::new(),
            backlog: VecDeque::new(),
            socket: None,
            asked: BTreeMap::new(),
            connect: None,
            not_before: 0,
            failures: 0,
            fresh: true,
            asleep_until: 0,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.phase == Phase::On
    }

    /// When it wants to do something next by itself.
    pub(super) fn next_at(&self, now: u64) -> u64 {
        if self.asleep_until > now {
            return self.asleep_until;
        }
        let idle = self.phase == Phase::Away || (self.phase == Phase::On && self.connect.is_none());
        let next = if idle { self.not_before } else { u64::MAX };
        let connect = self.connect.iter().map(|(_, _, at)| at + CONNECT_PATIENCE);
        let others = self.asked.values().map(|(_, at)| at + PATIENCE);
        connect.chain(others).chain([next]).min().unwrap().max(now)
    }

    /// Does what is due.
    pub(super) fn act(&mut self, life: &Life, net: &mut Net, now: u64, heard: &mut Vec<Heard>) {
        if self.asleep_until > now {
            return;
        }
        let late = |at: u64, patience| now >= at + patience;
        let tired = self
            .connect
            .as_ref()
            .is_some_and(|(_, _, at)| late(*at, CONNECT_PATIENCE))
            || self.asked.values().any(|(_, at)| late(*at, PATIENCE));
        let unheard = self.carrier == Carrier::Socket
            && self.socket.is_none()
            && (self.connect.is_some() || !self.asked.is_empty());
        if tired || unheard {
            self.cut(life, net, now, heard);
        }
        self.catch_up(life, net);
        if now < self.not_before {
            return;
        }
        match self.phase {
            Phase::Away => self.greet(life, net, now),
            Phase::On if self.connect.is_none() => {
                if self.fresh {
                    heard.push(Heard::Broken);
                }
                self.connect(life, net, now);
            }
            _ => {}
        }
    }

    fn greet(&mut self, life: &Life, net: &mut Net, now: u64) {
        self.client = None;
        self.fresh = true;
        let mut hello = json!({"channel": "/meta/handshake", "version": "1.0",
            "supportedConnectionTypes": ["websocket", "long-polling"]});
        if let Some(token) = self.token {
            hello["ext"] = json!({"authentication": {"token": token}});
        }
        self.phase = Phase::Greeting;
        self.ask(life, net, now, hello);
    }

    fn connect(&mut self, life: &Life, net: &mut Net, now: u64) {
        let kind = match self.carrier {
            Carrier::Polling => "long-polling",
            Carrier::Socket => "websocket",
        };
        let mut connect = json!({"channel": "/meta/connect", "connectionType": kind});
        if std::mem::take(&mut self.fresh) {
            connect["advice"] = json!({"timeout": 0});
        }
        let id = self.id();
        let ticket = self.send(life, net, &id, connect);
        self.connect = Some((id, ticket, now));
    }

    /// Publishes; under an id that was used before it is a repetition.
    pub(super) fn publish(
        &mut self,
        life: &Life,
        net: &mut Net,
        now: u64,
        data: &Value,
        again: Option<&str>,
    ) -> String {
        let id = again.map_or_else(|| self.id(), str::to_owned);
        let message = json!({"channel": self.channel, "data": data});
        let ticket = self.send(life, net, &id, message);
        self.asked.insert(id.clone(), (ticket, now));
        id
    }

    /// Says good-bye, with what an app says when it goes to the background.
    pub(super) fn disconnect(&mut self, life: &Life, net: &mut Net, position: Option<u64>) {
        let mut message = json!({"channel": "/meta/disconnect"});
        if let Some(position) = position {
            message["ext"] = json!({"transcriptPosition": position.to_string()});
        }
        let id = self.id();
        self.send(life, net, &id, message);
    }

    fn ask(&mut self, life: &Life, net: &mut Net, now: u64, message: Value) {
        let id = self.id();
        let ticket = self.send(life, net, &id, message);
        self.asked.insert(id, (ticket, now));
    }

    fn id(&mut self) -> String {
        self.serial += 1;
        self.serial.to_string()
    }

    /// The ticket, 0 for what went by the socket.
    fn send(&mut self, life: &Life, net: &mut Net, id: &str, mut message: Value) -> u64 {
        message["id"] = json!(id);
        if let Some(client) = &self.client {
            message["clientId"] = json!(client);
        }
        let text = json!([message]).to_string();
        match self.carrier {
            Carrier::Polling => {
                let Some(line) = self.line(net) else {
                    self.backlog.push_back((id.to_owned(), text));
                    return u64::MAX;
                };
                self.post(life, net, line, text)
            }
            Carrier::Socket => {
                if self.socket.is_none() {
                    self.socket = net.open_socket(life, self.door);
                }
                match self.socket {
                    Some(socket) => net.send(socket, text),
                    None => return u64::MAX,
                }
                0
            }
        }
    }

    fn post(&mut self, life: &Life, net: &mut Net, line: u64, body: String) -> u64 {
        let mut headers = Vec::new();
        if let Some(cookie) = &self.cookie {
            headers.push(("cookie", cookie.clone()));
        }
        let path = match self.door {
            Door::Public => "/genesys/cometd",
            Door::Internal => "/cometd",
        };
        net.post(
            life,
            line,
            Post {
                path: path.to_owned(),
                kind: "application/json",
                headers,
                body,
                once: true,
            },
        )
    }

    /// A connection that is free; browsers open another where there is none, up to six.
    fn line(&mut self, net: &mut Net) -> Option<u64> {
        self.lines.retain(|line| net.is_known(*line));
        if let Some(line) = self.lines.iter().find(|line| net.is_free(**line)) {
            return Some(*line);
        }
        if self.lines.len() >= LINES_MAX {
            return None;
        }
        let line = net.connect(self.door);
        self.lines.push(line);
        Some(line)
    }

    /// Sends what waited for a connection.
    fn catch_up(&mut self, life: &Life, net: &mut Net) {
        while !self.backlog.is_empty()
            && let Some(line) = self.line(net)
            && let Some((id, text)) = self.backlog.pop_front()
        {
            let ticket = self.post(life, net, line, text);
            if let Some((of, _)) = self.asked.get_mut(&id) {
                *of = ticket;
            } else if let Some((known, of, _)) = &mut self.connect
                && *known == id
            {
                *of = ticket;
            }
        }
    }

    /// Every connection of this client breaks.
    pub(super) fn cut(&mut self, life: &Life, net: &mut Net, now: u64, heard: &mut Vec<Heard>) {
        for line in std::mem::take(&mut self.lines) {
            net.hang_up(life, line, false);
        }
        if let Some(socket) = self.socket.take() {
            net.cut(socket);
        }
        self.everything_broke(now, heard);
    }

    /// The client is gone for good, and its connections with it.
    pub(super) fn leave(&mut self, life: &Life, net: &mut Net) {
        let mut heard = Vec::new();
        self.cut(life, net, 0, &mut heard);
    }

    pub(super) fn everything_broke(&mut self, now: u64, heard: &mut Vec<Heard>) {
        heard.push(Heard::Broken);
        let asked = std::mem::take(&mut self.asked);
        heard.extend(asked.into_keys().map(|id| Heard::Unanswered { id }));
        self.connect = None;
        self.backlog.clear();
        self.fresh = true;
        self.fail(now);
    }

    fn fail(&mut self, now: u64) {
        self.failures += 1;
        self.not_before = now + 1000 * self.failures.min(5);
        if self.phase != Phase::On {
            self.phase = Phase::Away;
        }
    }

    /// Comes by the other transport from now on, with the same session.
    pub(super) fn switch(&mut self, life: &Life, net: &mut Net, now: u64, heard: &mut Vec<Heard>) {
        self.cut(life, net, now, heard);
        self.carrier = match self.carrier {
            Carrier::Polling => Carrier::Socket,
            Carrier::Socket => Carrier::Polling,
        };
    }
}
