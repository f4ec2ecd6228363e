//! What a call in a chat wants done, made of its fields alone.

use sha2::{Digest, Sha256};

use crate::api::error::Trouble;
use crate::chat::{AfterAction, Command, Speech};
use crate::http::Fields;

/// Fields that say who asks, and from where on it reads: they are not what is asked.
const NOT_ASKED: [&str; 4] = ["userId", "secureKey", "alias", "transcriptPosition"];

/// Characters of a `messageType` at most.
const MESSAGE_TYPE_CHARS_MAX: usize = 256;

/// The calls in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Send,
    StartTyping,
    StopTyping,
    Refresh,
    Disconnect,
    PushUrl,
    UpdateNickname,
    CustomNotice,
    UpdateData,
    ReadReceipt,
}

/// What to do for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be decided by the session first.
    pub(super) command: Option<Command>,
    /// Then to be read from here on; 0 reads nothing.
    pub(super) position: Option<u64>,
    /// How the reply looks.
    pub(super) shape: Shape,
}

/// How the reply to a call looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `messages` (perhaps none), `chatId`, `nextPosition`.
    Sent,
    /// The same, and `tenantName`, `monitored`.
    Refreshed,
    /// `messages` is null.
    Told,
    /// Everything but `statusCode` is null.
    Disconnected,
}

impl Operation {
    /// The operation of this name in a path.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "send" => Self::Send,
            "startTyping" => Self::StartTyping,
            "stopTyping" => Self::StopTyping,
            "refresh" => Self::Refresh,
            "disconnect" => Self::Disconnect,
            "pushUrl" => Self::PushUrl,
            "updateNickname" => Self::UpdateNickname,
            "customNotice" => Self::CustomNotice,
            "updateData" => Self::UpdateData,
            "readReceipt" => Self::ReadReceipt,
            _ => return None,
        })
    }

    fn shape(self) -> Shape {
        match self {
            Self::Send => Shape::Sent,
            Self::Refresh => Shape::Refreshed,
            Self::Disconnect => Shape::Disconnected,
            _ => Shape::Told,
        }
    }

    /// A number for this key and what is asked under it: the same again is a repetition, anything else is not.
    pub(super) fn fingerprint(self, key: &[u8], fields: &Fields) -> u128 {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        };
        add(key);
        add(format!("{self:?}").as_bytes());
        for (name, value) in fields.iter().filter(|(name, _)| self.asks(name)) {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        add(b"userData");
        for (name, value) in &fields.user_data {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize()[..16]);
        u128::from_be_bytes(short)
    }

    fn asks(self, field: &str) -> bool {
        !NOT_ASKED.contains(&field) || (self == Self::ReadReceipt && field == "transcriptPosition")
    }
}

impl Plan {
    /// What `fields` ask for.
    pub(super) fn of(operation: Operation, fields: &Fields, typing_preview: bool) -> Result<Self, Trouble> {
        let position = match operation {
            Operation::Send => position(fields)?,
            Operation::Refresh => Some(position(fields)?.unwrap_or(1)),
            _ => None,
        };
        Ok(Self {
            command: command(operation, fields, typing_preview)?,
            position,
            shape: operation.shape(),
        })
    }
}

fn command(operation: Operation, fields: &Fields, typing_preview: bool) -> Result<Option<Command>, Trouble> {
    let text = || fields.get("message").map(str::to_owned);
    let speech = Speech::default;
    Ok(Some(match operation {
        Operation::Send => Command::Message {
            text: required(fields, "message")?,
            message_type: message_type(fields)?,
            speech: speech(),
        },
        Operation::StartTyping => typing(true, text()),
        Operation::StopTyping => typing(false, text()),
        Operation::Refresh => match text().filter(|_| typing_preview) {
            Some(typed) => typing(true, Some(typed)),
            None => return Ok(None),
        },
        Operation::Disconnect => Command::Release {
            participant: None,
            after: AfterAction::KeepAlive,
            reason: None,
        },
        Operation::PushUrl => Command::PushUrl {
            url: required(fields, "pushUrl")?,
            speech: speech(),
        },
        Operation::UpdateNickname => Command::UpdateNickname {
            nickname: required(fields, "nickname")?,
        },
        Operation::CustomNotice => Command::CustomNotice {
            text: text(),
            speech: speech(),
        },
        Operation::UpdateData => update_data(fields)?,
        Operation::ReadReceipt => read_receipt(fields)?,
    }))
}

fn typing(started: bool, text: Option<String>) -> Command {
    Command::Typing {
        started,
        text,
        speech: Speech::default(),
    }
}

fn update_data(fields: &Fields) -> Result<Command, Trouble> {
    if fields.user_data.is_empty() {
        return Err(missing("userData[key]"));
    }
    let user_data = fields.user_data.clone();
    Ok(Command::UpdateData { user_data })
}

fn read_receipt(fields: &Fields) -> Result<Command, Trouble> {
    match position(fields)? {
        Some(last_event) if last_event > 0 => Ok(Command::ReadConfirm { last_event }),
        Some(_) => Err(Trouble::bad_request("transcriptPosition must be the index of an event, from 1 on")),
        None => Err(missing("transcriptPosition")),
    }
}

