//! Those who watch the list of sessions.

use super::*;
use crate::hub::fan_out::CUSTOMER;
use crate::hub::seat::{Offer, Told};

/// Entries of the list that may wait for room; a watcher further behind begins anew.
const STALE_MAX: usize = 10_000;

impl Shard {
    pub(super) fn watch_list(&mut self, viewer: Arc<dyn Viewer>) {
        let id = viewer.id();
        self.list.retain(|watcher| watcher.viewer.id() != id);
        self.list.push(ListViewer {
            viewer,
            stale: BTreeMap::new(),
        });
    }

    /// The entries that found no room are told as they are now.
    pub(super) fn list_room(&mut self, viewer: ViewerId) {
        let Some(place) = self
            .list
            .iter()
            .position(|watcher| watcher.viewer.id() == viewer)
        else {
            return;
        };
        let watcher = &mut self.list[place];
        while let Some((session, entry)) = watcher.stale.pop_first() {
            match watcher.viewer.tell(entry.to_tell()) {
                Offer::Queued => {}
                Offer::Full => {
                    watcher.stale.insert(session, entry);
                    return;
                }
                Offer::Gone => {
                    self.list.swap_remove(place);
                    return;
                }
            }
        }
    }

    pub(super) fn summaries(
        &mut self,
        sessions: Vec<SessionId>,
        reply: Box<dyn FnOnce(Vec<Summary>, Vec<SessionId>) + Send>,
    ) {
        let mut known = Vec::new();
        let mut elsewhere = Vec::new();
        for session in sessions {
            match self.rooms.get(&session) {
                Some(Slot::Awake(room)) if room.durable.closed => {}
                Some(Slot::Awake(room))
                    if room.committing == 0 && !self.spoiled.contains(&session) =>
                {
                    known.push(room.summary());
                }
                // What is decided and not yet durable is nobody's to know.
                _ => elsewhere.push(session),
            }
        }
        reply(known, elsewhere);
    }

    /// Those who watch the list are told the changed entry; one that is too far behind begins anew.
    pub(super) fn tell_list(&mut self, listing: &Listing) {
        let told = listing.summary.to_tell();
        self.list.retain_mut(|watcher| {
            let offer = match watcher.stale.is_empty() {
                true => watcher.viewer.tell(told.clone()),
                false => Offer::Full,
            };
            if offer == Offer::Full {
                let entry = listing.summary.clone();
                watcher.stale.insert(told.session, entry);
            }
            offer != Offer::Gone && watcher.keeps_up()
        });
    }

    /// Those who have joined are told changed customer data, each once.
    pub(super) fn tell_joined(&mut self, listing: &Listing) {
        let session = listing.summary.session;
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        if !listing.to_joined {
            return;
        }
        for seat in &mut room.seats {
            let id = seat.viewer.id();
            let watches = self.list.iter().any(|watcher| watcher.viewer.id() == id);
            if seat.participant != CUSTOMER && !watches {
                seat.owed = Some(listing.summary.clone());
                seat.pay();
            }
        }
    }
}

impl ListViewer {
    fn keeps_up(&self) -> bool {
        let keeps_up = self.stale.len() <= STALE_MAX;
        if !keeps_up {
            tracing::warn!(
                viewer = ?self.viewer.id(),
                stale = STALE_MAX,
                "a watcher of the session list is too far behind and begins anew"
            );
            self.viewer.dismiss();
        }
        keeps_up
    }
}

impl Summary {
    /// The entry as a message.
    pub(super) fn to_tell(&self) -> Told {
        Told {
            session: self.session,
            position: None,
            message: self.told(),
        }
    }
}
