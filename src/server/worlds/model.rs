//! What the contract says may be seen. Nothing here knows how the server does it: it compares what came with what is on the
//! disk, which is the truth, and with who may see what.

mod ledger;

pub(super) use ledger::{Fate, Ledger};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::disk::Platter;
use crate::chat::{Event, EventKind, Visibility};
use crate::id::{ParticipantId, SessionId};

/// The customer of every chat.
pub(super) const CUSTOMER: u64 = 1;

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Customer,
    /// An agent with its number in the chat; a supervisor sees more.
    Agent {
        participant: u64,
        supervisor: bool,
    },
}

/// How far somebody has read a chat.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// What is expected next.
    pub(super) next: u64,
    /// Up to here it may come again: a connection broke, or it was asked for.
    pub(super) repeat_to: u64,
    /// It was asked for again: until then what waited for it may come, and then the same again.
    pub(super) again_until: u64,
    /// Somebody newer gets the events, perhaps: what comes here may have gaps.
    pub(super) replaced: bool,
}

impl Sight {
    /// Contract §4 and `reference/genesys.md` §7.1.
    pub(super) fn sees(self, event: &Event) -> bool {
        let from = u64::from(event.from.participant.0);
        let to = event.to.map(|ParticipantId(to)| u64::from(to));
        let (own, widest) = match self {
            Sight::Customer => (CUSTOMER, Visibility::All),
            Sight::Agent {
                participant,
                supervisor: false,
            } => (participant, Visibility::Int),
            Sight::Agent { participant, .. } => (participant, Visibility::Vip),
        };
        match to {
            Some(to) => own == to || own == from,
            None => own == from || event.visibility <= widest,
        }
    }
}

impl Platter {
    /// What there is to see for somebody from `from` on and before `to`, of what was on the disk at `at`.
    fn visible(&self, session: SessionId, sight: Sight, from: u64, to: u64) -> Vec<u64> {
        let seen = self
            .stored(session)
            .iter()
            .filter(|(event, _)| (from..to).contains(&event.index) && sight.sees(event));
        seen.map(|(event, _)| event.index).collect()
    }

    /// An event came to somebody, having left the server at `at`: it is stored, the same as stored, and nobody else's.
    pub(super) fn check_event(
        &self,
        session: SessionId,
        sight: Sight,
        shown: &Value,
        at: u64,
    ) -> u64 {
        let index = shown["index"].as_u64().unwrap();
        let stored = self.stored(session).iter();
        let Some((event, stored_at)) = stored.clone().find(|(event, _)| event.index == index)
        else {
            panic!("event {index} of {session} was told and is not stored: {shown}");
        };
        assert!(
            *stored_at <= at,
            "event {index} of {session} was told at {at}, and stored at {stored_at}"
        );
        assert!(
            sight.sees(event),
            "event {index} of {session} was told to {sight:?}, who may not see it: {event:?}"
        );
        let (kind, text) = looks(event);
        assert_eq!(shown["type"], kind, "event {index} of {session}: {shown}");
        if let Some(text) = text {
            assert_eq!(shown["text"], text, "event {index} of {session}: {shown}");
        }
        assert_eq!(shown["from"]["participantId"], event.from.participant.0);
        assert_eq!(shown["from"]["nickname"], event.from.nickname.as_str());
        assert_eq!(shown["utcTime"], event.at.0, "event {index} of {session}");
        index
    }

    /// A stretch of transcript came, from `from` on, and `next` after it.
    pub(super) fn check_stretch(
        &self,
        (session, sight): (SessionId, Sight),
        shown: &[Value],
        (from, next): (u64, u64),
        at: u64,
    ) {
        let indexes: Vec<u64> = shown
            .iter()
            .map(|event| self.check_event(session, sight, event, at))
            .collect();
        let end = match sight {
            Sight::Customer => self
                .left(session, CUSTOMER)
                .map_or(next, |left| next.min(left + 1)),
            Sight::Agent { .. } => next,
        };
        assert_eq!(
            indexes,
            self.visible(session, sight, from, end),
            "transcript of {session} from {from} to {next} for {sight:?}"
        );
        let last = self
            .stored(session)
            .iter()
            .filter(|(_, stored)| *stored <= at)
            .count() as u64;
        assert!(
            next <= last + 1,
            "{session}: nextPosition {next} where {last} events are stored"
        );
    }

