//! Publishes that the application puts off until the client has read more of the answers it has asked for.
//!
//! A publish that is put off does not count for how much may be unanswered: the client's next connect, which shows what it
//! has read, may stand behind it on the same WebSocket. It is not put off for long: clients close a WebSocket on which an
//! answer does not come, and browsers have few connections for requests that are not answered.

use crate::clock::Instant;

use super::exchange::{Exchange, Slot};
use super::{Event, Now, Offer, Output, Session};

impl Session {
    /// Queues an answer: an event that cannot be fetched again, and is not refused. How many may wait is for the
    /// application to decide, by [`has_read`](Self::has_read).
    pub fn answer(&mut self, message: bytes::Bytes, now: Now) {
        self.wall = now.wall;
        if !self.over {
            let source = None;
            self.queue.push(Event { message, source });
            self.wake(now.instant);
        }
    }

    /// Queues an answer, however many events wait, unless more bytes of answers than `queue_bytes_max` would. One alone
    /// always finds room.
    pub fn try_answer(&mut self, message: bytes::Bytes, now: Now) -> Offer {
        let waiting = self.queue.answer_bytes();
        if self.over {
            return Offer::Gone;
        }
        if waiting > 0 && waiting + message.len() > self.config.queue_bytes_max {
            return Offer::Full;
        }
        self.answer(message, now);
        Offer::Queued
    }

    /// Whether no more than `bytes` of events that cannot be fetched again wait for the client. Otherwise
    /// [`Output::AnswersRead`] follows once it is so.
    pub fn has_read(&mut self, bytes: usize) -> bool {
        let has_read = self.queue.answer_bytes() <= bytes;
        if !has_read {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            self.wants_read = self.wants_read.max(Some(bytes));
        }
        has_read
    }

    pub(super) fn tell_read(&mut self) {
        let wanted = self.wants_read.map(|bytes| bytes as usize);
        if wanted.is_some_and(|bytes| self.queue.answer_bytes() <= bytes) {
            self.wants_read = None;
            self.outputs.push_back(Output::AnswersRead);
        }
    }

    pub(super) fn put_off(&mut self, publish: u64, now: Instant) {
        if let Some(recent) = &mut self.recent {
            recent.put_off(publish);
        }
        let until = now + self.config.put_off_max;
        for exchange in &mut self.exchanges {
            if exchange.mark(publish, true) {
                exchange.put_off_until.get_or_insert(until);
            }
        }
    }

    pub(super) fn begun(&mut self, publish: u64, now: Instant) {
        if let Some(recent) = &mut self.recent {
            recent.begun(publish);
        }
        let answer_by = now + self.config.publish_timeout;
        for exchange in &mut self.exchanges {
            if exchange.mark(publish, false) {
                exchange.answer_by = answer_by;
                exchange
                    .put_off_until
                    .take_if(|_| !exchange.slots.iter().any(Slot::is_put_off));
            }
        }
    }

    /// Has the application answer what has been put off for too long.
    pub(super) fn give_up(&mut self, now: Instant) {
        for exchange in &mut self.exchanges {
            if exchange.put_off_until.take_if(|at| *at <= now).is_none() {
                continue;
            }
            let given_up = exchange.slots.iter().filter_map(|slot| match slot {
                Slot::Publish {
                    publish,
                    put_off: true,
                    ..
                } => Some(Output::GivenUp { publish: *publish }),
                _ => None,
            });
            self.outputs.extend(given_up);
        }
    }

    /// Publishes or requests that are unanswered and not put off. Each publish that is excuses one request: a repetition
    /// of it is not put off.
    pub(super) fn under_way(&self) -> usize {
        let known = self.recent.as_ref();
        let put_off = known.map_or(0, |recent| recent.waiting());
        let pending = known.map_or(0, |recent| recent.pending());
        pending.max(self.exchanges.len()).saturating_sub(put_off)
    }
}

impl Exchange {
    /// When something has to happen to it at the latest.
    pub fn deadline(&self) -> Instant {
        let answer_by = self.answer_by.whole_tenth();
        let until = self.put_off_until;
        until.map_or(answer_by, |until| until.min(answer_by))
    }

    /// Notes of a publish whether it is put off; tells whether the publish is one of this request.
    fn mark(&mut self, number: u64, is_put_off: bool) -> bool {
        let mut known = false;
        for slot in &mut self.slots {
            if let Slot::Publish {
                publish, put_off, ..
            } = slot
                && *publish == number
            {
                *put_off = is_put_off;
                known = true;
            }
        }
        known
    }
}

impl Slot {
    fn is_put_off(&self) -> bool {
        matches!(self, Self::Publish { put_off: true, .. })
    }
}
