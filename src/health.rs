//! Whether the process takes work: starting, ready, draining.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The store is being opened; nothing is answered yet.
    Starting,
    /// Work is taken.
    Ready,
    /// What is under way is finished; nothing new is begun.
    Draining,
}

/// The state of the process, shared. It never goes back.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

impl Health {
    /// The state now.
    pub fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            _ => State::Draining,
        }
    }

    /// Goes on to `state`, unless it is there already or beyond.
    pub fn advance(&self, state: State) {
        self.0.fetch_max(state as u8, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_process_does_not_become_ready_again() {
        let health = Health::default();
        assert_eq!(health.state(), State::Starting);
        health.advance(State::Ready);
        assert_eq!(health.state(), State::Ready);
        health.advance(State::Draining);
        health.advance(State::Ready);
        assert_eq!(health.state(), State::Draining);
    }
}
