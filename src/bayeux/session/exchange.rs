//! Requests: their messages are taken in order, and answered in that order when all have their replies.

use bytes::Bytes;

use crate::bayeux::channel::{Channel, Meta};
use crate::bayeux::error::Error;
use crate::bayeux::flight::Route;
use crate::bayeux::message::Subscription;
use crate::bayeux::recent::{Known, fingerprint};
use crate::bayeux::reply::{Reply, refusal};
use crate::bayeux::{ConnectionId, ExchangeId, Message};
use crate::clock::{Instant, Now};

use super::connect::ConnectReply;
use super::delivery::Line;
use super::{Carrier, Ending, Output, Request, Session};

/// A request that is not answered yet.
#[derive(Debug)]
pub struct Exchange {
    pub id: ExchangeId,
    pub connection: ConnectionId,
    pub carrier: Carrier,
    pub deadline: Instant,
    pub slots: Vec<Slot>,
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
    },
    Subscribe {
        question: u64,
        id: Option<Box<str>>,
        subscription: Subscription,
        channels: Vec<Box<str>>,
    },
}

impl Session {
    pub(super) fn request(&mut self, request: Request<'_>, now: Now) {
        if request.carrier == Carrier::Http {
            self.heard(request.connection);
        }
        if !self.over && self.held.is_none() {
            self.expire_after(std::time::Duration::ZERO, now.instant);
        }
        let mut slots = Vec::with_capacity(request.messages.len());
        for message in request.messages {
            slots.extend(self.message(&request, message, now));
        }
        // A connect that is held, or was answered by itself, leaves nothing.
        if slots.is_empty() && !request.messages.is_empty() {
            return;
        }
        self.exchanges.push(Exchange {
            id: request.exchange,
            connection: request.connection,
            carrier: request.carrier,
            deadline: now.instant + self.config.publish_timeout,
            slots,
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
        if self.exchanges.iter().any(|e| e.deadline <= now) {
            let error = Error::PublishTimeout.to_string();
            self.answer_publish(|_, deadline| deadline <= now, Some(&error));
            self.finish_exchanges();
        }
    }

    /// The reply to one message, now or later; none for a connect that goes its own way.
    fn message(&mut self, request: &Request<'_>, message: &Message<'_>, now: Now) -> Option<Slot> {
        let channel = match message.target() {
            Ok(channel) => channel,
            Err(error) => return Some(Slot::Ready(refusal(message, &error))),
        };
        if self.over || message.client != Some(self.id) {
            let reply = refusal(message, &Error::SessionUnknown);
            return Some(Slot::Ready(reply));
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
            Channel::Meta(Meta::Disconnect) => Some(Slot::Ready(self.disconnect(message))),
            Channel::Meta(Meta::Handshake | Meta::Unknown) => {
                let name = message.channel.as_deref().unwrap_or_default().to_owned();
                Some(Slot::Ready(refusal(message, &Error::PublishDenied(name))))
            }
            Channel::Service(name) | Channel::Broadcast(name) => {
                self.active = now.instant;
                Some(self.publish(request.exchange, message, name))
            }
        }
    }

    fn publish(&mut self, exchange: ExchangeId, message: &Message<'_>, channel: &str) -> Slot {
        let Some(data) = message.data else {
            return Slot::Ready(refusal(message, &Error::DataMissing));
        };
        let id = message.id.as_deref();
        let mark = id.map(|id| fingerprint(id, channel, data.get()));
        let recent = self.recent.get_or_insert_default();
        let publish = match mark.map_or(Known::New, |mark| recent.look_up(mark)) {
            Known::Answered(result) => {
                return Slot::Ready(publish_reply(id, channel, result.err()));
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
        }
    }

    fn disconnect(&mut self, message: &Message<'_>) -> Bytes {
        let reply = Reply {
            id: message.id.as_deref(),
            channel: Some("/meta/disconnect"),
            successful: true,
            ..Reply::default()
        };
        self.dismiss_held(Vec::new());
        self.end(Ending::Disconnected(message.ext.map(ToOwned::to_owned)));
        reply.encode()
    }

    fn answer_publish(&mut self, whose: impl Fn(u64, Instant) -> bool, error: Option<&str>) {
        for exchange in &mut self.exchanges {
            for slot in &mut exchange.slots {
                if let Slot::Publish {
                    publish,
                    id,
                    channel,
                } = slot
                    && whose(*publish, exchange.deadline)
                {
                    *slot = Slot::Ready(publish_reply(id.as_deref(), channel, error));
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
            ..
        } = exchange;
        if carrier == Carrier::Socket {
            let replies = slots.into_iter().filter_map(Slot::ready);
            let lines = replies.map(|reply| (connection, Line::Reply(reply)));
            return self.lines.extend(lines);
        }
        let connects = slots.iter().any(|slot| matches!(slot, Slot::Connect(_)));
        let (mut messages, events) = if connects && !self.over {
            self.take_for_connect(Route::Poll(connection, number))
        } else {
            self.take_for_reply(connection, number)
        };
        for slot in slots {
            match slot {
                Slot::Connect(reply) => messages.push(self.encode(reply)),
                other => messages.extend(other.ready()),
            }
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
        let waits = |slot: &Slot| matches!(slot, Slot::Publish { .. } | Slot::Subscribe { .. });
        !self.slots.iter().any(waits)
    }
}

impl Slot {
    fn ready(self) -> Option<Bytes> {
        match self {
            Self::Ready(reply) => Some(reply),
            Self::Connect(_) | Self::Publish { .. } | Self::Subscribe { .. } => None,
        }
    }
}

fn publish_reply(id: Option<&str>, channel: &str, error: Option<&str>) -> Bytes {
    Reply {
        id,
        channel: Some(channel),
        successful: error.is_none(),
        error,
        ..Reply::default()
    }
    .encode()
}
