//! Those who look on: each checks what it is told.

use std::sync::Mutex;

use super::super::tests::Durable;
use super::*;
use crate::hub::seat::{Offer, Told};

/// A Bayeux client of a customer or an agent: what it has, as it knows it.
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) agent: bool,
    /// How much of a transcript it is answered.
    pub(super) bytes_max: usize,
    pub(super) room: Mutex<usize>,
    pub(super) durable: Durable,
    pub(super) gone: Mutex<Option<Parting>>,
    pub(super) looks: Mutex<HashMap<SessionId, Look>>,
}

/// One chat in the eyes of a client.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) participant: Option<ParticipantId>,
    /// From where on it is told.
    pub(super) from: u64,
    pub(super) has: Vec<u64>,
    pub(super) confirmed: u64,
    pub(super) seated: bool,
    pub(super) starved: bool,
}

impl Viewer for Client {
    fn id(&self) -> ViewerId {
        self.id
    }

    fn tell(&self, told: Told) -> Offer {
        if self.gone.lock().unwrap().is_some() {
            return Offer::Gone;
        }
        let mut looks = self.looks.lock().unwrap();
        let look = looks.entry(told.session).or_default();
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            look.starved = true;
            return Offer::Full;
        }
        *room -= 1;
        if let Some(position) = told.position {
            let durable = self.durable.lock().unwrap();
            assert!(
                durable.contains(&(told.session, position)),
                "told before it is stored"
            );
            let last = look
                .has
                .last()
                .copied()
                .unwrap_or(0)
                .max(look.from.saturating_sub(1));
            assert!(
                position > last,
                "{:?} (agent: {}) is told {position} after {last}: {look:?}",
                self.id,
                self.agent
            );
            look.has.push(position);
        }
        Offer::Queued
    }

    fn rewound(&self, _: SessionId) {}

    fn seated(&self, session: SessionId) -> Option<Parting> {
        let gone = *self.gone.lock().unwrap();
        self.looks
            .lock()
            .unwrap()
            .entry(session)
            .or_default()
            .seated = gone.is_none();
        gone
    }

    fn unseated(&self, session: SessionId) {
        self.looks
            .lock()
            .unwrap()
            .entry(session)
            .or_default()
            .seated = false;
    }

    fn dismiss(&self) {}
}

impl Client {
    pub(super) fn begins(&self, session: SessionId, participant: ParticipantId, from: u64) {
        let mut looks = self.looks.lock().unwrap();
        let look = looks.entry(session).or_default();
        *look = Look {
            participant: Some(participant),
            from,
            confirmed: from.saturating_sub(1),
            seated: look.seated,
            ..Look::default()
        };
    }
}
