//! The session itself: `decide` and `apply`.

use super::{Caller, Change, Command, Event, Participant, Policy, Rejection, UserData};
use crate::clock::{Instant, Now};
use crate::id::ParticipantId;

/// One conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    // H5: fields
}

/// What an agent's list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No visible person is in it.
    Waiting,
    /// A visible person is in it.
    Served,
    /// On hold until an agent joins or the customer writes.
    Held,
    /// Over.
    Closed,
}

impl Session {
    /// A session of which nothing is known yet: the start of every replay.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `command` would change, or why it cannot be. Alters nothing.
    pub fn decide(
        &self,
        caller: Caller,
        command: Command,
        policy: &Policy,
        now: Now,
    ) -> Result<Vec<Change>, Rejection> {
        let _ = (caller, command, policy, now);
        unimplemented!("chat helper")
    }

    /// Folds one change in.
    pub fn apply(&mut self, change: &Change) {
        let _ = change;
    }

    /// When to call [`due`](Self::due) next for the session's inactivity control; `None`: never.
    pub fn poll_timeout(&self, policy: &Policy) -> Option<Instant> {
        let _ = policy;
        None
    }

    /// What inactivity control wants done at `now`: commands of [`Caller::Server`], in order, none if nothing is due.
    pub fn due(&mut self, policy: &Policy, now: Now) -> Vec<Change> {
        let _ = (policy, now);
        Vec::new()
    }

    /// A participant by number.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        let _ = id;
        None
    }

    /// Everybody who is or was in it, in the order of joining.
    pub fn participants(&self) -> &[Participant] {
        &[]
    }

    /// The index that the next event will have.
    pub fn next_index(&self) -> u64 {
        1
    }

    /// What an agent's list shows.
    pub fn state(&self) -> State {
        State::Waiting
    }

    /// The customer's user data now.
    pub fn user_data(&self) -> &UserData {
        unimplemented!()
    }

    /// Whether a supervisor is in it whom the customer cannot see.
    pub fn is_monitored(&self) -> bool {
        false
    }

    /// Whether somebody's read receipt has taken this event out of the transcript.
    pub fn is_annihilated(&self, event: &Event) -> bool {
        let _ = event;
        false
    }
}
