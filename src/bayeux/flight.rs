//! Events that went out and are not yet known to have arrived.
//!
//! For an event with a source only its position is kept, as a mark in the batch it went out with; the bytes of others are
//! kept whole. A confirmation is passed on per stream and only as far as nothing earlier of that stream is open.

use bytes::Bytes;

use super::{ConnectionId, Event, ExchangeId};

/// What the events of one batch rode on, which decides what confirms them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A connect reply over HTTP: the next connect.
    Poll(ConnectionId, ExchangeId),
    /// A WebSocket: the next connect on it after a connect reply.
    Socket(ConnectionId),
    /// A connect reply of this number, by the ack extension: the client's `ext.ack`.
    Numbered(u64),
}

/// All batches in flight, oldest first.
#[derive(Debug, Default)]
pub struct Flight {
    batches: Vec<Batch>,
    kept_bytes: usize,
}

/// What has to be delivered again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Streams, and the position before the first event that was lost.
    pub streams: Vec<(u64, u64)>,
    /// Messages that had no source.
    pub messages: Vec<Bytes>,
}

/// What is known of a batch beside its route.
#[derive(Debug)]
pub struct Batch {
    /// What it rode on.
    pub route: Route,
    /// A connect reply followed it; nothing is added any more.
    pub sealed: bool,
    /// The connection it went over was closed in good order.
    pub finished: bool,
    confirmed: bool,
    marks: Vec<Mark>,
    kept: Vec<Bytes>,
}

/// The events of one stream in one batch.
#[derive(Clone, Copy, Debug)]
struct Mark {
    stream: u64,
    first: u64,
    last: u64,
}

impl Flight {
    /// Bytes kept of events that cannot be fetched again.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Whether anything open went over this HTTP connection.
    pub fn rides_on(&self, connection: ConnectionId) -> bool {
        let on_it = |batch: &Batch| matches!(batch.route, Route::Poll(on, _) if on == connection);
        self.batches
            .iter()
            .any(|batch| on_it(batch) && !batch.confirmed)
    }

    /// Notes that `event` goes out by `route`.
    pub fn record(&mut self, route: Route, event: &Event) {
        let open = self
            .batches
            .last()
            .is_some_and(|batch| batch.route == route && !batch.sealed && !batch.confirmed);
        if !open {
            if self.batches.is_empty() {
                // More than one is rare.
                self.batches.reserve_exact(1);
            }
            self.batches.push(Batch::new(route));
        }
        let Some(batch) = self.batches.last_mut() else {
            return;
        };
        match event.source {
            Some(source) => batch.mark(source.stream, source.position),
            None => {
                self.kept_bytes += event.message.len();
                batch.kept.push(event.message.clone());
            }
        }
    }

    /// Notes that a connect reply follows on a WebSocket.
    pub fn seal(&mut self, connection: ConnectionId) {
        for batch in &mut self.batches {
            batch.sealed |= batch.route == Route::Socket(connection);
        }
    }

    /// Notes that an HTTP connection was closed in good order.
    pub fn finish(&mut self, connection: ConnectionId) {
        for batch in &mut self.batches {
            batch.finished |= matches!(batch.route, Route::Poll(on, _) if on == connection);
        }
    }

    /// Confirms the batches `arrived` picks; gives the streams that are confirmed further than before, and how far.
    pub fn confirm(&mut self, arrived: impl Fn(&Batch) -> bool) -> Vec<(u64, u64)> {
        for batch in &mut self.batches {
            if !batch.confirmed && arrived(batch) {
                batch.confirmed = true;
                self.kept_bytes -= batch.forget_kept();
            }
        }
        let mut told = Vec::new();
        let mut open: Vec<u64> = Vec::new();
        for batch in &mut self.batches {
            if batch.confirmed {
                batch.marks.retain(|mark| {
                    let blocked = open.contains(&mark.stream);
                    if !blocked {
                        told.push((mark.stream, mark.last));
                    }
                    blocked
                });
            } else {
                open.extend(batch.marks.iter().map(|mark| mark.stream));
            }
        }
        self.tidy();
        told
    }

