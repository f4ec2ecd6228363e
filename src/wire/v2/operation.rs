//! What customers ask, by either door.

use super::{FieldError, Fields};
use crate::chat::{ADDED_KEYS, AfterAction, Command, Create, Policy, Speech, UserData};

/// Marks a chat as async.
const ASYNC_MODE: &str = "GCTI_Chat_AsyncMode";
/// Bytes of an e-mail address, at most.
const EMAIL_BYTES_MAX: usize = 254;

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

impl RequestChat {
    fn of(mut fields: Fields) -> Result<Self, FieldError> {
        let mut given = |name| -> Result<Option<String>, FieldError> {
            Ok(fields
                .optional(name)?
                .filter(|text| !text.trim().is_empty()))
        };
        Ok(Self {
            nickname: given("nickname")?,
            first_name: given("firstName")?,
            last_name: given("lastName")?,
            subject: given("subject")?,
            email_address: given("emailAddress")?,
            user_data: fields.user_data,
        })
    }
}

/// The beginning of a chat at `service`, with the user data that the gateway adds.
///
/// # Errors
///
/// 161 nobody is named, 102 or 103 half a name is missing, or these are too long; 364 the e-mail address is none; 400 the
/// subject is too long.
pub fn request_chat(
    service: &str,
    fields: RequestChat,
    policy: &Policy,
) -> Result<Create, FieldError> {
    let nickname = nickname(&fields)?;
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let names = [
        (102, given(&fields.first_name)),
        (103, given(&fields.last_name)),
        (161, nickname.clone()),
        (364, given(&fields.email_address)),
    ];
    for (code, name) in names {
        at_most(code, &name, "nickname", policy.nickname_chars_max)?;
    }
    let subject = given(&fields.subject);
    at_most(400, &subject, "subject", policy.subject_chars_max)?;
    if !fields.email_address.as_deref().is_none_or(is_email) {
        return Err(FieldError::new(
            364,
            "emailAddress has to be an e-mail address",
        ));
    }
    let mut user_data = fields.user_data;
    let async_mode = user_data
        .get(ASYNC_MODE)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let [first, last, email, media, identify] = ADDED_KEYS;
    let added = [
        (first, fields.first_name),
        (last, fields.last_name),
        (email, fields.email_address),
        (media, Some("chat".to_owned())),
    ];
    for (key, value) in added {
        user_data.extend(value.map(|value| (key.to_owned(), value)));
    }
    user_data
        .entry(identify.to_owned())
        .or_insert_with(|| "3".to_owned());
    Ok(Create {
        service: service.to_owned(),
        nickname,
        subject: fields.subject,
        user_data,
        async_mode,
    })
}

fn nickname(fields: &RequestChat) -> Result<String, FieldError> {
    match (&fields.nickname, &fields.first_name, &fields.last_name) {
        (Some(nickname), ..) => Ok(nickname.clone()),
        (None, Some(first), Some(last)) => Ok(format!("{first} {last}")),
        (None, None, Some(_)) => Err(FieldError::new(102, "firstName is missing")),
        (None, Some(_), None) => Err(FieldError::new(103, "lastName is missing")),
        (None, None, None) => Err(FieldError::new(
            161,
            "nickname is missing, or firstName and lastName",
        )),
    }
}

fn at_most(code: u16, text: &str, option: &str, max: usize) -> Result<(), FieldError> {
    match text.chars().count() > max {
        true => Err(FieldError::new(
            code,
            format!("limit reached: [limits] {option} = {max}"),
        )),
        false => Ok(()),
    }
}

/// Something, an at sign, and a host name of at least two labels.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |text: &str| {
        !text
            .chars()
            .any(|char| char.is_whitespace() || char.is_control() || char == '@')
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|char| char.is_alphanumeric() || char == '-')
    };
    text.len() <= EMAIL_BYTES_MAX
        && !name.is_empty()
        && plain(name)
        && host.contains('.')
        && host.split('.').all(label)
}

fn some_user_data(user_data: UserData) -> Result<UserData, FieldError> {
    match user_data.is_empty() {
        true => Err(FieldError::malformed("userData is missing")),
        false => Ok(user_data),
    }
}

#[cfg(test)]
mod tests;
