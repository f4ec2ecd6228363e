//! Folding a decision in, handing its record to the disk, and what waits for that.

use super::*;
use crate::chat::{Change, EventKind, Rejection};
use crate::limit;

impl Shard {
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
            room.remembered.push_back(key.clone());
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
    /// It is not going to be. A refusal does not stand either: what it was decided on was never stored.
    pub(super) fn fail(self, cause: Refusal) {
        match self {
            Then::Refuse(refuse, _) => refuse(cause),
            Then::Done(reply, ..) => reply(Err(cause)),
            Then::Joined(_, _, _, reply) => reply(Err(cause)),
            Then::Watched(_, _, reply) => reply(Err(cause)),
            Then::Read(_, _, _, reply) => reply(Err(cause)),
            Then::Watch(_) | Then::Recorded(_) => {}
        }
    }

    pub(super) fn refuse(reply: Reply<Done>, rejection: Rejection) -> Then {
        Then::Refuse(
            Box::new(move |refusal| reply(Err(refusal))),
            refused(rejection),
        )
    }
}

/// What the session says no with; where it is for a limit, that is noted.
pub(super) fn refused(rejection: Rejection) -> Refusal {
    rejection.limit().into_iter().for_each(limit::reached);
    rejection.into()
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
