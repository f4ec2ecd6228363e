//! What customers ask, by either door.

mod request_chat;

use super::{FieldError, Fields};
use crate::chat::{AfterAction, Command, Speech, UserData};
pub use request_chat::request_chat;

/// The fields of *Request Chat*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestChat {
    /// `nickname`.
    pub nickname: Option<String>,
    /// `firstName`.
    pub first_name: Option<String>,
    /// `lastName`.
    pub last_name: Option<String>,
    /// `subject`.
    pub subject: Option<String>,
    /// `emailAddress`.
    pub email_address: Option<String>,
    /// `userData`.
    pub user_data: UserData,
}

/// What a customer asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `requestChat`.
    RequestChat(RequestChat),
    /// `sendMessage` (CometD), `send` (REST).
    Send {
        /// `message`.
        text: String,
        /// `messageType`.
        message_type: Option<String>,
        /// `eventAttributes`, as `general-properties.related-event-id`.
        attributes: crate::chat::KvList,
        /// `transcriptPosition`, over REST: the reply has the transcript from here.
        position: Option<u64>,
    },
    /// `startTyping`, `stopTyping`.
    Typing {
        /// Which.
        started: bool,
        /// `message`: the preview.
        text: Option<String>,
    },
    /// `refresh`, over REST.
    Refresh {
        /// `transcriptPosition`; 1 where none was given.
        position: u64,
        /// `message`: the preview, if there is one; it may be empty.
        typing: Option<String>,
    },
    /// `requestNotifications`, over CometD.
    RequestNotifications {
        /// `transcriptPosition`; absent or 0: from the start.
        position: Option<u64>,
        /// New push fields.
        user_data: UserData,
    },
    /// `disconnect`.
    Disconnect,
    /// `pushUrl`.
    PushUrl {
        /// `pushUrl`.
        url: String,
    },
    /// `updateNickname`.
    UpdateNickname {
        /// `nickname`.
        nickname: String,
    },
    /// `customNotice`.
    CustomNotice {
        /// `message`.
        text: Option<String>,
    },
    /// `updateData`.
    UpdateData {
        /// `userData`.
        user_data: UserData,
    },
    /// `readReceipt`.
    ReadReceipt {
        /// `transcriptPosition`: the index of the event that was read.
        position: u64,
    },
}

impl Operation {
    /// The operation of this name: the last part of the REST path, or `requestChat`, `requestNotifications`.
    ///
    /// # Errors
    ///
    /// It is unknown, or a field is missing or malformed.
    pub fn named(name: &str, mut fields: Fields) -> Result<Self, FieldError> {
        Ok(match name {
            "requestChat" => Self::RequestChat(RequestChat::of(fields)?),
            "send" => Self::Send {
                text: fields.required("message")?,
                message_type: fields.optional("messageType")?,
                position: fields.position("transcriptPosition")?,
                attributes: fields.attributes,
            },
            "startTyping" | "stopTyping" => Self::Typing {
                started: name == "startTyping",
                text: fields.optional("message")?,
            },
            "refresh" => Self::Refresh {
                position: fields.position("transcriptPosition")?.unwrap_or(1),
                typing: fields.optional("message")?,
            },
            "requestNotifications" => Self::RequestNotifications {
                position: fields.position("transcriptPosition")?,
                user_data: fields.user_data,
            },
            "disconnect" => Self::Disconnect,
            "pushUrl" => Self::PushUrl {
                url: fields.filled("pushUrl")?,
            },
            "updateNickname" => Self::UpdateNickname {
                nickname: fields.filled("nickname")?,
            },
            "customNotice" => Self::CustomNotice {
                text: fields.optional("message")?,
            },
            "updateData" => Self::UpdateData {
                user_data: some_user_data(fields.user_data)?,
            },
            "readReceipt" => Self::ReadReceipt {
                position: fields
                    .position("transcriptPosition")?
                    .ok_or_else(|| FieldError::malformed("transcriptPosition is missing"))?,
            },
            _ => return Err(FieldError::malformed("the operation is unknown")),
        })
    }

    /// The command to the session; `None` where it is none: beginning, reading, and a refresh without preview.
    pub fn into_command(self) -> Option<Command> {
        let speech = Speech::default();
        Some(match self {
            Self::RequestChat(_) | Self::RequestNotifications { .. } => return None,
            Self::Send {
                text,
                message_type,
                attributes,
                ..
            } => Command::Message {
                text,
                message_type,
                speech: Speech {
                    attributes,
                    ..speech
                },
            },
            Self::Typing { started, text } => Command::Typing {
                started,
                text,
                speech,
            },
            Self::Refresh { typing, .. } => Command::Typing {
                started: true,
                text: Some(typing?),
                speech,
            },
            Self::Disconnect => Command::Release {
                participant: None,
                after: AfterAction::KeepAlive,
                reason: None,
            },
            Self::PushUrl { url } => Command::PushUrl { url, speech },
            Self::UpdateNickname { nickname } => Command::UpdateNickname { nickname },
            Self::CustomNotice { text } => Command::CustomNotice { text, speech },
            Self::UpdateData { user_data } => Command::UpdateData { user_data },
            Self::ReadReceipt { position } => Command::ReadConfirm {
                last_event: position,
            },
        })
    }
}

fn some_user_data(user_data: UserData) -> Result<UserData, FieldError> {
    match user_data.is_empty() {
        true => Err(FieldError::malformed("userData is missing")),
        false => Ok(user_data),
    }
}

#[cfg(test)]
mod tests;
