//! What the disk has answered: telling, or taking back.

use super::*;
use crate::chat::EventKind;
use crate::hub::fan_out::{CUSTOMER, Sights, sees};
use crate::hub::seat::{Offer, Pace, Seat, Told};
use crate::wire::agent::answer::{self, Removed};

/// How long a disk that has failed is left in peace; twice as long each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Shard {
    /// Completions come in the order of the tickets, each once.
    pub(super) fn stored(&mut self, completions: Vec<Completion>, now: Now) {
        for completion in completions {
            let Some(pending) = self.pending.pop_front() else {
                return;
            };
            if let Some(room) = self.room(pending.session) {
                room.committing -= 1;
            }
            match completion.result {
                Ok(()) => {
                    self.failures = 0;
                    self.tell(pending, now);
                }
                Err(error) => self.take_back(pending, error, now),
            }
        }
        if self.failing.is_some() && self.pending.is_empty() {
            self.start_over();
        }
    }

    /// A batch is durable: whoever may see its events is told, then its caller is answered.
    fn tell(&mut self, pending: Pending, now: Now) {
        let Pending {
            session,
            events,
            after,
            summary,
            graves,
            then,
        } = pending;
        if let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) {
            let was_open = room.durable.is_open();
            if room.durable.next_index == 1 {
                self.load.opened();
            }
            if after.closed && !room.durable.closed {
                self.load.closed();
            }
            room.durable = after;
            // Every seat is looked at, so only where somebody has left.
            let leaves =
                |event: &Arc<Event>| matches!(event.kind, EventKind::ParticipantLeft { .. });
            if events.iter().any(leaves) {
                room.end_seats();
            }
            self.open -= usize::from(was_open);
            self.open += usize::from(after.is_open());
            for event in &events {
                self.load.tally().happened(&event.kind);
                room.tell(&self.keys, event);
            }
            for event in events {
                room.remember_event(event);
            }
        }
        for grave in graves {
            self.bury(session, grave);
        }
        for then in then {
            self.follow(session, then, now);
        }
        self.release_seats(session);
        if let Some(listing) = summary {
            self.tell_list(&listing);
            self.tell_joined(&listing);
        }
        self.offer_push(session, now);
        // Only now may it sleep, or has it events to forget.
        self.reschedule(session);
    }

    /// What was asked can be answered now.
    pub(super) fn follow(&mut self, session: SessionId, then: Then, now: Now) {
        match then {
            Then::Refuse(refuse, refusal) => refuse(refusal),
            Then::Done(reply, index, participant) => match self.room(session) {
                Some(room) => reply(Ok(Done {
                    index,
                    view: room.view(participant),
                })),
                None => reply(Err(Refusal::Unknown)),
            },
            Then::Joined(viewer, participant, bytes_max, reply) => {
                self.seat_agent(session, viewer, participant, bytes_max, reply, now)
            }
            Then::Watch(viewer) => {
                self.seat_customer(session, viewer, 1, now);
            }
            Then::Watched(viewer, from, reply) => self.watched(session, viewer, from, reply, now),
            Then::Recorded(number) => self.recorded(session, number),
            Then::Read(viewer, from, bytes_max, reply) => {
                self.read_as(session, viewer, from, bytes_max, reply, now)
            }
        }
    }

    /// A batch is not durable, and nothing that was decided after it will be.
    fn take_back(&mut self, pending: Pending, error: store::Error, now: Now) {
        self.spoiled.insert(pending.session);
        if self.failing.is_none() {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
            self.resume_at = now.instant + pause.min(LONGEST_PAUSE);
            self.failures += 1;
        }
        let cause = self.failing.get_or_insert_with(|| error.clone()).clone();
        for then in pending.then {
            then.fail(cause.clone().into());
        }
    }

    /// Everything has come back: sessions that are ahead of the disk are loaded again, with their seats.
    fn start_over(&mut self) {
        for session in std::mem::take(&mut self.spoiled) {
            let Some(Slot::Awake(room)) = self.rooms.remove(&session) else {
                continue;
            };
            self.lay_aside(&room);
            self.rooms.insert(
                session,
                Slot::Loading(Box::new(Loading {
                    fetching: room.fetching,
                    seats: room.seats,
                    joining: room.joining,
                    pushing: room.pushing,
                    posted: room.posted,
                    settled: room.settled,
                    ..Loading::default()
                })),
            );
            self.outputs.push_back(Output::Load(session));
        }
        self.failing = None;
        self.outputs.push_back(Output::Reset);
    }

    /// Seats of those who have left are given up once their leaving has been told.
    pub(super) fn release_seats(&mut self, session: SessionId) {
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        room.end_seats();
        if room.drop_ended_seats() && !room.watched() {
            self.reschedule(session);
        }
    }
}

