//! What happened in a session: `reference` for the customer-visible shapes is seed *Chat API Version 2*.

use std::collections::BTreeMap;

use super::{UserType, Visibility};
use crate::clock::Wall;
use crate::id::ParticipantId;

/// Flat key-value pairs, as `userData` carries them: strings only.
pub type UserData = BTreeMap<String, String>;

/// A key-value list of the Genesys protocols: strings, or lists again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvList(pub BTreeMap<String, Kv>);

/// One value of a [`KvList`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kv {
    /// A string.
    Text(String),
    /// A list below it.
    List(KvList),
}

/// One event of the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events of the session, from 1. Indexes count every event, also those that a viewer may not
    /// see, and are never given twice.
    pub index: u64,
    /// When it was decided.
    pub at: Wall,
    /// Whose it is, as that participant was named at the time.
    pub from: Author,
    /// Who sees it.
    pub visibility: Visibility,
    /// The other end of a direct message: then only the two see it.
    pub to: Option<ParticipantId>,
    /// What happened.
    pub kind: EventKind,
    /// `userData` of the event; empty: absent on the wire.
    pub user_data: UserData,
    /// `eventAttributes` as the sender gave them, without what is derived from the event itself (`GCTI_SYSTEM` party
    /// style and quit reason, `general-properties.reason-for-leave`).
    pub attributes: KvList,
}

/// The `from` of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Which participant of the session. 0 is nobody (notices of the system itself).
    pub participant: ParticipantId,
    /// The nickname at that time.
    pub nickname: String,
    /// The type shown: bots show as `Agent`, whatever they are.
    pub user_type: UserType,
    /// Marked as a bot (`GCTI_SYSTEM.party-info.style = "BOT"`).
    pub bot: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Somebody came in (newParty).
    ParticipantJoined,
    /// Somebody left (partyLeft, ABANDON).
    ParticipantLeft {
        /// HOLD or TRANSFER; absent for a final leave.
        reason: Option<LeaveReason>,
        /// `GCTI_SYSTEM.quit-reason-code`, of a customer.
        quit: Option<QuitReason>,
    },
    /// A text.
    Message {
        /// The text.
        text: String,
        /// Whatever type the sender gave it.
        message_type: Option<String>,
    },
    /// Somebody began to type, or types on.
    TypingStarted {
        /// What has been typed so far, where typing preview is on.
        text: Option<String>,
    },
    /// Somebody stopped typing.
    TypingStopped {
        /// What had been typed.
        text: Option<String>,
    },
    /// A participant has a new nickname. `Author::nickname` still is the old one.
    NicknameUpdated {
        /// The new one.
        nickname: String,
    },
    /// A URL to open.
    PushUrl {
        /// The URL.
        url: String,
    },
    /// A notice whose meaning the two applications know.
    CustomNotice {
        /// Any text.
        text: Option<String>,
    },
    /// A file is there; `Event::user_data` has the `file-*` keys.
    FileUploaded {
        /// Its name.
        name: String,
    },
    /// A file is gone.
    FileDeleted {
        /// Its name or id.
        name: Option<String>,
    },
    /// A system command, as `read-confirm` or `configure-session`.
    Notice {
        /// Its name.
        name: String,
    },
    /// The session will be closed soon for want of activity.
    IdleAlert {
        /// The configured text.
        text: String,
    },
    /// The session is closed for want of activity.
    IdleClose {
        /// The configured text.
        text: String,
    },
}

/// Why an agent left for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The chat is on hold (async chats).
    Hold,
    /// The chat goes to somebody else.
    Transfer,
}

/// Why a customer is no longer in the session: seed *Reason Codes*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuitReason {
    /// 0: asked for it.
    Logout,
    /// 3: protocol inactivity.
    Inactive,
    /// 4: removed by another participant, or by an after-action.
    Removed,
    /// 5: removed by the server.
    Server,
    /// 7: session inactivity.
    Idle,
    /// 8: marked as removed when the session was restored.
    Restored,
}

impl QuitReason {
    /// The code of the seed.
    pub fn code(self) -> &'static str {
        match self {
            QuitReason::Logout => "0",
            QuitReason::Inactive => "3",
            QuitReason::Removed => "4",
            QuitReason::Server => "5",
            QuitReason::Idle => "7",
            QuitReason::Restored => "8",
        }
    }
}

impl KvList {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text at `path`, if there is one.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        let (last, lists) = path.split_last()?;
        let mut list = self;
        for name in lists {
            let Some(Kv::List(below)) = list.0.get(*name) else {
                return None;
            };
            list = below;
        }
        match list.0.get(*last) {
            Some(Kv::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Puts a text at `path`, making the lists on the way.
    pub fn set(&mut self, path: &[&str], text: impl Into<String>) {
        let Some((last, lists)) = path.split_last() else {
            return;
        };
        let mut list = self;
        for name in lists {
            let below = list
                .0
                .entry((*name).to_owned())
                .or_insert_with(|| Kv::List(KvList::default()));
            if let Kv::Text(_) = below {
                *below = Kv::List(KvList::default());
            }
            let Kv::List(next) = below else { return };
            list = next;
        }
        list.0.insert((*last).to_owned(), Kv::Text(text.into()));
    }
}
