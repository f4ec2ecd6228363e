//! Requests: their messages are taken in order, and answered in that order when all have their replies.

use bytes::Bytes;

use crate::bayeux::channel::{Channel, Meta};
use crate::bayeux::error::Error;
use crate::bayeux::flight::Route;
use crate::bayeux::message::Subscription;
use crate::bayeux::recent::{Known, fingerprint};
use crate::bayeux::reply::{Reply, refusal};
use crate::bayeux::timestamp::Timestamp;
use crate::bayeux::{ConnectionId, ExchangeId, Message};
use crate::clock::{Instant, Now};

use super::connect::ConnectReply;
use super::delivery::Line;
use super::leaving::Leaving;
use super::{Carrier, Output, Request, Session};

/// A request that is not answered yet.
#[derive(Debug)]
pub struct Exchange {
    pub id: ExchangeId,
    pub connection: ConnectionId,
    pub carrier: Carrier,
    pub answer_by: Instant,
    /// Until when those of its publishes that are put off may be.
    pub put_off_until: Option<Instant>,
    pub slots: Vec<Slot>,
    /// Its WebSocket has ended: nobody is left to answer.
    pub moot: bool,
}

/// The place of one reply.
#[derive(Debug)]
pub enum Slot {
    Ready(Bytes),
    Connect(ConnectReply),
    Publish {
        publish: u64,
        id: Option<Box<str>>,
        channel: Box<str>,
        stamped: bool,
        /// The application does it later.
        put_off: bool,
    },
    /// It waits for the publishes before it.
    Disconnect(Box<Leaving>),
    Subscribe {
        question: u64,
        id: Option<Box<str>>,
        subscription: Subscription,
        channels: Vec<Box<str>>,
        stamped: bool,
    },
}

impl Session {
    pub(super) fn request(&mut self, request: Request<'_>, now: Now) {
        if !self.over && self.held.is_none() {
            self.expire_after(std::time::Duration::ZERO, now.instant);
        }
        let mut slots = Vec::with_capacity(request.messages.len());
        for message in request.messages {
            slots.extend(self.next(&request, message, &slots, now));
        }
        // A connect that is held, or was answered by itself, leaves nothing.
        if slots.is_empty() && !request.messages.is_empty() {
            return;
        }
        self.exchanges.push(Exchange {
            id: request.exchange,
            connection: request.connection,
            carrier: request.carrier,
            answer_by: now.instant + self.config.publish_timeout,
            put_off_until: None,
            slots,
            moot: false,
        });
        self.finish_exchanges();
    }

    pub(super) fn published(&mut self, publish: u64, result: Result<(), String>) {
        let error = result.as_ref().err().map(String::as_str);
        self.answer_publish(|number, _| number == publish, error);
        if let Some(recent) = &mut self.recent {
            recent.answer(publish, &result);
        }
        self.finish_exchanges();
    }

    /// Answers what has waited too long; the publish may still happen.
    pub(super) fn expire_exchanges(&mut self, now: Instant) {
        if self.exchanges.iter().any(|e| e.answer_by <= now) {
            let error = Error::PublishTimeout.to_string();
            self.answer_publish(|_, answer_by| answer_by <= now, Some(&error));
            self.finish_exchanges();
        }
    }

    /// The reply to a message that comes after these: a good-bye waits for publishes, and nothing comes after it.
    fn next(
        &mut self,
        request: &Request<'_>,
        message: &Message<'_>,
        before: &[Slot],
        now: Now,
    ) -> Option<Slot> {
        if before.iter().any(Slot::is_disconnect) {
            return Some(self.refusal(message, &Error::SessionUnknown));
        }
        let waits = !self.is_over() && before.iter().any(Slot::waits);
        match Leaving::of(message, self.id).filter(|_| waits) {
            Some(leaving) => Some(Slot::Disconnect(Box::new(leaving))),
            None => self.message(request, message, now),
        }
    }

    /// The reply to one message, now or later; none for a connect that goes its own way.
    fn message(&mut self, request: &Request<'_>, message: &Message<'_>, now: Now) -> Option<Slot> {
        let channel = match message.target() {
            Ok(channel) => channel,
            Err(error) => return Some(self.refusal(message, &error)),
        };
        if self.is_over() || message.client != Some(self.id) {
            return Some(self.refusal(message, &Error::SessionUnknown));
        }
        if message.too_often {
            return Some(self.too_often(request.exchange, message, channel));
        }
        match channel {
            Channel::Meta(Meta::Connect) => {
                let alone = request.messages.len() == 1 || request.carrier == Carrier::Socket;
                if !alone {
                    let reply = self.connect_among_others(request, message, now);
                    return Some(Slot::Connect(reply));
                }
                self.connect(request, message, now);
                None
            }
            Channel::Meta(Meta::Subscribe) => Some(self.subscribe(message)),
            Channel::Meta(Meta::Unsubscribe) => Some(Slot::Ready(self.unsubscribe(message))),
            Channel::Meta(Meta::Disconnect) => {
                let leaving = Leaving::of(message, self.id)?;
                Some(Slot::Ready(self.disconnect(leaving)))
            }
            Channel::Meta(Meta::Handshake | Meta::Unknown) => {
                let name = message.channel.as_deref().unwrap_or_default().to_owned();
                Some(self.refusal(message, &Error::PublishDenied(name)))
            }
            Channel::Service(name) | Channel::Broadcast(name) => {
                self.active = now.instant;
                Some(self.publish(request.exchange, message, name))
            }
        }
    }

