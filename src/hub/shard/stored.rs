//! What the disk has answered: telling, or taking back.

use super::*;
use crate::hub::fan_out::{CUSTOMER, Sights, sees};
use crate::hub::seat::{Offer, Pace, Seat, Told};
use crate::wire::agent::answer::{self, Removed};

/// After a failed write the timers and pushes of the shard rest so long; twice as long each time it happens again.
const PAUSE_MIN: Duration = Duration::from_secs(2);
/// And no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(60);

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
                    self.pause = Duration::ZERO;
                    self.tell(pending, now);
                }
                Err(error) => self.take_back(pending, error),
            }
        }
        if self.failing.is_some() && self.pending.is_empty() {
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            self.paused_until = now.instant + self.pause;
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
            if room.durable.next_index == 1 {
                self.load.opened();
            }
            if after.closed && !room.durable.closed {
                self.load.closed();
            }
            room.durable = after;
            for event in &events {
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
        }
        self.offer_push(session, now);
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
                self.seat_agent(session, viewer, participant, bytes_max, reply)
            }
            Then::Watch(viewer) => {
                self.seat_customer(session, viewer, 1);
            }
            Then::Watched(viewer, from, reply) => self.watched(session, viewer, from, reply, now),
        }
    }

    /// A batch is not durable, and nothing that was decided after it will be.
    fn take_back(&mut self, pending: Pending, error: store::Error) {
        self.spoiled.insert(pending.session);
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
            self.unschedule(&room);
            self.rooms.insert(
                session,
                Slot::Loading(Loading {
                    waiting: Vec::new(),
                    seats: room.seats,
                }),
            );
            self.outputs.push_back(Output::Load(session));
        }
        self.failing = None;
        self.outputs.push_back(Output::Reset);
    }

    /// Seats of those who have left are given up once their leaving has been told.
    fn release_seats(&mut self, session: SessionId) {
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        room.end_seats();
        room.drop_ended_seats();
    }

    fn tell_list(&mut self, listing: &Listing) {
        let session = listing.summary.session;
        let message = listing.summary.told();
        let told = Told {
            session,
            position: None,
            message,
        };
        for watcher in &mut self.list {
            if !watcher.stale.is_empty() || watcher.viewer.tell(told.clone()) == Offer::Full {
                watcher.stale.insert(session);
            }
        }
        if !listing.to_joined {
            return;
        }
        let watching: Vec<ViewerId> = self
            .list
            .iter()
            .map(|watcher| watcher.viewer.id())
            .collect();
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        for seat in room
            .seats
            .iter_mut()
            .filter(|seat| seat.participant != CUSTOMER && !watching.contains(&seat.viewer.id()))
        {
            seat.owed_summary = seat.viewer.tell(told.clone()) == Offer::Full;
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
        if event.index < self.end_for(seat.participant) && sees(&self.chat, seat.participant, event)
        {
            let message = sights.of(seat.participant, &self.encoder(keys));
            let told = Told {
                session: self.id,
                position: Some(event.index),
                message,
            };
            if seat.viewer.tell(told) == Offer::Full {
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

    /// Gives up the seats that have been told their end.
    pub(super) fn drop_ended_seats(&mut self) {
        let reason = if self.durable.closed {
            Removed::Closed
        } else {
            Removed::Released
        };
        let session = self.id;
        self.seats.retain(|seat| {
            let ended = seat.until.is_some_and(|until| seat.next > until);
            if ended && seat.participant != CUSTOMER {
                let message = answer::removed(session, reason);
                // Without room the agent learns it from its own ParticipantLeft, which it has been told.
                let _ = seat.viewer.tell(Told {
                    session,
                    position: None,
                    message,
                });
            }
            !ended
        });
    }
}
