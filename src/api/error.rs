//! The one table from what went wrong to what the caller is told.
//!
//! Protocol-level trouble is an HTTP status; chat-level trouble is HTTP 200 with a `statusCode`. Both have the same body.
//! Bayeux and the pages use the HTTP half.

use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue};

use crate::chat::Rejection;
use crate::http::rate_limit::TooOften;
use crate::http::reply::{self, Response};
use crate::http::{RequestId, body, fields};
use crate::hub::Refusal;
use crate::store;

/// Seconds after which a draining or overloaded server may be asked again.
const COME_AGAIN: u64 = 5;

/// What went wrong, in the terms of the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{advice}")]
pub struct Trouble {
    /// The HTTP status; 200 where the trouble is the chat's.
    pub status: StatusCode,
    /// 1: the same again may help; 2: it will not.
    pub status_code: u8,
    /// The code in `errors`: one of the Genesys codes, or the HTTP status.
    pub code: u16,
    /// What the caller can do.
    pub advice: String,
    /// `chatEnded`, where it is known.
    pub chat_ended: Option<bool>,
    /// `Retry-After`, whole seconds.
    pub retry_after: Option<u64>,
    /// `Allow`.
    pub allow: Option<&'static str>,
}

/// The codes of the Genesys documents that are answered over REST.
pub mod code {
    /// A text is longer than allowed.
    pub const TOO_LONG: u16 = 204;
    /// No chat can be begun at present.
    pub const UNAVAILABLE: u16 = 240;
    /// No such chat, or not the caller's; or it is over.
    pub const NO_CHAT: u16 = 249;
}

impl Trouble {
    /// Trouble with the protocol: the code is the status.
    pub fn http(status: StatusCode, advice: impl Into<String>) -> Self {
        let server = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Self {
            status,
            status_code: if server { 1 } else { 2 },
            code: status.as_u16(),
            advice: advice.into(),
            chat_ended: None,
            retry_after: None,
            allow: None,
        }
    }

