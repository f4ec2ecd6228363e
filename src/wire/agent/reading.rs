//! From the members of a request to what it asks.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{ErrorCode, Operation};
use crate::chat::{AfterAction, Command, KvList, LeaveReason, Speech, UserData, Visibility};
use crate::id::{ParticipantId, SessionId};
use crate::wire::json::{Scalar, list, list_has_nul, members, scalar};

/// Sessions in one answer, unless `limit` says so.
const SESSIONS_DEFAULT: usize = 1_000;
/// Sessions in one answer, at most.
const SESSIONS_MAX: usize = 10_000;

/// A code and its advice, before it is known to which request.
type Fault = (ErrorCode, String);

/// Reads the members of a request.
pub(super) struct Reader<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Reader<'a> {
    /// The members, as they came.
    pub(super) fn new(members: BTreeMap<String, &'a RawValue>) -> Self {
        Self(members)
    }

    /// What they ask.
    pub(super) fn operation(&self) -> Result<Operation, Fault> {
        let name = self.required("operation")?;
        Ok(match name.as_str() {
            "sessions" => Operation::Sessions {
                watch: self.truth("watch")?,
                limit: self.limit()?,
                after: self.optional_session("after")?,
            },
            "join" => Operation::Join {
                session: self.session()?,
                visibility: self.visibility()?.unwrap_or_default(),
                password: self.text("password")?,
            },
            "monitor" => Operation::Monitor {
                session: self.session()?,
            },
            "transcript" => Operation::Transcript {
                session: self.session()?,
                position: self.number("position")?.unwrap_or(1),
            },
            "message" | "notice" | "release" => Operation::Do {
                session: self.session()?,
                command: match name.as_str() {
                    "message" => self.message()?,
                    "notice" => self.notice()?,
                    _ => self.release()?,
                },
            },
            _ => {
                let advice = "operation has to be sessions, join, monitor, message, notice, release or transcript";
                return Err((ErrorCode::UnknownOperation, advice.to_owned()));
            }
        })
    }

    fn message(&self) -> Result<Command, Fault> {
        Ok(Command::Message {
            text: self.required("text")?,
            message_type: self.text("messageType")?,
            speech: self.speech()?,
        })
    }

    fn notice(&self) -> Result<Command, Fault> {
        let name = self.required("notice")?;
        let speech = self.speech()?;
        Ok(match name.as_str() {
            "typing-started" | "typing-stopped" => Command::Typing {
                started: name == "typing-started",
                text: self.text("text")?,
                speech,
            },
            "push-url" => Command::PushUrl {
                url: self.required("text")?,
                speech,
            },
            "custom" => Command::CustomNotice {
                text: self.text("text")?,
                speech,
            },
            "nickname" => Command::UpdateNickname {
                nickname: self.required("text")?,
            },
            "read-confirm" => Command::ReadConfirm {
                last_event: self.last_event(&speech.user_data)?,
            },
            "file-uploaded" => Command::FileUploaded {
                name: self
                    .file_name(&speech)?
                    .ok_or_else(|| missing("userData.file-name"))?,
                speech,
            },
            "file-deleted" => Command::FileDeleted {
                name: self.file_name(&speech)?,
                speech,
            },
            "configure-session" => Command::ConfigureSession { speech },
            _ => {
                return Err(malformed(
                    "notice has to be typing-started, typing-stopped, push-url, custom, nickname, read-confirm, \
                     file-uploaded, file-deleted or configure-session",
                ));
            }
        })
    }

    fn release(&self) -> Result<Command, Fault> {
        let after = match self.text("afterAction")?.as_deref() {
            None | Some("keep-alive") => AfterAction::KeepAlive,
            Some("close-if-no-agents") => AfterAction::CloseIfNoAgents,
            Some("force-close") => AfterAction::ForceClose,
            Some(_) => {
                return Err(malformed(
                    "afterAction has to be keep-alive, close-if-no-agents or force-close",
                ));
            }
        };
        let reason = match self.text("reason")?.as_deref() {
            None => None,
            Some("hold") => Some(LeaveReason::Hold),
            Some("transfer") => Some(LeaveReason::Transfer),
            Some(_) => return Err(malformed("reason has to be hold or transfer")),
        };
        Ok(Command::Release {
            participant: self.participant("participantId")?,
            after,
            reason,
        })
    }

    fn speech(&self) -> Result<Speech, Fault> {
        Ok(Speech {
            to: self.participant("to")?,
            visibility: self.visibility()?,
            user_data: self.user_data()?,
            attributes: self.attributes()?,
        })
    }

    fn last_event(&self, user_data: &UserData) -> Result<u64, Fault> {
        let text = match user_data.get("last-event-id") {
            Some(text) => text.clone(),
            None => self
                .text("text")?
                .ok_or_else(|| missing("userData.last-event-id"))?,
        };
        whole_number(&text).ok_or_else(|| malformed("last-event-id has to be a whole number"))
    }

    fn file_name(&self, speech: &Speech) -> Result<Option<String>, Fault> {
        let named = speech.user_data.get("file-name").cloned();
        Ok(self.text("text")?.or(named))
    }

    fn limit(&self) -> Result<usize, Fault> {
        let limit = self.number("limit")?.map(usize::try_from);
        match limit.unwrap_or(Ok(SESSIONS_DEFAULT)) {
            Ok(limit) if (1..=SESSIONS_MAX).contains(&limit) => Ok(limit),
            _ => Err(malformed("limit has to be 1 to 10000")),
        }
    }

    fn visibility(&self) -> Result<Option<Visibility>, Fault> {
        Ok(match self.text("visibility")?.as_deref() {
            None => None,
            Some("ALL") => Some(Visibility::All),
            Some("INT") => Some(Visibility::Int),
            Some("VIP") => Some(Visibility::Vip),
            Some(_) => return Err(malformed("visibility has to be ALL, INT or VIP")),
        })
    }

    fn session(&self) -> Result<SessionId, Fault> {
        self.optional_session("session")?
            .ok_or_else(|| missing("session"))
    }

    /// What cannot be the identifier of a session is one that there is not.
    fn optional_session(&self, name: &str) -> Result<Option<SessionId>, Fault> {
        self.text(name)?
            .map(|text| {
                let advice = || "there is no such session".to_owned();
                text.parse()
                    .map_err(|_| (ErrorCode::UnknownSession, advice()))
            })
            .transpose()
    }

    fn participant(&self, name: &str) -> Result<Option<ParticipantId>, Fault> {
        let fault = || malformed(format!("{name} has to be the number of a participant"));
        self.number(name)?
            .map(|number| {
                u32::try_from(number)
                    .map(ParticipantId)
                    .map_err(|_| fault())
            })
            .transpose()
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let fault = || malformed(format!("{name} has to be a whole number"));
        self.text(name)?
            .map(|text| whole_number(&text).ok_or_else(fault))
            .transpose()
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.text(name)?
            .map(|text| {
                text.parse()
                    .map_err(|_| malformed(format!("{name} has to be true or false")))
            })
            .transpose()
    }

    fn user_data(&self) -> Result<UserData, Fault> {
        let fault = || malformed("userData has to be an object of strings");
        let Some(members) = self.nested("userData").map(|value| members(value.get())) else {
            return Ok(UserData::new());
        };
        let mut user_data = UserData::new();
        for (key, value) in members.ok_or_else(fault)? {
            match scalar(value) {
                Scalar::Absent => continue,
                Scalar::Text(text) if !text.contains('\0') && !key.contains('\0') => {
                    user_data.insert(key, text);
                }
                Scalar::Text(_) => return Err(nul("userData")),
                Scalar::Nested => return Err(fault()),
            }
        }
        Ok(user_data)
    }

    fn attributes(&self) -> Result<KvList, Fault> {
        let Some(value) = self.nested("eventAttributes") else {
            return Ok(KvList::default());
        };
        let mut attributes = list(value).ok_or_else(|| {
            malformed("eventAttributes has to be an object of strings and of objects")
        })?;
        if list_has_nul(&attributes) {
            return Err(nul("eventAttributes"));
        }
        // What the server says about an event, only the server says.
        attributes.0.remove("GCTI_SYSTEM");
        Ok(attributes)
    }

    fn nested(&self, name: &str) -> Option<&RawValue> {
        self.0
            .get(name)
            .copied()
            .filter(|value| scalar(value) != Scalar::Absent)
    }

    fn required(&self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.0.get(name).map(|value| scalar(value)) {
            None | Some(Scalar::Absent) => Ok(None),
            Some(Scalar::Text(text)) if text.contains('\0') => Err(nul(name)),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(Scalar::Nested) => Err(malformed(format!("{name} has to be a string"))),
        }
    }
}

fn whole_number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    text.parse().ok()
}

fn malformed(advice: impl Into<String>) -> Fault {
    (ErrorCode::Malformed, advice.into())
}

fn missing(name: &str) -> Fault {
    malformed(format!("{name} is missing"))
}

fn nul(name: &str) -> Fault {
    malformed(format!("{name} contains a NUL"))
}
