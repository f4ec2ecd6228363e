//! How events reach the client, and how it is known that they did.

use bytes::Bytes;

use crate::bayeux::flight::{Batch, Lost, Route};
use crate::bayeux::reply;
use crate::bayeux::{ConnectionId, ExchangeId, FRAME_BYTES};
use crate::clock::{Instant, Now};

use super::connect::ConnectReply;
use super::{Carrier, Delivery, Output, Session};

/// What a client is told when its session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// `/meta/disconnect`, and not to come back.
    ForGood,
    /// Nothing but that its session is unknown: to shake hands again.
    Anew,
}

/// One reply on its way to a WebSocket.
#[derive(Debug)]
pub enum Line {
    /// As it is.
    Reply(Bytes),
    /// A connect reply; with the ack extension events go before it.
    Connect(ConnectReply),
}

impl Line {
    /// Its size where it may be large: a connect reply has nothing of any length from its client.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Reply(reply) => reply.len(),
            Self::Connect(_) => 0,
        }
    }
}

impl Session {
    /// The messages for the next frame of a WebSocket: replies first, then as many events as fit in
    /// [`FRAME_BYTES`]. To be called again when they are written.
    pub fn poll_frame(&mut self, connection: ConnectionId, now: Now) -> Option<Vec<Bytes>> {
        self.wall = now.wall;
        let mut frame = Vec::new();
        self.take_replies(connection, &mut frame);
        let streams = self.delivery == Delivery::Socket(connection) && !self.connects_only();
        if streams && !self.over {
            self.take_events(Route::Socket(connection), &mut frame);
            self.ask_for_confirmation(connection, &mut frame, now.instant);
        }
        (!frame.is_empty()).then_some(frame)
    }

    /// Whether [`poll_frame`](Self::poll_frame) would give something.
    pub fn has_frame(&self, connection: ConnectionId) -> bool {
        let streams = self.delivery == Delivery::Socket(connection)
            && !self.connects_only()
            && self.queue.can_take(self.may_keep());
        streams
            || self.wants_confirmation(connection)
            || self.lines.iter().any(|(to, _)| *to == connection)
    }

    /// Answers the held connect if there is something to say by it.
    pub(super) fn wake(&mut self, now: Instant) {
        let Some(held) = &self.held else {
            return;
        };
        // What comes for one who is leaving goes with its good-bye: two responses may overtake each other.
        if self.is_leaving() {
            return;
        }
        let by_connect = held.carrier == Carrier::Http || self.connects_only();
        if by_connect && self.queue.can_take(self.may_keep()) {
            self.answer_held(now);
        }
    }

    /// The events for a connect reply, and whether there are any.
    pub(super) fn take_for_connect(&mut self, route: Route) -> (Vec<Bytes>, bool) {
        let mut events = Vec::new();
        let route = self.batch.map_or(route, Route::Numbered);
        self.take_events(route, &mut events);
        let any = !events.is_empty();
        (events, any)
    }

    /// The farewell, after the events that still wait, and the end of the held connect.
    pub(super) fn say_farewell(&mut self, farewell: Farewell) {
        let mut last = self.last_events();
        if farewell == Farewell::ForGood {
            last.push(reply::farewell());
        }
        match self.delivery {
            Delivery::Http => self.dismiss_held(last, farewell),
            Delivery::Socket(connection) => {
                let lines = last.into_iter().map(|line| (connection, Line::Reply(line)));
                self.lines.extend(lines);
                self.dismiss_held(Vec::new(), farewell);
            }
        }
    }

    pub(super) fn confirm(&mut self, arrived: impl Fn(&Batch) -> bool) {
        for (stream, position) in self.flight.confirm(arrived) {
            self.outputs
                .push_back(Output::Confirmed { stream, position });
        }
    }

    pub(super) fn lose(&mut self, lost: impl Fn(&Batch) -> bool) {
        let Lost { streams, messages } = self.flight.lose(lost);
        self.queue.put_back(messages);
        for (stream, position) in streams {
            self.queue.drop_stream(stream);
            self.rewinding.push(stream);
            self.outputs.push_back(Output::Rewind { stream, position });
        }
        self.tell_room();
    }

    pub(super) fn rewound(&mut self, stream: u64) {
        if let Some(place) = self.rewinding.iter().position(|s| *s == stream) {
            self.rewinding.swap_remove(place);
        }
        if self.rewinding.is_empty() {
            self.rewinding = Vec::new();
        }
        self.tell_room();
    }

