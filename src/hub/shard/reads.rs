//! Reading a stretch of the transcript: from memory where it reaches, else from the store.

use super::*;
use crate::hub::fan_out::{CUSTOMER, stretch};
use crate::hub::seat::Pace;

impl Shard {
    #[expect(clippy::too_many_arguments, reason = "one for each field of the ask")]
    pub(super) fn read(
        &mut self,
        session: SessionId,
        reader: ParticipantId,
        from: u64,
        bytes_max: usize,
        acknowledge: bool,
        reply: Reply<Page>,
        now: Now,
    ) {
        if reader == CUSTOMER {
            self.sign_of_life(session, now);
        }
        let Some(room) = self.room(session) else {
            return reply(Err(Refusal::Unknown));
        };
        room.touched = now.instant;
        if from == 0 {
            let view = room.view(reader);
            let next_position = room.durable.next_index;
            return reply(Ok(Page {
                events: Vec::new(),
                next_position,
                participants: Vec::new(),
                view,
            }));
        }
        if acknowledge && reader == CUSTOMER {
            let next = room.durable.next_index;
            self.acknowledge(session, next, now);
        }
        self.fetch(
            session,
            from,
            bytes_max,
            Purpose::Page(reader, bytes_max, reply),
        );
    }

    pub(super) fn read_as(
        &mut self,
        session: SessionId,
        viewer: ViewerId,
        from: u64,
        bytes_max: usize,
        reply: Reply<Page>,
        now: Now,
    ) {
        match self.acting(session, viewer) {
            // Its joining is on its way to the disk, and a part of what it asks for.
            Ok(participant) if !self.is_seated(session, viewer, participant) => {
                let read = Then::Read(viewer, from, bytes_max, reply);
                self.after_pending(session, read, now);
            }
            Ok(participant) => self.read(
                session,
                participant,
                from.max(1),
                bytes_max,
                false,
                reply,
                now,
            ),
            Err(refusal) => reply(Err(refusal)),
        }
    }

    fn is_seated(
        &mut self,
        session: SessionId,
        viewer: ViewerId,
        participant: ParticipantId,
    ) -> bool {
        self.room(session)
            .is_some_and(|room| room.acting(viewer) == Ok(participant))
    }

    /// Serves a purpose from memory, or asks the store.
    pub(super) fn fetch(
        &mut self,
        session: SessionId,
        from: u64,
        bytes_max: usize,
        purpose: Purpose,
    ) {
        let Some(room) = self.room(session) else {
            return;
        };
        let Some(purpose) = room.in_turn(purpose) else {
            return;
        };
        let wanted = purpose.events_max();
        let recent = room.recent(from);
        let recent = recent.map(|events| events.take(wanted).cloned().collect::<Vec<_>>());
        if let Some(events) = recent {
            return self.serve(session, from, purpose, &events, None);
        }
        room.fetching += 1;
        if let Some(viewer) = purpose.joins() {
            room.join_begins(viewer);
        }
        self.outputs.push_back(Output::Fetch(Fetch {
            session,
            from,
            bytes_max,
            purpose,
        }));
    }

    /// The store has answered.
    pub(super) fn fetched(
        &mut self,
        fetch: Fetch,
        result: Result<Vec<Event>, store::Error>,
        now: Now,
    ) {
        if let Some(Slot::Loading(loading)) = self.rooms.get_mut(&fetch.session) {
            return loading.fetched.push((fetch, result));
        }
        let Fetch {
            session,
            from,
            bytes_max: _,
            purpose,
        } = fetch;
        let Some(room) = self.room(session) else {
            return purpose.refuse(Refusal::Busy);
        };
        room.fetching = room.fetching.saturating_sub(1);
        let joins = purpose.joins();
        match purpose {
            Purpose::Seat(viewer) => self.seat_fetched(session, viewer, from, result),
            Purpose::Push(number) => self.push_fetched(session, number, result, now),
            Purpose::DeadLetter(grave) => {
                let event = result.ok().and_then(|events| events.into_iter().next());
                self.letter(session, *grave, event.as_ref());
            }
            purpose => match result {
                Err(error) if joins.is_some() => {
                    // It has joined, durably: what cannot be read is missing in its transcript.
                    tracing::error!(%session, %error, "the transcript cannot be read");
                    self.serve(session, from, purpose, &[], None);
                }
                Err(error) => purpose.refuse(error.into()),
                Ok(events) => {
                    let read_to = events.last().map(|event| event.index + 1);
                    let mut events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
                    if let Some(recent) = read_to.and_then(|next| self.room(session)?.recent(next))
                    {
                        events.extend(recent.cloned());
                    }
                    let read_to = events.last().map_or(from, |event| event.index + 1);
                    self.serve(session, from, purpose, &events, Some(read_to));
                }
            },
        }
        if let Some(viewer) = joins {
            self.next_join(session, viewer);
        }
        self.reschedule(session);
    }

