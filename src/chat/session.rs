//! The session itself: what it remembers, and what can be asked of it.

use std::sync::Arc;

use super::{Event, EventKind, Idle, IdleNotices, Participant, UserData, UserType, Visibility};
use crate::clock::Wall;
use crate::id::ParticipantId;

/// The system command of a read receipt.
pub const READ_CONFIRM: &str = "read-confirm";

/// The key-value pair that keeps the first nickname of a participant who took another one.
pub(super) const ORIGINAL_NICKNAME: &str = "GCTI_Original_Nickname";

/// The number of the customer, who is always the first.
const CUSTOMER: ParticipantId = ParticipantId(1);

/// Set by `hold`, until an agent joins or the customer writes.
pub(super) const ON_HOLD: i8 = -2;

/// One conversation, without its transcript: what decisions need, and nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub(super) parts: SessionParts,
}

/// Everything that a session remembers, for whoever writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionParts {
    /// The service it was begun at.
    pub service: Arc<str>,
    /// When.
    pub created_at: Wall,
    /// The subject.
    pub subject: Option<String>,
    /// Async or regular.
    pub async_mode: bool,
    /// `GCTI_Chat_AsyncStatus`; 0 in regular chats.
    pub async_status: i8,
    /// When it was closed, if it is.
    pub closed_at: Option<Wall>,
    /// The index that the next event will have.
    pub next_index: u64,
    /// The number that the next participant will have.
    pub next_participant: u32,
    /// Who is in it, and who was, by number. The longest gone are forgotten where there are very many.
    pub participants: Vec<Participant>,
    /// The customer's user data.
    pub user_data: UserData,
    /// The read receipts that stand in the transcript: whose, and at which index. One for each participant at most.
    pub receipts: Vec<(ParticipantId, u64)>,
    /// Which notices count as activity here, where the workflow has said so.
    pub idle_notices: Option<IdleNotices>,
    /// The timers of the inactivity control.
    pub idle: Idle,
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

impl Default for SessionParts {
    fn default() -> Self {
        Self {
            service: Arc::from(""),
            created_at: Wall(0),
            subject: None,
            async_mode: false,
            async_status: 0,
            closed_at: None,
            next_index: 1,
            next_participant: CUSTOMER.0,
            participants: Vec::new(),
            user_data: UserData::new(),
            receipts: Vec::new(),
            idle_notices: None,
            idle: Idle::default(),
        }
    }
}

impl Session {
    /// A session of which nothing is known yet: the start of every replay.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session as it was written down.
    pub fn from_parts(parts: SessionParts) -> Self {
        Self { parts }
    }

    /// Everything it remembers.
    pub fn parts(&self) -> &SessionParts {
        &self.parts
    }

    /// The service it was begun at.
    pub fn service(&self) -> &Arc<str> {
        &self.parts.service
    }

    /// When it was begun.
    pub fn created_at(&self) -> Wall {
        self.parts.created_at
    }

    /// The subject.
    pub fn subject(&self) -> Option<&str> {
        self.parts.subject.as_deref()
    }

    /// Async or regular.
    pub fn is_async(&self) -> bool {
        self.parts.async_mode
    }

    /// `GCTI_Chat_AsyncStatus`; 0 in regular chats.
    pub fn async_status(&self) -> i8 {
        self.parts.async_status
    }

    /// When it was closed, if it is.
    pub fn closed_at(&self) -> Option<Wall> {
        self.parts.closed_at
    }

    /// A participant by number, present or gone.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        let participants = &self.parts.participants;
        let place = participants.binary_search_by_key(&id, |one| one.id).ok()?;
        participants.get(place)
    }

    /// The customer; `None` only before the session exists.
    pub fn customer(&self) -> Option<&Participant> {
        self.participant(CUSTOMER)
    }

    /// Everybody who is or was in it, in the order of joining.
    pub fn participants(&self) -> &[Participant] {
        &self.parts.participants
    }

    /// Everybody who is in it, in the order of joining.
    pub fn present(&self) -> impl Iterator<Item = &Participant> {
        self.participants().iter().filter(|one| one.is_present())
    }

    /// The index that the next event will have.
    pub fn next_index(&self) -> u64 {
        self.parts.next_index
    }

    /// What an agent's list shows.
    pub fn state(&self) -> State {
        if self.parts.closed_at.is_some() {
            State::Closed
        } else if self.participants().iter().any(Participant::serves) {
            State::Served
        } else if self.parts.async_status == ON_HOLD {
            State::Held
        } else {
            State::Waiting
        }
    }

    /// The customer's user data now.
    pub fn user_data(&self) -> &UserData {
        &self.parts.user_data
    }

    /// Whether a supervisor is in it whom the customer cannot see.
    pub fn is_monitored(&self) -> bool {
        self.present()
            .any(|one| one.user_type == UserType::Supervisor && one.visibility != Visibility::All)
    }

    /// Whether a newer read receipt, or the leaving of its sender, has taken this event out of the transcript.
    pub fn is_annihilated(&self, event: &Event) -> bool {
        is_receipt(&event.kind)
            && event.index < self.parts.next_index
            && !self
                .parts
                .receipts
                .contains(&(event.from.participant, event.index))
    }

    /// Whether the conversation is over for this participant: closed, or it has left.
    pub fn is_over_for(&self, id: ParticipantId) -> bool {
        self.parts.closed_at.is_some() || !self.participant(id).is_some_and(Participant::is_present)
    }
}

/// Whether an event is a read receipt.
pub(super) fn is_receipt(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Notice { name } if name == READ_CONFIRM)
}

#[cfg(test)]
mod tests;
