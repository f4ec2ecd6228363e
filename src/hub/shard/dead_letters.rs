//! What a chat owes, counted; and what was given up of it, kept.
//!
//! A dead letter is made once the record that says how its push ended is durable. A crash may undo its keeping; the record
//! is there then, and makes it again.

use super::*;
use crate::clock::Wall;
use crate::push::GivenUp;

/// A push that was given up, until its dead letter is kept.
pub(super) struct Grave {
    given_up: GivenUp,
    /// Its body, where it had been posted.
    posted: Option<bytes::Bytes>,
    /// For the first time in this process.
    fresh: bool,
}

impl Shard {
    /// Brings the count of what is owed up to date: absolute, so that it does not matter how often a session is loaded.
    pub(super) fn count_owed(&mut self, session: SessionId) {
        let room = self.rooms.get_mut(&session).and_then(Slot::awake);
        let owed = room.and_then(|room| {
            let push = room.push.as_ref()?;
            let owed = (push.subscription.destination.as_str(), push.owed.len());
            (owed.1 > 0).then_some(owed)
        });
        let known = self.owing.get(&session);
        if known.map(|(destination, owed)| (destination.as_str(), *owed)) == owed {
            return;
        }
        let owed = owed.map(|(destination, owed)| (destination.to_owned(), owed));
        let known = match owed.clone() {
            Some(owed) => self.owing.insert(session, owed),
            None => self.owing.remove(&session),
        };
        let signed = |owed: usize| i64::try_from(owed).unwrap_or(i64::MAX);
        match (known, owed) {
            (Some((old, before)), Some((new, now))) if old == new => {
                let more = signed(now) - signed(before);
                self.outputs.push_back(Output::Owed(new, more));
            }
            (known, owed) => {
                let fewer = known.map(|(old, before)| Output::Owed(old, -signed(before)));
                let more = owed.map(|(new, now)| Output::Owed(new, signed(now)));
                self.outputs.extend(fewer.into_iter().chain(more));
            }
        }
    }

    /// The end of a push that was given up is durable: its dead letter is kept.
    pub(super) fn bury(&mut self, session: SessionId, grave: Grave) {
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        match room.event_to_tell(&grave.given_up.delivery, &settings) {
            Some(index) if grave.posted.is_none() => {
                self.fetch(session, index, 1, Purpose::DeadLetter(Box::new(grave)))
            }
            _ => self.letter(session, grave, None),
        }
    }

    /// A session was loaded: what its records say was given up may not have been kept before a crash.
    pub(super) fn bury_again(&mut self, session: SessionId, given_up: Vec<GivenUp>) {
        for given_up in given_up {
            let grave = Grave {
                given_up,
                posted: None,
                fresh: false,
            };
            self.bury(session, grave);
        }
    }

    /// The dead letter, with the event that it tells of, if it tells of one and that can be read.
    pub(super) fn letter(&mut self, session: SessionId, grave: Grave, event: Option<&Event>) {
        let settings = self.settings.clone();
        let Some(Slot::Awake(room)) = self.rooms.get(&session) else {
            return;
        };
        let Grave {
            given_up,
            posted,
            fresh,
        } = grave;
        let delivery = &given_up.delivery;
        let counted = !fresh || posted.is_some();
        let body = posted.or_else(|| {
            let push = room.push.as_ref()?;
            let is_whole = room.event_to_tell(delivery, &settings).is_none() || event.is_some();
            is_whole.then(|| room.push_body(push, delivery, event, &settings, &self.keys))
        });
        let letter = store::DeadLetter {
            delivery: DeliveryId {
                session,
                number: delivery.number,
            },
            destination: given_up.destination,
            reason: given_up.reason,
            at: Wall(given_up.at.0),
            owed_at: delivery.owed_wall,
            body: body.unwrap_or_default(),
        };
        self.outputs
            .push_back(Output::DeadLetter { letter, counted });
    }
}

impl Room {
    pub(super) fn grave(&self, given_up: GivenUp) -> Grave {
        let number = given_up.delivery.number;
        let posted = self.posted.as_ref();
        Grave {
            posted: posted
                .filter(|(posted, _)| *posted == number)
                .map(|(_, body)| body.clone()),
            given_up,
            fresh: true,
        }
    }
}
