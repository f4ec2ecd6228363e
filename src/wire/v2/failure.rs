//! Why a call was not done, in the codes of the API.

use serde::Serialize;

use crate::chat::Rejection;

/// A field is missing or cannot be. The words name it, and never say what was in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{advice}")]
pub struct FieldError {
    /// 102 first name, 103 last name, 161 nickname, 364 e-mail address, 400 everything else.
    pub code: u16,
    /// What would be right.
    pub advice: String,
}

/// A chat-level failure: `statusCode`, and one entry of `errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// 1: trying again may help; 2: it will not.
    pub status_code: u8,
    /// The code of the entry.
    pub code: u16,
    /// The advice of the entry.
    pub advice: String,
    /// The chat is over for the caller.
    pub chat_ended: bool,
}

/// `errors` as they are written.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    code: u16,
    advice: &'a str,
}

impl FieldError {
    /// A malformed field.
    pub fn malformed(advice: impl Into<String>) -> Self {
        Self::new(400, advice)
    }

    pub(super) fn new(code: u16, advice: impl Into<String>) -> Self {
        Self {
            code,
            advice: advice.into(),
        }
    }
}

impl Failure {
    /// There is no such chat, or the key is not its key: never said which.
    pub fn unknown_chat() -> Self {
        Self {
            chat_ended: true,
            ..Self::finally(249, "the chat session is unknown or has ended")
        }
    }

    /// A load limit is reached.
    pub fn load_limit() -> Self {
        Self::for_now(240, "chat is not available now; try again later")
    }

    /// Too many requests.
    pub fn too_often() -> Self {
        Self::for_now(429, "too many requests; try again a little later")
    }

    /// Nothing can be stored, or the server is ending.
    pub fn unavailable() -> Self {
        Self::for_now(503, "the service is not available now; try again later")
    }

    /// Trying again may help.
    pub fn for_now(code: u16, advice: impl Into<String>) -> Self {
        Self {
            status_code: 1,
            ..Self::finally(code, advice)
        }
    }

    /// Trying again will not help.
    pub fn finally(code: u16, advice: impl Into<String>) -> Self {
        Self {
            status_code: 2,
            code,
            advice: advice.into(),
            chat_ended: false,
        }
    }

    pub(super) fn entries(&self) -> [Entry<'_>; 1] {
        [Entry {
            code: self.code,
            advice: &self.advice,
        }]
    }
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Self::finally(error.code, error.advice)
    }
}

impl From<&Rejection> for Failure {
    fn from(rejection: &Rejection) -> Self {
        let code = match rejection {
            Rejection::Closed | Rejection::Left | Rejection::UnknownParticipant => 249,
            Rejection::TooLong { .. } => 204,
            Rejection::Forbidden(_) | Rejection::Limit { .. } | Rejection::Invalid(_) => 400,
        };
        Self {
            chat_ended: code == 249,
            ..Self::finally(code, rejection.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_have_the_codes_of_the_api() {
        let failure = Failure::from(&Rejection::TooLong { max: 32_768 });
        assert_eq!((failure.status_code, failure.code), (2, 204));
        assert!(failure.advice.contains("max-message-size"));
        let failure = Failure::from(&Rejection::Closed);
        assert_eq!((failure.code, failure.chat_ended), (249, true));
    }
}
