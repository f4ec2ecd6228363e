//! Joins of one viewer that follow each other before the first is answered: each waits for the one before, so that a
//! transcript never comes after a newer one.

use super::*;

/// Joins of one viewer that may wait for the one before; more are refused as busy.
const WAITING_MAX: usize = 64;

/// A join whose transcript is on its way from the store, and those that came after it.
pub(in crate::hub) struct Joining {
    viewer: ViewerId,
    next: VecDeque<Purpose>,
}

impl Shard {
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
            false => purpose.refuse(Refusal::Busy),
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
