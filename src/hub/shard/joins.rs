//! Joining. Joins of one viewer that follow each other before the first is answered wait for the one before, so that a
//! transcript never comes after a newer one.

use super::*;
use crate::chat::Change;
use crate::limit;

/// Joins of one viewer that may wait for the one before; more are refused as busy.
const WAITING_MAX: usize = 64;

/// A join whose transcript is on its way from the store, and those that came after it.
pub(in crate::hub) struct Joining {
    viewer: ViewerId,
    next: VecDeque<Purpose>,
}

impl Shard {
    /// Joining twice on one connection is joining once; after a restart the same account takes its participant over. Either
    /// way the participant keeps its visibility.
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
                    commit::refused(rejection),
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
            .filter(|orphan| join.may_go_on_as(orphan))
            .min_by_key(|orphan| orphan.visibility != join.visibility)
            .map(|orphan| orphan.id)
    }

    /// Who joins with what is on its way to the disk.
    pub(super) fn joining(&mut self, session: SessionId) -> Vec<(ViewerId, ParticipantId)> {
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

    /// A join was answered: those that waited for it are served in their order.
    pub(super) fn next_join(&mut self, session: SessionId, viewer: ViewerId) {
        let Some(room) = self.room(session) else {
            return;
        };
        let place = room.joining.iter().position(|one| one.viewer == viewer);
        let Some(joining) = place.map(|place| room.joining.swap_remove(place)) else {
            return;
        };
        for purpose in joining.next {
            self.fetch_transcript(session, purpose);
        }
    }

    /// Reads the transcript that answers a join.
    pub(super) fn fetch_transcript(&mut self, session: SessionId, purpose: Purpose) {
        if let Purpose::Join { bytes_max, .. } = purpose {
            self.fetch(session, 1, bytes_max, purpose);
        }
    }
}

impl Room {
    /// Gives the purpose back, unless it has to wait for a join before it.
    pub(super) fn in_turn(&mut self, purpose: Purpose) -> Option<Purpose> {
        let mut before = self.joining.iter_mut();
        let Some(joining) = before.find(|one| purpose.joins() == Some(one.viewer)) else {
            return Some(purpose);
        };
        match joining.next.len() < WAITING_MAX {
            true => joining.next.push_back(purpose),
            false => {
                limit::reached("joins of one connection and session");
                purpose.refuse(Refusal::Busy);
            }
        }
        None
    }

    /// The transcript of a join is on its way.
    pub(super) fn join_begins(&mut self, viewer: ViewerId) {
        self.joining.push(Joining {
            viewer,
            next: VecDeque::new(),
        });
    }
}

impl Join {
    /// Whether this is the participant of the same account, with the rights that it has now.
    fn may_go_on_as(&self, participant: &chat::Participant) -> bool {
        let known = (participant.user_type, participant.style);
        participant.account == self.account && known == (self.user_type, self.style)
    }
}

impl Joining {
    /// Answers those that wait that it cannot be.
    pub(super) fn refuse(self, refusal: &Refusal) {
        for purpose in self.next {
            purpose.refuse(refusal.clone());
        }
    }
}

impl Purpose {
    /// The viewer whose join this answers.
    pub(super) fn joins(&self) -> Option<ViewerId> {
        match self {
            Purpose::Join { viewer, .. } => Some(*viewer),
            _ => None,
        }
    }
}
