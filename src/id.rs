//! The identifiers, each its own type, so that none can be taken for another.
//!
//! What is random in them is handed in by the edges; nothing here reads a source of randomness.

mod map;

use std::fmt;
use std::str::FromStr;

pub use self::map::{ById, IdHasher, SessionMap};
use crate::clock::Wall;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A chat session: 16 alphanumeric characters, as `chatId` in the Genesys documents.
///
/// The upper 46 bits are the creation time in milliseconds, the lower 48 are random, so identifiers sort by creation
/// time (as numbers, as bytes and as text) and cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

/// A participant of one session, numbered from 1 in the order of joining; the customer who began it is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(pub u32);

/// The `userId` of a participant: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(pub u64);

/// A Bayeux client: 128 random bits as 22 alphanumeric characters. It is a bearer token: never logged, never told to others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u128);

/// One push that is owed: the session, and a number that counts the session's deliveries from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The chat that owes it.
    pub session: SessionId,
    /// Its number among the deliveries of that chat.
    pub number: u64,
}

/// How often the ownership of a session has changed hands; a write with an old epoch is refused by the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct Malformed;

impl SessionId {
    /// The smallest of all; no session has it.
    pub const MIN: Self = Self(0);
    const RANDOM_BITS: u32 = 48;
    const LENGTH: usize = 16;

    /// A new identifier of the moment `at`; only the lower 48 bits of `random` are used.
    pub fn new(at: Wall, random: u64) -> Self {
        let time = u128::from(at.0) & ((1 << 46) - 1);
        let random = u128::from(random) & ((1 << Self::RANDOM_BITS) - 1);
        Self((time << Self::RANDOM_BITS) | random)
    }

    /// When the session was created, in whole milliseconds.
    pub fn created_at(self) -> Wall {
        Wall(u64::try_from(self.0 >> Self::RANDOM_BITS).unwrap_or(0))
    }

    /// Twelve bytes that sort as the identifier does: what the store writes.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&self.0.to_be_bytes()[4..]);
        bytes
    }

    /// The reverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(&bytes);
        Self(u128::from_be_bytes(wide))
    }

    /// As [`from_bytes`](Self::from_bytes), of bytes that anybody may have made up.
    ///
    /// # Errors
    ///
    /// They are no identifier's: of their 96 bits an identifier has 94.
    pub fn checked(bytes: [u8; 12]) -> Result<Self, Malformed> {
        match bytes[0] >> 6 {
            0 => Ok(Self::from_bytes(bytes)),
            _ => Err(Malformed),
        }
    }

    /// A number that is spread evenly over sessions: chooses the shard.
    pub fn spread(self) -> u64 {
        // The random half decides; the multiplication mixes it.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the lower half is the random one"
        )]
        let low = self.0 as u64;
        low.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
    }
}

impl ClientId {
    const LENGTH: usize = 22;

    /// An identifier made of 128 random bits.
    pub fn new(random: u128) -> Self {
        Self(random)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base62::<{ Self::LENGTH }>(self.0, f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let value = from_base62::<{ Self::LENGTH }>(text)?;
        if value >> 94 != 0 {
            return Err(Malformed);
        }
        Ok(Self(value))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base62::<{ Self::LENGTH }>(self.0, f)
    }
}

impl fmt::Debug for ClientId {
    /// A few characters tell clients apart in a log; the rest is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        write!(f, "{}…", &text[Self::LENGTH - 4..])
    }
}

impl FromStr for ClientId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        from_base62::<{ Self::LENGTH }>(text).map(Self)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UserId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Malformed);
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| Malformed)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}_{}", self.session, self.number)
    }
}

fn base62<const LENGTH: usize>(mut value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // So many digits fit into 64 bits; wider divisions are slow.
    const AT_ONCE: usize = 10;
    const STEP: u128 = 62u128.pow(AT_ONCE as u32);
    let mut text = [b'0'; LENGTH];
    for places in text.rchunks_mut(AT_ONCE) {
        let mut digits = u64::try_from(value % STEP).unwrap_or(0);
        value /= STEP;
        for place in places.iter_mut().rev() {
            *place = BASE62[usize::try_from(digits % 62).unwrap_or(0)];
            digits /= 62;
        }
    }
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn from_base62<const LENGTH: usize>(text: &str) -> Result<u128, Malformed> {
    if text.len() != LENGTH {
        return Err(Malformed);
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return Err(Malformed),
        };
        value
            .checked_mul(62)
            .and_then(|value| value.checked_add(u128::from(digit)))
            .ok_or(Malformed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_read_back_and_sort_by_time() {
        let early = SessionId::new(Wall(1_700_000_000_000), u64::MAX);
        let late = SessionId::new(Wall(1_700_000_000_001), 0);
        assert_eq!(early.to_string().len(), 16);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(SessionId::from_bytes(early.to_bytes()), early);
        assert!(
            early < late
                && early.to_string() < late.to_string()
                && early.to_bytes() < late.to_bytes()
        );
        assert_eq!(early.created_at(), Wall(1_700_000_000_000));
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for text in [
            "",
            "short",
            "zzzzzzzzzzzzzzzz",
            "0000000000000000!",
            "000000000000000é",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(Malformed), "{text}");
        }
        assert_eq!("zzzzzzzzzzzzzzzzzzzzzz".parse::<ClientId>(), Err(Malformed));
        assert_eq!("+07555677B20000A".parse::<UserId>(), Err(Malformed));
    }

    #[test]
    fn a_client_id_is_not_shown_in_debug_output() {
        let id = ClientId::new(u128::MAX);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(!format!("{id:?}").contains(&id.to_string()[..18]));
    }
}
