//! `/meta/connect`: held until there is something to say, or the time is up.

use std::time::Duration;

use bytes::Bytes;

use crate::bayeux::advice::{Advice, Wish};
use crate::bayeux::error::Error;
use crate::bayeux::ext::{Ack, Timesync, TimesyncReply, Told};
use crate::bayeux::flight::{Batch, Route};
use crate::bayeux::reply::Reply;
use crate::bayeux::{ConnectionId, ExchangeId, Message};
use crate::clock::{Instant, Now};
use crate::limit;

use super::delivery::{Farewell, Line};
use super::{Carrier, Delivery, Output, Request, Session};

const CHANNEL: &str = "/meta/connect";

/// A connect that waits.
#[derive(Debug)]
pub struct Held {
    pub exchange: ExchangeId,
    pub connection: ConnectionId,
    pub carrier: Carrier,
    pub until: Instant,
    pub reply: ConnectReply,
}

/// The reply to a connect, but for what is known only when it goes out.
#[derive(Debug)]
pub struct ConnectReply {
    id: Option<Box<str>>,
    advice: Option<Advice>,
    timesync: Option<TimesyncReply>,
    stamped: bool,
    /// The pause the client announced, within `maxInterval`.
    pause: Duration,
    error: Option<Error>,
}

/// A connect as it is asked for.
struct Asked {
    wish: Wish,
    acknowledged: Option<u64>,
    reply: ConnectReply,
}

impl Session {
    /// A connect that is alone in its request, or came over a WebSocket: held, if nothing speaks against it.
    pub(super) fn connect(&mut self, request: &Request<'_>, message: &Message<'_>, now: Now) {
        let asked = self.asked(request, message, now);
        self.arrived(request, &asked);
        self.overtake(request.carrier);
        self.deliver_to(request);
        let hold = self.hold_time(request, &asked);
        self.held = Some(Box::new(Held {
            exchange: request.exchange,
            connection: request.connection,
            carrier: request.carrier,
            until: now.instant + hold,
            reply: asked.reply,
        }));
        self.expires = None;
        self.connected = true;
        if hold.is_zero() {
            self.answer_held(now.instant);
        }
    }

    /// A connect among other messages of an HTTP request: answered with them.
    pub(super) fn connect_among_others(
        &mut self,
        request: &Request<'_>,
        message: &Message<'_>,
        now: Now,
    ) -> ConnectReply {
        let asked = self.asked(request, message, now);
        self.arrived(request, &asked);
        self.overtake(request.carrier);
        self.deliver_to(request);
        self.connected = true;
        asked.reply
    }

