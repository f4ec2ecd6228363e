//! What a session can be asked to do, what that changes, and why it may refuse.

use super::{
    Event, IdleNotices, KvList, LeaveReason, Participant, QuitReason, Style, UserData, UserType,
    Visibility,
};
use crate::clock::Wall;
use crate::id::ParticipantId;

/// Keys of user data that the gateway adds when a chat begins.
pub const ADDED_KEYS: [&str; 5] = [
    "FirstName",
    "LastName",
    "EmailAddress",
    "MediaType",
    "IdentifyCreateContact",
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A participant of the session; the edge has checked that it is the one.
    Participant(ParticipantId),
    /// The server itself, the workflow, or an agent who is about to join.
    Server,
}

/// A customer begins a chat: seed *Request Chat*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The configured service that was asked for.
    pub service: String,
    /// The nickname, or first and last name joined by a space.
    pub nickname: String,
    /// The subject.
    pub subject: Option<String>,
    /// The user data, with what the gateway adds (`FirstName`, `LastName`, `EmailAddress`, `MediaType`, …).
    pub user_data: UserData,
    /// `GCTI_Chat_AsyncMode` is `true`.
    pub async_mode: bool,
}

/// Somebody else comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The configured id of the agent or bot.
    pub account: String,
    /// The nickname.
    pub nickname: String,
    /// The role.
    pub user_type: UserType,
    /// Person or bot.
    pub style: Style,
    /// How widely it will be seen.
    pub visibility: Visibility,
    /// 101–106.
    pub client_version: u16,
    /// User data of the joining.
    pub user_data: UserData,
}

/// How something is said: the same for messages and notices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// Only to this participant.
    pub to: Option<ParticipantId>,
    /// Narrower than the sender's own; `None` is the sender's own.
    pub visibility: Option<Visibility>,
    /// `userData` of the event.
    pub user_data: UserData,
    /// `eventAttributes` of the event.
    pub attributes: KvList,
}

/// What a session can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin; only as the first command of a session.
    Create(Create),
    /// Come in.
    Join(Join),
    /// Say something.
    Message {
        /// The text.
        text: String,
        /// Any type.
        message_type: Option<String>,
        /// To whom and how.
        speech: Speech,
    },
    /// Type, or stop typing.
    Typing {
        /// Started or stopped.
        started: bool,
        /// The preview.
        text: Option<String>,
        /// To whom and how.
        speech: Speech,
    },
    /// Offer a URL.
    PushUrl {
        /// The URL.
        url: String,
        /// To whom and how.
        speech: Speech,
    },
    /// A custom notice.
    CustomNotice {
        /// Any text.
        text: Option<String>,
        /// To whom and how.
        speech: Speech,
    },
    /// Take another nickname.
    UpdateNickname {
        /// The new one.
        nickname: String,
    },
    /// Change the customer's user data; no event.
    UpdateData {
        /// Keys to set.
        user_data: UserData,
    },
    /// Confirm that an event was read: a `Notice` `read-confirm` that takes the place of the caller's older one.
    ReadConfirm {
        /// The index that was read.
        last_event: u64,
    },
    /// A file is there (agents; customers come by file transfer).
    FileUploaded {
        /// Its name.
        name: String,
        /// To whom and how, with the `file-*` user data.
        speech: Speech,
    },
    /// A file is gone.
    FileDeleted {
        /// Its name or id.
        name: Option<String>,
        /// To whom and how.
        speech: Speech,
    },
    /// Change the session's language (`configure-session`).
    ConfigureSession {
        /// `GCTI_LanguageName` or `GCTI_LanguageCode`.
        speech: Speech,
    },
    /// Leave, or make somebody leave.
    Release {
        /// Who; `None`: the caller.
        participant: Option<ParticipantId>,
        /// And then.
        after: AfterAction,
        /// HOLD or TRANSFER.
        reason: Option<LeaveReason>,
    },
    /// Take a participant out for a reason of the server's: lost connection, inactivity, a damaged record.
    Remove {
        /// Who.
        participant: ParticipantId,
        /// The customer's quit reason; ignored for others.
        quit: QuitReason,
        /// An agent's connection was lost (async status 4).
        lost: bool,
    },
    /// Close for a reason of the server's.
    Close {
        /// The customer's quit reason.
        quit: QuitReason,
    },
}

/// What happens after somebody was released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterAction {
    /// The session goes on while somebody is in it.
    #[default]
    KeepAlive,
    /// It closes if no agent is left (bots do not count).
    CloseIfNoAgents,
    /// It closes.
    ForceClose,
}

/// One step of a session: what is stored, and folded in again at replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The session exists.
    Created {
        /// When.
        at: Wall,
        /// The service.
        service: String,
        /// The subject.
        subject: Option<String>,
        /// Async or regular.
        async_mode: bool,
    },
    /// A participant came in; its `ParticipantJoined` follows.
    Joined(Participant),
    /// An event of the transcript. Leaving, renaming and typing are folded in from it.
    Event(Event),
    /// The customer's user data has these keys now.
    UserDataUpdated(UserData),
    /// A read receipt is gone from the transcript; its index stays a gap.
    Annihilated {
        /// The index it had.
        index: u64,
    },
    /// `GCTI_Chat_AsyncStatus`: −2 hold, −1 with an agent, 1 new, 2 customer wrote, 3 idle alert, 4 agent lost, 5 transferred.
    AsyncStatus(i8),
    /// The inactivity control of this session was configured by the workflow.
    IdleConfigured {
        /// Which notices count.
        notices: IdleNotices,
    },
    /// Over; readable for a while.
    Closed {
        /// When.
        at: Wall,
    },
}

/// Why a command cannot be. The words name the field or the limit, never another customer's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The session is over.
    #[error("the chat session is over")]
    Closed,
    /// The caller has left, or was removed.
    #[error("the participant has left the chat session")]
    Left,
    /// There is no such participant.
    #[error("no such participant in the chat session")]
    UnknownParticipant,
    /// The role does not allow it.
    #[error("not allowed: {0}")]
    Forbidden(&'static str),
    /// A text is longer than `[settings] max-message-size`.
    #[error("the text is longer than {max} bytes ([settings] max-message-size)")]
    TooLong {
        /// Bytes allowed.
        max: usize,
    },
    /// Another limit is reached.
    #[error("limit reached: {option} = {max}")]
    Limit {
        /// The option, with its section.
        option: &'static str,
        /// Its value.
        max: usize,
    },
    /// A field cannot be.
    #[error("invalid: {0}")]
    Invalid(&'static str),
}

impl Rejection {
    /// The limit that is reached, as [`crate::limit`] names it.
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::TooLong { .. } => Some("[settings] max-message-size"),
            Self::Limit { option, .. } => Some(option),
            _ => None,
        }
    }
}
