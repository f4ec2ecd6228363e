//! Beginning a chat: who comes, and what the gateway adds.

use super::super::{FieldError, Fields};
use super::RequestChat;
use crate::chat::{ADDED_KEYS, Create, Policy};
use crate::limit;

/// Marks a chat as async.
const ASYNC_MODE: &str = "GCTI_Chat_AsyncMode";
/// Bytes of an e-mail address, at most.
const EMAIL_BYTES_MAX: usize = 254;

impl RequestChat {
    pub(super) fn of(mut fields: Fields) -> Result<Self, FieldError> {
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
        at_most(code, &name, "[limits] nickname", policy.nickname_chars_max)?;
    }
    let subject = given(&fields.subject);
    at_most(400, &subject, "[limits] subject", policy.subject_chars_max)?;
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

fn at_most(code: u16, text: &str, option: &'static str, max: usize) -> Result<(), FieldError> {
    if text.chars().count() <= max {
        return Ok(());
    }
    limit::reached(option);
    Err(FieldError::new(
        code,
        format!("limit reached: {option} = {max}"),
    ))
}

/// Something, an at sign, and a host name of at least two labels.
pub(super) fn is_email(text: &str) -> bool {
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
