//! Seats: taking them, catching up, giving them up.

use super::*;
use crate::hub::fan_out::{CUSTOMER, Sights};
use crate::hub::seat::{Offer, Pace, Seat, Told};

/// Events that are fetched for a seat at a time, bytes.
const CATCH_UP_BYTES: usize = 64 * 1024;
/// Entries of the list that may wait for room; a viewer further behind begins anew.
const STALE_MAX: usize = 10_000;

impl Shard {
    /// The customer's Bayeux client watches from `from` on; a newer one takes an older one's place.
    pub(super) fn watch(
        &mut self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        from: u64,
        subscription: Option<Subscription>,
        reply: Reply<View>,
        now: Now,
    ) {
        self.sign_of_life(session, now);
        match self.resubscription(session, subscription) {
            Some(push) => self.resubscribe(session, push, Then::Watched(viewer, from, reply), now),
            None => self.watched(session, viewer, from, reply, now),
        }
    }

    pub(super) fn watched(
        &mut self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        from: u64,
        reply: Reply<View>,
        now: Now,
    ) {
        let Some(room) = self.room(session) else {
            return reply(Err(Refusal::Unknown));
        };
        room.touched = now.instant;
        reply(Ok(room.view(CUSTOMER)));
        // It fetches everything up to the last event, from wherever it begins.
        let next = room.durable.next_index;
        self.acknowledge(session, next, now);
        self.seat_customer(session, viewer, from.max(1));
    }

    pub(super) fn seat_customer(&mut self, session: SessionId, viewer: Arc<dyn Viewer>, from: u64) {
        let Some(room) = self.room(session) else {
            return;
        };
        room.seats.retain(|seat| seat.participant != CUSTOMER);
        room.viewer_coming = false;
        let id = viewer.id();
        room.seats.push(Seat::new(viewer, CUSTOMER, from));
        self.catch_up(session, id);
        self.reschedule(session);
    }

    /// The agent is answered the transcript, and told everything after it.
    pub(super) fn seat_agent(
        &mut self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        participant: ParticipantId,
        bytes_max: usize,
        reply: Reply<Joined>,
    ) {
        let Some(room) = self.room(session) else {
            return reply(Err(Refusal::Unknown));
        };
        let id = viewer.id();
        room.seats.retain(|seat| seat.participant != participant);
        let mut seat = Seat::new(viewer, participant, 1);
        seat.pace = Pace::Fetching;
        room.seats.push(seat);
        self.reschedule(session);
        self.fetch(
            session,
            1,
            bytes_max,
            Purpose::Join(id, participant, bytes_max, reply),
        );
    }

    /// Tells a seat what it has not been told, as far as it has room, reading from the store where memory does not reach.
    pub(super) fn catch_up(&mut self, session: SessionId, viewer: ViewerId) {
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        let Some(place) = room
            .seats
            .iter()
            .position(|seat| seat.viewer.id() == viewer)
        else {
            return;
        };
        if room.seats[place].pace != Pace::Waiting {
            return;
        }
        let mut seat = room.seats.swap_remove(place);
        let missing = room.catch_up_from_memory(&mut seat, &self.keys);
        let next = seat.next;
        if missing {
            seat.pace = Pace::Fetching;
        }
        room.seats.push(seat);
        room.drop_ended_seats();
        if missing {
            self.fetch(session, next, CATCH_UP_BYTES, Purpose::Seat(viewer));
        }
    }

    /// Events for a seat have come from the store.
    pub(super) fn seat_fetched(
        &mut self,
        session: SessionId,
        viewer: ViewerId,
        result: Result<Vec<Event>, store::Error>,
    ) {
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        let Some(place) = room
            .seats
            .iter()
            .position(|seat| seat.viewer.id() == viewer && seat.pace == Pace::Fetching)
        else {
            return;
        };
        let mut seat = room.seats.swap_remove(place);
        seat.pace = Pace::Live;
        let events = result.unwrap_or_else(|error| {
            tracing::error!(%session, position = seat.next, %error, "events cannot be read; their viewer goes on after them");
            Vec::new()
        });
        let before = seat.next;
        for event in events
            .into_iter()
            .filter(|event| event.index < room.durable.next_index)
        {
            if event.index < seat.next {
                continue;
            }
            seat.next = event.index;
            let event = Arc::new(event);
            room.offer(&mut seat, &Sights::new(&event), &event, &self.keys);
            if seat.pace == Pace::Waiting {
                break;
            }
        }
        let full = seat.pace == Pace::Waiting;
        if !full && seat.next == before {
            // Nothing there up to what memory has: a gap that cannot be read.
            seat.next = room.first_recent();
        }
        seat.pace = Pace::Waiting;
        room.seats.push(seat);
        if !full {
            self.catch_up(session, viewer);
        }
    }

