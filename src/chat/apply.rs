//! Folding changes in: the only place that alters a session, at work and at replay alike.

use std::sync::Arc;

use super::session::{ORIGINAL_NICKNAME, is_receipt};
use super::{Change, Event, EventKind, LeaveReason, Participant, Presence, Session};
use crate::id::ParticipantId;

/// How many participants are remembered, the gone included. Beyond it the agent or bot that left the longest ago is
/// forgotten, so that a chat of many months stays small; its events keep its name.
const REMEMBERED: usize = 256;

impl Session {
    /// Folds one change in.
    pub fn apply(&mut self, change: &Change) {
        let parts = &mut self.parts;
        match change {
            Change::Created {
                at,
                service,
                subject,
                async_mode,
            } => {
                parts.created_at = *at;
                parts.service = Arc::from(service.as_str());
                parts.subject.clone_from(subject);
                parts.async_mode = *async_mode;
            }
            Change::Joined(participant) => self.joined(participant),
            Change::Event(event) => self.happened(event),
            Change::UserDataUpdated(update) => parts.user_data.extend(
                update
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone())),
            ),
            Change::Annihilated { index } => {
                parts.receipts.retain(|(_, receipt)| receipt != index);
            }
            Change::AsyncStatus(status) => parts.async_status = *status,
            Change::IdleConfigured { notices } => parts.idle_notices = Some(*notices),
            Change::Closed { at } => parts.closed_at = Some(*at),
        }
    }

    fn joined(&mut self, participant: &Participant) {
        let parts = &mut self.parts;
        parts.next_participant = participant.id.0.saturating_add(1);
        // Most chats have very few: no room is kept for more.
        parts.participants.reserve_exact(1);
        parts.participants.push(participant.clone());
        if parts.participants.len() > REMEMBERED {
            let longest_gone = parts
                .participants
                .iter()
                .enumerate()
                .skip(1)
                .filter_map(|(place, one)| match one.presence {
                    Presence::Left { index, .. } => Some((index, place)),
                    Presence::Present => None,
                })
                .min();
            if let Some((_, place)) = longest_gone {
                parts.participants.remove(place);
            }
        }
    }

    fn happened(&mut self, event: &Event) {
        self.parts.next_index = event.index + 1;
        self.parts.idle.notice(event);
        let author = event.from.participant;
        match &event.kind {
            EventKind::ParticipantLeft { reason, .. } => self.left(author, event.index, *reason),
            EventKind::NicknameUpdated { nickname } => self.renamed(author, nickname),
            kind if is_receipt(kind) => self.confirmed(author, event.index),
            _ => {}
        }
    }

    fn left(&mut self, id: ParticipantId, index: u64, reason: Option<LeaveReason>) {
        if let Some(participant) = self.participant_mut(id) {
            participant.presence = Presence::Left { index, reason };
        }
    }

    fn renamed(&mut self, id: ParticipantId, nickname: &str) {
        if let Some(participant) = self.participant_mut(id) {
            let old = std::mem::replace(&mut participant.nickname, nickname.to_owned());
            participant
                .user_data
                .entry(ORIGINAL_NICKNAME.to_owned())
                .or_insert(old);
        }
    }

    fn confirmed(&mut self, id: ParticipantId, index: u64) {
        let receipts = &mut self.parts.receipts;
        receipts.retain(|(whose, _)| *whose != id);
        receipts.push((id, index));
    }

    fn participant_mut(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        let participants = &mut self.parts.participants;
        let place = participants.binary_search_by_key(&id, |one| one.id).ok()?;
        participants.get_mut(place)
    }
}
