//! The one table from what went wrong to what the caller is told.
//!
//! Protocol-level trouble is an HTTP status; chat-level trouble is HTTP 200 with a `statusCode`. Both have the same body.
//! Bayeux and the pages use the HTTP half.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue};

use crate::http::rate_limit::TooOften;
use crate::http::reply::{self, Response};
use crate::http::{RequestId, body, fields};
use crate::hub::Refusal;
use crate::store;
use crate::wire::v2::{Failure, FieldError};

/// Seconds after which a draining or overloaded server may be asked again.
const COME_AGAIN: u64 = 5;

/// What went wrong, in the terms of the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", failure.advice)]
pub struct Trouble {
    /// The HTTP status; 200 where the trouble is the chat's.
    pub status: StatusCode,
    /// What the body says. The code of protocol-level trouble is its status.
    pub failure: Failure,
    /// `Retry-After`, whole seconds.
    pub retry_after: Option<u64>,
    /// `Allow`.
    pub allow: Option<&'static str>,
}

impl Trouble {
    /// Trouble with the protocol.
    pub fn http(status: StatusCode, advice: impl Into<String>) -> Self {
        let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let failure = match again {
            true => Failure::for_now(status.as_u16(), advice),
            false => Failure::finally(status.as_u16(), advice),
        };
        Self {
            status,
            failure,
            retry_after: None,
            allow: None,
        }
    }

    /// 404: nothing is there.
    pub fn not_found(advice: impl Into<String>) -> Self {
        Self::http(StatusCode::NOT_FOUND, advice)
    }

    /// 400: it cannot be understood, or lacks something.
    pub fn bad_request(advice: impl Into<String>) -> Self {
        Self::http(StatusCode::BAD_REQUEST, advice)
    }

    /// 405 with what would have been right.
    pub fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::http(StatusCode::METHOD_NOT_ALLOWED, format!("use {allow}"))
        }
    }

    /// 503: later, perhaps.
    fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            failure: Failure::unavailable(),
            retry_after: Some(COME_AGAIN),
            allow: None,
        }
    }

    /// Puts the status and its headers on a response made of `body`, the encoded form of this trouble.
    pub fn respond(&self, body: Bytes) -> Response {
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
        // Apps take a reply without `chatEnded` for the end of their chat.
        let body = serde_json::json!({
            "messages": [],
            "chatEnded": self.failure.chat_ended,
            "statusCode": self.failure.status_code,
            "errors": [{ "code": self.failure.code, "advice": self.failure.advice }],
            "referenceId": request_id.as_str(),
        });
        self.respond(body.to_string().into())
    }
}

impl From<body::Trouble> for Trouble {
    fn from(trouble: body::Trouble) -> Self {
        let status = match trouble {
            body::Trouble::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            body::Trouble::Compressed | body::Trouble::Coded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
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
            fields::Trouble::Malformed(_) | fields::Trouble::TooMany { .. } => {
                StatusCode::BAD_REQUEST
            }
        };
        Self::http(status, trouble.to_string())
    }
}

/// A field of a call in a chat is missing or malformed. What is wrong with a *Request Chat* is a [`Failure`] instead.
impl From<FieldError> for Trouble {
    fn from(error: FieldError) -> Self {
        Self::bad_request(error.advice)
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

/// Trouble of the chat: HTTP 200.
impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self {
            status: StatusCode::OK,
            failure,
            retry_after: None,
            allow: None,
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown | Refusal::NotJoined => Failure::unknown_chat().into(),
            Refusal::Rejected(rejection) => Failure::from(&rejection).into(),
            // The place of the damage is for the log, not for the customer.
            Refusal::Store(store::Error::Damaged { .. }) => Failure::unknown_chat().into(),
            Refusal::Push(refused) => Failure::finally(400, refused.to_string()).into(),
            Refusal::LoadLimit => Failure::load_limit().into(),
            Refusal::Store(_) | Refusal::Draining | Refusal::Busy => Self::unavailable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Rejection;
    use crate::clock::Wall;
    use crate::id::SessionId;
    use hyper::header::{ALLOW, RETRY_AFTER};

    const TOO_LARGE: body::Trouble = body::Trouble::TooLarge {
        option: "[limits] request-body",
        max: 1,
    };

    #[test]
    fn the_table() {
        let damaged = store::Error::Damaged {
            session: SessionId::new(Wall(1), 1),
            place: "segment 7".into(),
        };
        let store = |error| Trouble::from(Refusal::Store(error));
        let rejected = |rejection| Trouble::from(Refusal::Rejected(rejection));
        let table: [(Trouble, u16, u8, u16); 18] = [
            (TOO_LARGE.into(), 413, 2, 413),
            (body::Trouble::Compressed.into(), 415, 2, 415),
            (body::Trouble::Coded.into(), 415, 2, 415),
            (body::Trouble::Broken.into(), 400, 2, 400),
            (body::Trouble::Slow.into(), 408, 2, 408),
            (fields::Trouble::MediaType.into(), 415, 2, 415),
            (
                FieldError::malformed("message is missing").into(),
                400,
                2,
                400,
            ),
            (Trouble::method("POST"), 405, 2, 405),
            (Refusal::Unknown.into(), 200, 2, 249),
            (Refusal::LoadLimit.into(), 200, 1, 240),
            (Refusal::Draining.into(), 503, 1, 503),
            (Refusal::Busy.into(), 503, 1, 503),
            (store(store::Error::NoSpace), 503, 1, 503),
            (store(damaged), 200, 2, 249),
            (rejected(Rejection::Left), 200, 2, 249),
            (rejected(Rejection::TooLong { max: 9 }), 200, 2, 204),
            (rejected(Rejection::Invalid("nickname")), 200, 2, 400),
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
            let failure = &trouble.failure;
            let told = (trouble.status.as_u16(), failure.status_code, failure.code);
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
        let large = Trouble::from(TOO_LARGE).into_response(&id);
        assert_eq!(large.headers()[CONNECTION], "close");
    }

    #[test]
    fn what_is_damaged_is_not_told_to_customers() {
        let error = store::Error::Damaged {
            session: SessionId::new(Wall(1), 1),
            place: "segment 7".into(),
        };
        let trouble = Trouble::from(Refusal::Store(error));
        assert_eq!(trouble, Failure::unknown_chat().into());
    }
}
