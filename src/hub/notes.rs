//! What viewers say of themselves: there is room again, this has arrived, this may not have, good-bye.
//!
//! None of it may be lost, and none of it may wait for room in a queue. It is noted instead: one note for each viewer of
//! a session, in which the later only adds to the earlier, so there are never more notes than seats.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::seat::{Parting, ViewerId};
use super::shard::{Ask, Input};
use crate::id::SessionId;

/// Of which session, and whose; without a session it is about the list of sessions.
type About = (Option<SessionId>, ViewerId);

/// The notes for one shard.
#[derive(Debug, Default)]
pub struct Notes {
    notes: Mutex<BTreeMap<About, Note>>,
    added: Notify,
}

/// What one viewer has said since its last note was read. The parts may be heard in any order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Note {
    pub(super) confirmed: Option<u64>,
    pub(super) rewound: Option<u64>,
    pub(super) room: bool,
    pub(super) gone: Option<Parting>,
}

impl Notes {
    /// Waits until something is noted.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    /// Everything noted since, as the shard takes it.
    pub fn take(&self) -> impl Iterator<Item = Input> {
        let notes = std::mem::take(&mut *self.lock());
        notes
            .into_iter()
            .flat_map(|((session, viewer), note)| note.inputs(session, viewer))
    }

    pub(super) fn add(
        &self,
        session: Option<SessionId>,
        viewer: ViewerId,
        write: impl FnOnce(&mut Note),
    ) {
        write(self.lock().entry((session, viewer)).or_default());
        self.added.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<About, Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    pub(super) fn confirm(&mut self, index: u64) {
        self.confirmed = self.confirmed.max(Some(index));
    }

    pub(super) fn rewind(&mut self, index: u64) {
        self.rewound = Some(self.rewound.map_or(index, |before| before.min(index)));
    }

    fn inputs(self, session: Option<SessionId>, viewer: ViewerId) -> Vec<Input> {
        match session {
            Some(session) => self
                .asks(viewer)
                .map(|ask| Input::Ask(session, ask))
                .collect(),
            None => self.about_the_list(viewer).collect(),
        }
    }

    fn asks(self, viewer: ViewerId) -> impl Iterator<Item = Ask> {
        let confirmed = self.confirmed.map(|index| Ask::Confirmed(viewer, index));
        let rewound = self.rewound.map(|index| Ask::Rewind(viewer, index));
        let room = self.room.then_some(Ask::Room(viewer));
        let gone = self.gone.map(|how| Ask::Gone(viewer, how));
        [confirmed, rewound, room, gone].into_iter().flatten()
    }

    fn about_the_list(self, viewer: ViewerId) -> impl Iterator<Item = Input> {
        let room = self.room.then_some(Input::ListRoom(viewer));
        let gone = self.gone.map(|_| Input::UnwatchList(viewer));
        [room, gone].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::id::ClientId;

    #[test]
    fn one_note_keeps_all_that_was_said() {
        let notes = Notes::default();
        let (session, viewer) = (SessionId::new(Wall(1), 1), ClientId::new(7));
        let say = |write: fn(&mut Note)| notes.add(Some(session), viewer, write);
        say(|note| note.rewind(9));
        say(|note| note.confirm(3));
        say(|note| note.rewind(4));
        say(|note| note.confirm(2));
        say(|note| note.room = true);
        let heard: Vec<Input> = notes.take().collect();
        assert!(matches!(
            heard[..],
            [
                Input::Ask(_, Ask::Confirmed(_, 3)),
                Input::Ask(_, Ask::Rewind(_, 4)),
                Input::Ask(_, Ask::Room(_))
            ]
        ));
        assert_eq!(notes.take().count(), 0);
    }

    #[test]
    fn a_watcher_of_the_list_says_good_bye_too() {
        let notes = Notes::default();
        notes.add(None, ClientId::new(7), |note| {
            note.gone = Some(Parting::Lost)
        });
        let heard: Vec<Input> = notes.take().collect();
        assert!(matches!(heard[..], [Input::UnwatchList(_)]));
    }
}