    pub(super) fn confirmed(&mut self, session: SessionId, viewer: ViewerId, index: u64, now: Now) {
        let Some(seat) = self.room(session).and_then(|room| room.seat(viewer)) else {
            return;
        };
        seat.confirmed = seat.confirmed.max(index + 1);
        if seat.participant == CUSTOMER {
            self.acknowledge(session, index + 1, now);
        }
    }

    pub(super) fn rewind(&mut self, session: SessionId, viewer: ViewerId, index: u64) {
        let Some(seat) = self.room(session).and_then(|room| room.seat(viewer)) else {
            return;
        };
        seat.rewind(index);
        seat.viewer.rewound(session);
        self.catch_up(session, viewer);
    }

    /// A viewer is gone for good. An agent leaves with it.
    pub(super) fn gone(&mut self, session: SessionId, viewer: ViewerId, lost: bool, now: Now) {
        let Some(room) = self.room(session) else {
            return;
        };
        let Some(place) = room
            .seats
            .iter()
            .position(|seat| seat.viewer.id() == viewer)
        else {
            return;
        };
        let seat = room.seats.swap_remove(place);
        room.touched = now.instant;
        if seat.participant == CUSTOMER {
            room.presence.touch(now.instant);
            self.viewer_gone(session, now);
        } else if seat.until.is_none() {
            let command = match lost {
                true => Command::Remove {
                    participant: seat.participant,
                    quit: chat::QuitReason::Server,
                    lost: true,
                },
                false => Command::Release {
                    participant: None,
                    after: chat::AfterAction::KeepAlive,
                    reason: None,
                },
            };
            let caller = if lost {
                Caller::Server
            } else {
                Caller::Participant(seat.participant)
            };
            self.submit(
                session,
                caller,
                command,
                Also::default(),
                Box::new(|_| {}),
                now,
            );
        }
        self.reschedule(session);
    }

    pub(super) fn watch_list(&mut self, viewer: Arc<dyn Viewer>) {
        let id = viewer.id();
        self.list.retain(|watcher| watcher.viewer.id() != id);
        self.list.push(ListViewer {
            viewer,
            stale: BTreeSet::new(),
        });
    }

    /// The entries that found no room are told as they are now.
    pub(super) fn list_room(&mut self, viewer: ViewerId) {
        let Some(place) = self
            .list
            .iter()
            .position(|watcher| watcher.viewer.id() == viewer)
        else {
            return;
        };
        if self.list[place].stale.len() > STALE_MAX {
            tracing::warn!(
                ?viewer,
                stale = STALE_MAX,
                "a watcher of the session list is too far behind and begins anew"
            );
            self.list.swap_remove(place).viewer.dismiss();
            return;
        }
        while let Some(session) = self.list[place].stale.pop_first() {
            // A session that has gone to sleep meanwhile looks as it did when it was told last, or is closed and gone.
            let Some(Slot::Awake(room)) = self.rooms.get(&session) else {
                continue;
            };
            let message = room.summary().told();
            if self.list[place].viewer.tell(Told {
                session,
                position: None,
                message,
            }) == Offer::Full
            {
                self.list[place].stale.insert(session);
                return;
            }
        }
    }

    pub(super) fn summaries(
        &mut self,
        sessions: Vec<SessionId>,
        reply: Box<dyn FnOnce(Vec<Summary>, Vec<SessionId>) + Send>,
    ) {
        let mut known = Vec::new();
        let mut asleep = Vec::new();
        for session in sessions {
            match self.rooms.get(&session) {
                Some(Slot::Awake(room)) if room.durable.closed => {}
                Some(Slot::Awake(room)) => known.push(room.summary()),
                _ => asleep.push(session),
            }
        }
        reply(known, asleep);
    }
}

impl Room {
    /// Whether events are missing in memory that the seat has yet to be told.
    fn catch_up_from_memory(&self, seat: &mut Seat, keys: &wire::keys::Keys) -> bool {
        if seat.next >= self.durable.next_index {
            seat.pace = Pace::Live;
            return false;
        }
        let Some(events) = self.recent(seat.next) else {
            return true;
        };
        seat.pace = Pace::Live;
        for event in events {
            self.offer(seat, &Sights::new(event), event, keys);
            if seat.pace != Pace::Live {
                return false;
            }
        }
        seat.next = self.durable.next_index;
        false
    }
}
