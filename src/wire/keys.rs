//! The keys of a chat and the `userId` of its participants.
//!
//! Each is an HMAC-SHA256 of the store's secret over a door, the chat and the participant, so none has to be kept, and a
//! wrong one never reaches the store. The CometD key holds its chat's id, because CometD requests need not name it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use crate::clock::Wall;
use crate::id::{ParticipantId, SessionId, UserId};

const CUSTOMER: ParticipantId = ParticipantId(1);
const SESSION_BYTES: usize = 12;
const MAC_BYTES: usize = 32;
const REST_MAC_BYTES: usize = 16;
/// Bytes of a service's name in a key, at most; a longer one is left out.
const SERVICE_BYTES_MAX: usize = 128;
/// Services whose keys are remembered; those of others are derived every time.
const SERVICES_MAX: usize = 1_000;
/// What stands for the `userId` where CometD is spoken.
const DEPRECATED: &str = "deprecated";

/// Makes and checks keys. Its secret is never shown.
#[derive(Clone)]
pub struct Keys {
    keyed: Hmac<Sha256>,
    /// The keys of services, once they were asked for: deriving them costs as much as checking one.
    services: Arc<RwLock<BTreeMap<Box<str>, Keys>>>,
}

/// What a key opens: no key of one door is ever right at another.
#[derive(Clone, Copy)]
enum Door {
    Rest = 1,
    Cometd = 2,
    User = 3,
    Service = 4,
    None = 5,
}

impl Keys {
    /// Keys that are derived from the store's secret.
    pub fn new(secret: [u8; 32]) -> Self {
        // HMAC fills a short key up with zeros to the block size of its hash.
        let mut block = [0; 64];
        block[..secret.len()].copy_from_slice(&secret);
        Self {
            keyed: Hmac::new(&block.into()),
            services: Arc::default(),
        }
    }

    /// Keys of the chats of one service: a key opens nothing under another service's name.
    pub fn for_service(&self, service: &str) -> Keys {
        let known = self.services.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(service) {
            return keys.clone();
        }
        drop(known);
        let keys = self.derive(service);
        let mut known = self
            .services
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() < SERVICES_MAX {
            known.insert(service.into(), keys.clone());
        }
        keys
    }

    fn derive(&self, service: &str) -> Keys {
        let mut mac = self.keyed.clone();
        mac.update(&[Door::Service as u8]);
        mac.update(service.as_bytes());
        Self::new(mac.finalize().into_bytes().into())
    }

    /// The customer's key at the REST door, in lower-case hexadecimal digits: the chat's id, and 128 bits of a code over
    /// it. It names its chat, because it opens the CometD door too.
    pub fn rest(&self, session: SessionId) -> String {
        let mac = self.mac(Door::Rest, session, CUSTOMER, &[]);
        hexadecimal(&session.to_bytes()) + &hexadecimal(&mac[..REST_MAC_BYTES])
    }

    /// The customer's key at the CometD door: base64 of the chat's id, a code over it, and the service's name where that
    /// was asked for (`GCTI_GMS_ClientChannel`).
    pub fn cometd(&self, session: SessionId, service: Option<&str>) -> String {
        let service = service
            .map(str::as_bytes)
            .filter(|name| name.len() <= SERVICE_BYTES_MAX)
            .unwrap_or_default();
        let mac = self.mac(Door::Cometd, session, CUSTOMER, service);
        STANDARD.encode([&session.to_bytes(), &mac[..], service].concat())
    }

    /// What looks like a CometD key and opens nothing: callers of a chat that never was expect one.
    pub fn opens_nothing(&self, random: u64) -> String {
        let session = SessionId::new(Wall(random >> 18), random);
        let mac = self.mac(Door::None, session, CUSTOMER, &[]);
        STANDARD.encode([&session.to_bytes(), &mac[..]].concat())
    }

    /// The `userId` of a participant.
    pub fn user(&self, session: SessionId, participant: ParticipantId) -> UserId {
        let mac = self.mac(Door::User, session, participant, &[]);
        let mut first = [0; 8];
        first.copy_from_slice(&mac[..8]);
        UserId(u64::from_be_bytes(first))
    }

    /// Whether `key`, of either door, with `user_id` is right for the chat. `"deprecated"` is a right `userId` beside the
    /// CometD key only. Takes as long for a wrong chat as for a wrong key.
    pub fn check_rest_or_cometd(
        &self,
        session: SessionId,
        user_id: Option<&str>,
        key: &str,
    ) -> bool {
        let right = self.user(session, CUSTOMER);
        let user = Choice::from(u8::from(
            user_id.and_then(|text| text.parse().ok()) == Some(right),
        ));
        let deprecated = Choice::from(u8::from(user_id == Some(DEPRECATED)));
        let rest = self.is_rest(session, key);
        let cometd = self.is_cometd(session, key);
        ((rest & user) | (cometd & (user | deprecated))).into()
    }

    /// The chat that a CometD key opens.
    pub fn open_cometd(&self, key: &str) -> Option<SessionId> {
        let bytes = decoded(key);
        let session = session_of(&bytes)?;
        bool::from(self.is_right(session, &bytes)).then_some(session)
    }

    /// The chat that a key of either door opens.
    pub fn open(&self, key: &str) -> Option<SessionId> {
        self.open_cometd(key).or_else(|| self.open_rest(key))
    }

    fn open_rest(&self, key: &str) -> Option<SessionId> {
        let session = session_of(&from_hexadecimal(key)?)?;
        bool::from(self.is_rest(session, key)).then_some(session)
    }

    fn is_rest(&self, session: SessionId, key: &str) -> Choice {
        self.rest(session).as_bytes().ct_eq(key.as_bytes())
    }