    /// Answers the held connect with whatever waits.
    pub(super) fn answer_held(&mut self, now: Instant) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        if let Some(pause) = self.draining {
            held.reply.advice = Some(Advice::retry_after(pause));
        }
        self.expire_after(held.reply.pause, now);
        match held.carrier {
            Carrier::Http => {
                let route = Route::Poll(held.connection, held.exchange);
                let (mut messages, events) = self.take_for_connect(route);
                messages.push(self.encode(held.reply));
                self.outputs.push_back(Output::Respond {
                    exchange: held.exchange,
                    connection: held.connection,
                    messages,
                    events,
                });
            }
            Carrier::Socket => self
                .lines
                .push_back((held.connection, Line::Connect(held.reply))),
        }
    }

    /// Ends the held connect with the session, after `before`.
    pub(super) fn dismiss_held(&mut self, before: Vec<Bytes>, farewell: Farewell) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        match farewell {
            Farewell::ForGood => held.reply.advice = Some(Advice::none()),
            Farewell::Anew => {
                held.reply.advice = Some(Advice::handshake());
                held.reply.error = Some(Error::SessionUnknown);
            }
        }
        let mut messages = before;
        messages.push(self.encode(held.reply));
        match held.carrier {
            Carrier::Http => self.outputs.push_back(Output::Respond {
                exchange: held.exchange,
                connection: held.connection,
                messages,
                events: false,
            }),
            Carrier::Socket => self.lines.extend(
                messages
                    .into_iter()
                    .map(|message| (held.connection, Line::Reply(message))),
            ),
        }
    }

    /// The reply as it goes out now; with the ack extension it takes the next number.
    pub(super) fn encode(&mut self, reply: ConnectReply) -> Bytes {
        let told = Told {
            ack: self.batch.map(Ack::Batch),
            timesync: reply.timesync,
        };
        if let Some(batch) = &mut self.batch {
            *batch += 1;
        }
        let error = reply.error.map(|error| error.to_string());
        Reply {
            id: reply.id.as_deref(),
            channel: Some(CHANNEL),
            successful: error.is_none(),
            error: error.as_deref(),
            advice: reply.advice,
            ext: told.or_none(),
            timestamp: self.timestamp(reply.stamped),
            ..Reply::default()
        }
        .encode()
    }

    /// After `pause` and `maxInterval` without a sign of life the session ends.
    pub(super) fn expire_after(&mut self, pause: Duration, now: Instant) {
        let pause = pause.max(self.config.interval);
        self.expires = Some(now + pause + self.config.max_interval);
    }

    fn asked(&mut self, request: &Request<'_>, message: &Message<'_>, now: Now) -> Asked {
        if request.crowded {
            limit::reached("[cometd] maxSessionsPerBrowser");
        }
        let wish = message.wish();
        let extensions = message.asked();
        let pause = wish.interval.unwrap_or_default();
        Asked {
            wish,
            acknowledged: extensions.acknowledged,
            reply: ConnectReply {
                id: message.id.clone(),
                advice: self.advice(request, wish),
                timesync: extensions
                    .timesync
                    .and_then(|timesync| Timesync::answer(timesync, now.wall)),
                stamped: message.stamped,
                pause: pause.min(self.config.max_interval),
                error: (request.crowded && self.config.multi_session_interval.is_zero())
                    .then_some(Error::TooManySessions),
            },
        }
    }

    /// Advice is given where it was asked for, or is news, or special.
    fn advice(&mut self, request: &Request<'_>, wish: Wish) -> Option<Advice> {
        let news = std::mem::take(&mut self.advise) || wish.given;
        if let Some(pause) = self.draining {
            return Some(Advice::retry_after(pause));
        }
        if request.crowded {
            let pause = self.config.multi_session_interval;
            return Some(if pause.is_zero() {
                Advice::none()
            } else {
                Advice::crowded(pause)
            });
        }
        news.then(|| Advice::usual(&self.config))
    }

    /// What this connect says of the batches before it.
    fn arrived(&mut self, request: &Request<'_>, asked: &Asked) {
        if self.batch.is_some() {
            let seen = asked.acknowledged.unwrap_or(0);
            self.confirm(|batch| matches!(batch.route, Route::Numbered(n) if n <= seen));
            self.lose(|batch| matches!(batch.route, Route::Numbered(_)));
            return;
        }
        // Clients ask to be answered at once when they have lost a reply (and when they begin).
        let probing = asked.wish.timeout == Some(Duration::ZERO);
        let here = request.connection;
        let arrived = |batch: &Batch| match batch.route {
            Route::Poll(there, _) => there == here || batch.finished || !probing,
            Route::Socket(there) => there == here && batch.sealed,
            Route::Numbered(_) => false,
        };
        self.confirm(arrived);
        self.lose(|batch| match batch.route {
            Route::Poll(..) => true,
            Route::Socket(there) => there != here,
            Route::Numbered(_) => false,
        });
    }

    /// Only one connect waits. An older HTTP request is ended with an error status; on a WebSocket it is never answered.
    fn overtake(&mut self, by: Carrier) {
        let Some(older) = self.held.take() else {
            return;
        };
        let exchange = older.exchange;
        match (older.carrier, by) {
            (Carrier::Http, _) => self.outputs.push_back(Output::Overtaken { exchange }),
            (Carrier::Socket, _) => {}
        }
    }

    /// Events go where the last connect came from; a socket that is left for good is closed.
    fn deliver_to(&mut self, request: &Request<'_>) {
        let delivery = match request.carrier {
            Carrier::Http => Delivery::Http,
            Carrier::Socket => Delivery::Socket(request.connection),
        };
        if delivery == self.delivery {
            return;
        }
        if let Delivery::Socket(connection) = self.delivery {
            self.lines.retain(|(to, _)| *to != connection);
            self.outputs.push_back(Output::Close { connection });
        }
        self.delivery = delivery;
    }

    fn hold_time(&self, request: &Request<'_>, asked: &Asked) -> Duration {
        if !self.connected || request.crowded || self.draining.is_some() {
            return Duration::ZERO;
        }
        let wished = asked.wish.timeout.unwrap_or(self.config.timeout);
        wished.min(self.config.timeout)
    }
}
