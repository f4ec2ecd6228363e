//! What customers publish over CometD: an operation, and the key of the chat it is for.

use super::{FieldError, Fields, Operation};
use crate::wire::json::{Scalar, members, scalar};

/// What was published on a chat channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Publish {
    /// What is asked, or what is wrong with it: an unknown operation, or a missing or malformed field, by name.
    pub operation: Result<Operation, FieldError>,
    /// `secureKey`: also that of a chat of which something impossible is asked. Empty where there is none, and for
    /// `requestChat`.
    pub secure_key: String,
}

impl Publish {
    /// The `data` of a publish.
    pub fn parse(data: &str) -> Self {
        let mut secure_key = String::new();
        let operation = match Fields::from_json(data) {
            Ok(fields) => published(fields, &mut secure_key),
            Err(error) => {
                secure_key = key_beside(data);
                Err(error)
            }
        };
        Self {
            operation,
            secure_key,
        }
    }
}

/// The key beside fields that cannot be read, so that the trouble is told to the chat it is in.
fn key_beside(data: &str) -> String {
    let members = members(data).unwrap_or_default();
    let of = |name: &str| {
        let member = members
            .iter()
            .rev()
            .find(|(given, _)| given.eq_ignore_ascii_case(name));
        match member.map(|(_, value)| scalar(value)) {
            Some(Scalar::Text(text)) => text,
            _ => String::new(),
        }
    };
    match of("operation").as_str() {
        "requestChat" => String::new(),
        _ => of("secureKey"),
    }
}

fn published(mut fields: Fields, secure_key: &mut String) -> Result<Operation, FieldError> {
    *secure_key = fields.optional("secureKey")?.unwrap_or_default();
    let name = fields.required("operation")?;
    let name = match name.as_str() {
        "sendMessage" => "send",
        "send" | "refresh" => "",
        "requestChat" => {
            secure_key.clear();
            return Operation::named("requestChat", fields);
        }
        other => other,
    };
    let operation = Operation::named(name, fields)?;
    match secure_key.is_empty() {
        true => Err(FieldError::malformed("secureKey is missing")),
        false => Ok(operation),
    }
}

impl std::fmt::Debug for Publish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Publish")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User data that is refused took the key with it: its chat was told of no trouble, and somebody with several chats did
    /// not know which it was.
    #[test]
    fn the_key_is_read_beside_fields_that_cannot_be() {
        for data in [
            r#"{"operation":"updateData","secureKey":"a","userData":{"b":{}}}"#,
            r#"{"operation":"sendMessage","SecureKey":"a","message":"\u0000"}"#,
        ] {
            let publish = Publish::parse(data);
            assert!(publish.operation.is_err(), "{data}");
            assert_eq!(publish.secure_key, "a", "{data}");
        }
    }

    #[test]
    fn a_chat_that_is_requested_has_no_key_yet() {
        let data = r#"{"operation":"requestChat","secureKey":"a","nickname":"A","userData":[]}"#;
        assert_eq!(Publish::parse(data).secure_key, "");
        assert_eq!(Publish::parse("7").secure_key, "");
    }
}
