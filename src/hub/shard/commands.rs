//! Deciding a command, and handing its record to the disk.

use super::*;
use crate::chat::{Change, Rejection};
use crate::hub::fan_out::CUSTOMER;
use crate::id::Epoch;

impl Shard {
    pub(super) fn create(&mut self, begin: Begin, now: Now) {
        let Begin {
            session,
            create,
            subscription,
            viewer,
            reply,
        } = begin;
        if let Some(error) = &self.failing {
            return reply(Err(error.clone().into()));
        }
        let service = create.service.clone();
        let fresh = chat::Session::new();
        let policy = self.settings.policy_of(&service);
        let changes = match fresh.decide(Caller::Server, Command::Create(create), policy, now) {
            Ok(changes) => changes,
            Err(rejection) => return reply(Err(commit::refused(rejection))),
        };
        let mut room = Room::new(
            session,
            Snapshot::new(fresh, now.instant),
            Epoch(1),
            now.instant,
        );
        room.service = service.into();
        room.viewer_coming = viewer.is_some();
        self.rooms.insert(session, Slot::Awake(Box::new(room)));
        let mut then = vec![];
        // The viewer is seated before the caller is answered, so that the first event is the answer of a CometD client.
        then.extend(viewer.map(Then::Watch));
        then.push(Then::Done(reply, Some(1), CUSTOMER));
        let push = subscription
            .map(push::Change::Subscribed)
            .into_iter()
            .collect();
        self.commit(
            session,
            Decision {
                changes,
                push,
                ..Decision::default()
            },
            then,
            now,
        );
    }

    pub(super) fn submit(
        &mut self,
        session: SessionId,
        caller: Caller,
        command: Command,
        also: Also,
        reply: Reply<Done>,
        now: Now,
    ) {
        let participant = match caller {
            Caller::Participant(participant) => participant,
            Caller::Server => ParticipantId(0),
        };
        if participant == CUSTOMER {
            self.sign_of_life(session, now);
        }
        if let Some(error) = &self.failing {
            return reply(Err(error.clone().into()));
        }
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return reply(Err(Refusal::Unknown));
        };
        room.touched = now.instant;
        if let Some(known) = also
            .idempotency
            .and_then(|key| room.repeated(key, now.instant))
        {
            let index = known.index;
            return self.after_pending(session, Then::Done(reply, index, participant), now);
        }
        let keys_max = settings.idempotency_keys_max;
        let decided =
            if also.idempotency.is_some() && !room.has_room_for_a_key(keys_max, now.instant) {
                Err(Rejection::Limit {
                    option: "[limits] idempotency-keys",
                    max: keys_max,
                })
            } else {
                let policy = settings.policy_of(&room.service);
                room.chat.decide(caller, command, policy, now)
            };
        match decided {
            Err(rejection) => self.after_pending(session, Then::refuse(reply, rejection), now),
            Ok(changes) if changes.is_empty() => {
                self.after_pending(session, Then::Done(reply, None, participant), now)
            }
            Ok(changes) => {
                let index = first_event_index(&changes);
                let remembered = also.idempotency.map(|key| store::Remembered {
                    key,
                    at: now.instant,
                    index,
                });
                let decision = Decision {
                    changes,
                    remembered,
                    ..Decision::default()
                };
                self.commit(
                    session,
                    decision,
                    vec![Then::Done(reply, index, participant)],
                    now,
                );
            }
        }
    }

    pub(super) fn submit_as(
        &mut self,
        session: SessionId,
        viewer: ViewerId,
        command: Command,
        reply: Reply<Done>,
        now: Now,
    ) {
        match self.acting(session, viewer) {
            Ok(participant) => self.submit(
                session,
                Caller::Participant(participant),
                command,
                Also::default(),
                reply,
                now,
            ),
            Err(refusal) => reply(Err(refusal)),
        }
    }

    /// The participant as whom a viewer acts: whoever has asked to join need not wait for the answer to go on.
    pub(super) fn acting(
        &mut self,
        session: SessionId,
        viewer: ViewerId,
    ) -> Result<ParticipantId, Refusal> {
        let room = self.room(session).ok_or(Refusal::Unknown)?;
        let seated = room.acting(viewer);
        if let Ok(participant) = seated
            && room.is_present(participant)
        {
            return Ok(participant);
        }
        let joining = self.joining(session).into_iter();
        let same = joining.rev().find(|(who, _)| *who == viewer);
        same.map_or(seated, |(_, participant)| Ok(participant))
    }

    /// A command of the server's own; a rejection means that there is nothing left to do.
    pub(super) fn command(&mut self, session: SessionId, command: Command, now: Now) {
        if self.failing.is_some() {
            return;
        }
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        if let Ok(changes) = room.chat.decide(
            Caller::Server,
            command,
            settings.policy_of(&room.service),
            now,
        ) && !changes.is_empty()
        {
            self.commit(
                session,
                Decision {
                    changes,
                    ..Decision::default()
                },
                Vec::new(),
                now,
            );
        }
    }
}

fn first_event_index(changes: &[Change]) -> Option<u64> {
    changes.iter().find_map(|change| match change {
        Change::Event(event) => Some(event.index),
        _ => None,
    })
}
