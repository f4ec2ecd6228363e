//! What agents ask.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::reading::Reader;
use crate::chat::{Command, Rejection, Visibility};
use crate::id::SessionId;
use crate::wire::json::{Scalar, Verbatim, members, scalar};

/// Bytes of a `requestId`, as it is written, or an operation's name that are given back, at most.
const ECHO_BYTES_MAX: usize = 256;
/// What is said of a `requestId` that cannot be given back: an answer without it would look like something unasked.
const UNUSABLE_ID: &str = "requestId must be a string or a number of at most 256 bytes";

/// The head of a request, which its answer gives back.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub(super) operation: String,
    pub(super) request_id: Option<Verbatim>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the answer gives back.
    pub asked: Asked,
    /// What is asked.
    pub operation: Operation,
}

/// What an agent asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The open sessions, oldest first.
    Sessions {
        /// Tell about changes from now on, or no longer; `None` leaves it as it is.
        watch: Option<bool>,
        /// At most so many.
        limit: usize,
        /// Those after this one.
        after: Option<SessionId>,
    },
    /// Come in.
    Join {
        /// Where.
        session: SessionId,
        /// How widely seen.
        visibility: Visibility,
        /// The session's password.
        password: Option<String>,
    },
    /// Come in silently, with VIP.
    Monitor {
        /// Where.
        session: SessionId,
    },
    /// `message`, `notice` and `release`.
    Do {
        /// Where.
        session: SessionId,
        /// What.
        command: Command,
    },
    /// The events from a position on.
    Transcript {
        /// Of which session.
        session: SessionId,
        /// From here.
        position: u64,
    },
}

/// The codes of refused requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request cannot be understood.
    Malformed,
    /// There is no such operation.
    UnknownOperation,
    /// There is no such session.
    UnknownSession,
    /// The caller is not in the session.
    NotJoined,
    /// The role does not allow it.
    Forbidden,
    /// The session is over.
    SessionClosed,
    /// Something is too large, or a limit is reached.
    TooLarge,
    /// Too often.
    RateLimited,
    /// Not now.
    Unavailable,
}

/// A request that cannot be done, with what its answer needs.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What the answer gives back.
    pub asked: Asked,
    /// Its code.
    pub code: ErrorCode,
    /// What would be right; never says what was in a field.
    pub advice: String,
}

impl ErrorCode {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownOperation => "unknown-operation",
            Self::UnknownSession => "unknown-session",
            Self::NotJoined => "not-joined",
            Self::Forbidden => "forbidden",
            Self::SessionClosed => "session-closed",
            Self::TooLarge => "too-large",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<&Rejection> for ErrorCode {
    fn from(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Closed => Self::SessionClosed,
            Rejection::Left => Self::NotJoined,
            Rejection::Forbidden(_) => Self::Forbidden,
            Rejection::TooLong { .. } | Rejection::Limit { .. } => Self::TooLarge,
            Rejection::UnknownParticipant | Rejection::Invalid(_) => Self::Malformed,
        }
    }
}

impl Request {
    /// The `data` of a publish on [`CHANNEL`](super::CHANNEL).
    ///
    /// # Errors
    ///
    /// What [`answer::refused`](super::answer::refused) then says.
    pub fn parse(data: &str) -> Result<Self, Malformed> {
        let Some(members) = members(data) else {
            return Err(Malformed {
                asked: Asked::default(),
                code: ErrorCode::Malformed,
                advice: "a JSON object is needed".to_owned(),
            });
        };
        let asked = Asked::of(&members);
        if asked.request_id.is_none() && is_given(&members, "requestId") {
            return Err(Malformed {
                asked,
                code: ErrorCode::Malformed,
                advice: UNUSABLE_ID.to_owned(),
            });
        }
        match Reader::new(members).operation() {
            Ok(operation) => Ok(Self { asked, operation }),
            Err((code, advice)) => Err(Malformed {
                asked,
                code,
                advice,
            }),
        }
    }
}

impl Asked {
    fn of(members: &BTreeMap<String, &RawValue>) -> Self {
        let operation = match members.get("operation").map(|value| scalar(value)) {
            Some(Scalar::Text(text)) if text.len() <= ECHO_BYTES_MAX => text,
            _ => String::new(),
        };
        let request_id = members
            .get("requestId")
            .and_then(|value| Verbatim::of(value, ECHO_BYTES_MAX));
        Self {
            operation,
            request_id,
        }
    }
}

/// Whether a member is there and is not `null`.
fn is_given(members: &BTreeMap<String, &RawValue>, name: &str) -> bool {
    let value = members.get(name).map(|value| scalar(value));
    value.is_some_and(|value| value != Scalar::Absent)
}

#[cfg(test)]
mod tests;
