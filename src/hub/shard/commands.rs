//! Deciding a command, and handing its record to the disk.

use super::*;
use crate::chat::{Change, EventKind, Rejection};
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
            Err(rejection) => return reply(Err(rejection.into())),
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
        match room
            .chat
            .decide(caller, command, settings.policy_of(&room.service), now)
        {
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

    /// Joining twice on one connection is joining once; after a restart the same account takes its participant over.
    pub(super) fn join(
        &mut self,
        session: SessionId,
        join: Join,
        viewer: Arc<dyn Viewer>,
        bytes_max: usize,
        reply: Reply<Joined>,
        now: Now,
    ) {
        if let Some(error) = &self.failing {
            return reply(Err(error.clone().into()));
        }
        let settings = self.settings.clone();
        let present = self.present(session, &join, viewer.id());
        let Some(room) = self.room(session) else {
            return reply(Err(Refusal::Unknown));
        };
        room.touched = now.instant;
        if let Some(participant) = present {
            let joined = Then::Joined(viewer, participant, bytes_max, reply);
            return self.after_pending(session, joined, now);
        }
        match room.chat.decide(
            Caller::Server,
            Command::Join(join),
            settings.policy_of(&room.service),
            now,
        ) {
            Err(rejection) => {
                let refuse = Then::Refuse(
                    Box::new(move |refusal| reply(Err(refusal))),
                    rejection.into(),
                );
                self.after_pending(session, refuse, now);
            }
            Ok(changes) => {
                let participant = changes.iter().find_map(|change| match change {
                    Change::Joined(participant) => Some(participant.id),
                    _ => None,
                });
                let Some(participant) = participant else {
                    return reply(Err(Refusal::Unknown));
                };
                let decision = Decision {
                    changes,
                    ..Decision::default()
                };
                self.commit(
                    session,
                    decision,
                    vec![Then::Joined(viewer, participant, bytes_max, reply)],
                    now,
                );
            }
        }
    }

    /// The participant that `viewer` is already, or becomes with what is on its way to the disk, or takes over.
    fn present(
        &mut self,
        session: SessionId,
        join: &Join,
        viewer: ViewerId,
    ) -> Option<ParticipantId> {
        let joining = self.joining(session);
        let room = self.room(session)?;
        let same = joining.iter().find(|(who, _)| *who == viewer);
        let known = room.acting(viewer).ok().or(same.map(|(_, id)| *id));
        // Its leaving may be on its way: then it comes back as somebody new.
        if let Some(participant) = known.filter(|id| room.is_present(*id)) {
            return Some(participant);
        }
        room.orphans_until?;
        let taken = |orphan: &&chat::Participant| joining.iter().all(|(_, id)| *id != orphan.id);
        room.orphans()
            .filter(taken)
            .find(|orphan| orphan.account == join.account && orphan.visibility == join.visibility)
            .map(|orphan| orphan.id)
    }

    /// Who joins with what is on its way to the disk.
    fn joining(&mut self, session: SessionId) -> Vec<(ViewerId, ParticipantId)> {
        if self.room(session).is_none_or(|room| room.committing == 0) {
            return Vec::new();
        }
        let pending = self
            .pending
            .iter()
            .filter(|pending| pending.session == session);
        let then = pending.flat_map(|pending| &pending.then);
        then.filter_map(|then| match then {
            Then::Joined(viewer, participant, ..) => Some((viewer.id(), *participant)),
            _ => None,
        })
        .collect()
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

    /// Folds a decision in, and hands its record to the disk.
    pub(super) fn commit(
        &mut self,
        session: SessionId,
        decision: Decision,
        then: Vec<Then>,
        now: Now,
    ) {
        let settings = self.settings.clone();
        let ticket = self.next_ticket;
        let Some(room) = self.room(session) else {
            return;
        };
        let Decision {
            changes,
            push: decided,
            applied,
            remembered,
        } = decision;
        let before = room.chat.state();
        for change in &changes {
            room.chat.apply(change);
        }
        room.chat
            .settle(settings.policy_of(&room.service), now.instant);
        let mut given_up = Vec::new();
        if !applied {
            pushes::fold(&mut room.push, &decided, &mut given_up);
        }
        let mut push = std::mem::take(&mut room.unstored);
        push.extend(decided);
        room.consequences(&changes, &settings, now, &mut push, &mut given_up);
        if let Some(key) = &remembered {
            room.remember_key(key.clone(), now.instant);
        }
        room.committing += 1;
        let to_joined = changes
            .iter()
            .any(|change| matches!(change, Change::UserDataUpdated(_)));
        let listed =
            to_joined || before != room.chat.state() || changes.iter().any(alters_the_list);
        let pending = Pending {
            session,
            events: changes.iter().filter_map(event_of).collect(),
            after: Durable::of(&room.chat, room.push.as_ref()),
            summary: listed.then(|| Listing {
                summary: Arc::new(room.summary()),
                to_joined,
            }),
            graves: given_up.into_iter().map(|one| room.grave(one)).collect(),
            then,
        };
        let batch = Batch {
            session,
            epoch: room.epoch,
            record: Record {
                changes,
                push,
                remembered,
            },
        };
        self.next_ticket += 1;
        self.pending.push_back(pending);
        self.outputs.push_back(Output::Commit(ticket, batch));
        self.count_owed(session);
        self.reschedule(session);
    }

    /// Does something once everything decided so far is durable: at once where nothing is on its way.
    pub(super) fn after_pending(&mut self, session: SessionId, then: Then, now: Now) {
        let committing = self.room(session).is_some_and(|room| room.committing > 0);
        match self
            .pending
            .iter_mut()
            .rev()
            .find(|pending| committing && pending.session == session)
        {
            Some(last) => last.then.push(then),
            None => self.follow(session, then, now),
        }
    }
}

impl Then {
    /// It is not going to be. A refusal stands all the same.
    pub(super) fn fail(self, cause: Refusal) {
        match self {
            Then::Refuse(refuse, refusal) => refuse(refusal),
            Then::Done(reply, ..) => reply(Err(cause)),
            Then::Joined(_, _, _, reply) => reply(Err(cause)),
            Then::Watched(_, _, reply) => reply(Err(cause)),
            Then::Read(_, _, _, reply) => reply(Err(cause)),
            Then::Watch(_) => {}
        }
    }

    fn refuse(reply: Reply<Done>, rejection: Rejection) -> Then {
        Then::Refuse(
            Box::new(move |refusal| reply(Err(refusal))),
            rejection.into(),
        )
    }
}

fn first_event_index(changes: &[Change]) -> Option<u64> {
    changes.iter().find_map(|change| match change {
        Change::Event(event) => Some(event.index),
        _ => None,
    })
}

fn event_of(change: &Change) -> Option<Arc<Event>> {
    match change {
        Change::Event(event) => Some(Arc::new(event.clone())),
        _ => None,
    }
}

/// Whether a change may show in an agent's list of sessions.
fn alters_the_list(change: &Change) -> bool {
    match change {
        Change::Created { .. }
        | Change::Joined(_)
        | Change::UserDataUpdated(_)
        | Change::AsyncStatus(_)
        | Change::Closed { .. } => true,
        Change::Event(event) => matches!(
            event.kind,
            EventKind::ParticipantLeft { .. } | EventKind::NicknameUpdated { .. }
        ),
        _ => false,
    }
}
