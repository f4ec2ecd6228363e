//! The end of every world: it heals, everybody comes back and has everything, and then nothing is left running.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;

use super::model::{CUSTOMER, Sight};
use super::receiver::{Posting, position};
use super::rest::{App, Wish};
use super::world::World;
use crate::chat::EventKind;
use crate::id::SessionId;

/// Rounds of five seconds until everybody has everything: longer than a clock can have been set back.
const ROUNDS: usize = 180;

impl World {
    /// Comes to rest, and everything that was promised is true.
    pub(super) fn end(&mut self) {
        self.heal();
        self.everybody_comes_back();
        self.until("everybody has everything", World::is_content);
        self.until("every push is made or given up", |world| {
            world.owed_pushes().is_empty()
        });
        self.check();
        self.everybody_leaves();
        self.check();
        self.nothing_is_left();
    }

    fn until(&mut self, what: &str, done: impl Fn(&mut World) -> bool) {
        for _ in 0..ROUNDS {
            if done(self) {
                return;
            }
            self.with(|scene, people| {
                people.apps.iter_mut().for_each(|app| app.refresh(scene, 2));
                for customer in &mut people.customers {
                    customer.insist(scene);
                }
                people
                    .agents
                    .iter_mut()
                    .for_each(|agent| agent.insist(scene));
            });
            self.advance(5_000);
        }
        let owed = self.owed_pushes();
        panic!(
            "it does not come to rest: {what}; pushes owed: {owed:?}; {}",
            self.discontent()
        );
    }

    fn everybody_comes_back(&mut self) {
        self.with(|scene, people| {
            for customer in &mut people.customers {
                customer.close_tab(scene);
                for tab in &mut customer.tabs {
                    tab.bayeux.asleep_until = 0;
                    if let Some(socket) = tab.bayeux.socket {
                        scene.net.set_reading(socket, true);
                    }
                }
            }
            for agent in &mut people.agents {
                agent.bayeux.asleep_until = 0;
                if let Some(socket) = agent.bayeux.socket {
                    scene.net.set_reading(socket, true);
                }
            }
        });
    }

    fn is_content(&mut self) -> bool {
        self.discontent().is_empty() && self.disk.platter().under_way() == 0
    }

    /// Who does not have what they should have.
    fn discontent(&mut self) -> String {
        self.with(|scene, people| {
            let customers = people.customers.iter().filter(|one| !one.is_content(scene));
            let customers = customers.map(|one| format!("{one:?}"));
            let apps = people.apps.iter().filter(|one| !one.is_content(scene));
            let apps = apps.map(|one| format!("{one:?}"));
            let agents = people.agents.iter().filter(|one| !one.is_content(scene));
            let agents = agents.map(|one| format!("{one:?}"));
            let all: Vec<String> = customers.chain(apps).chain(agents).collect();
            all.join("\n")
        })
    }

    fn check(&mut self) {
        let disk = self.disk.platter();
        disk.check_book();
        self.ledger.check(&disk);
    }

    /// Messages of others to an app that asked for each of them: pushed and taken, or a dead letter. An app that asked to be
    /// told until it fetches has been told at least of the first.
    fn owed_pushes(&mut self) -> BTreeSet<(SessionId, u64)> {
        let mut owed = BTreeSet::new();
        let mut made: BTreeMap<SessionId, Vec<Posting>> = BTreeMap::new();
        for posting in self.receivers.postings() {
            made.entry(posting.session).or_default().push(posting);
        }
        let none = Vec::new();
        for app in &self.people.apps {
            let Some(chat) = &app.chat else { continue };
            let made = made.get(&chat.session).unwrap_or(&none);
            let told = match app.wish {
                Wish::Nothing => continue,
                Wish::Payload => self.told(chat.session, made),
                Wish::Resend => self.told_or_fetched(app, chat.session, made),
            };
            let disk = self.disk.platter();
            let end = disk.left(chat.session, CUSTOMER).unwrap_or(u64::MAX);
            for (event, _) in disk.stored(chat.session) {
                let of_others = u64::from(event.from.participant.0) != CUSTOMER;
                let is_message = matches!(event.kind, EventKind::Message { .. });
                let due = of_others && is_message && Sight::Customer.sees(event);
                if due && event.index < end && !told.contains(&event.index) {
                    owed.insert((chat.session, event.index));
                }
            }
        }
        owed
    }

    fn told(&self, session: SessionId, made: &[Posting]) -> BTreeSet<u64> {
        let disk = self.disk.platter();
        let letters = disk
            .letters
            .iter()
            .filter(|letter| letter.delivery.session == session);
        let given_up = letters.filter_map(|letter| serde_json::from_slice(&letter.body).ok());
        let taken = made.iter().filter(|posting| posting.taken);
        taken
            .map(|posting| posting.body.clone())
            .chain(given_up)
            .filter_map(|body: Value| body["message"]["messages"][0]["index"].as_u64())
            .collect()
    }

    fn told_or_fetched(&self, app: &App, session: SessionId, made: &[Posting]) -> BTreeSet<u64> {
        let disk = self.disk.platter();
        let letters = disk
            .letters
            .iter()
            .filter(|letter| letter.delivery.session == session);
        let given_up = letters.filter_map(|letter| serde_json::from_slice(&letter.body).ok());
        let taken = made.iter().filter(|posting| posting.taken);
        let first = taken
            .map(|posting| posting.body.clone())
            .chain(given_up)
            .filter_map(|body: Value| position(&body["message"]["messages"][0]))
            .min()
            .unwrap_or(u64::MAX);
        let all = 1..=disk.stored(session).len() as u64;
        all.filter(|index| *index >= first || *index < app.fetched)
            .collect()
    }

    fn everybody_leaves(&mut self) {
        self.with(|scene, people| {
            for customer in &mut people.customers {
                customer.goes(scene);
            }
            for agent in &mut people.agents {
                agent.bayeux.leave(scene.life, scene.net);
                agent.bayeux.asleep_until = u64::MAX;
            }
        });
        // Where the clock was set back and the server started again, what was due then is due that much later.
        let late = if self.clock_was_set { 700_000 } else { 0 };
        self.advance(400_000 + late);
    }

    fn nothing_is_left(&mut self) {
        let house = &self.life.as_ref().unwrap().house;
        for (name, side) in [("public", &house.public), ("internal", &house.internal)] {
            let counters = side.registry.counters();
            let left = (counters.sessions, counters.websockets, counters.polls);
            assert_eq!(left, (0, 0, 0), "sessions, sockets and polls left: {name}");
        }
        let gauges = &house.heart.gauges;
        assert_eq!(
            gauges.loading.load(Relaxed),
            0,
            "sessions still being loaded"
        );
        assert_eq!(gauges.awake.load(Relaxed), 0, "sessions still awake");
        assert_eq!(self.disk.platter().under_way(), 0, "batches under way");
    }
}
