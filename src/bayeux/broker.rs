//! A small Bayeux server without sockets: sessions, broadcast channels, and a policy.
//!
//! The product lets nobody use broadcast channels. What the protocol says of them is shown here, on the same machine.

mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::clock::{Instant, Now, Wall};
use crate::id::ClientId;

use super::{
    Carrier, Config, ConnectionId, Ending, Event, ExchangeId, Greeting, Input, Message, Offer,
    Output, Request, Session, Source, parse, unknown_client,
};

/// A server whose clock is turned by hand.
pub struct Broker {
    pub config: Arc<Config>,
    pub now: Now,
    /// Sessions, by identifier.
    pub sessions: BTreeMap<ClientId, Session>,
    /// What was said to HTTP requests, and to WebSockets.
    pub responses: BTreeMap<u64, Option<Vec<Value>>>,
    pub closed: Vec<ConnectionId>,
    /// What the application was told.
    pub told: Vec<Told>,
    /// Publishes that nobody has answered yet, when `later` is set.
    pub unanswered: Vec<(ClientId, u64)>,
    pub later: bool,
    exchanges: u64,
    clients: u128,
    queued: Vec<(ClientId, Output)>,
}

/// One thing the application was told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Published(String, String),
    Subscribed(String),
    Unsubscribed(String),
    Confirmed(u64, u64),
    Rewind(u64, u64),
    Drained,
    AnswersRead,
    GivenUp(u64),
    Gone(&'static str),
}

