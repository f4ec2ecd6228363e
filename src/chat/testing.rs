//! What the tests of this module tell their stories with.

use std::time::Duration;

use super::{
    AfterAction, Caller, Change, Command, Create, Event, EventKind, Join, Policy, Rejection,
    Session, Speech, Style, UserData, UserType, Visibility,
};
use crate::clock::{Instant, Now, Wall};
use crate::id::ParticipantId;

pub(super) const CUSTOMER: ParticipantId = ParticipantId(1);

/// A session under test, with its time and its policy.
pub(super) struct Story {
    pub(super) session: Session,
    pub(super) policy: Policy,
    pub(super) now: Now,
    pub(super) log: Vec<Change>,
}

impl Story {
    /// A regular chat that Ana has begun.
    pub(super) fn regular() -> Self {
        Self::begun(false)
    }

    /// An async chat that Ana has begun.
    pub(super) fn asynchronous() -> Self {
        Self::begun(true)
    }

    fn begun(async_mode: bool) -> Self {
        let mut story = Self {
            session: Session::new(),
            policy: Policy::default(),
            now: Now {
                instant: Instant(1_000),
                wall: Wall(1_735_689_600_000),
            },
            log: Vec::new(),
        };
        story.server(Command::Create(create(async_mode)));
        story
    }

    /// Does a command and gives its changes, or the refusal.
    pub(super) fn attempt(
        &mut self,
        caller: Caller,
        command: Command,
    ) -> Result<Vec<Change>, Rejection> {
        let changes = self
            .session
            .decide(caller, command, &self.policy, self.now)?;
        self.apply(&changes);
        Ok(changes)
    }

    pub(super) fn by(&mut self, id: ParticipantId, command: Command) -> Vec<Change> {
        self.attempt(Caller::Participant(id), command).unwrap()
    }

    pub(super) fn server(&mut self, command: Command) -> Vec<Change> {
        self.attempt(Caller::Server, command).unwrap()
    }

    pub(super) fn refused(&mut self, id: ParticipantId, command: Command) -> Rejection {
        self.attempt(Caller::Participant(id), command).unwrap_err()
    }

    /// Lets time pass and does what inactivity control wants.
    pub(super) fn after(&mut self, wait: Duration) -> Vec<Change> {
        self.now.instant = self.now.instant + wait;
        let changes = self.session.due(&self.policy, self.now);
        self.apply(&changes);
        changes
    }

    pub(super) fn join(&mut self, user_type: UserType, visibility: Visibility) -> ParticipantId {
        self.joined(join(user_type, Style::Person, visibility))
    }

    pub(super) fn agent(&mut self) -> ParticipantId {
        self.join(UserType::Agent, Visibility::All)
    }

    pub(super) fn bot(&mut self) -> ParticipantId {
        self.joined(join(UserType::Agent, Style::Bot, Visibility::All))
    }

    fn joined(&mut self, join: Join) -> ParticipantId {
        self.server(Command::Join(join));
        self.session.participants().last().unwrap().id
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.session.apply(change);
            self.log.push(change.clone());
        }
        self.session.settle(&self.policy, self.now.instant);
    }
}

pub(super) fn create(async_mode: bool) -> Create {
    Create {
        service: "customer-support".into(),
        nickname: "Ana".into(),
        subject: None,
        user_data: UserData::from([("FirstName".into(), "Ana".into())]),
        async_mode,
    }
}

pub(super) fn join(user_type: UserType, style: Style, visibility: Visibility) -> Join {
    Join {
        account: "ann".into(),
        nickname: "Ann".into(),
        user_type,
        style,
        visibility,
        client_version: 106,
        user_data: UserData::new(),
    }
}

pub(super) fn message(text: &str) -> Command {
    say(text, Speech::default())
}

pub(super) fn say(text: &str, speech: Speech) -> Command {
    Command::Message {
        text: text.into(),
        message_type: None,
        speech,
    }
}

pub(super) fn release(participant: Option<ParticipantId>, after: AfterAction) -> Command {
    Command::Release {
        participant,
        after,
        reason: None,
    }
}

/// The events among some changes.
pub(super) fn events(changes: &[Change]) -> Vec<&Event> {
    changes
        .iter()
        .filter_map(|change| match change {
            Change::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// The only event among some changes.
pub(super) fn event(changes: &[Change]) -> &Event {
    match events(changes)[..] {
        [event] => event,
        ref other => panic!("one event expected: {other:?}"),
    }
}

pub(super) fn status(changes: &[Change]) -> Option<i8> {
    changes.iter().find_map(|change| match change {
        Change::AsyncStatus(status) => Some(*status),
        _ => None,
    })
}

pub(super) fn closes(changes: &[Change]) -> bool {
    matches!(changes.last(), Some(Change::Closed { .. }))
}

pub(super) fn left(
    event: &Event,
) -> (
    ParticipantId,
    Option<super::LeaveReason>,
    Option<super::QuitReason>,
) {
    match event.kind {
        EventKind::ParticipantLeft { reason, quit } => (event.from.participant, reason, quit),
        ref other => panic!("a leaving expected: {other:?}"),
    }
}
