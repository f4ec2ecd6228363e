//! What agents are told: complete Bayeux messages for `/service/agent`.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::{Asked, CHANNEL, ErrorCode, Malformed};
use crate::chat::{Event, EventKind, Participant, State, UserData};
use crate::clock::Wall;
use crate::id::{ParticipantId, SessionId};
use crate::wire::event::{Seen, Sight};
use crate::wire::json::Verbatim;
use crate::wire::json::on_channel;

/// A session in an agent's list.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// `session`.
    pub session: SessionId,
    /// `service`.
    pub service: &'a str,
    /// `state`.
    pub state: State,
    /// `createdAt`.
    pub created_at: Wall,
    /// `subject`.
    pub subject: Option<&'a str>,
    /// `customer.nickname`, the present one.
    pub nickname: &'a str,
    /// `customer.userData`; left out of long lists.
    pub user_data: Option<&'a UserData>,
    /// `async`.
    pub async_mode: bool,
    /// `agents`: nicknames of the visible people.
    pub agents: &'a [String],
}

/// Events as agents see them, with the participants who give joinings their user data.
#[derive(Clone, Copy)]
pub struct Transcript<'a> {
    /// The events, in order.
    pub events: &'a [Arc<Event>],
    /// The participants of the session.
    pub participants: &'a [Participant],
    /// `nextPosition`.
    pub next_position: u64,
}

/// Why a session's events no longer come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Somebody released the agent.
    Released,
    /// The session is over.
    Closed,
    /// The connection was lost.
    Lost,
}

/// The answer to `sessions`; `next` is the `after` of the rest.
pub fn sessions(asked: &Asked, sessions: &[Listed<'_>], next: Option<SessionId>) -> Bytes {
    asked.answer(&Sessions {
        sessions: sessions.iter().map(Row::of).collect(),
        next: next.map(Shown),
    })
}

/// Unasked: a session has changed, or its customer's data has.
pub fn session(listed: &Listed<'_>) -> Bytes {
    unasked("session", &Row::of(listed))
}

/// The answer to `join` and `monitor`.
pub fn joined(
    asked: &Asked,
    session: SessionId,
    participant: ParticipantId,
    transcript: Transcript<'_>,
) -> Bytes {
    asked.answer(&Joined {
        session: Shown(session),
        participant_id: participant.0,
        next_position: transcript.next_position,
        transcript,
    })
}

/// The answer to `message`, `notice` and `release`: the index of its event.
pub fn done(asked: &Asked, session: SessionId, index: Option<u64>) -> Bytes {
    asked.answer(&Done {
        session: Shown(session),
        index,
    })
}

/// The answer to `transcript`.
pub fn transcript(
    asked: &Asked,
    session: SessionId,
    transcript: Transcript<'_>,
    chat_ended: bool,
) -> Bytes {
    asked.answer(&Page {
        session: Shown(session),
        next_position: transcript.next_position,
        chat_ended,
        transcript,
    })
}

/// The answer to a request that was not done.
pub fn refused(asked: &Asked, code: ErrorCode, advice: &str) -> Bytes {
    let data = Refused {
        operation: &asked.operation,
        request_id: asked.request_id.as_ref(),
        ok: false,
        error: Fault {
            code: code.as_str(),
            advice,
        },
    };
    on_channel(CHANNEL, &data)
}

/// The answer to what could not be understood.
pub fn malformed(malformed: &Malformed) -> Bytes {
    refused(&malformed.asked, malformed.code, &malformed.advice)
}

/// Unasked: something happened in a joined session. `joined` is the user data of whoever came in.
pub fn event(session: SessionId, event: &Event, joined: Option<&UserData>) -> Bytes {
    let told = Told {
        session: Shown(session),
        event: Seen::new(event, Sight::Agent).with_user_data(joined),
    };
    unasked("event", &told)
}

/// Unasked: no more events of this session.
pub fn removed(session: SessionId, reason: Removed) -> Bytes {
    let gone = Gone {
        session: Shown(session),
        reason: match reason {
            Removed::Released => "released",
            Removed::Closed => "closed",
            Removed::Lost => "lost",
        },
    };
    unasked("removed", &gone)
}

impl Asked {
    fn answer<T: Serialize>(&self, body: &T) -> Bytes {
        let data = Answer {
            operation: &self.operation,
            request_id: self.request_id.as_ref(),
            ok: true,
            body,
        };
        on_channel(CHANNEL, &data)
    }
}

fn unasked<T: Serialize>(operation: &'static str, body: &T) -> Bytes {
    on_channel(CHANNEL, &Unasked { operation, body })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a, T> {
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a Verbatim>,
    ok: bool,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Unasked<'a, T> {
    operation: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a Verbatim>,
    ok: bool,
    error: Fault<'a>,
}

#[derive(Serialize)]
struct Fault<'a> {
    code: &'static str,
    advice: &'a str,
}

#[derive(Serialize)]
struct Sessions<'a> {
    sessions: Vec<Row<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Shown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    session: Shown,
    service: &'a str,
    state: &'static str,
    created_at: u64,
    subject: Option<&'a str>,
    customer: Customer<'a>,
    r#async: bool,
    agents: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Customer<'a> {
    nickname: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<&'a UserData>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined<'a> {
    session: Shown,
    participant_id: u32,
    next_position: u64,
    transcript: Transcript<'a>,
}

#[derive(Serialize)]
struct Done {
    session: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    session: Shown,
    next_position: u64,
    chat_ended: bool,
    transcript: Transcript<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    session: Shown,
    event: Seen<'a>,
}

#[derive(Serialize)]
struct Gone {
    session: Shown,
    reason: &'static str,
}

impl<'a> Row<'a> {
    fn of(listed: &Listed<'a>) -> Self {
        Self {
            session: Shown(listed.session),
            service: listed.service,
            state: match listed.state {
                State::Waiting => "waiting",
                State::Served => "served",
                State::Held => "held",
                State::Closed => "closed",
            },
            created_at: listed.created_at.0,
            subject: listed.subject,
            customer: Customer {
                nickname: listed.nickname,
                user_data: listed.user_data,
            },
            r#async: listed.async_mode,
            agents: listed.agents,
        }
    }
}

impl Transcript<'_> {
    fn joined(&self, event: &Event) -> Option<&UserData> {
        if event.kind != EventKind::ParticipantJoined {
            return None;
        }
        self.participants
            .iter()
            .find(|one| one.id == event.from.participant)
            .map(|one| &one.user_data)
    }
}

impl Serialize for Transcript<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seen = |event| Seen::new(event, Sight::Agent).with_user_data(self.joined(event));
        serializer.collect_seq(self.events.iter().map(|event| seen(event)))
    }
}

/// A session's id as text.
struct Shown(SessionId);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