    /// Gives up the batches `lost` picks. Whatever of a lost stream was sent later is forgotten too: it comes again.
    pub fn lose(&mut self, lost: impl Fn(&Batch) -> bool) -> Lost {
        let mut result = Lost::default();
        for batch in &mut self.batches {
            if !batch.confirmed && lost(batch) {
                result.messages.append(&mut batch.kept);
                for mark in std::mem::take(&mut batch.marks) {
                    result.add(mark);
                }
            }
        }
        for batch in &mut self.batches {
            batch.marks.retain(|mark| !result.covers(*mark));
        }
        self.kept_bytes -= result.messages.iter().map(Bytes::len).sum::<usize>();
        self.tidy();
        result
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn tidy(&mut self) {
        self.batches
            .retain(|batch| !batch.marks.is_empty() || !batch.kept.is_empty());
        if self.batches.is_empty() {
            // An idle session holds no buffer.
            self.batches = Vec::new();
        }
    }
}

impl Batch {
    fn new(route: Route) -> Self {
        Self {
            route,
            sealed: false,
            finished: false,
            confirmed: false,
            marks: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn mark(&mut self, stream: u64, position: u64) {
        match self.marks.binary_search_by_key(&stream, |mark| mark.stream) {
            Ok(place) => self.marks[place].last = position,
            Err(place) => self.marks.insert(
                place,
                Mark {
                    stream,
                    first: position,
                    last: position,
                },
            ),
        }
    }

    fn forget_kept(&mut self) -> usize {
        let kept = std::mem::take(&mut self.kept);
        kept.iter().map(Bytes::len).sum()
    }
}

impl Lost {
    fn add(&mut self, mark: Mark) {
        let before = mark.first.saturating_sub(1);
        match self.streams.iter_mut().find(|(s, _)| *s == mark.stream) {
            Some((_, position)) => *position = before.min(*position),
            None => self.streams.push((mark.stream, before)),
        }
    }

    fn covers(&self, mark: Mark) -> bool {
        self.streams
            .iter()
            .any(|(stream, position)| *stream == mark.stream && mark.first > *position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayeux::Source;

    const A: Route = Route::Poll(ConnectionId(1), ExchangeId(1));
    const B: Route = Route::Poll(ConnectionId(2), ExchangeId(2));

    fn event(stream: u64, position: u64) -> Event {
        let source = Some(Source { stream, position });
        Event {
            message: Bytes::from_static(b"{}"),
            source,
        }
    }

    #[test]
    fn a_confirmation_waits_for_what_went_before() {
        let mut flight = Flight::default();
        flight.record(A, &event(7, 1));
        flight.record(B, &event(7, 2));
        flight.record(B, &event(8, 5));
        assert_eq!(flight.confirm(|batch| batch.route == B), [(8, 5)]);
        assert_eq!(flight.confirm(|batch| batch.route == A), [(7, 1), (7, 2)]);
        assert!(flight.batches.is_empty());
    }

    #[test]
    fn a_loss_takes_what_went_later_with_it() {
        let mut flight = Flight::default();
        flight.record(A, &event(7, 3));
        flight.record(A, &event(7, 4));
        flight.record(B, &event(7, 9));
        let lost = flight.lose(|batch| batch.route == A);
        assert_eq!(lost.streams, [(7, 2)]);
        assert!(flight.batches.is_empty());
    }

    #[test]
    fn messages_without_a_source_are_kept_and_counted() {
        let mut flight = Flight::default();
        let message = Bytes::from_static(b"12345");
        let event = Event {
            message: message.clone(),
            source: None,
        };
        flight.record(B, &event);
        assert_eq!(flight.kept_bytes(), 5);
        assert_eq!(flight.lose(|_| true).messages, [message]);
        assert_eq!(flight.kept_bytes(), 0);
    }
}