    /// The index of a participant's leaving.
    pub(super) fn left(&self, session: SessionId, participant: u64) -> Option<u64> {
        let left = self.stored(session).iter().find(|(event, _)| {
            u64::from(event.from.participant.0) == participant
                && matches!(event.kind, EventKind::ParticipantLeft { .. })
        });
        left.map(|(event, _)| event.index)
    }

    /// When that was stored.
    pub(super) fn left_at(&self, session: SessionId, participant: u64) -> Option<u64> {
        let index = self.left(session, participant)?;
        Some(self.stored(session)[usize::try_from(index - 1).unwrap()].1)
    }

    /// How often a text was said, and when it was stored first.
    pub(super) fn told(&self, session: SessionId, text: &str) -> (u64, Option<u64>) {
        let said = self.stored(session).iter().filter(|(event, _)| {
            matches!(&event.kind, EventKind::Message { text: said, .. } if said == text)
        });
        (said.clone().count() as u64, said.map(|(_, at)| *at).min())
    }

    /// What is true of every transcript by itself.
    pub(super) fn check_book(&self) {
        for (session, events) in &self.book {
            let mut gone = Vec::new();
            for (place, (event, _)) in events.iter().enumerate() {
                assert_eq!(
                    event.index,
                    place as u64 + 1,
                    "{session}: indexes have no gaps"
                );
                let from = event.from.participant;
                assert!(
                    !gone.contains(&from),
                    "{session}: event {} is in the name of {from:?}, who has left",
                    event.index
                );
                if matches!(event.kind, EventKind::ParticipantLeft { .. }) {
                    gone.push(from);
                }
            }
        }
    }
}

impl View {
    /// From `next` on.
    pub(super) fn from(next: u64) -> Self {
        Self {
            next: next.max(1),
            ..Self::default()
        }
    }

    /// What came last may come again.
    pub(super) fn broken(&mut self) {
        self.repeat_to = self.repeat_to.max(self.next - 1);
    }

    /// An event came: in order, once, and nothing left out that may be seen.
    pub(super) fn take(
        &mut self,
        disk: &Platter,
        (session, sight): (SessionId, Sight),
        (index, at): (u64, u64),
    ) -> Result<(), String> {
        if at < self.again_until {
            self.broken();
        }
        if index < self.next {
            return match index <= self.repeat_to {
                true => Ok(()),
                false => Err(format!("event {index} of {session} came twice: {self:?}")),
            };
        }
        let missing = disk.visible(session, sight, self.next, index);
        if !missing.is_empty() && !self.replaced {
            return Err(format!(
                "events {missing:?} of {session} did not come before {index}: {self:?}"
            ));
        }
        self.next = index + 1;
        if at < self.again_until {
            self.broken();
        }
        Ok(())
    }

    /// What should have come and has not.
    pub(super) fn missing(&self, disk: &Platter, session: SessionId, sight: Sight) -> Vec<u64> {
        let end = match sight {
            Sight::Customer => disk
                .left(session, CUSTOMER)
                .map_or(u64::MAX, |left| left + 1),
            Sight::Agent { .. } => u64::MAX,
        };
        disk.visible(session, sight, self.next, end)
    }
}

fn looks(event: &Event) -> (&'static str, Option<&str>) {
    match &event.kind {
        EventKind::ParticipantJoined => ("ParticipantJoined", None),
        EventKind::ParticipantLeft { .. } => ("ParticipantLeft", None),
        EventKind::Message { text, .. } => ("Message", Some(text)),
        EventKind::TypingStarted { .. } => ("TypingStarted", None),
        EventKind::TypingStopped { .. } => ("TypingStopped", None),
        EventKind::NicknameUpdated { .. } => ("NicknameUpdated", None),
        EventKind::PushUrl { .. } => ("PushUrl", None),
        EventKind::CustomNotice { .. } => ("CustomNotice", None),
        EventKind::FileUploaded { .. } => ("FileUploaded", None),
        EventKind::FileDeleted { .. } => ("FileDeleted", None),
        EventKind::Notice { .. } => ("Notice", None),
        EventKind::IdleAlert { .. } => ("IdleAlert", None),
        EventKind::IdleClose { .. } => ("IdleClose", None),
    }
}