    /// Answers a purpose with events from `from` on. `read_to` is where the store stopped reading; `None`: at the end.
    fn serve(
        &mut self,
        session: SessionId,
        from: u64,
        purpose: Purpose,
        events: &[Arc<Event>],
        read_to: Option<u64>,
    ) {
        let Some(room) = self.room(session) else {
            return purpose.refuse(Refusal::Unknown);
        };
        match purpose {
            Purpose::Page(reader, bytes_max, reply) => {
                reply(Ok(room.page(reader, from, events, bytes_max, read_to)))
            }
            Purpose::Join {
                viewer,
                seated,
                participant,
                bytes_max,
                reply,
            } => {
                let page = room.page(participant, from, events, bytes_max, read_to);
                if seated {
                    room.go_on_after(viewer, participant, page.next_position);
                }
                reply(Ok(Joined { participant, page }));
                if seated {
                    self.catch_up(session, viewer);
                }
            }
            Purpose::Push(_) => self.hand_out(session, events.first().map(|event| &**event)),
            Purpose::DeadLetter(grave) => {
                self.letter(session, *grave, events.first().map(|event| &**event))
            }
            Purpose::Seat(_) => {}
        }
    }
}

impl Room {
    fn page(
        &self,
        reader: ParticipantId,
        from: u64,
        events: &[Arc<Event>],
        bytes_max: usize,
        read_to: Option<u64>,
    ) -> Page {
        let end = self.end_for(reader);
        let durable = events
            .iter()
            .filter(|event| event.index >= from && event.index < end);
        let last = events
            .iter()
            .rev()
            .find(|event| event.index < end)
            .map(|event| event.index + 1);
        let (events, after) = stretch(&self.chat, reader, durable, bytes_max);
        let cut_by_size = after.is_some() && after < last;
        let cut_by_store = read_to.is_some_and(|read_to| read_to < end);
        let next_position = match after {
            Some(after) if cut_by_size || cut_by_store => after,
            _ => self.durable.next_index,
        };
        let participants = if reader == CUSTOMER {
            Vec::new()
        } else {
            self.who_joined(&events)
        };
        Page {
            events,
            next_position,
            participants,
            view: self.view(reader),
        }
    }
}

impl Room {
    /// The seat of one who has just joined goes on where its transcript ends.
    fn go_on_after(&mut self, viewer: ViewerId, participant: ParticipantId, next: u64) {
        let joining =
            |seat: &&mut Seat| seat.participant == participant && seat.pace == Pace::Joining;
        if let Some(seat) = self.seat(viewer).filter(joining) {
            (seat.next, seat.confirmed) = (next, next);
            seat.pace = Pace::Waiting;
        }
    }

    fn who_joined(&self, events: &[Arc<Event>]) -> Vec<chat::Participant> {
        let joined = events
            .iter()
            .filter(|event| event.kind == chat::EventKind::ParticipantJoined);
        joined
            .filter_map(|event| self.chat.participant(event.from.participant).cloned())
            .collect()
    }
}

impl Purpose {
    /// How many events it wants at most.
    fn events_max(&self) -> usize {
        match self {
            Purpose::Push(_) | Purpose::DeadLetter(_) => 1,
            Purpose::Page(..) | Purpose::Join { .. } | Purpose::Seat(_) => usize::MAX,
        }
    }

    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Purpose::Page(_, _, reply) => reply(Err(refusal)),
            Purpose::Join { reply, .. } => reply(Err(refusal)),
            Purpose::Seat(_) | Purpose::Push(_) | Purpose::DeadLetter(_) => {}
        }
    }
}
