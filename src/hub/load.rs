//! How many chats there may be: `[settings] limit-for-sessions` and what goes with it. Once a limit is reached no new
//! chats are begun until there are fewer than a share of it; those that are open go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::tally::Tally;

/// The open chats, how many there may be, and what happened in them.
#[derive(Debug, Default)]
pub struct Load {
    open: AtomicU64,
    limit: AtomicU64,
    resume_below: AtomicU64,
    reached: AtomicBool,
    tally: Tally,
}

impl Load {
    /// Counts from `open`.
    pub fn new(open: u64) -> Self {
        let load = Self::default();
        load.open.store(open, Relaxed);
        load
    }

    /// At most `limit` chats, 0 being no limit; once it was reached, chats are begun again below `resume_below`.
    pub fn configure(&self, limit: u64, resume_below: u64) {
        self.limit.store(limit, Relaxed);
        // Below 0 there is nothing: when the last chat has ended, at the latest, it goes on.
        self.resume_below
            .store(resume_below.min(limit).max(1), Relaxed);
    }

    /// What has happened since the start.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many chats are open.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Whether no new chats are begun.
    pub fn is_reached(&self) -> bool {
        let limit = self.limit.load(Relaxed);
        let open = self.open();
        let was_reached = self.reached.load(Relaxed) && open >= self.resume_below.load(Relaxed);
        let reached = limit > 0 && (was_reached || open >= limit);
        if reached && !self.reached.swap(reached, Relaxed) {
            tracing::warn!(
                open,
                limit,
                "limit reached: [settings] limit-for-sessions; no new chats are begun"
            );
        }
        self.reached.store(reached, Relaxed);
        reached
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self) {
        let _ = self
            .open
            .fetch_update(Relaxed, Relaxed, |open| open.checked_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_reached_it_takes_a_share_of_the_limit_to_go_on() {
        let load = Load::new(0);
        load.configure(10, 8);
        (0..9).for_each(|_| load.opened());
        assert!(!load.is_reached());
        load.opened();
        assert!(load.is_reached());
        load.closed();
        load.closed();
        assert!(load.is_reached(), "8 are not below 8");
        load.closed();
        assert!(!load.is_reached());
    }

    /// A share of a small limit is rounded down to 0, and there are never fewer chats than that.
    #[test]
    fn a_limit_of_one_is_not_reached_for_ever() {
        let load = Load::new(0);
        load.configure(1, 0);
        load.opened();
        assert!(load.is_reached());
        load.closed();
        assert!(!load.is_reached());
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let load = Load::new(1_000_000);
        assert!(!load.is_reached());
    }
}