    /// A publish that came too often is failed by the application: it may have a word of its own for it.
    fn too_often(
        &mut self,
        exchange: ExchangeId,
        message: &Message<'_>,
        channel: Channel<'_>,
    ) -> Slot {
        match (channel, message.data) {
            (Channel::Service(name) | Channel::Broadcast(name), Some(data)) => {
                let publish = self.number();
                self.outputs.push_back(Output::TooOften {
                    publish,
                    exchange,
                    channel: name.into(),
                    data: data.to_owned(),
                });
                return Slot::Publish {
                    publish,
                    id: message.id.clone(),
                    channel: name.into(),
                    stamped: message.stamped,
                    put_off: false,
                };
            }
            // The pause it is advised is taken back with the next reply.
            (Channel::Meta(Meta::Connect), _) => self.advise = true,
            _ => {}
        }
        self.refusal(message, &Error::TooOften)
    }

    fn refusal(&self, message: &Message<'_>, error: &Error) -> Slot {
        Slot::Ready(refusal(message, error, self.wall))
    }

    fn publish(&mut self, exchange: ExchangeId, message: &Message<'_>, channel: &str) -> Slot {
        let Some(data) = message.data else {
            return self.refusal(message, &Error::DataMissing);
        };
        let id = message.id.as_deref();
        let mark = id.map(|id| fingerprint(id, channel, data.get()));
        let stamp = self.timestamp(message.stamped);
        let recent = self.recent.get_or_insert_default();
        let publish = match mark.map_or(Known::New, |mark| recent.look_up(mark)) {
            Known::Answered(result) => {
                return Slot::Ready(publish_reply(id, channel, result.err(), stamp));
            }
            Known::Pending(publish) => publish,
            Known::New => {
                self.next += 1;
                // Without an id nothing can be a repetition; it is counted all the same.
                recent.begin(mark.unwrap_or(!self.next), self.next);
                self.outputs.push_back(Output::Publish {
                    publish: self.next,
                    exchange,
                    channel: channel.into(),
                    data: data.to_owned(),
                });
                self.next
            }
        };
        Slot::Publish {
            publish,
            id: message.id.clone(),
            channel: channel.into(),
            stamped: message.stamped,
            put_off: recent.is_put_off(publish),
        }
    }

    fn answer_publish(&mut self, whose: impl Fn(u64, Instant) -> bool, error: Option<&str>) {
        let now = Timestamp(self.wall);
        for exchange in &mut self.exchanges {
            for slot in &mut exchange.slots {
                if let Slot::Publish {
                    publish,
                    id,
                    channel,
                    stamped,
                    ..
                } = slot
                    && whose(*publish, exchange.answer_by)
                {
                    let stamp = stamped.then_some(now);
                    *slot = Slot::Ready(publish_reply(id.as_deref(), channel, error, stamp));
                }
            }
        }
    }

    pub(super) fn finish_exchanges(&mut self) {
        while let Some(place) = self.exchanges.iter().position(Exchange::is_done) {
            let exchange = self.exchanges.remove(place);
            self.finish(exchange);
        }
        if self.exchanges.is_empty() {
            self.exchanges = Vec::new();
        }
    }

    fn finish(&mut self, exchange: Exchange) {
        let Exchange {
            id: number,
            connection,
            carrier,
            slots,
            moot,
            ..
        } = exchange;
        if moot {
            return self.go_unanswered(slots);
        }
        let connects = slots.iter().any(|slot| matches!(slot, Slot::Connect(_)));
        let (mut messages, events) = if slots.iter().any(Slot::is_disconnect) {
            (self.last_events(), false)
        } else if connects && carrier == Carrier::Http && !self.over {
            self.take_for_connect(Route::Poll(connection, number))
        } else {
            (Vec::new(), false)
        };
        for slot in slots {
            match slot {
                Slot::Connect(reply) => messages.push(self.encode(reply)),
                Slot::Disconnect(leaving) => messages.push(self.disconnect(*leaving)),
                other => messages.extend(other.ready()),
            }
        }
        if carrier == Carrier::Socket {
            let lines = messages.into_iter();
            let lines = lines.map(|reply| (connection, Line::Reply(reply)));
            return self.lines.extend(lines);
        }
        self.outputs.push_back(Output::Respond {
            exchange: number,
            connection,
            messages,
            events,
        });
    }
}

impl Exchange {
    fn is_done(&self) -> bool {
        !self.slots.iter().any(Slot::waits)
    }
}

impl Slot {
    fn ready(self) -> Option<Bytes> {
        match self {
            Self::Ready(reply) => Some(reply),
            _ => None,
        }
    }

    fn waits(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Subscribe { .. })
    }

    pub fn is_disconnect(&self) -> bool {
        matches!(self, Self::Disconnect(_))
    }
}

fn publish_reply(
    id: Option<&str>,
    channel: &str,
    error: Option<&str>,
    timestamp: Option<Timestamp>,
) -> Bytes {
    Reply {
        id,
        channel: Some(channel),
        successful: error.is_none(),
        error,
        timestamp,
        ..Reply::default()
    }
    .encode()
}
