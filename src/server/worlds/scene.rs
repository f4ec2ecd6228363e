//! What somebody who acts has before them.

use super::dice::Dice;
use super::disk::{Disk, Mood};
use super::life::Life;
use super::model::{Fate, Ledger};
use super::net::Net;

pub(super) struct Scene<'a> {
    pub(super) life: &'a Life,
    pub(super) net: &'a mut Net,
    pub(super) disk: &'a Disk,
    pub(super) ledger: &'a mut Ledger,
    pub(super) dice: &'a mut Dice,
    pub(super) now: u64,
    /// Messages that may come at once to a customer's client, and to an agent's.
    pub(super) burst_max: [usize; 2],
}

impl Scene<'_> {
    /// A text that nobody else says.
    pub(super) fn text(&mut self, length: usize) -> String {
        let number = self.ledger.said.len();
        format!("text-{number}-{}", "x".repeat(length))
    }

    /// Something was answered at `at`: what is said to be done is stored by then, or its author had left.
    pub(super) fn acknowledged(&self, said: usize, ok: bool, at: u64, author: Option<u64>) -> Fate {
        if !ok {
            // A record of a failed sync may be there after the next start.
            return match self.disk.mood() {
                Mood::Broken => Fate::Unknown,
                _ => Fate::Failed,
            };
        }
        let said = &self.ledger.said[said];
        let disk = self.disk.platter();
        let (_, stored) = disk.told(said.session, &said.text);
        match stored {
            Some(stored) => {
                assert!(
                    stored <= at,
                    "{:?} was acknowledged at {at}, and stored at {stored}",
                    said.text
                );
                Fate::Done
            }
            None => {
                let left = author.and_then(|author| disk.left_at(said.session, author));
                assert!(
                    left.is_some_and(|left| left <= at),
                    "{:?} was acknowledged at {at} and is not stored",
                    said.text
                );
                Fate::Failed
            }
        }
    }

    /// One answer holds no more than may wait for a client.
    pub(super) fn check_burst(&self, count: usize, agent: bool) {
        let max = self.burst_max[usize::from(agent)];
        assert!(
            count <= max,
            "{count} messages at once, of {max} that may wait"
        );
    }
}
