//! The steps of a conversation, as they are stored.

mod kind;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words;
use crate::chat;
use crate::clock::Wall;
use crate::id::ParticipantId;
use kind::Kind;

type Text<'a> = Cow<'a, str>;
type Data<'a> = Cow<'a, chat::UserData>;

#[derive(Serialize, Deserialize)]
pub(super) enum Change<'a> {
    #[serde(rename = "new")]
    Created {
        #[serde(rename = "t")]
        at: u64,
        #[serde(rename = "s")]
        service: Text<'a>,
        #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
        subject: Option<Text<'a>>,
        #[serde(rename = "a", default)]
        async_mode: bool,
    },
    #[serde(rename = "join")]
    Joined(Participant<'a>),
    #[serde(rename = "ev")]
    Event(Event<'a>),
    #[serde(rename = "data")]
    UserDataUpdated(Data<'a>),
    #[serde(rename = "nil")]
    Annihilated {
        #[serde(rename = "i")]
        index: u64,
    },
    #[serde(rename = "as")]
    AsyncStatus(i8),
    #[serde(rename = "idle")]
    IdleConfigured {
        #[serde(rename = "n")]
        notices: IdleNotices,
    },
    #[serde(rename = "end")]
    Closed {
        #[serde(rename = "t")]
        at: u64,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Participant<'a> {
    #[serde(rename = "p")]
    id: u32,
    #[serde(rename = "u")]
    user_type: UserType,
    #[serde(rename = "n")]
    nickname: Text<'a>,
    #[serde(rename = "v", default = "everybody")]
    visibility: Visibility,
    #[serde(rename = "b", default, skip_serializing_if = "is_false")]
    bot: bool,
    #[serde(rename = "w")]
    protocol: Protocol,
    #[serde(rename = "cv", default)]
    client_version: u16,
    #[serde(rename = "d", default, skip_serializing_if = "no_data")]
    user_data: Data<'a>,
    #[serde(rename = "a", default, skip_serializing_if = "str::is_empty")]
    account: Text<'a>,
    #[serde(rename = "i")]
    joined: u64,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    left: Option<Left>,
}

#[derive(Serialize, Deserialize)]
struct Left {
    #[serde(rename = "i")]
    index: u64,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    reason: Option<LeaveReason>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "i")]
    index: u64,
    #[serde(rename = "t")]
    at: u64,
    #[serde(rename = "f")]
    from: Author<'a>,
    #[serde(rename = "v", default = "everybody")]
    visibility: Visibility,
    #[serde(rename = "to", default, skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
    #[serde(rename = "k")]
    kind: Kind<'a>,
    #[serde(rename = "d", default, skip_serializing_if = "no_data")]
    user_data: Data<'a>,
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<Text<'a>, Kv<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Author<'a> {
    #[serde(rename = "p")]
    participant: u32,
    #[serde(rename = "n")]
    nickname: Text<'a>,
    #[serde(rename = "u")]
    user_type: UserType,
    #[serde(rename = "b", default, skip_serializing_if = "is_false")]
    bot: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kv<'a> {
    Text(Text<'a>),
    List(BTreeMap<Text<'a>, Kv<'a>>),
}

words!(UserType for chat::UserType {
    Client = "c", Agent = "a", Supervisor = "s", External = "x", System = "y",
});
words!(Visibility for chat::Visibility { All = "a", Int = "i", Vip = "v" });
words!(Protocol for chat::Protocol { Flex = "f", Basic = "b", Esp = "e", None = "n" });
words!(LeaveReason for chat::LeaveReason { Hold = "h", Transfer = "t" });
words!(QuitReason for chat::QuitReason {
    Logout = "0", Inactive = "3", Removed = "4", Server = "5", Idle = "7", Restored = "8",
});
words!(IdleNotices for chat::IdleNotices {
    None = "none", Major = "major", Major2 = "major2", Typing = "typing", All = "all",
});

impl<'a> From<&'a chat::Change> for Change<'a> {
    fn from(change: &'a chat::Change) -> Self {
        match change {
            chat::Change::Created {
                at,
                service,
                subject,
                async_mode,
            } => Change::Created {
                at: at.0,
                service: service.into(),
                subject: subject.as_ref().map(Into::into),
                async_mode: *async_mode,
            },
            chat::Change::Joined(participant) => Change::Joined(participant.into()),
            chat::Change::Event(event) => Change::Event(event.into()),
            chat::Change::UserDataUpdated(data) => Change::UserDataUpdated(Cow::Borrowed(data)),
            chat::Change::Annihilated { index } => Change::Annihilated { index: *index },
            chat::Change::AsyncStatus(status) => Change::AsyncStatus(*status),
            chat::Change::IdleConfigured { notices } => Change::IdleConfigured {
                notices: (*notices).into(),
            },
            chat::Change::Closed { at } => Change::Closed { at: at.0 },
        }
    }
}

impl From<Change<'_>> for chat::Change {
    fn from(change: Change<'_>) -> Self {
        match change {
            Change::Created {
                at,
                service,
                subject,
                async_mode,
            } => chat::Change::Created {
                at: Wall(at),
                service: service.into_owned(),
                subject: subject.map(Cow::into_owned),
                async_mode,
            },
            Change::Joined(participant) => chat::Change::Joined(participant.into()),
            Change::Event(event) => chat::Change::Event(event.into()),
            Change::UserDataUpdated(data) => chat::Change::UserDataUpdated(data.into_owned()),
            Change::Annihilated { index } => chat::Change::Annihilated { index },
            Change::AsyncStatus(status) => chat::Change::AsyncStatus(status),
            Change::IdleConfigured { notices } => chat::Change::IdleConfigured {
                notices: notices.into(),
            },
            Change::Closed { at } => chat::Change::Closed { at: Wall(at) },
        }
    }
}

impl<'a> From<&'a chat::Participant> for Participant<'a> {
    fn from(one: &'a chat::Participant) -> Self {
        Self {
            id: one.id.0,
            user_type: one.user_type.into(),
            nickname: (&one.nickname).into(),
            visibility: one.visibility.into(),
            bot: one.style == chat::Style::Bot,
            protocol: one.protocol.into(),
            client_version: one.client_version,
            user_data: Cow::Borrowed(&one.user_data),
            account: (&one.account).into(),
            joined: one.joined,
            left: match one.presence {
                chat::Presence::Present => None,
                chat::Presence::Left { index, reason } => Some(Left {
                    index,
                    reason: reason.map(Into::into),
                }),
            },
        }
    }
}