    fn is_cometd(&self, session: SessionId, key: &str) -> Choice {
        self.is_right(session, &decoded(key))
    }

    /// Whether these bytes are a CometD key of the chat. No bytes at all are none.
    fn is_right(&self, session: SessionId, key: &[u8]) -> Choice {
        let (head, service) = key.split_at(key.len().min(SESSION_BYTES + MAC_BYTES));
        let mut right = [0; SESSION_BYTES + MAC_BYTES];
        right[..SESSION_BYTES].copy_from_slice(&session.to_bytes());
        right[SESSION_BYTES..].copy_from_slice(&self.mac(Door::Cometd, session, CUSTOMER, service));
        right.ct_eq(head)
    }

    fn mac(
        &self,
        door: Door,
        session: SessionId,
        participant: ParticipantId,
        more: &[u8],
    ) -> [u8; MAC_BYTES] {
        let mut mac = self.keyed.clone();
        mac.update(&[door as u8]);
        mac.update(&session.to_bytes());
        mac.update(&participant.0.to_be_bytes());
        mac.update(more);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| DIGITS[usize::from(digit)])
        .collect()
}

/// The bytes of a REST key; `None` where it cannot be one.
fn from_hexadecimal(key: &str) -> Option<Vec<u8>> {
    if key.len() != 2 * (SESSION_BYTES + REST_MAC_BYTES) {
        return None;
    }
    let digits: Option<Vec<u32>> = key.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    let bytes = pairs
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]));
    bytes.collect::<Result<_, _>>().ok()
}

/// The bytes of a CometD key; none where it cannot be one.
fn decoded(key: &str) -> Vec<u8> {
    let bytes = STANDARD.decode(key).unwrap_or_default();
    let longest = SESSION_BYTES + MAC_BYTES + SERVICE_BYTES_MAX;
    match (SESSION_BYTES + MAC_BYTES..=longest).contains(&bytes.len()) {
        true => bytes,
        false => Vec::new(),
    }
}

fn session_of(bytes: &[u8]) -> Option<SessionId> {
    SessionId::checked(*bytes.first_chunk()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new([7; 32])
    }

    fn chat(random: u64) -> SessionId {
        SessionId::new(Wall(1_735_689_600_000), random)
    }

    fn user(session: SessionId) -> String {
        keys().user(session, CUSTOMER).to_string()
    }

    #[test]
    fn keys_look_as_their_doors_expect() {
        let rest = keys().rest(chat(1));
        assert_eq!(rest.len(), 56);
        assert!(
            rest.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        assert_eq!(keys().cometd(chat(1), None).len(), 60);
        assert!(keys().cometd(chat(1), Some("customer-support")).len() <= 100);
        assert_eq!(user(chat(1)).len(), 16);
    }

    #[test]
    fn keys_are_those_of_the_same_secret_for_ever() {
        // Computed apart from this code: HMAC-SHA256 over door ‖ chat ‖ participant.
        let session = SessionId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(
            keys().rest(session),
            "0102030405060708090a0b0c5fb308e3c1a4d36818dd14399995a6a6"
        );
        assert_eq!(
            keys().user(session, CUSTOMER).to_string(),
            "EF858930F7883E0D"
        );
        assert_eq!(
            keys().cometd(session, Some("x")),
            "AQIDBAUGBwgJCgsMDYg6GK/i8Xa+mX+V1rgbRESGEkDQJJL1avURzaNVqid4"
        );
    }

    #[test]
    fn either_key_is_right_with_its_user() {
        let (session, user) = (chat(1), user(chat(1)));
        let check = |user: Option<&str>, key: &str| keys().check_rest_or_cometd(session, user, key);
        let (rest, cometd) = (keys().rest(session), keys().cometd(session, None));
        assert!(check(Some(&user), &rest));
        assert!(check(Some(&user), &cometd));
        assert!(check(Some("deprecated"), &cometd));
        assert!(!check(Some("deprecated"), &rest));
        assert!(!check(None, &rest));
        assert!(!check(None, &cometd));
        assert!(!check(Some("0000000000000000"), &rest));
    }

    #[test]
    fn another_chats_key_opens_nothing() {
        let (mine, other) = (chat(1), chat(2));
        for key in [
            keys().rest(other),
            keys().cometd(other, None),
            String::new(),
            "x".repeat(10_000),
        ] {
            assert!(!keys().check_rest_or_cometd(mine, Some(&user(mine)), &key));
        }
        let stranger = Keys::new([8; 32]);
        assert_eq!(keys().open_cometd(&stranger.cometd(mine, None)), None);
    }

    #[test]
    fn a_cometd_key_names_its_chat() {
        let session = chat(3);
        for service in [None, Some("customer-support")] {
            let key = keys().cometd(session, service);
            assert_eq!(keys().open_cometd(&key), Some(session));
            assert!(keys().check_rest_or_cometd(session, Some(&user(session)), &key));
        }
        let rest = keys().rest(session);
        assert_eq!(keys().open_cometd(&rest), None);
        assert_eq!(keys().open(&rest), Some(session));
        assert_eq!(keys().open(&rest.replace(&rest[20..22], "zz")), None);
    }

    #[test]
    fn a_key_for_nothing_opens_nothing() {
        let key = keys().opens_nothing(0xFFFF_FFFF_FFFF_FFFF);
        assert_eq!(key.len(), keys().cometd(chat(1), None).len());
        assert_eq!(keys().open_cometd(&key), None);
        assert_ne!(key, keys().opens_nothing(1));
    }

    #[test]
    fn a_changed_byte_closes_the_door() {
        let good = STANDARD
            .decode(keys().cometd(chat(4), Some("support")))
            .unwrap();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert_eq!(keys().open_cometd(&STANDARD.encode(bad)), None, "{place}");
        }
    }
}
