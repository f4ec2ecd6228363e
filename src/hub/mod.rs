//! The heart: decides, stores, then tells.
//!
//! Every door ends here. A [`Hub`] gives a command to the shard that owns the session; the shard decides, the store makes
//! it durable, and only then are the viewers told and the caller answered.

use std::sync::Arc;

use crate::chat::{Caller, Command, Create, Event, Participant, Rejection, State, UserData};
use crate::id::{ParticipantId, SessionId};
use crate::push;
use crate::store;

/// A way in, cheap to clone.
#[derive(Clone)]
pub struct Hub {
    // hub: shards
}

/// What a caller says beside the command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Also {
    /// A hash of the `Idempotency-Key` and the request: the same within 24 hours happens once.
    pub idempotency: Option<u128>,
    /// The caller has fetched everything before this position, and asks from it on: acknowledges pushes.
    pub position: Option<u64>,
}

/// A command was done, and is durable.
#[derive(Clone, Debug)]
pub struct Done {
    /// The index of its event, if it has one.
    pub index: Option<u64>,
    /// The session afterwards.
    pub view: View,
}

/// A session as its caller may know it.
#[derive(Clone, Debug)]
pub struct View {
    /// The session.
    pub session: SessionId,
    /// The service it was begun at.
    pub service: Arc<str>,
    /// The caller as a participant.
    pub participant: Participant,
    /// The chat is over for the caller: closed, or the caller has left.
    pub ended: bool,
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
    /// The session.
    pub view: View,
}

/// A session in an agent's list.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The session.
    pub session: SessionId,
    /// The service it was begun at.
    pub service: Arc<str>,
    /// Waiting, served, held, closed.
    pub state: State,
    /// When it was begun.
    pub created_at: crate::clock::Wall,
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
    /// The session says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store cannot; nothing happened, or it will never be told of.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A load limit (`[settings] limit-for-…`) is reached: code 240.
    #[error("the service is at its load limit")]
    LoadLimit,
    /// The process is ending.
    #[error("the server is shutting down")]
    Draining,
    /// The shard's queue is full.
    #[error("the server is too busy")]
    Busy,
}

impl Hub {
    /// Begins a chat; the customer is participant 1. `cometd` says by which door, for its push subscription.
    pub async fn create(
        &self,
        create: Create,
        subscription: Option<push::Subscription>,
    ) -> Result<Done, Refusal> {
        let _ = (create, subscription);
        Err(Refusal::Draining)
    }

    /// Gives a command to the session's owner and waits until it is durable.
    pub async fn submit(
        &self,
        session: SessionId,
        caller: Caller,
        command: Command,
        also: Also,
    ) -> Result<Done, Refusal> {
        let _ = (session, caller, command, also);
        Err(Refusal::Draining)
    }

    /// The events from `from` on that `reader` may see, up to `bytes_max` of them (at least one). For a customer this is a
    /// sign of life, and where `acknowledge` is set, everything before the end has been fetched.
    /// `from` 0 reads no events.
    pub async fn read(
        &self,
        session: SessionId,
        reader: ParticipantId,
        from: u64,
        bytes_max: usize,
        acknowledge: bool,
    ) -> Result<Page, Refusal> {
        let _ = (session, reader, from, bytes_max, acknowledge);
        Err(Refusal::Draining)
    }
}