/// A field that must be given, and say something.
fn required(fields: &Fields, name: &'static str) -> Result<String, Trouble> {
    match fields.get(name) {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(missing(name)),
    }
}

fn missing(name: &str) -> Trouble {
    Trouble::bad_request(format!("the field {name} is missing"))
}

fn message_type(fields: &Fields) -> Result<Option<String>, Trouble> {
    match fields.get("messageType") {
        Some(text) if text.chars().count() > MESSAGE_TYPE_CHARS_MAX => Err(Trouble::bad_request(format!(
            "messageType is longer than {MESSAGE_TYPE_CHARS_MAX} characters"
        ))),
        text => Ok(text.map(str::to_owned)),
    }
}

fn position(fields: &Fields) -> Result<Option<u64>, Trouble> {
    let Some(text) = fields.get("transcriptPosition") else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let position = text.parse().ok().filter(|_| digits);
    position
        .map(Some)
        .ok_or_else(|| Trouble::bad_request("transcriptPosition must be a whole number, 0 or more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    #[tokio::test]
    async fn sending_reads_only_where_a_position_is_given() {
        let plan = plan(Operation::Send, "message=hello&messageType=text").await.unwrap();
        assert_eq!(plan.position, None);
        assert!(matches!(plan.command, Some(Command::Message { ref text, message_type: Some(_), .. }) if text == "hello"));
        let plan = self::plan(Operation::Send, "message=hello&transcriptPosition=8").await.unwrap();
        assert_eq!(plan.position, Some(8));
    }

    #[tokio::test]
    async fn refreshing_reads_everything_unless_told_otherwise() {
        assert_eq!(plan(Operation::Refresh, "").await.unwrap().position, Some(1));
        assert_eq!(plan(Operation::Refresh, "transcriptPosition=0").await.unwrap().position, Some(0));
        assert_eq!(plan(Operation::Refresh, "transcriptPosition=20").await.unwrap().position, Some(20));
    }

    #[tokio::test]
    async fn a_preview_is_told_while_refreshing_even_if_empty_but_only_where_it_is_on() {
        let preview = plan(Operation::Refresh, "message=").await.unwrap();
        assert_eq!(preview.command, Some(typing(true, Some(String::new()))));
        assert_eq!(plan(Operation::Refresh, "").await.unwrap().command, None);
        let off = Plan::of(Operation::Refresh, &fields("message=hel").await, false).unwrap();
        assert_eq!(off.command, None);
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let table = [
            (Operation::Send, "", "message"),
            (Operation::Send, "message=", "message"),
            (Operation::PushUrl, "message=x", "pushUrl"),
            (Operation::UpdateNickname, "", "nickname"),
            (Operation::UpdateData, "", "userData[key]"),
            (Operation::ReadReceipt, "", "transcriptPosition"),
        ];
        for (operation, form, field) in table {
            let trouble = plan(operation, form).await.unwrap_err();
            assert_eq!(trouble, missing(field), "{operation:?}");
        }
    }

    #[tokio::test]
    async fn positions_are_whole_numbers() {
        for text in ["x", "-1", "+1", "1.5", "", " 1", "18446744073709551616"] {
            let form = format!("message=hello&transcriptPosition={}", text.replace('+', "%2B"));
            assert_eq!(plan(Operation::Send, &form).await.unwrap_err().code, 400, "{text}");
        }
        assert_eq!(plan(Operation::ReadReceipt, "transcriptPosition=0").await.unwrap_err().code, 400);
        let receipt = plan(Operation::ReadReceipt, "transcriptPosition=5").await.unwrap();
        assert_eq!(receipt.command, Some(Command::ReadConfirm { last_event: 5 }));
    }

    #[tokio::test]
    async fn a_repetition_is_known_by_its_key_and_by_what_it_asks() {
        let first = print(b"key", "message=hello&secureKey=1&userId=2&alias=3").await;
        assert_eq!(print(b"key", "secureKey=9&message=hello&transcriptPosition=7").await, first);
        assert_ne!(print(b"key", "message=hello!").await, first);
        assert_ne!(print(b"other", "message=hello").await, first);
        let notice = Operation::CustomNotice.fingerprint(b"key", &fields("message=hello").await);
        assert_ne!(notice, first);
        let read = async |form| Operation::ReadReceipt.fingerprint(b"key", &fields(form).await);
        assert_ne!(read("transcriptPosition=1").await, read("transcriptPosition=2").await);
    }

    async fn print(key: &[u8], form: &str) -> u128 {
        Operation::Send.fingerprint(key, &fields(form).await)
    }

    async fn plan(operation: Operation, form: &str) -> Result<Plan, Trouble> {
        Plan::of(operation, &fields(form).await, true)
    }

    async fn fields(form: &str) -> Fields {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form_type)]);
        Fields::parse(&headers, Bytes::copy_from_slice(form.as_bytes()), 99).await.unwrap()
    }
}