    /// Trouble of the chat: HTTP 200.
    pub fn chat(status_code: u8, code: u16, advice: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            status_code,
            code,
            ..Self::http(StatusCode::OK, advice)
        }
    }

    /// 400: it cannot be understood, or lacks something.
    pub fn bad_request(advice: impl Into<String>) -> Self {
        Self::http(StatusCode::BAD_REQUEST, advice)
    }

    /// 404: nothing is there.
    pub fn not_found(advice: impl Into<String>) -> Self {
        Self::http(StatusCode::NOT_FOUND, advice)
    }

    /// 405 with what would have been right.
    pub fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::http(StatusCode::METHOD_NOT_ALLOWED, format!("use {allow}"))
        }
    }

    /// No such chat, a wrong key, a wrong user: never said which.
    pub fn no_chat() -> Self {
        Self {
            chat_ended: Some(true),
            ..Self::chat(
                2,
                code::NO_CHAT,
                "there is no such chat session, or it is over",
            )
        }
    }

    fn unavailable(advice: impl Into<String>) -> Self {
        Self {
            retry_after: Some(COME_AGAIN),
            ..Self::http(StatusCode::SERVICE_UNAVAILABLE, advice)
        }
    }

    /// Puts the status and its headers on a response made of `body`, the encoded form of this trouble.
    pub fn respond(&self, body: Vec<u8>) -> Response {
        let mut response = reply::with(self.status, reply::JSON, body);
        if let Some(seconds) = self.retry_after {
            response = reply::retry_after(response, seconds);
        }
        if let Some(methods) = self.allow {
            response = reply::allowing(response, methods);
        }
        if matches!(
            self.status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            // What is left of the body is not read, so no other request can follow on this connection.
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The whole response to protocol-level trouble outside of a chat.
    pub fn into_response(self, request_id: &RequestId) -> Response {
        let body = serde_json::json!({
            "statusCode": self.status_code,
            "errors": [{ "code": self.code, "advice": self.advice }],
            "referenceId": request_id.as_str(),
        });
        self.respond(body.to_string().into_bytes())
    }
}

impl From<body::Trouble> for Trouble {
    fn from(trouble: body::Trouble) -> Self {
        let status = match trouble {
            body::Trouble::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            body::Trouble::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            body::Trouble::Broken => StatusCode::BAD_REQUEST,
            body::Trouble::Slow => StatusCode::REQUEST_TIMEOUT,
        };
        Self::http(status, trouble.to_string())
    }
}

impl From<fields::Trouble> for Trouble {
    fn from(trouble: fields::Trouble) -> Self {
        let status = match trouble {
            fields::Trouble::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            fields::Trouble::Malformed(_)
            | fields::Trouble::Nested
            | fields::Trouble::Nul
            | fields::Trouble::TooMany { .. } => StatusCode::BAD_REQUEST,
        };
        Self::http(status, trouble.to_string())
    }
}

impl From<TooOften> for Trouble {
    fn from(trouble: TooOften) -> Self {
        Self {
            retry_after: Some(trouble.retry_after),
            ..Self::http(StatusCode::TOO_MANY_REQUESTS, trouble.to_string())
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::no_chat(),
            Refusal::Rejected(rejection) => rejection.into(),
            Refusal::Store(error) => error.into(),
            Refusal::LoadLimit => Self::chat(1, code::UNAVAILABLE, refusal.to_string()),
            Refusal::Draining | Refusal::Busy => Self::unavailable(refusal.to_string()),
        }
    }
}

impl From<Rejection> for Trouble {
    fn from(rejection: Rejection) -> Self {
        let advice = rejection.to_string();
        match rejection {
            Rejection::Closed | Rejection::Left => Self {
                chat_ended: Some(true),
                ..Self::chat(2, code::NO_CHAT, advice)
            },
            Rejection::TooLong { .. } => Self::chat(2, code::TOO_LONG, advice),
            Rejection::UnknownParticipant
            | Rejection::Forbidden(_)
            | Rejection::Limit { .. }
            | Rejection::Invalid(_) => Self::chat(2, 400, advice),
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        match error {
            // The place of the damage is for the log, not for the customer.
            store::Error::Damaged { .. } => Self::no_chat(),
            store::Error::NoSpace
            | store::Error::ReadOnly
            | store::Error::Abandoned
            | store::Error::Fenced => Self::unavailable("the chat cannot be stored at present"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::id::SessionId;
    use hyper::header::{ALLOW, RETRY_AFTER};

    #[test]
    fn the_table() {
        let damaged = store::Error::Damaged {
            session: SessionId::new(Wall(1), 1),
            place: "segment 7".into(),
        };
        let table: [(Trouble, u16, u8, u16); 17] = [
            (body::Trouble::TooLarge { max: 1 }.into(), 413, 2, 413),
            (body::Trouble::Compressed.into(), 415, 2, 415),
            (body::Trouble::Broken.into(), 400, 2, 400),
            (body::Trouble::Slow.into(), 408, 2, 408),
            (fields::Trouble::MediaType.into(), 415, 2, 415),
            (fields::Trouble::Nul.into(), 400, 2, 400),
            (Trouble::method("POST"), 405, 2, 405),
            (Refusal::Unknown.into(), 200, 2, 249),
            (Refusal::LoadLimit.into(), 200, 1, 240),
            (Refusal::Draining.into(), 503, 1, 503),
            (Refusal::Busy.into(), 503, 1, 503),
            (store::Error::NoSpace.into(), 503, 1, 503),
            (damaged.into(), 200, 2, 249),
            (Rejection::Left.into(), 200, 2, 249),
            (Rejection::TooLong { max: 9 }.into(), 200, 2, 204),
            (Rejection::Invalid("nickname").into(), 200, 2, 400),
            (
                TooOften {
                    option: "per-chat",
                    retry_after: 2,
                }
                .into(),
                429,
                1,
                429,
            ),
        ];
        for (trouble, status, status_code, code) in table {
            let told = (trouble.status.as_u16(), trouble.status_code, trouble.code);
            assert_eq!(told, (status, status_code, code), "{trouble}");
        }
    }

    #[test]
    fn headers_say_when_and_how_to_come_again() {
        let id = RequestId::made_of(1);
        let often = Trouble::from(TooOften {
            option: "per-chat",
            retry_after: 2,
        });
        assert_eq!(often.into_response(&id).headers()[RETRY_AFTER], "2");
        assert_eq!(
            Trouble::method("POST").into_response(&id).headers()[ALLOW],
            "POST"
        );
        let large = Trouble::from(body::Trouble::TooLarge { max: 1 }).into_response(&id);
        assert_eq!(large.headers()[CONNECTION], "close");
    }

    #[test]
    fn what_is_damaged_is_not_told_to_customers() {
        let error = store::Error::Damaged {
            session: SessionId::new(Wall(1), 1),
            place: "segment 7".into(),
        };
        assert_eq!(Trouble::from(error), Trouble::no_chat());
    }
}
