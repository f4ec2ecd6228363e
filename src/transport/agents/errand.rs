//! A request from its coming to its answer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;

use super::desk::{Desk, Limits, Ticket, Turn};
use super::{Agent, RATE_LIMITED, Settings, UNAVAILABLE};
use crate::hub::Refusal;
use crate::transport::PublishDone;
use crate::wire::agent::answer;
use crate::wire::agent::{Asked, ErrorCode, Operation, Request};

/// A request that has not been begun.
pub(super) struct Waiting {
    pub request: Request,
    pub done: PublishDone,
}

/// A request that is being done.
pub(super) struct Errand {
    pub asked: Asked,
    done: PublishDone,
    place: Place,
}

/// The place of a request that is being done. When it is given up, those that wait go on.
struct Place {
    agent: Arc<Agent>,
    ticket: Ticket,
}

impl Agent {
    /// Does a request of so many bytes, now or when its turn comes.
    pub(super) fn take(self: &Arc<Self>, waiting: Waiting, bytes: usize) {
        let settings = self.shared.settings();
        let ticket = Ticket::of(&waiting.request.operation, bytes, &settings);
        let has_read = |left| self.handle.has_read(left);
        let turn = self.desk().enter(ticket, settings.desk(), has_read);
        match turn {
            Turn::Now => self.begin(ticket, waiting),
            Turn::Later => {
                self.shared.waited.fetch_add(1, Ordering::Relaxed);
                waiting.done.put_off();
                self.desk().wait(ticket, waiting);
                self.go_on();
            }
            Turn::Refused { first } => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                if first {
                    tracing::warn!(
                        agent = self.id,
                        "an agent asks faster than it reads: limit reached: [limits] requests-waiting"
                    );
                }
                // An answer would be one more that is not read.
                waiting.done.fail(UNAVAILABLE);
            }
        }
    }

    /// Begins those whose turn has come.
    pub(super) fn go_on(self: &Arc<Self>) {
        if !self.desk().go() {
            return;
        }
        while let Some((ticket, waiting)) = self.next() {
            waiting.done.begun();
            self.begin(ticket, waiting);
        }
    }

    /// A request has waited for too long: it will not be done.
    pub(super) fn give_up(self: &Arc<Self>, publish: u64) {
        let is_it = |waiting: &Waiting| waiting.done.number() == Some(publish);
        let given_up = self.desk().withdraw(is_it);
        if let Some(Waiting { done, .. }) = given_up {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            done.fail(UNAVAILABLE);
            // It may have stood before one that need not wait.
            self.go_on();
        }
    }

    /// The agent is gone: what has not been begun will not be.
    pub(super) fn clear_desk(&self) {
        let waiting = self.desk().clear();
        for Waiting { done, .. } in waiting {
            done.fail(UNAVAILABLE);
        }
    }

    /// Says something that no request waits in turn for, if there is room.
    pub(super) fn say(&self, message: impl FnOnce() -> Bytes) -> bool {
        let max = self.shared.settings().answers_bytes_max;
        let has_room = self.handle.has_read(max);
        if has_room {
            self.handle.answer(message());
        }
        has_room
    }

    fn next(&self) -> Option<(Ticket, Waiting)> {
        let limits = self.shared.settings().desk();
        self.desk().next(limits, |left| self.handle.has_read(left))
    }

    fn begin(self: &Arc<Self>, ticket: Ticket, waiting: Waiting) {
        let Waiting { request, done } = waiting;
        let agent = self.clone();
        let errand = Errand {
            asked: request.asked,
            done,
            place: Place { agent, ticket },
        };
        self.clone().perform(request.operation, errand);
    }

    fn desk(&self) -> MutexGuard<'_, Desk<Waiting>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Errand {
    /// It is done, and this is the answer.
    pub fn answer(self, message: Bytes) {
        self.place.agent.handle.answer(message);
        self.done.ok();
    }

    /// The hub would not do it.
    pub fn refused(self, refusal: &Refusal) {
        let code = match refusal {
            Refusal::Unknown => ErrorCode::UnknownSession,
            Refusal::NotJoined => ErrorCode::NotJoined,
            Refusal::Rejected(rejection) => rejection.into(),
            Refusal::Push(_) => ErrorCode::Malformed,
            Refusal::Store(_) | Refusal::LoadLimit | Refusal::Draining | Refusal::Busy => {
                ErrorCode::Unavailable
            }
        };
        self.refuse(code, &refusal.to_string());
    }

    /// Says what is wrong; what could not be done for now also fails its publish, so that its repetition is no repetition.
    pub fn refuse(self, code: ErrorCode, advice: &str) {
        let message = answer::refused(&self.asked, code, advice);
        self.place.agent.handle.answer(message);
        match code {
            ErrorCode::Unavailable => self.done.fail(UNAVAILABLE),
            ErrorCode::RateLimited => self.done.fail(RATE_LIMITED),
            _ => self.done.ok(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.agent.desk().end(self.ticket);
        self.agent.go_on();
    }
}

impl Ticket {
    fn of(operation: &Operation, bytes: usize, settings: &Settings) -> Self {
        let (session, answer_bytes) = match operation {
            // A list is long, and not cut by its size.
            Operation::Sessions { .. } => (None, settings.answers_bytes_max),
            Operation::Join { session, .. }
            | Operation::Monitor { session }
            | Operation::Transcript { session, .. } => (Some(*session), settings.reply_bytes_max),
            Operation::Do { session, .. } => (Some(*session), 0),
        };
        Self {
            session,
            answer_bytes,
            bytes,
        }
    }
}

impl Settings {
    fn desk(&self) -> Limits {
        Limits {
            answers_bytes_max: self.answers_bytes_max,
            waiting_max: self.waiting_max,
        }
    }
}
