//! How pushes end, and what their destinations have room for.
//!
//! An end is known before it is durable. Where the disk fails meanwhile it is kept in memory and recorded later, so that a
//! push that has arrived is not made again, however long the disk is full; only a crash may undo it.

use super::*;

/// Chats that are looked after when a destination has recovered, or has taken one more.
const ROUND: usize = 256;

/// The end of a push, until it is durable.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Settled {
    number: u64,
    outcome: Outcome,
}

impl Shard {
    /// A push ended, or will be tried again. What is no longer owed is ignored.
    pub(super) fn settled(&mut self, delivery: DeliveryId, outcome: Outcome, now: Now) {
        let DeliveryId { session, number } = delivery;
        let room = match self.rooms.get_mut(&session) {
            Some(Slot::Awake(room)) => room,
            Some(Slot::Loading(loading)) => return loading.settle(number, outcome),
            None => return,
        };
        if room.pushing != Some(number) {
            return;
        }
        room.pushing = None;
        let Some(subscriber) = &room.push else { return };
        let destination = subscriber.subscription.destination.clone();
        let delivered = outcome == Outcome::Delivered;
        let failed = matches!(outcome, Outcome::Retry { .. });
        room.settled = Some(Box::new(Settled { number, outcome }));
        if failed {
            self.recovered.remove(&destination);
        }
        self.record(session, now);
        if delivered {
            self.push_room(&destination, 2, now);
        }
    }

    /// What could not be recorded is, unless it is on its way already.
    pub(super) fn record_again(&mut self, session: SessionId, now: Now) {
        let resume_at = self.resume_at;
        if let Some(room) = self.room(session)
            && room.committing == 0
            && resume_at <= now.instant
        {
            self.record(session, now);
        }
    }

    /// Writes down how a push ended.
    fn record(&mut self, session: SessionId, now: Now) {
        if self.failing.is_some() {
            return self.reschedule(session);
        }
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        let (Some(settled), Some(subscriber)) = (room.settled.as_deref(), &room.push) else {
            return;
        };
        let Settled { number, outcome } = settled.clone();
        let push = subscriber.on_attempt(number, outcome, &settings.resend, now);
        if push.is_empty() {
            return self.recorded(session, number);
        }
        let decision = Decision {
            push,
            ..Decision::default()
        };
        self.commit(session, decision, vec![Then::Recorded(number)], now);
    }

    /// The end of a push is durable, or nobody is interested in it any more.
    pub(super) fn recorded(&mut self, session: SessionId, number: u64) {
        let Some(room) = self.room(session) else {
            return;
        };
        if room
            .settled
            .as_ref()
            .is_some_and(|end| end.number == number)
        {
            room.settled = None;
        }
        if room
            .posted
            .as_ref()
            .is_some_and(|(posted, _)| *posted == number)
        {
            room.posted = None;
        }
    }

    /// A destination had no room: the chat is offered again when it has.
    pub(super) fn push_refused(&mut self, delivery: DeliveryId, destination: String) {
        let room = match self.rooms.get_mut(&delivery.session) {
            Some(Slot::Awake(room)) => room,
            // It is offered again once it is loaded.
            Some(Slot::Loading(loading)) => return loading.pushing = None,
            None => return,
        };
        room.pushing = None;
        room.push_queued = true;
        self.push_queue
            .entry(destination)
            .or_default()
            .push_back(delivery.session);
        self.reschedule(delivery.session);
    }

    /// A destination has room for `room` more.
    pub(super) fn push_room(&mut self, destination: &str, room: usize, now: Now) {
        for _ in 0..room {
            let Some(session) = self
                .push_queue
                .get_mut(destination)
                .and_then(VecDeque::pop_front)
            else {
                return;
            };
            match self.rooms.get_mut(&session).and_then(Slot::awake) {
                Some(room) => {
                    room.push_queued = false;
                    self.offer_push(session, now);
                }
                None => self.wake(session),
            }
        }
    }

    /// A destination answers again: what waits for its next attempt need not wait longer.
    pub(super) fn push_recovered(&mut self, destination: &str, now: Now) {
        self.recovered.insert(destination.to_owned());
        let waiting = self.push_retries.remove(destination).unwrap_or_default();
        self.push_queue
            .entry(destination.to_owned())
            .or_default()
            .extend(waiting);
        self.push_room(destination, ROUND, now);
    }
}

impl Loading {
    /// A push ended while its session is loaded again.
    fn settle(&mut self, number: u64, outcome: Outcome) {
        if self.pushing == Some(number) {
            self.pushing = None;
            self.settled = Some(Box::new(Settled { number, outcome }));
        }
    }
}