impl From<Participant<'_>> for chat::Participant {
    fn from(one: Participant<'_>) -> Self {
        Self {
            id: ParticipantId(one.id),
            user_type: one.user_type.into(),
            nickname: one.nickname.into_owned(),
            visibility: one.visibility.into(),
            style: if one.bot {
                chat::Style::Bot
            } else {
                chat::Style::Person
            },
            protocol: one.protocol.into(),
            client_version: one.client_version,
            user_data: one.user_data.into_owned(),
            account: one.account.into_owned(),
            joined: one.joined,
            presence: match one.left {
                None => chat::Presence::Present,
                Some(left) => chat::Presence::Left {
                    index: left.index,
                    reason: left.reason.map(Into::into),
                },
            },
        }
    }
}

impl<'a> From<&'a chat::Event> for Event<'a> {
    fn from(event: &'a chat::Event) -> Self {
        Self {
            index: event.index,
            at: event.at.0,
            from: Author {
                participant: event.from.participant.0,
                nickname: (&event.from.nickname).into(),
                user_type: event.from.user_type.into(),
                bot: event.from.bot,
            },
            visibility: event.visibility.into(),
            to: event.to.map(|to| to.0),
            kind: (&event.kind).into(),
            user_data: Cow::Borrowed(&event.user_data),
            attributes: list(&event.attributes),
        }
    }
}

impl From<Event<'_>> for chat::Event {
    fn from(event: Event<'_>) -> Self {
        Self {
            index: event.index,
            at: Wall(event.at),
            from: chat::Author {
                participant: ParticipantId(event.from.participant),
                nickname: event.from.nickname.into_owned(),
                user_type: event.from.user_type.into(),
                bot: event.from.bot,
            },
            visibility: event.visibility.into(),
            to: event.to.map(ParticipantId),
            kind: event.kind.into(),
            user_data: event.user_data.into_owned(),
            attributes: unlist(event.attributes),
        }
    }
}

fn list(list: &chat::KvList) -> BTreeMap<Text<'_>, Kv<'_>> {
    let entries = list.0.iter().map(|(name, value)| {
        let value = match value {
            chat::Kv::Text(text) => Kv::Text(text.into()),
            chat::Kv::List(below) => Kv::List(self::list(below)),
        };
        (name.into(), value)
    });
    entries.collect()
}

fn unlist(list: BTreeMap<Text<'_>, Kv<'_>>) -> chat::KvList {
    let entries = list.into_iter().map(|(name, value)| {
        let value = match value {
            Kv::Text(text) => chat::Kv::Text(text.into_owned()),
            Kv::List(below) => chat::Kv::List(unlist(below)),
        };
        (name.into_owned(), value)
    });
    chat::KvList(entries.collect())
}

fn everybody() -> Visibility {
    Visibility::All
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn no_data(data: &Data<'_>) -> bool {
    data.is_empty()
}
