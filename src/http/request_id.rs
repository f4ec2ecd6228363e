//! The name of one request, the same in its answer, in its error body and in the log.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::reply;

/// The header that carries it, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of an id at most.
pub const CHARS_MAX: usize = 128;

/// The name of one request: 1 to 128 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's `X-Request-Id` where it is one, else an id made of `random`.
    pub fn accept(headers: &HeaderMap, random: u128) -> Self {
        let mut given = headers.get_all(X_REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(value), None) if is_acceptable(value.as_bytes()) => Self(reply::by_itself(value)),
            _ => Self::made_of(random),
        }
    }

    /// An id made of `random`.
    pub fn made_of(random: u128) -> Self {
        let text = format!("{random:032x}");
        Self(HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As the value of the header.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_acceptable(id: &[u8]) -> bool {
    (1..=CHARS_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decent_id_is_kept() {
        assert_eq!(accepted(&["a!~0"]), "a!~0");
        let longest = "x".repeat(128);
        assert_eq!(accepted(&[&longest]), longest);
    }

    #[test]
    fn anything_else_is_replaced() {
        let too_long = "x".repeat(129);
        for given in [&[""][..], &["a b"], &["é"], &[&too_long], &["a", "b"], &[]] {
            assert_eq!(
                accepted(given),
                "0000000000000000000000000000002a",
                "{given:?}"
            );
        }
    }

    fn accepted(given: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(
                X_REQUEST_ID,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        RequestId::accept(&headers, 42).to_string()
    }
}
