//! Who is looking. A seat is a position, not a queue: a viewer whose mailbox is full loses nothing but time, because the
//! hub reads on from the store when there is room again.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::Summary;
use crate::id::{ClientId, ParticipantId, SessionId};

/// Which viewer. A Bayeux client is one viewer, however many chats it looks at.
pub type ViewerId = ClientId;

/// One who is told what happens. Its mailbox is bounded; offering never blocks.
pub trait Viewer: Send + Sync {
    /// Which viewer this is.
    fn id(&self) -> ViewerId;

    /// Takes a message, or says that there is no room: then it calls `Hub::room` once there is.
    fn tell(&self, told: Told) -> Offer;

    /// What follows are the events from where `Hub::rewind` said. Until then the viewer takes none of this session, so that
    /// none that was on its way comes before those that are to come again.
    fn rewound(&self, session: SessionId);

    /// It looks at `session` from now on, and says so when it is gone; unless it is gone already.
    fn seated(&self, session: SessionId) -> Option<Parting>;

    /// It has been told the last event of `session`, which it looks at until that is known to have arrived.
    fn ending(&self, _session: SessionId) {}

    /// It no longer looks at `session`.
    fn unseated(&self, session: SessionId);

    /// The viewer fell so far behind with what cannot be read again that it must begin anew.
    fn dismiss(&self);
}

/// One thing that a viewer is told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Of which session.
    pub session: SessionId,
    /// The index of the event in it; absent for what is no event.
    pub position: Option<u64>,
    /// The complete message, encoded once for all who see the same.
    pub message: Bytes,
}

/// Whether a viewer had room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is in the mailbox.
    Queued,
    /// There is no room; nothing was taken.
    Full,
    /// There is nobody any more; nothing was taken.
    Gone,
}

/// How a viewer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It said good-bye.
    Left,
    /// Its connection was lost.
    Lost,
}

/// A viewer in one session.
pub(super) struct Seat {
    /// Who is told.
    pub(super) viewer: Arc<dyn Viewer>,
    /// As whom.
    pub(super) participant: ParticipantId,
    /// The next index to tell.
    pub(super) next: u64,
    /// Everything before this index is known to have arrived.
    pub(super) confirmed: u64,
    /// Whether it is told each event as it is stored.
    pub(super) pace: Pace,
    /// The index of the participant's leaving: the seat is given up once that has arrived.
    pub(super) until: Option<u64>,
    /// It has been told that it is given up.
    pub(super) dismissed: bool,
    /// A list entry of the session that found no room.
    pub(super) owed: Option<Arc<Summary>>,
}

/// Whether a seat keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Told each event as it is stored.
    Live,
    /// The mailbox is full; waits until there is room.
    Waiting,
    /// Events are on their way from the store.
    Fetching,
    /// The transcript that answers its joining is on its way; it is told what comes after that.
    Joining,
}

impl Seat {
    /// A seat that has yet to be told everything from `next` on.
    pub(super) fn new(viewer: Arc<dyn Viewer>, participant: ParticipantId, next: u64) -> Self {
        Self {
            viewer,
            participant,
            next,
            confirmed: next,
            pace: Pace::Waiting,
            until: None,
            dismissed: false,
            owed: None,
        }
    }

    /// The viewer's connection broke: what came after `position` may not have arrived.
    pub(super) fn rewind(&mut self, position: u64) {
        self.next = self
            .next
            .min(position.saturating_add(1))
            .max(self.confirmed);
        if self.pace == Pace::Live {
            self.pace = Pace::Waiting;
        }
    }
}

impl Seat {
    /// What it sees has arrived up to `index`.
    pub(super) fn confirm(&mut self, index: u64) {
        self.confirmed = self.confirmed.max(index.saturating_add(1));
    }

    /// Whether the participant had not left before the event of this index.
    pub(super) fn may_be_told(&self, index: u64) -> bool {
        self.until.is_none_or(|until| index <= until)
    }

    /// The participant's leaving has been told.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| self.next > until)
    }

    /// The participant's leaving has arrived, and nothing can be asked for again.
    pub(super) fn is_done_with(&self) -> bool {
        self.dismissed && self.until.is_some_and(|until| self.confirmed > until)
    }
}
