//! Events waiting for a client: bounded in bytes and in number.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Config, Event};

/// Waiting events, in order.
#[derive(Debug, Default)]
pub struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
}

impl Queue {
    /// Takes the event if it fits. One event alone always does, whatever its size.
    pub fn offer(&mut self, event: Event, config: &Config) -> Result<(), Event> {
        let bytes = self.bytes + event.message.len();
        let fits = self.events.len() < config.queue_messages_max && bytes <= config.queue_bytes_max;
        if !fits && !self.events.is_empty() {
            return Err(event);
        }
        self.push(event);
        Ok(())
    }

    /// Takes the event whether or not it fits.
    pub fn push(&mut self, event: Event) {
        self.bytes += event.message.len();
        self.events.push_back(event);
    }

    /// Bytes of the events that cannot be fetched again.
    pub fn answer_bytes(&self) -> usize {
        let answers = self.events.iter().filter(|event| event.source.is_none());
        answers.map(|event| event.message.len()).sum()
    }

    /// Puts messages that were lost before all others, in their order.
    pub fn put_back(&mut self, messages: Vec<Bytes>) {
        for message in messages.into_iter().rev() {
            self.bytes += message.len();
            self.events.push_front(Event {
                message,
                source: None,
            });
        }
    }

    /// The next event, if it may go: one that cannot be fetched again only where `keep` allows it.
    pub fn take(&mut self, keep: bool) -> Option<Event> {
        if !self.can_take(keep) {
            return None;
        }
        let event = self.events.pop_front()?;
        self.bytes -= event.message.len();
        if self.events.is_empty() {
            // An idle session holds no buffer.
            self.events = VecDeque::new();
        }
        Some(event)
    }

    /// Whether [`take`](Self::take) would give something.
    pub fn can_take(&self, keep: bool) -> bool {
        self.events
            .front()
            .is_some_and(|event| keep || event.source.is_some())
    }

    /// Drops what waits of a stream: it will be delivered again.
    pub fn drop_stream(&mut self, stream: u64) {
        self.events
            .retain(|event| event.source.is_none_or(|source| source.stream != stream));
        self.bytes = self.events.iter().map(|event| event.message.len()).sum();
    }

    /// Whether at most half of the room is taken.
    pub fn is_half_empty(&self, config: &Config) -> bool {
        self.events.len() <= config.queue_messages_max / 2
            && self.bytes <= config.queue_bytes_max / 2
    }
}
