//! The event object of the transcript: one shape, of which customers, pushes and agents see more or less.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::json::List;
use crate::chat::{
    Author, Event, EventKind, KvList, LeaveReason, QuitReason, UserData, UserType, Visibility,
};

/// User data of events that customers do not see.
const HIDDEN: [&str; 3] = [
    "file-document-id",
    "GCTI_Chat_SessionPassword",
    "ChatServerWebapiToken",
];

/// Who looks at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// The customer over REST or CometD: without internal keys, and without the quit reasons 0 and 3.
    Customer,
    /// The customer's push: as the customer, with every quit reason.
    Push,
    /// An agent: everything, with visibility and receiver.
    Agent,
}

/// An event to be written as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    event: &'a Event,
    sight: Sight,
    joined: Option<&'a UserData>,
}

impl<'a> Seen<'a> {
    /// The event as it is seen.
    pub fn new(event: &'a Event, sight: Sight) -> Self {
        Self {
            event,
            sight,
            joined: None,
        }
    }

    /// Adds the user data of the participant whose joining this is; only agents see it.
    pub fn with_user_data(self, joined: Option<&'a UserData>) -> Self {
        Self { joined, ..self }
    }

    fn user_data(&self) -> Option<Shown<'_>> {
        let given = match (self.sight, self.joined) {
            (Sight::Agent, Some(joined)) if self.event.kind == EventKind::ParticipantJoined => {
                joined
            }
            _ => &self.event.user_data,
        };
        let shown = Shown {
            user_data: given,
            everything: self.sight == Sight::Agent,
        };
        (!shown.is_empty()).then_some(shown)
    }

    fn attributes(&self) -> KvList {
        let mut attributes = self.event.attributes.clone();
        if self.event.from.bot {
            attributes.set(&["GCTI_SYSTEM", "party-info", "style"], "BOT");
        }
        if let EventKind::ParticipantLeft { reason, quit } = &self.event.kind {
            if let Some(quit) = quit.filter(|quit| self.shows(*quit)) {
                attributes.set(&["GCTI_SYSTEM", "quit-reason-code"], quit.code());
            }
            if let Some(reason) = reason {
                let path = ["general-properties", "reason-for-leave"];
                attributes.set(&path, reason_for_leave(*reason));
            }
        }
        attributes
    }

    fn shows(&self, quit: QuitReason) -> bool {
        self.sight != Sight::Customer || !matches!(quit, QuitReason::Logout | QuitReason::Inactive)
    }

    fn agents_only<M: SerializeStruct>(&self, map: &mut M) -> Result<(), M::Error> {
        if self.sight != Sight::Agent {
            return Ok(());
        }
        if self.event.visibility != Visibility::All {
            map.serialize_field("visibility", visibility_name(self.event.visibility))?;
        }
        if let Some(receiver) = self.event.to {
            map.serialize_field("to", &receiver.0)?;
        }
        Ok(())
    }
}

impl Serialize for Seen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let mut map = serializer.serialize_struct("Event", 10)?;
        map.serialize_field("from", &From(&event.from))?;
        map.serialize_field("index", &event.index)?;
        if let Some(text) = text_of(&event.kind) {
            map.serialize_field("text", text)?;
        }
        if let EventKind::Message { message_type, .. } = &event.kind {
            map.serialize_field("messageType", message_type)?;
        }
        map.serialize_field("type", type_name(&event.kind))?;
        map.serialize_field("utcTime", &event.at.0)?;
        if let Some(user_data) = self.user_data() {
            map.serialize_field("userData", &user_data)?;
        }
        let attributes = self.attributes();
        if !attributes.is_empty() {
            map.serialize_field("eventAttributes", &List(&attributes))?;
        }
        self.agents_only(&mut map)?;
        map.end()
    }
}

struct From<'a>(&'a Author);

impl Serialize for From<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("From", 3)?;
        map.serialize_field("nickname", &self.0.nickname)?;
        map.serialize_field("participantId", &self.0.participant.0)?;
        map.serialize_field("type", user_type_name(self.0.user_type))?;
        map.end()
    }
}

/// User data without what the viewer may not see.
struct Shown<'a> {
    user_data: &'a UserData,
    everything: bool,
}

impl Shown<'_> {
    fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.user_data
            .iter()
            .filter(|(key, _)| self.everything || !HIDDEN.contains(&key.as_str()))
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn text_of(kind: &EventKind) -> Option<&str> {
    match kind {
        EventKind::ParticipantJoined | EventKind::ParticipantLeft { .. } => None,
        EventKind::Message { text, .. }
        | EventKind::IdleAlert { text }
        | EventKind::IdleClose { text } => Some(text),
        EventKind::TypingStarted { text }
        | EventKind::TypingStopped { text }
        | EventKind::CustomNotice { text }
        | EventKind::FileDeleted { name: text } => text.as_deref(),
        EventKind::NicknameUpdated { nickname } => Some(nickname),
        EventKind::PushUrl { url } => Some(url),
        EventKind::FileUploaded { name } | EventKind::Notice { name } => Some(name),
    }
}

/// Every `type` that an event may have.
pub const TYPE_NAMES: [&str; 13] = [
    "ParticipantJoined",
    "ParticipantLeft",
    "Message",
    "TypingStarted",
    "TypingStopped",
    "NicknameUpdated",
    "PushUrl",
    "CustomNotice",
    "FileUploaded",
    "FileDeleted",
    "Notice",
    "IdleAlert",
    "IdleClose",
];

/// The `type` of an event: one of [`TYPE_NAMES`].
pub fn type_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::ParticipantJoined => "ParticipantJoined",
        EventKind::ParticipantLeft { .. } => "ParticipantLeft",
        EventKind::Message { .. } => "Message",
        EventKind::TypingStarted { .. } => "TypingStarted",
        EventKind::TypingStopped { .. } => "TypingStopped",
        EventKind::NicknameUpdated { .. } => "NicknameUpdated",
        EventKind::PushUrl { .. } => "PushUrl",
        EventKind::CustomNotice { .. } => "CustomNotice",
        EventKind::FileUploaded { .. } => "FileUploaded",
        EventKind::FileDeleted { .. } => "FileDeleted",
        EventKind::Notice { .. } => "Notice",
        EventKind::IdleAlert { .. } => "IdleAlert",
        EventKind::IdleClose { .. } => "IdleClose",
    }
}

fn user_type_name(user_type: UserType) -> &'static str {
    match user_type {
        UserType::Client => "Client",
        UserType::Agent => "Agent",
        UserType::Supervisor => "Supervisor",
        UserType::External => "External",
        UserType::System => "System",
    }
}

fn reason_for_leave(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Hold => "HOLD",
        LeaveReason::Transfer => "TRANSFER",
    }
}

/// `ALL`, `INT` or `VIP`.
pub fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::All => "ALL",
        Visibility::Int => "INT",
        Visibility::Vip => "VIP",
    }
}

#[cfg(test)]
mod tests;