impl Broker {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self {
            config: Arc::new(config),
            now: Now {
                instant: Instant(1_000_000),
                wall: Wall(1_700_000_000_000),
            },
            sessions: BTreeMap::new(),
            responses: BTreeMap::new(),
            closed: Vec::new(),
            told: Vec::new(),
            unanswered: Vec::new(),
            later: false,
            exchanges: 0,
            clients: 0,
            queued: Vec::new(),
        }
    }

    /// A POST over `connection`; its number.
    pub fn post(&mut self, connection: u64, body: &Value) -> u64 {
        self.request(Carrier::Http, connection, body, false)
    }

    /// A POST that is answered at once.
    pub fn ask(&mut self, connection: u64, body: &Value) -> Vec<Value> {
        let exchange = self.post(connection, body);
        self.answer(exchange).expect("an answer")
    }

    /// The answer to a POST, if there is one.
    pub fn answer(&mut self, exchange: u64) -> Option<Vec<Value>> {
        self.responses.get(&exchange)?.clone()
    }

    /// A WebSocket frame, and all frames that follow.
    pub fn frame(&mut self, socket: u64, body: &Value) -> Vec<Value> {
        let exchange = self.request(Carrier::Socket, socket, body, false);
        let mut messages = self
            .responses
            .remove(&exchange)
            .flatten()
            .unwrap_or_default();
        messages.extend(self.read(socket));
        messages
    }

    /// What a WebSocket has to say now.
    pub fn read(&mut self, socket: u64) -> Vec<Value> {
        let mut read = Vec::new();
        while let Some(frame) = self.read_frame(socket) {
            read.extend(frame);
        }
        read
    }

    /// One frame of it.
    pub fn read_frame(&mut self, socket: u64) -> Option<Vec<Value>> {
        let now = self.now;
        let sessions = self.sessions.values_mut();
        let frame = sessions
            .filter_map(|session| session.poll_frame(ConnectionId(socket), now))
            .next();
        self.settle();
        frame.map(|frame| frame.iter().map(value).collect())
    }

    pub fn request(
        &mut self,
        carrier: Carrier,
        connection: u64,
        body: &Value,
        crowded: bool,
    ) -> u64 {
        self.exchanges += 1;
        let exchange = self.exchanges;
        let body = body.to_string();
        let messages = parse(&body, self.config.batch_max).expect("messages");
        if let Some(handshake) = messages.iter().find(|message| message.is_handshake()) {
            let reply = self.greet(handshake, (carrier, ConnectionId(connection)));
            self.responses.insert(exchange, Some(vec![reply]));
            return exchange;
        }
        let known = messages
            .iter()
            .filter_map(|message| message.client)
            .find(|id| self.sessions.contains_key(id));
        let Some(id) = known else {
            let replies = unknown_client(&messages, self.now.wall)
                .iter()
                .map(value)
                .collect();
            self.responses.insert(exchange, Some(replies));
            return exchange;
        };
        let request = Request {
            exchange: ExchangeId(exchange),
            connection: ConnectionId(connection),
            carrier,
            crowded,
            messages: &messages,
        };
        self.handle(id, Input::Request(request));
        exchange
    }

    pub fn handle(&mut self, id: ClientId, input: Input<'_>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.handle(input, self.now);
        }
        self.settle();
    }

    /// Lets time pass, and whatever is due happen.
    pub fn wait(&mut self, wait: Duration) {
        let until = self.now.instant + wait;
        while let Some(at) = self.next_timeout().filter(|at| *at <= until) {
            self.now.instant = self.now.instant.max(at);
            let ids: Vec<_> = self.sessions.keys().copied().collect();
            for id in ids {
                self.handle(id, Input::Timeout);
            }
        }
        self.now.instant = until;
    }

    /// An event with a source, for one client.
    pub fn send(&mut self, id: ClientId, stream: u64, position: u64) -> Offer {
        let event = Event {
            message: Bytes::from(json!({"channel": "/service/x", "data": position}).to_string()),
            source: Some(Source { stream, position }),
        };
        self.deliver(id, event)
    }

    pub fn deliver(&mut self, id: ClientId, event: Event) -> Offer {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Offer::Gone;
        };
        let offer = session.deliver(event, now);
        self.settle();
        offer
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.sessions
            .values()
            .filter_map(Session::poll_timeout)
            .min()
    }

    fn greet(&mut self, message: &Message<'_>, from: (Carrier, ConnectionId)) -> Value {
        let greeting = match Greeting::read(message, &self.config, self.now.wall) {
            Ok(greeting) => greeting,
            Err(refusal) => return value(&refusal),
        };
        if message
            .ext
            .is_some_and(|ext| ext.get().contains("stranger"))
        {
            return value(&greeting.refuse(
                "403::handshake_denied",
                true,
                &self.config,
                self.now.wall,
            ));
        }
        self.clients += 1;
        let id = ClientId::new(self.clients);
        let config = Arc::clone(&self.config);
        let session = Session::new(id, &greeting, from, config, self.now);
        self.sessions.insert(id, session);
        value(&greeting.accept(id, &self.config, self.now.wall))
    }

    /// Does what sessions want until none wants anything.
    fn settle(&mut self) {
        loop {
            for (id, session) in &mut self.sessions {
                while let Some(output) = session.poll_output() {
                    self.queued.push((*id, output));
                }
            }
            if self.queued.is_empty() {
                return;
            }
            for (id, output) in std::mem::take(&mut self.queued) {
                self.carry_out(id, output);
            }
        }
    }

    fn carry_out(&mut self, id: ClientId, output: Output) {
        match output {
            Output::Respond {
                exchange, messages, ..
            } => {
                let messages = messages.iter().map(value).collect();
                self.responses.insert(exchange.0, Some(messages));
            }
            Output::Overtaken { exchange } => {
                self.responses.insert(exchange.0, None);
            }
            Output::Close { connection } => self.closed.push(connection),
            Output::Subscribe { question, channels } => {
                let denied = channels.iter().find(|channel| channel.contains("secret"));
                let result = match denied {
                    Some(channel) => Err(format!("403:{channel}:subscribe_denied")),
                    None => Ok(()),
                };
                if result.is_ok() {
                    let names = channels
                        .into_iter()
                        .map(|name| Told::Subscribed(name.into()));
                    self.told.extend(names);
                }
                self.answer_session(id, Input::Subscribed { question, result });
            }
            Output::Unsubscribed { channel } => self.told.push(Told::Unsubscribed(channel.into())),
            Output::Publish {
                publish,
                channel,
                data,
                ..
            } => {
                let result = self.publish(id, &channel, data.get());
                if self.later {
                    self.unanswered.push((id, publish));
                } else {
                    self.answer_session(id, Input::Published { publish, result });
                }
            }
            Output::TooOften { publish, .. } => {
                let result = Err("429::too_many_requests".to_owned());
                self.answer_session(id, Input::Published { publish, result });
            }
            Output::Confirmed { stream, position } => {
                self.told.push(Told::Confirmed(stream, position));
            }
            Output::Rewind { stream, position } => {
                self.told.push(Told::Rewind(stream, position));
                self.answer_session(id, Input::Rewound { stream });
            }
            Output::Drained => self.told.push(Told::Drained),
            Output::GivenUp { publish } => self.told.push(Told::GivenUp(publish)),
            Output::AnswersRead => self.told.push(Told::AnswersRead),
            Output::Gone(how) => {
                self.told.push(Told::Gone(match how {
                    Ending::Disconnected(_) => "disconnected",
                    Ending::Expired => "expired",
                    Ending::Inactive => "inactive",
                    Ending::Kicked => "kicked",
                }));
            }
        }
        self.sweep();
    }

    /// Like the registry, forgets sessions that are over; their last lines are read first.
    fn sweep(&mut self) {
        let sockets = |session: &Session| (0..10).any(|s| session.has_frame(ConnectionId(s)));
        self.sessions.retain(|_, session| {
            !session.is_over() || session.poll_timeout().is_some() || sockets(session)
        });
    }

    fn answer_session(&mut self, id: ClientId, input: Input<'_>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.handle(input, self.now);
        }
    }
}

fn value(message: &Bytes) -> Value {
    serde_json::from_slice(message).expect("a message is JSON")
}
