//! One destination's own way: what waits, what is under way, and whether it works.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Job;
use super::attempt::Receiver;
use super::metrics::Counted;
use crate::clock::Instant;
use crate::push::Outcome;
use crate::tasks::quiet::Quiet;

/// One destination. Its bound is twice `customhttp.concurrency`: half of it under way, half waiting.
pub(super) struct Lane {
    name: String,
    pub(super) counted: Counted,
    state: Mutex<State>,
}

struct State {
    receiver: Arc<Receiver>,
    /// Jobs accepted that have not ended.
    accepted: usize,
    /// Jobs accepted that are not under way, in order.
    waiting: VecDeque<Job>,
    workers: usize,
    /// A job was given back, and its owner waits to be told of room.
    turned_away: bool,
    /// No success since the last failure, or the start.
    failing: bool,
    closed: Option<Closed>,
    log: Quiet,
}

/// Why a lane makes no attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It answered 410.
    Gone,
    /// A reload took it away, or it was never there.
    Unconfigured,
}

/// A worker's next job.
pub(super) struct Turn {
    pub(super) job: Job,
    pub(super) receiver: Arc<Receiver>,
    pub(super) closed: Option<Closed>,
}

/// How a job ended, as the lane sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The destination works.
    Succeeded,
    /// It does not; it may later.
    Failed,
    /// It does not want this one.
    Refused,
    /// It wants none any more.
    Gone,
    /// No attempt was made.
    NotMade,
}

/// What is worth telling after that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct After {
    /// For how many more, where one was turned away.
    pub(super) room: Option<usize>,
    pub(super) recovered: bool,
    pub(super) disabled: bool,
}

