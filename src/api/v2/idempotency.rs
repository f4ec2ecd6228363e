//! `Idempotency-Key`: the same request to a chat twice happens once.

use hyper::header::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::api::error::Trouble;
use crate::chat::Command;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Bytes of an `Idempotency-Key` at most.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// The key that a request was given, where it was.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Trouble> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key.as_bytes();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX {
        return Err(Trouble::bad_request(format!(
            "Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_MAX} characters"
        )));
    }
    Ok(Some(key))
}

/// A number for a key and what is done under it: the same again is a repetition, anything else is not. It is made of the
/// command alone, so neither the caller's proof nor the position it reads from is part of it.
pub(super) fn fingerprint(key: &[u8], command: &Command) -> u128 {
    let mut hash = Sha256::new();
    hash.update(key.len().to_be_bytes());
    hash.update(key);
    hash.update(format!("{command:?}"));
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    u128::from_be_bytes(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Speech;

    #[test]
    fn a_repetition_is_known_by_its_key_and_by_what_is_done() {
        let say = |text: &str| Command::CustomNotice {
            text: Some(text.into()),
            speech: Speech::default(),
        };
        let first = fingerprint(b"key", &say("hello"));
        assert_eq!(fingerprint(b"key", &say("hello")), first);
        assert_ne!(fingerprint(b"key", &say("hello!")), first);
        assert_ne!(fingerprint(b"other", &say("hello")), first);
    }
}
