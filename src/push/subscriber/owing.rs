//! What an event comes to be owed as.

use super::*;

impl Subscriber {
    /// The customer was removed, or left: pushed unless it asked for that itself and does not want its own events.
    pub(super) fn on_removed(
        &self,
        index: u64,
        quit: QuitReason,
        look: Look,
        now: Now,
    ) -> Vec<Change> {
        let told = quit != QuitReason::Logout || self.subscription.notify_requestor;
        let removal = Change::Removed(Removal { index, told });
        if !told {
            return vec![removal];
        }
        // What is told is decided by a subscriber that knows of the removal.
        let mut removed = self.clone();
        removed.apply(&removal);
        let mut changes = vec![removal];
        changes.extend(removed.tell_of(index, look, now));
        changes
    }

    pub(super) fn tell_of(&self, index: u64, look: Look, now: Now) -> Vec<Change> {
        let unretrieved = Change::Unretrieved { index };
        if look.viewer_live && self.unretrieved.len() + 1 < OWED_MAX {
            return vec![unretrieved];
        }
        if !self.subscription.resend {
            // Events that a viewer left behind go first.
            let held = self.unretrieved.iter().copied();
            return self.each_owed(held.chain([index]), look, now);
        }
        match self.round {
            Round::Posting { .. } | Round::Waiting { .. } => vec![unretrieved],
            Round::Idle | Round::Spent => {
                let first = self.unretrieved.front().copied().unwrap_or(index);
                vec![unretrieved, self.notify(0, first, look, now)]
            }
        }
    }

    /// A delivery for each event; where there are too many, the oldest are given up.
    pub(super) fn each_owed(
        &self,
        indexes: impl Iterator<Item = u64>,
        look: Look,
        now: Now,
    ) -> Vec<Change> {
        let content = |index| Content::Event {
            index,
            chat_ended: look.ended,
        };
        let mut changes: Vec<Change> = (self.next_number..)
            .zip(indexes)
            .map(|(number, index)| Change::Owed(Delivery::new(number, content(index), now)))
            .collect();
        changes.extend(self.too_many(changes.len(), now));
        changes
    }

    /// The ends of those that are too many once `more` are owed. The first may be under way, and is left alone.
    fn too_many(&self, more: usize, now: Now) -> Vec<Change> {
        let over = (self.owed.len() + more).saturating_sub(OWED_MAX);
        let owed = self.owed.iter().map(|delivery| delivery.number);
        let coming = (self.next_number..).take(more);
        owed.chain(coming)
            .skip(1)
            .take(over)
            .map(|number| Change::Settled {
                number,
                outcome: Outcome::Dead {
                    reason: format!("more than {OWED_MAX} pushes owed by one chat"),
                },
                at: now.instant,
            })
            .collect()
    }

    /// A push of resend mode; `first` is the first position that was not fetched.
    pub(super) fn notify(&self, attempt: u32, first: u64, look: Look, now: Now) -> Change {
        let position = (!self.is_removal_told()).then_some(first);
        let content = Content::Notify {
            attempt,
            position,
            next_position: position.map_or(look.next_index, |position| position + 1),
            chat_ended: look.ended,
        };
        Change::Owed(Delivery::new(self.next_number, content, now))
    }

    fn is_removal_told(&self) -> bool {
        self.removed.is_some_and(|removal| removal.told)
    }

    pub(super) fn is_last_of_round(&self, settled: u64, schedule: &ResendSchedule) -> bool {
        matches!(self.round, Round::Posting { number, attempt }
            if number == settled && attempt >= schedule.attempts)
    }
}
