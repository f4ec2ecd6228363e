//! Who is, or was, in a session.

use super::{Author, LeaveReason, UserData, Visibility};
use crate::id::ParticipantId;

/// The role of a participant: seed *Description of Chat Protocol Elements*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserType {
    /// The customer.
    Client,
    /// An agent.
    Agent,
    /// An agent who may also monitor.
    Supervisor,
    /// The workflow.
    External,
    /// The server itself.
    System,
}

/// By which protocol a participant speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Customers.
    Flex,
    /// Agents and bots.
    Basic,
    /// The workflow.
    Esp,
    /// The server.
    None,
}

/// Whether a participant is a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// A person.
    #[default]
    Person,
    /// A bot: does not count as an agent for after-actions, inactivity and reporting.
    Bot,
}

/// One participant, present or past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Its number in the session.
    pub id: ParticipantId,
    /// Its role.
    pub user_type: UserType,
    /// Its present nickname.
    pub nickname: String,
    /// How widely it is seen: what it joined with.
    pub visibility: Visibility,
    /// Person or bot.
    pub style: Style,
    /// How it speaks.
    pub protocol: Protocol,
    /// The client version it announced (101–106); newer things are not sent to older clients.
    pub client_version: u16,
    /// `userData` of its joining, with `GCTI_Original_Nickname` once the nickname has changed. Agents see it.
    pub user_data: UserData,
    /// Whose it is outside the session: the configured id of an agent; empty for customers.
    pub account: String,
    /// The index of its `ParticipantJoined`.
    pub joined: u64,
    /// Present, or gone.
    pub presence: Presence,
}

/// Whether a participant is in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In the session.
    Present,
    /// Left with the event of this index.
    Left {
        /// The index of its `ParticipantLeft`.
        index: u64,
        /// HOLD or TRANSFER, or neither.
        reason: Option<LeaveReason>,
    },
}

impl Participant {
    /// Whether it is in the session.
    pub fn is_present(&self) -> bool {
        self.presence == Presence::Present
    }

    /// Whether it is a person on the agents' side whom the customer can see: makes a chat *served*.
    pub fn serves(&self) -> bool {
        self.is_present()
            && matches!(self.user_type, UserType::Agent | UserType::Supervisor)
            && self.style == Style::Person
            && self.visibility == Visibility::All
    }

    /// Whether it is a person on the agents' side who is not merely monitoring: keeps a chat open under
    /// `close-if-no-agents`. Monitoring is silent, so it must not change what becomes of the chat.
    pub fn attends(&self) -> bool {
        self.is_present()
            && matches!(self.user_type, UserType::Agent | UserType::Supervisor)
            && self.style == Style::Person
            && self.visibility != Visibility::Vip
    }

    /// The `from` of its events, as it is named now.
    pub fn author(&self) -> Author {
        let bot = self.style == Style::Bot;
        Author {
            participant: self.id,
            nickname: self.nickname.clone(),
            user_type: if bot { UserType::Agent } else { self.user_type },
            bot,
        }
    }
}
