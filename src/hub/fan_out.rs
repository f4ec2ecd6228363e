//! Who may see an event, and what it looks like to them: each sight is encoded once and shared.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::chat::{self, Event};
use crate::id::ParticipantId;

/// The customer who began the chat.
pub(super) const CUSTOMER: ParticipantId = ParticipantId(1);

/// One stored event, with each of its encodings once somebody needs it.
pub(super) struct Sights<'a> {
    event: &'a Arc<Event>,
    customer: OnceCell<Bytes>,
    agent: OnceCell<Bytes>,
}

/// How events of one session look: what its encodings need beside the event.
pub(super) trait Encode {
    /// The data message that the customer gets.
    fn for_customer(&self, event: &Arc<Event>) -> Bytes;
    /// The `event` message that agents get.
    fn for_agent(&self, event: &Event) -> Bytes;
}

impl<'a> Sights<'a> {
    pub(super) fn new(event: &'a Arc<Event>) -> Self {
        Self {
            event,
            customer: OnceCell::new(),
            agent: OnceCell::new(),
        }
    }

    /// The event as `participant` sees it.
    pub(super) fn of(&self, participant: ParticipantId, encode: &impl Encode) -> Bytes {
        if participant == CUSTOMER {
            self.customer
                .get_or_init(|| encode.for_customer(self.event))
                .clone()
        } else {
            self.agent
                .get_or_init(|| encode.for_agent(self.event))
                .clone()
        }
    }
}

/// Whether a participant of `session` sees `event` now.
pub(super) fn sees(session: &chat::Session, participant: ParticipantId, event: &Event) -> bool {
    if session.is_annihilated(event) {
        return false;
    }
    session
        .participant(participant)
        .is_some_and(|viewer| chat::may_see(viewer, event))
}

/// A stretch of events for one reader: those it sees, until `bytes_max` are reached, and the index after the last that was
/// looked at. At least one event is looked at.
pub(super) fn stretch<'a>(
    session: &chat::Session,
    reader: ParticipantId,
    events: impl Iterator<Item = &'a Arc<Event>>,
    bytes_max: usize,
) -> (Vec<Arc<Event>>, Option<u64>) {
    let mut seen = Vec::new();
    let mut bytes = 0;
    let mut after = None;
    for event in events {
        if bytes >= bytes_max {
            break;
        }
        after = Some(event.index + 1);
        if sees(session, reader, event) {
            bytes += weight(event);
            seen.push(event.clone());
        }
    }
    (seen, after)
}

/// About how many bytes an event takes on a wire.
pub(super) fn weight(event: &Event) -> usize {
    let text = match &event.kind {
        chat::EventKind::Message { text, .. }
        | chat::EventKind::IdleAlert { text }
        | chat::EventKind::IdleClose { text } => text.len(),
        chat::EventKind::TypingStarted { text }
        | chat::EventKind::TypingStopped { text }
        | chat::EventKind::CustomNotice { text } => text.as_ref().map_or(0, String::len),
        chat::EventKind::PushUrl { url } => url.len(),
        _ => 0,
    };
    let pairs: usize = event
        .user_data
        .iter()
        .map(|(key, value)| key.len() + value.len() + 6)
        .sum();
    160 + event.from.nickname.len() + text + pairs
}