impl Lane {
    pub(super) fn new(name: String, receiver: Arc<Receiver>, counted: Counted) -> Self {
        let state = State {
            receiver,
            accepted: 0,
            waiting: VecDeque::new(),
            workers: 0,
            turned_away: false,
            failing: true,
            closed: None,
            log: Quiet::default(),
        };
        Self {
            name,
            counted,
            state: Mutex::new(state),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn receiver(&self) -> Arc<Receiver> {
        Arc::clone(&self.state().receiver)
    }

    /// Accepts a job and says how many workers to start for it, or gives it back.
    pub(super) fn offer(&self, job: Job) -> Result<usize, Job> {
        let mut state = self.state();
        if state.free() == 0 {
            state.turned_away = true;
            return Err(job);
        }
        state.accepted += 1;
        state.waiting.push_back(job);
        Ok(state.hire())
    }

    /// The next job of a worker; without one the worker ends.
    pub(super) fn turn(&self, draining: bool) -> Option<Turn> {
        let mut state = self.state();
        let surplus = draining || state.workers > state.concurrency();
        let job = if surplus {
            None
        } else {
            state.waiting.pop_front()
        };
        let Some(job) = job else {
            state.workers -= 1;
            return None;
        };
        Some(Turn {
            job,
            receiver: Arc::clone(&state.receiver),
            closed: state.closed,
        })
    }

    /// A job ended, after an attempt by way of `receiver`.
    pub(super) fn ended(&self, ended: Ended, receiver: &Arc<Receiver>) -> After {
        let mut state = self.state();
        state.accepted = state.accepted.saturating_sub(1);
        let room = state.room();
        let recovered = ended == Ended::Succeeded && state.failing;
        match ended {
            Ended::Succeeded => state.failing = false,
            Ended::Failed => state.failing = true,
            Ended::Refused | Ended::Gone | Ended::NotMade => {}
        }
        // The 410 of an address that was replaced meanwhile says nothing of the new one.
        let disabled = ended == Ended::Gone
            && state.closed.is_none()
            && Arc::ptr_eq(&state.receiver, receiver);
        if disabled {
            state.closed = Some(Closed::Gone);
        }
        After {
            room,
            recovered,
            disabled,
        }
    }

    /// Works again, with this receiver; says how many workers to start.
    pub(super) fn reopen(&self, receiver: Arc<Receiver>) -> usize {
        let mut state = self.state();
        // Another receiver has not failed yet, but those who wait do so because of the last one.
        state.failing |= !Arc::ptr_eq(&state.receiver, &receiver) || state.closed.is_some();
        state.receiver = receiver;
        state.closed = None;
        state.hire()
    }

    pub(super) fn close(&self, closed: Closed) {
        self.state().closed = Some(closed);
    }

    /// One line for a failed attempt, unless there are too many of them.
    pub(super) fn log_failure(&self, job: &Job, reason: &str, outcome: &Outcome, now: Instant) {
        let Some(unlogged) = self.state().log.line(now) else {
            return;
        };
        let (destination, delivery) = (&*self.name, job.delivery);
        let attempt = job.failed.saturating_add(1);
        match outcome {
            Outcome::Retry { not_before, .. } => {
                let next_in_ms = not_before.0.saturating_sub(now.0);
                tracing::warn!(destination, %delivery, attempt, reason, next_in_ms, unlogged, "push failed");
            }
            Outcome::Dead { .. } | Outcome::Delivered => {
                tracing::warn!(destination, %delivery, attempt, reason, unlogged, "push given up: dead letter");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn concurrency(&self) -> usize {
        self.receiver.destination.concurrency.max(1)
    }

    fn free(&self) -> usize {
        (2 * self.concurrency()).saturating_sub(self.accepted)
    }

    /// What to tell those who were turned away, once there is room worth telling of.
    fn room(&mut self) -> Option<usize> {
        let worth = self.turned_away && self.free() * 2 >= self.concurrency();
        if !worth {
            return None;
        }
        self.turned_away = false;
        Some(self.free())
    }

    /// Workers for those who wait, as far as concurrency allows.
    fn hire(&mut self) -> usize {
        let free = self.concurrency().saturating_sub(self.workers);
        let hired = free.min(self.waiting.len());
        self.workers += hired;
        hired
    }
}

impl Closed {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Closed::Gone => "the destination is disabled since it answered HTTP 410",
            Closed::Unconfigured => "the destination is not configured",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::clock::Wall;
    use crate::id::{DeliveryId, SessionId};
    use crate::push::{Destination, RetrySchedule};
    use crate::tasks::push::{Metrics, by_http};

    #[test]
    fn workers_are_hired_up_to_the_concurrency() {
        let lane = lane(2);
        let hired: Vec<usize> = (1..=4).map(|_| offer(&lane).unwrap()).collect();
        assert_eq!(hired, [1, 1, 0, 0]);
        assert_eq!(offer(&lane), None, "four are in hand");
    }

    #[test]
    fn room_is_told_once_to_whom_was_turned_away() {
        let (lane, receiver) = (lane(4), receiver(4));
        while offer(&lane).is_some() {}
        let room: Vec<Option<usize>> = (0..4)
            .map(|_| lane.ended(Ended::Succeeded, &receiver).room)
            .collect();
        assert_eq!(room, [None, Some(2), None, None]);
    }

    #[test]
    fn a_worker_goes_home_when_nothing_waits_and_when_draining() {
        let lane = lane(2);
        offer(&lane);
        offer(&lane);
        assert!(lane.turn(false).is_some());
        assert!(lane.turn(true).is_none());
        assert_eq!(offer(&lane), Some(1));
    }

    #[test]
    fn a_reload_to_less_sends_workers_home_and_to_more_hires() {
        let lane = lane(2);
        while offer(&lane).is_some() {}
        assert_eq!(lane.reopen(receiver(1)), 0);
        assert!(lane.turn(false).is_none());
        assert!(lane.turn(false).is_some());
        assert_eq!(lane.reopen(receiver(4)), 3);
    }

    #[test]
    fn recovery_is_told_after_the_start_and_after_failures() {
        let (lane, receiver) = (lane(2), receiver(2));
        let recovered = |ended| lane.ended(ended, &receiver).recovered;
        assert!(recovered(Ended::Succeeded));
        assert!(!recovered(Ended::Succeeded));
        assert!(!recovered(Ended::Failed));
        assert!(!recovered(Ended::Refused));
        assert!(recovered(Ended::Succeeded));
    }

    #[test]
    fn the_410_of_a_replaced_address_disables_nothing() {
        let lane = lane(2);
        let old = lane.receiver();
        lane.reopen(receiver(2));
        assert!(!lane.ended(Ended::Gone, &old).disabled);
        let new = lane.receiver();
        assert!(lane.ended(Ended::Gone, &new).disabled);
        assert!(!lane.ended(Ended::Gone, &new).disabled, "told once");
    }

    fn lane(concurrency: usize) -> Lane {
        let counted = Metrics::default().of("acme");
        Lane::new("acme".to_owned(), receiver(concurrency), counted)
    }

    fn receiver(concurrency: usize) -> Arc<Receiver> {
        let destination = Destination {
            url: "http://127.0.0.1:9/hook".to_owned(),
            message: None,
            secrets: Vec::new(),
            retry: RetrySchedule::none(),
            timeout: Duration::from_secs(1),
            concurrency,
        };
        let courier = by_http("acme", &destination).unwrap();
        Arc::new(Receiver::new(destination, courier))
    }

    fn offer(lane: &Lane) -> Option<usize> {
        let job = Job {
            delivery: DeliveryId {
                session: SessionId::new(Wall(0), 0),
                number: 1,
            },
            destination: "acme".into(),
            body: Bytes::new(),
            traceparent: "".into(),
            owed_at: Instant(0),
            failed: 0,
        };
        lane.offer(job).ok()
    }
}
