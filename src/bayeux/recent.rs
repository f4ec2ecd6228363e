//! The publishes a session made lately: a repetition happens once.
//!
//! Clients that lose a reply send the same message again under the same id (Faye does so without end).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many publishes are remembered.
pub const WINDOW: usize = 64;

/// Publishes by the hash of id, channel and data.
#[derive(Debug, Default)]
pub struct Recent {
    /// Under way, with the number under which the application answers.
    pending: Vec<(u64, u64)>,
    /// Of these, those that the application has put off.
    put_off: Vec<u64>,
    /// Answered, oldest first.
    answered: VecDeque<u64>,
    /// The errors among the answered.
    failed: Vec<(u64, Box<str>)>,
}

/// What is known of a publish.
#[derive(Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// Nothing.
    New,
    /// It is under way, under this number.
    Pending(u64),
    /// It has been answered.
    Answered(Result<(), &'a str>),
}

/// What makes two publishes the same one.
pub fn fingerprint(id: &str, channel: &str, data: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, channel, data).hash(&mut hasher);
    hasher.finish()
}

impl Recent {
    /// Looks a publish up.
    pub fn look_up(&self, fingerprint: u64) -> Known<'_> {
        if let Some((_, number)) = self.pending.iter().find(|(hash, _)| *hash == fingerprint) {
            return Known::Pending(*number);
        }
        if let Some((_, error)) = self.failed.iter().find(|(hash, _)| *hash == fingerprint) {
            return Known::Answered(Err(error));
        }
        if self.answered.contains(&fingerprint) {
            return Known::Answered(Ok(()));
        }
        Known::New
    }

    /// Remembers a publish that is under way.
    pub fn begin(&mut self, fingerprint: u64, number: u64) {
        self.pending.push((fingerprint, number));
    }

    /// Remembers that it is put off.
    pub fn put_off(&mut self, number: u64) {
        if self.pending.iter().any(|(_, n)| *n == number) {
            self.put_off.push(number);
        }
    }

    /// Remembers that it is put off no longer.
    pub fn begun(&mut self, number: u64) {
        self.put_off.retain(|n| *n != number);
        if self.put_off.is_empty() {
            self.put_off = Vec::new();
        }
    }

    /// Whether it is put off.
    pub fn is_put_off(&self, number: u64) -> bool {
        self.put_off.contains(&number)
    }

    /// Remembers how it went.
    pub fn answer(&mut self, number: u64, result: &Result<(), String>) {
        let Some(place) = self.pending.iter().position(|(_, n)| *n == number) else {
            return;
        };
        let (fingerprint, _) = self.pending.swap_remove(place);
        self.begun(number);
        if result.as_ref().is_err_and(|error| may_pass(error)) {
            return;
        }
        if self.answered.len() >= WINDOW
            && let Some(oldest) = self.answered.pop_front()
        {
            self.failed.retain(|(hash, _)| *hash != oldest);
        }
        self.answered.push_back(fingerprint);
        if let Err(error) = result {
            self.failed.push((fingerprint, error.as_str().into()));
        }
    }

    /// How many are not answered.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many of them are put off.
    pub fn waiting(&self) -> usize {
        self.put_off.len()
    }
}

/// What was refused for now has not happened, and may when it is sent again.
fn may_pass(error: &str) -> bool {
    error.starts_with("429:") || error.starts_with("503:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_for_now_may_be_tried_again() {
        let mut recent = Recent::default();
        for (number, error) in [(1, "429::too_many"), (2, "503::full"), (3, "403::no")] {
            recent.begin(number, number);
            recent.answer(number, &Err(error.to_owned()));
        }
        assert_eq!(recent.look_up(1), Known::New);
        assert_eq!(recent.look_up(2), Known::New);
        assert_eq!(recent.look_up(3), Known::Answered(Err("403::no")));
    }

    #[test]
    fn the_window_forgets_the_oldest() {
        let mut recent = Recent::default();
        let refused = Err("403::no".to_owned());
        for number in 0..=WINDOW as u64 {
            recent.begin(number, number);
            assert_eq!(recent.look_up(number), Known::Pending(number));
            recent.answer(number, if number < 2 { &refused } else { &Ok(()) });
        }
        assert_eq!(recent.look_up(0), Known::New);
        assert_eq!(recent.look_up(1), Known::Answered(Err("403::no")));
        assert_eq!(recent.look_up(2), Known::Answered(Ok(())));
        assert_eq!(recent.pending(), 0);
    }
}
