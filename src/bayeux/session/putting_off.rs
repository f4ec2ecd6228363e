//! Publishes that the application puts off until the client has read more of the answers it has asked for.
//!
//! A publish that is put off does not count for how much may be unanswered: the client's next connect, which shows what it
//! has read, may stand behind it on the same WebSocket. Nor does it keep the session of a client alive that has gone. Over a
//! WebSocket it may wait as long as the session lives. An HTTP request is answered after the usual time: its client may
//! be one that reads nothing before.

use crate::clock::Instant;

use super::exchange::{Exchange, Slot};
use super::{Carrier, Event, Now, Output, Session};

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

    pub(super) fn put_off(&mut self, publish: u64) {
        if let Some(recent) = &mut self.recent {
            recent.put_off(publish);
        }
        for exchange in &mut self.exchanges {
            exchange.mark(publish, true);
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
            }
        }
    }

    /// Whether a request is under way, which keeps the session alive.
    pub(super) fn is_busy(&self) -> bool {
        !self.exchanges.iter().all(Exchange::is_put_off)
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
    /// When it is answered at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let waits = self.carrier == Carrier::Socket && self.is_put_off();
        (!waits).then_some(self.answer_by)
    }

    /// Whether a publish of it is put off.
    pub fn is_put_off(&self) -> bool {
        let put_off = |slot: &Slot| matches!(slot, Slot::Publish { put_off: true, .. });
        self.slots.iter().any(put_off)
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
