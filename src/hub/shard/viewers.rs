//! Seats: taking them, catching up, giving them up.

use super::*;
use crate::hub::fan_out::{CUSTOMER, Sights};
use crate::hub::seat::{Pace, Seat};

/// Events that are fetched for a seat at a time, bytes.
const CATCH_UP_BYTES: usize = 64 * 1024;

impl Shard {
    /// The customer's Bayeux client watches from `from` on; a newer one takes an older one's place.
    pub(super) fn watch(
        &mut self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        from: u64,
        renewal: Option<Box<Renewal>>,
        reply: Reply<View>,
        now: Now,
    ) {
        self.sign_of_life(session, now);
        match self.resubscription(session, renewal) {
            Ok(Some(push)) => {
                self.resubscribe(session, push, Then::Watched(viewer, from, reply), now)
            }
            Ok(None) => self.watched(session, viewer, from, reply, now),
            Err(refused) => reply(Err(refused.into())),
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
        // What is to come cannot have been seen.
        let next = room.durable.next_index;
        // It fetches everything up to the last event, from wherever it begins.
        self.acknowledge(session, next, now);
        self.seat_customer(session, viewer, from.clamp(1, next), now);
    }

    pub(super) fn seat_customer(
        &mut self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        from: u64,
        now: Now,
    ) {
        let Some(room) = self.room(session) else {
            return;
        };
        room.viewer_coming = false;
        let id = viewer.id();
        let parting = room.take_seat(Seat::new(viewer, CUSTOMER, from));
        room.end_seats();
        self.catch_up(session, id);
        self.reschedule(session);
        if let Some(how) = parting {
            self.gone(session, id, how, now);
        }
    }

    /// The agent is answered the transcript, and told everything after it.
    pub(super) fn seat_agent(
        &mut self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        participant: ParticipantId,
        bytes_max: usize,
        reply: Reply<Joined>,
        now: Now,
    ) {
        let Some(room) = self.room(session) else {
            return reply(Err(Refusal::Unknown));
        };
        let id = viewer.id();
        // Who is told each event already goes on being told, wherever its transcript ends.
        let seated = room.acting(id) != Ok(participant);
        let purpose = Purpose::Join {
            viewer: id,
            seated,
            participant,
            bytes_max,
            reply,
        };
        if !seated {
            return self.fetch_transcript(session, purpose);
        }
        let mut seat = Seat::new(viewer, participant, 1);
        seat.pace = Pace::Joining;
        let parting = room.take_seat(seat);
        self.reschedule(session);
        self.fetch_transcript(session, purpose);
        if let Some(how) = parting {
            self.gone(session, id, how, now);
        }
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
        room.seats[place].pay();
        if room.seats[place].pace != Pace::Waiting {
            return self.release_seats(session);
        }
        let mut seat = room.seats.swap_remove(place);
        let missing = room.catch_up_from_memory(&mut seat, &self.keys);
        let next = seat.next;
        if missing {
            seat.pace = Pace::Fetching;
        }
        room.seats.push(seat);
        self.release_seats(session);
        if missing {
            self.fetch(session, next, CATCH_UP_BYTES, Purpose::Seat(viewer));
        }
    }

    /// Events for a seat have come from the store.
    pub(super) fn seat_fetched(
        &mut self,
        session: SessionId,
        viewer: ViewerId,
        from: u64,
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
        seat.pace = Pace::Waiting;
        if seat.next < from {
            // Rewound meanwhile: what was read begins too late.
            room.seats.push(seat);
            return self.catch_up(session, viewer);
        }
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
        if !full && seat.next == before && from == before {
            // Nothing there up to what memory has: a gap that cannot be read. What was read for an earlier seat of the
            // viewer says nothing of the kind.
            seat.next = seat.next.max(room.first_recent());
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
        seat.confirm(index);
        if seat.participant == CUSTOMER {
            self.has_fetched(session, index, now);
        }
        self.release_seats(session);
    }

    /// The customer has everything up to the event `index`.
    pub(super) fn has_fetched(&mut self, session: SessionId, index: u64, now: Now) {
        if let Some(room) = self.room(session) {
            let position = index.saturating_add(1).min(room.durable.next_index);
            self.acknowledge(session, position, now);
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
    pub(super) fn gone(&mut self, session: SessionId, viewer: ViewerId, how: Parting, now: Now) {
        let failing = self.failing.is_some();
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
        } else if failing {
            // Nothing can be written now; it leaves as one who has not come back.
            room.orphans_until = Some(now.instant);
        } else if seat.until.is_none() {
            self.leave(session, seat.participant, how, now);
        }
        self.reschedule(session);
    }

    fn leave(&mut self, session: SessionId, participant: ParticipantId, how: Parting, now: Now) {
        let (caller, command) = match how {
            Parting::Lost => (
                Caller::Server,
                Command::Remove {
                    participant,
                    quit: chat::QuitReason::Server,
                    lost: true,
                },
            ),
            Parting::Left => (
                Caller::Participant(participant),
                Command::Release {
                    participant: None,
                    after: chat::AfterAction::KeepAlive,
                    reason: None,
                },
            ),
        };
        let nobody = Box::new(|_| {});
        self.submit(session, caller, command, Also::default(), nobody, now);
    }
}

impl Room {
    /// Gives a seat, in place of whoever was told as the same participant; says how its viewer is gone, if it is.
    fn take_seat(&mut self, seat: Seat) -> Option<Parting> {
        let (session, viewer) = (self.id, seat.viewer.id());
        self.seats.retain(|old| {
            let stays = old.participant != seat.participant && old.viewer.id() != viewer;
            if !stays && old.viewer.id() != viewer {
                old.viewer.unseated(session);
            }
            stays
        });
        let parting = seat.viewer.seated(session);
        self.seats.reserve_exact(1);
        self.seats.push(seat);
        parting
    }

    /// Whether somebody has a seat.
    pub(super) fn watched(&self) -> bool {
        !self.seats.is_empty()
    }

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
