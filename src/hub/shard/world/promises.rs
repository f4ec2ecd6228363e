//! What has to be true in the end.

use super::client::Look;
use super::*;
use crate::chat::{Change, may_see};

impl World {
    /// The disk is well again, and everybody has room.
    pub(super) fn come_to_rest(&mut self) {
        (self.bench.hold, self.bench.slow, self.bench.fail) = (false, false, None);
        self.reads_come();
        self.bench.settle();
        for client in self.clients.clone() {
            *client.room.lock().unwrap() = usize::MAX;
            self.drained(&client);
        }
        self.bench.settle();
        assert_eq!(self.bench.shard.in_flight(), 0, "seed {}", self.seed);
        assert!(self.bench.reads.is_empty() && self.bench.held.is_empty());
    }

    pub(super) fn everybody_has_everything(&self) {
        for client in &self.clients {
            for (session, look) in client.looks.lock().unwrap().iter() {
                if look.seated {
                    self.has_everything(client, *session, look);
                }
            }
        }
    }

    pub(super) fn has_everything(&self, client: &Client, session: SessionId, look: &Look) {
        let Some(records) = self.bench.disk.get(&session) else {
            return;
        };
        let mut chat = chat::Session::new();
        let changes = records.iter().flat_map(|record| &record.changes);
        changes.clone().for_each(|change| chat.apply(change));
        let who = chat.participant(look.participant.unwrap()).unwrap();
        let end = match who.presence {
            chat::Presence::Left { index, .. } => index,
            chat::Presence::Present => u64::MAX,
        };
        let wanted: Vec<u64> = changes
            .filter_map(|change| match change {
                Change::Event(event) if may_see(who, event) => Some(event.index),
                _ => None,
            })
            .filter(|index| *index >= look.from && *index <= end)
            .collect();
        assert_eq!(
            look.has, wanted,
            "seed {} {:?} in {session}",
            self.seed, client.id
        );
    }

    pub(super) fn what_was_answered_is_true(&self) {
        for said in &self.said {
            let stored = self
                .bench
                .written
                .iter()
                .filter(|text| **text == said.text)
                .count();
            match *said.answer.lock().unwrap() {
                Some(true) => assert_eq!(stored, 1, "acknowledged and not there, or twice"),
                Some(false) => assert_eq!(stored, 0, "refused and there"),
                None => assert!(stored <= 1, "there twice"),
            }
        }
    }
}
