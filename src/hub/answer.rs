//! What callers say beside a command, and what they are answered.

use std::sync::Arc;

use crate::chat::{Event, Participant, Rejection, State, UserData};
use crate::clock::Wall;
use crate::id::{ParticipantId, SessionId};
use crate::{push, store};

/// How an answer finds its caller. Called once, from the session's owner; it must not block.
pub type Reply<T> = Box<dyn FnOnce(Result<T, Refusal>) + Send>;

/// What a caller says beside the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Also {
    /// A hash of the `Idempotency-Key` and the request: the same within 24 hours happens once.
    pub idempotency: Option<u128>,
}

/// A command was done, and is durable.
#[derive(Clone, Debug)]
pub struct Done {
    /// The index of its event, if it has one.
    pub index: Option<u64>,
    /// The session afterwards.
    pub view: View,
}

/// An agent came in, and is durable.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its number in the session.
    pub participant: ParticipantId,
    /// The transcript so far, with its own `ParticipantJoined`; events go on from its `next_position`.
    pub page: Page,
}

/// A session as its caller may know it.
#[derive(Clone, Debug)]
pub struct View {
    /// The session.
    pub session: SessionId,
    /// The service it was begun at.
    pub service: Arc<str>,
    /// The caller.
    pub participant: ParticipantId,
    /// The chat is over for the caller: closed, or the caller has left.
    pub ended: bool,
    /// For the customer that has left: the index of its leaving, the last event it may see.
    pub customer_left: Option<u64>,
    /// A supervisor monitors silently.
    pub monitored: bool,
    /// The index of the next event.
    pub next_index: u64,
    /// The service name is part of the CometD key (`GCTI_GMS_ClientChannel`).
    pub names_service: bool,
}

/// A stretch of the transcript as one participant may see it.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<Arc<Event>>,
    /// From where to ask next.
    pub next_position: u64,
    /// For agents: the participants whose joining is among the events.
    pub participants: Vec<Participant>,
    /// The session.
    pub view: View,
}

/// A session in an agent's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The session.
    pub session: SessionId,
    /// The service it was begun at.
    pub service: Arc<str>,
    /// Waiting, served, held, closed.
    pub state: State,
    /// When it was begun.
    pub created_at: Wall,
    /// The subject.
    pub subject: Option<String>,
    /// The customer's present nickname.
    pub customer_nickname: String,
    /// The customer's user data.
    pub customer_user_data: UserData,
    /// Async or regular.
    pub async_mode: bool,
    /// The nicknames of the visible people who serve it.
    pub agents: Vec<String>,
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such session, or it is not the caller's: never said which.
    #[error("no such chat session")]
    Unknown,
    /// The caller has not joined the session.
    #[error("you have not joined this chat session, or have left it: join first")]
    NotJoined,
    /// The session says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// New push fields ask for what cannot be had.
    #[error(transparent)]
    Push(#[from] push::Refused),
    /// The store cannot; nothing happened, or it will never be told of.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A load limit (`[settings] limit-for-…`) is reached: code 240.
    #[error("the service is at its load limit")]
    LoadLimit,
    /// The process is ending.
    #[error("the server is shutting down")]
    Draining,
    /// The owner's queue is full.
    #[error("the server is too busy")]
    Busy,
}