impl Seat {
    /// Tells the entry that is owed, if there is one and room for it.
    pub(super) fn pay(&mut self) {
        if let Some(entry) = &self.owed
            && self.viewer.tell(entry.to_tell()) == Offer::Queued
        {
            self.owed = None;
        }
    }
}

impl Slot {
    pub(super) fn awake(&mut self) -> Option<&mut Room> {
        match self {
            Slot::Awake(room) => Some(room),
            Slot::Loading(_) => None,
        }
    }
}

impl Room {
    /// Tells one event that just became durable to every live seat.
    fn tell(&mut self, keys: &wire::keys::Keys, event: &Arc<Event>) {
        let mut seats = std::mem::take(&mut self.seats);
        let sights = Sights::new(event);
        for seat in seats
            .iter_mut()
            .filter(|seat| seat.pace == Pace::Live && seat.next == event.index)
        {
            self.offer(seat, &sights, event, keys);
        }
        self.seats = seats;
    }

    /// Offers an event to one seat; the seat moves on, or loses its pace.
    pub(super) fn offer(
        &self,
        seat: &mut Seat,
        sights: &Sights<'_>,
        event: &Event,
        keys: &wire::keys::Keys,
    ) {
        let may_read =
            event.index < self.end_for(seat.participant) && seat.may_be_told(event.index);
        if may_read && sees(&self.chat, seat.participant, event) {
            let message = sights.of(seat.participant, &self.encoder(keys));
            let told = Told {
                session: self.id,
                position: Some(event.index),
                message,
            };
            if seat.viewer.tell(told) != Offer::Queued {
                seat.pace = Pace::Waiting;
                return;
            }
        }
        seat.next = event.index + 1;
    }

    /// Notes where the seats of participants who have left end.
    pub(super) fn end_seats(&mut self) {
        for seat in &mut self.seats {
            if let Some(chat::Presence::Left { index, .. }) = self
                .chat
                .participant(seat.participant)
                .map(|someone| someone.presence)
                && index < self.durable.next_index
            {
                seat.until = Some(index);
            }
        }
    }

    /// Gives up the seats whose end has arrived; until then it may have to be told again. Says whether
    /// there were any.
    pub(super) fn drop_ended_seats(&mut self) -> bool {
        let before = self.seats.len();
        let (session, closed) = (self.id, self.durable.closed);
        self.seats.retain_mut(|seat| {
            if seat.is_over() && !seat.dismissed {
                seat.dismissed = seat.participant == CUSTOMER || seat.dismiss(session, closed);
                seat.viewer.ending(session);
            }
            let stays = !seat.is_done_with();
            if !stays {
                seat.viewer.unseated(session);
            }
            stays
        });
        self.seats.len() < before
    }
}

impl Seat {
    /// Tells an agent that it is no longer in the session; says whether there was room.
    fn dismiss(&self, session: SessionId, closed: bool) -> bool {
        let reason = match closed {
            true => Removed::Closed,
            false => Removed::Released,
        };
        let message = answer::removed(session, reason);
        let told = Told {
            session,
            position: None,
            message,
        };
        self.viewer.tell(told) == Offer::Queued
    }
}
