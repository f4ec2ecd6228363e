//! A viewer that is told.

use super::*;

/// A viewer with as much room as it is given.
pub(in crate::hub::shard) struct Mailbox {
    pub(in crate::hub::shard) id: ClientId,
    pub(in crate::hub::shard) room: Mutex<usize>,
    pub(in crate::hub::shard) told: Mutex<Vec<Told>>,
    pub(in crate::hub::shard) gone: Mutex<Option<Parting>>,
}

impl Mailbox {
    pub(in crate::hub::shard) fn new(number: u128) -> Arc<Self> {
        Arc::new(Self {
            id: ClientId::new(number),
            room: Mutex::new(1000),
            told: Mutex::default(),
            gone: Mutex::default(),
        })
    }

    pub(in crate::hub::shard) fn room(&self, messages: usize) {
        *self.room.lock().unwrap() = messages;
    }

    pub(in crate::hub::shard) fn positions(&self) -> Vec<u64> {
        self.told
            .lock()
            .unwrap()
            .iter()
            .filter_map(|told| told.position)
            .collect()
    }
}

impl Viewer for Mailbox {
    fn id(&self) -> ViewerId {
        self.id
    }

    fn tell(&self, told: Told) -> Offer {
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            return Offer::Full;
        }
        *room -= 1;
        self.told.lock().unwrap().push(told);
        Offer::Queued
    }

    fn rewound(&self, _: SessionId) {}
    fn seated(&self, _session: SessionId) -> Option<Parting> {
        *self.gone.lock().unwrap()
    }

    fn unseated(&self, _session: SessionId) {}

    fn dismiss(&self) {}
}
