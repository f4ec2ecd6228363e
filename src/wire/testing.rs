//! Golden files, and events to write into them.

use std::sync::Arc;

use crate::chat::{
    Author, Event, EventKind, KvList, Participant, Presence, Protocol, Style, UserData, UserType,
    Visibility,
};
use crate::clock::Wall;
use crate::id::{ParticipantId, SessionId};

/// Holds bytes to `tests/fixtures/wire/NAME.json`, whose spaces do not count.
macro_rules! assert_golden {
    ($name:literal, $bytes:expr) => {
        assert_eq!(
            std::str::from_utf8($bytes).unwrap(),
            crate::wire::testing::compact(include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/wire/",
                $name,
                ".json"
            ))),
            "{}",
            $name
        )
    };
}

/// JSON without the spaces between its tokens.
pub(super) fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    json.chars()
        .filter(|char| {
            let keep = quoted || !char.is_whitespace();
            quoted ^= *char == '"' && !escaped;
            escaped = quoted && *char == '\\' && !escaped;
            keep
        })
        .collect()
}

pub(super) fn chat() -> SessionId {
    SessionId::new(Wall(1_735_689_600_000), 7)
}

pub(super) fn ana() -> Author {
    author(1, "Ana", UserType::Client)
}

pub(super) fn agent() -> Author {
    author(3, "Ann", UserType::Agent)
}

pub(super) fn author(participant: u32, nickname: &str, user_type: UserType) -> Author {
    Author {
        participant: ParticipantId(participant),
        nickname: nickname.into(),
        user_type,
        bot: false,
    }
}

pub(super) fn event(index: u64, from: Author, kind: EventKind) -> Event {
    Event {
        index,
        at: Wall(1_735_689_600_000),
        from,
        visibility: Visibility::All,
        to: None,
        kind,
        user_data: UserData::new(),
        attributes: KvList::default(),
    }
}

/// Ana's joining, the first event of every chat.
pub(super) fn joining() -> Event {
    event(1, ana(), EventKind::ParticipantJoined)
}

/// What Ann says first.
pub(super) fn greeting(index: u64) -> Event {
    let text = "Hello \"Ana\"".into();
    let message_type = None;
    event(index, agent(), EventKind::Message { text, message_type })
}

pub(super) fn shared(event: Event) -> Arc<Event> {
    Arc::new(event)
}

/// A participant whose joining has this user data.
pub(super) fn participant(id: u32, user_data: &[(&str, &str)]) -> Participant {
    Participant {
        id: ParticipantId(id),
        user_type: UserType::Agent,
        nickname: "bot".into(),
        visibility: Visibility::All,
        style: Style::Bot,
        protocol: Protocol::Basic,
        client_version: 106,
        user_data: texts(user_data),
        account: String::new(),
        joined: 2,
        presence: Presence::Present,
    }
}

pub(super) fn texts(pairs: &[(&str, &str)]) -> UserData {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
