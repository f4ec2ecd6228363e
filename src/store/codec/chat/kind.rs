//! What happened, as it is written.

use super::*;

#[derive(Serialize, Deserialize)]
pub(super) enum Kind<'a> {
    #[serde(rename = "join")]
    ParticipantJoined,
    #[serde(rename = "left")]
    ParticipantLeft {
        #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
        reason: Option<LeaveReason>,
        #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
        quit: Option<QuitReason>,
    },
    #[serde(rename = "msg")]
    Message {
        #[serde(rename = "x")]
        text: Text<'a>,
        #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
        message_type: Option<Text<'a>>,
    },
    #[serde(rename = "ton")]
    TypingStarted {
        #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
        text: Option<Text<'a>>,
    },
    #[serde(rename = "toff")]
    TypingStopped {
        #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
        text: Option<Text<'a>>,
    },
    #[serde(rename = "nick")]
    NicknameUpdated {
        #[serde(rename = "n")]
        nickname: Text<'a>,
    },
    #[serde(rename = "url")]
    PushUrl {
        #[serde(rename = "x")]
        url: Text<'a>,
    },
    #[serde(rename = "cust")]
    CustomNotice {
        #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
        text: Option<Text<'a>>,
    },
    #[serde(rename = "fup")]
    FileUploaded {
        #[serde(rename = "n")]
        name: Text<'a>,
    },
    #[serde(rename = "fdel")]
    FileDeleted {
        #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
        name: Option<Text<'a>>,
    },
    #[serde(rename = "sys")]
    Notice {
        #[serde(rename = "n")]
        name: Text<'a>,
    },
    #[serde(rename = "alert")]
    IdleAlert {
        #[serde(rename = "x")]
        text: Text<'a>,
    },
    #[serde(rename = "close")]
    IdleClose {
        #[serde(rename = "x")]
        text: Text<'a>,
    },
}

impl<'a> From<&'a chat::EventKind> for Kind<'a> {
    fn from(kind: &'a chat::EventKind) -> Self {
        use chat::EventKind as From;
        let maybe = |text: &'a Option<String>| text.as_ref().map(Into::into);
        match kind {
            From::ParticipantJoined => Kind::ParticipantJoined,
            From::ParticipantLeft { reason, quit } => Kind::ParticipantLeft {
                reason: reason.map(Into::into),
                quit: quit.map(Into::into),
            },
            From::Message { text, message_type } => Kind::Message {
                text: text.into(),
                message_type: maybe(message_type),
            },
            From::TypingStarted { text } => Kind::TypingStarted { text: maybe(text) },
            From::TypingStopped { text } => Kind::TypingStopped { text: maybe(text) },
            From::NicknameUpdated { nickname } => Kind::NicknameUpdated {
                nickname: nickname.into(),
            },
            From::PushUrl { url } => Kind::PushUrl { url: url.into() },
            From::CustomNotice { text } => Kind::CustomNotice { text: maybe(text) },
            From::FileUploaded { name } => Kind::FileUploaded { name: name.into() },
            From::FileDeleted { name } => Kind::FileDeleted { name: maybe(name) },
            From::Notice { name } => Kind::Notice { name: name.into() },
            From::IdleAlert { text } => Kind::IdleAlert { text: text.into() },
            From::IdleClose { text } => Kind::IdleClose { text: text.into() },
        }
    }
}

impl From<Kind<'_>> for chat::EventKind {
    fn from(kind: Kind<'_>) -> Self {
        let maybe = |text: Option<Text<'_>>| text.map(Cow::into_owned);
        match kind {
            Kind::ParticipantJoined => Self::ParticipantJoined,
            Kind::ParticipantLeft { reason, quit } => Self::ParticipantLeft {
                reason: reason.map(Into::into),
                quit: quit.map(Into::into),
            },
            Kind::Message { text, message_type } => Self::Message {
                text: text.into_owned(),
                message_type: maybe(message_type),
            },
            Kind::TypingStarted { text } => Self::TypingStarted { text: maybe(text) },
            Kind::TypingStopped { text } => Self::TypingStopped { text: maybe(text) },
            Kind::NicknameUpdated { nickname } => Self::NicknameUpdated {
                nickname: nickname.into_owned(),
            },
            Kind::PushUrl { url } => Self::PushUrl {
                url: url.into_owned(),
            },
            Kind::CustomNotice { text } => Self::CustomNotice { text: maybe(text) },
            Kind::FileUploaded { name } => Self::FileUploaded {
                name: name.into_owned(),
            },
            Kind::FileDeleted { name } => Self::FileDeleted { name: maybe(name) },
            Kind::Notice { name } => Self::Notice {
                name: name.into_owned(),
            },
            Kind::IdleAlert { text } => Self::IdleAlert {
                text: text.into_owned(),
            },
            Kind::IdleClose { text } => Self::IdleClose {
                text: text.into_owned(),
            },
        }
    }
}
