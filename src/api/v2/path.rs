//! The paths of the calls: `{service}`, `{service}/{chatId}/{operation}`.

use crate::http::form;

/// The operations in a chat, as paths and [`Operation::named`](crate::wire::v2::Operation::named) call them.
const OPERATIONS: [&str; 10] = [
    "send",
    "startTyping",
    "stopTyping",
    "refresh",
    "disconnect",
    "pushUrl",
    "updateNickname",
    "customNotice",
    "updateData",
    "readReceipt",
];

/// The path of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// The service that was asked for; perhaps there is none of this name.
    pub(crate) service: String,
    /// What is wanted.
    pub(crate) target: Target,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A new chat.
    New,
    /// Something in a chat.
    Chat {
        /// What was given as its id.
        chat: String,
        /// What to do.
        operation: &'static str,
    },
}

impl Path {
    /// The path after `/genesys/2/chat/`; one slash at its end is forgiven. `None`: there is no such call.
    pub(crate) fn parse(rest: &str) -> Option<Self> {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut segments = rest.split('/');
        let service = segment(segments.next()?)?;
        let target = match (segments.next(), segments.next(), segments.next()) {
            (None, ..) => Target::New,
            (Some(chat), Some(operation), None) => Target::Chat {
                chat: segment(chat)?,
                operation: OPERATIONS.into_iter().find(|known| *known == operation)?,
            },
            _ => return None,
        };
        Some(Self { service, target })
    }

    /// What was given as the chat's id.
    pub(crate) fn chat(&self) -> Option<&str> {
        match &self.target {
            Target::New => None,
            Target::Chat { chat, .. } => Some(chat),
        }
    }
}

fn segment(encoded: &str) -> Option<String> {
    let text = String::from_utf8(form::decoded(encoded.as_bytes(), false)).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_and_an_operation_in_a_chat() {
        assert_eq!(
            Path::parse("customer-support"),
            Some(new("customer-support"))
        );
        assert_eq!(
            Path::parse("customer%2Dsupport/"),
            Some(new("customer-support"))
        );
        let send = Path::parse("s/00048aAPEQJ8000U/send").unwrap();
        assert_eq!(send.chat(), Some("00048aAPEQJ8000U"));
        assert_eq!(
            send.target,
            Target::Chat {
                chat: "00048aAPEQJ8000U".into(),
                operation: "send"
            }
        );
    }

    #[test]
    fn there_are_no_other_calls() {
        for rest in [
            "",
            "/",
            "s//send",
            "s/id",
            "s/id/Send",
            "s/id/nothing",
            "s/id/requestNotifications",
            "s/id/send/more",
            "s/id/file",
            "s/id/file/limits",
            "%FF",
        ] {
            assert_eq!(Path::parse(rest), None, "{rest}");
        }
    }

    fn new(service: &str) -> Path {
        Path {
            service: service.into(),
            target: Target::New,
        }
    }
}