    pub(super) fn closed(&mut self, connection: ConnectionId, clean: bool, now: Instant) {
        self.lines.retain(|(to, _)| *to != connection);
        for exchange in &mut self.exchanges {
            exchange.moot |=
                exchange.carrier == Carrier::Socket && exchange.connection == connection;
        }
        if clean {
            self.flight.finish(connection);
        }
        self.lose(|batch| match batch.route {
            Route::Poll(on, _) => on == connection && !clean,
            Route::Socket(on) => on == connection,
            Route::Numbered(_) => false,
        });
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.connection == connection)
        {
            self.drop_held(now);
        }
    }

    pub(super) fn abandoned(&mut self, exchange: ExchangeId, now: Instant) {
        if let Some(place) = self.exchanges.iter().position(|e| e.id == exchange) {
            let slots = self.exchanges.remove(place).slots;
            self.go_unanswered(slots);
        }
        self.lose(|batch| match batch.route {
            Route::Poll(_, by) => by == exchange,
            Route::Socket(_) | Route::Numbered(_) => false,
        });
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.exchange == exchange)
        {
            self.drop_held(now);
        }
    }

    /// Events go with connect replies only.
    pub(super) fn connects_only(&self) -> bool {
        self.batch.is_some() || self.config.meta_connect_deliver_only
    }

    fn drop_held(&mut self, now: Instant) {
        self.held = None;
        if !self.over {
            self.expire_after(std::time::Duration::ZERO, now);
        }
    }

    fn take_replies(&mut self, connection: ConnectionId, frame: &mut Vec<Bytes>) {
        while let Some(place) = self.lines.iter().position(|(to, _)| *to == connection) {
            match self.lines.remove(place) {
                Some((_, Line::Reply(reply))) => frame.push(reply),
                Some((_, Line::Connect(reply))) => {
                    self.take_connect_reply(connection, reply, frame)
                }
                None => {}
            }
            if frame.iter().map(Bytes::len).sum::<usize>() >= FRAME_BYTES {
                break;
            }
        }
        if self.lines.is_empty() && self.lines.capacity() > 0 {
            self.lines = std::collections::VecDeque::new();
        }
    }

    fn take_connect_reply(
        &mut self,
        connection: ConnectionId,
        reply: ConnectReply,
        frame: &mut Vec<Bytes>,
    ) {
        if self.connects_only() && !self.over {
            let route = self
                .batch
                .map_or(Route::Socket(connection), Route::Numbered);
            self.take_events(route, frame);
        }
        self.flight.seal(connection);
        frame.push(self.encode(reply));
    }

    fn take_events(&mut self, route: Route, into: &mut Vec<Bytes>) {
        let bounded = !matches!(route, Route::Poll(..));
        let mut bytes: usize = into.iter().map(Bytes::len).sum();
        while !bounded || bytes < FRAME_BYTES {
            let Some(event) = self.queue.take(self.may_keep()) else {
                break;
            };
            bytes += event.message.len();
            self.flight.record(route, &event);
            into.push(event.message);
        }
        self.tell_room();
    }

    /// The bytes of events without a source are held until they are confirmed, so there is a limit to how many go out.
    fn may_keep(&self) -> bool {
        self.flight.kept_bytes() < self.config.unconfirmed_bytes_max
    }

    /// Half of that limit is used: answering the held connect makes the client send the next, which confirms.
    fn ask_for_confirmation(
        &mut self,
        connection: ConnectionId,
        frame: &mut Vec<Bytes>,
        now: Instant,
    ) {
        if self.wants_confirmation(connection) {
            self.answer_held(now);
            self.take_replies(connection, frame);
        }
    }

    fn wants_confirmation(&self, connection: ConnectionId) -> bool {
        let held = self.held.as_ref();
        let streams = self.delivery == Delivery::Socket(connection) && !self.connects_only();
        streams
            && !self.over
            && self.flight.kept_bytes() > self.config.unconfirmed_bytes_max / 2
            && held.is_some_and(|held| held.connection == connection)
    }

    fn tell_room(&mut self) {
        if self.wants_room && self.rewinding.is_empty() && self.queue.is_half_empty(&self.config) {
            self.wants_room = false;
            self.outputs.push_back(Output::Drained);
        }
        self.tell_read();
    }
}
