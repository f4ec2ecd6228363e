//! Waking: what the store has of a session becomes a room again.

use std::collections::hash_map::Entry;

use super::*;
use crate::hub::fan_out::CUSTOMER;

impl Shard {
    /// A sleeping session has something to do.
    pub(super) fn wake(&mut self, session: SessionId) {
        if let Entry::Vacant(place) = self.rooms.entry(session) {
            place.insert(Slot::Loading(Box::default()));
            self.outputs.push_back(Output::Load(session));
        }
    }

    /// The store has answered for a session that is being loaded.
    pub(super) fn loaded(
        &mut self,
        session: SessionId,
        result: Result<Option<Stored>, store::Error>,
        now: Now,
    ) {
        let Some(Slot::Loading(loading)) = self.rooms.get_mut(&session) else {
            return;
        };
        let loading = std::mem::take(loading.as_mut());
        self.rooms.remove(&session);
        let stored = match result {
            Ok(Some(stored)) => stored,
            Ok(None) => return loading.give_up(session, &Refusal::Unknown),
            Err(error) => {
                tracing::error!(%session, %error, "the session cannot be loaded");
                return loading.give_up(session, &error.into());
            }
        };
        let mut given_up = Vec::new();
        let mut room = self.revive(session, stored, now, &mut given_up);
        room.seats = loading.seats;
        room.joining = loading.joining;
        room.settled = loading.settled;
        room.posted = loading.posted;
        let head = room.push.as_ref().and_then(push::Subscriber::head);
        let head = head.map(|delivery| delivery.number);
        room.pushing = loading.pushing.filter(|number| head == Some(*number));
        room.fetching = loading.fetching;
        let viewers: Vec<ViewerId> = room.seats.iter().map(|seat| seat.viewer.id()).collect();
        self.open += usize::from(room.durable.is_open());
        self.rooms.insert(session, Slot::Awake(Box::new(room)));
        self.reschedule(session);
        self.count_owed(session);
        self.bury_again(session, given_up);
        for viewer in viewers {
            self.catch_up(session, viewer);
        }
        for (fetch, result) in loading.fetched {
            self.fetched(fetch, result, now);
        }
        for ask in loading.waiting {
            self.ask(session, ask, now);
        }
        if !self.is_paused(now) {
            self.offer_push(session, now);
        }
    }

    /// Folds what was stored; timers that were set before this process was ready start anew.
    /// What had been given up is added to `given_up`: its dead letter may not have been kept.
    fn revive(
        &self,
        session: SessionId,
        stored: Stored,
        now: Now,
        given_up: &mut Vec<push::GivenUp>,
    ) -> Room {
        let mut snapshot = stored
            .snapshot
            .unwrap_or_else(|| Snapshot::new(chat::Session::new(), self.started));
        for record in stored.records {
            record
                .changes
                .iter()
                .for_each(|change| snapshot.chat.apply(change));
            pushes::fold(&mut snapshot.push, &record.push, given_up);
            snapshot.remembered.extend(record.remembered);
        }
        snapshot.chat.restart_timers(self.started);
        let policy = self.settings.policy_of(snapshot.chat.service());
        snapshot.chat.settle(policy, now.instant);
        snapshot.presence.touched = snapshot.presence.touched.max(self.started);
        let mut room = Room::new(session, snapshot, stored.epoch, now.instant);
        let waits_for_viewer = room
            .push
            .as_ref()
            .is_some_and(push::Subscriber::awaits_viewer);
        if waits_for_viewer || room.orphans().next().is_some() {
            room.orphans_until =
                Some((self.started + self.settings.agents_return_within).max(now.instant));
        }
        room
    }
}

impl Loading {
    /// What is asked waits; what its viewers say of themselves is heard at once.
    pub(super) fn wait(&mut self, session: SessionId, ask: Ask) {
        match ask {
            Ask::Room(_) => {}
            Ask::Gone(viewer, _) => self.seats.retain(|seat| seat.viewer.id() != viewer),
            Ask::Rewind(viewer, index) => self.seat(viewer, |seat| {
                seat.rewind(index);
                seat.viewer.rewound(session);
            }),
            Ask::Confirmed(viewer, index) => {
                let mut customer = false;
                self.seat(viewer, |seat| {
                    seat.confirm(index);
                    customer = seat.participant == CUSTOMER;
                });
                if customer {
                    self.queue(Ask::Fetched(index));
                }
            }
            ask => self.queue(ask),
        }
    }

    fn seat(&mut self, viewer: ViewerId, what: impl FnOnce(&mut Seat)) {
        let mut seats = self.seats.iter_mut();
        seats.find(|seat| seat.viewer.id() == viewer).map(what);
    }

    fn queue(&mut self, ask: Ask) {
        match self.waiting.len() < LOADING_QUEUE_MAX {
            true => self.waiting.push(ask),
            false => ask.refuse(Refusal::Busy),
        }
    }

    fn give_up(self, session: SessionId, refusal: &Refusal) {
        for (fetch, _) in self.fetched {
            fetch.purpose.refuse(refusal.clone());
        }
        for joining in self.joining {
            joining.refuse(refusal);
        }
        for ask in self.waiting {
            ask.refuse(refusal.clone());
        }
        for seat in self.seats {
            seat.viewer.unseated(session);
            seat.viewer.dismiss();
        }
    }
}
