//! An agent or a supervisor: joins chats, speaks, whispers, loses the connection and comes back.

mod hearing;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::bayeux::{Bayeux, Carrier, Heard};
use super::model::{Fate, Sight, View};
use super::net::Arrival;
use super::scene::Scene;
use crate::id::SessionId;
use crate::server::route::Door;

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) bayeux: Bayeux,
    supervisor: bool,
    pub(super) joined: BTreeMap<SessionId, Seat>,
    /// Chats it wants to be in: it joins them again when it has lost them.
    pub(super) wanted: Vec<SessionId>,
    /// By `requestId`; with the id of the publish it went by.
    asked: BTreeMap<String, (String, Asked)>,
    serial: u64,
    /// A connection broke in this Bayeux session: what went over it comes again, after a join's answer too.
    torn: bool,
    /// Chats it was told it is out of, and has not asked to join again.
    out: BTreeSet<SessionId>,
}

#[derive(Debug)]
pub(super) struct Seat {
    participant: u64,
    pub(super) view: View,
}

#[derive(Clone, Debug)]
enum Asked {
    Join(SessionId),
    /// As `Join`, and it has been asked again since: an answer may come all the same.
    LateJoin(SessionId),
    Say {
        said: usize,
        attempt: usize,
        data: Value,
    },
    Read {
        session: SessionId,
        from: u64,
    },
    Leave(SessionId),
    Else,
}

impl Agent {
    pub(super) fn new(token: &'static str, supervisor: bool, carrier: Carrier) -> Self {
        Self {
            bayeux: Bayeux::new(Door::Internal, carrier, Some(token)),
            supervisor,
            joined: BTreeMap::new(),
            wanted: Vec::new(),
            asked: BTreeMap::new(),
            serial: 0,
            torn: false,
            out: BTreeSet::new(),
        }
    }

    pub(super) fn act(&mut self, scene: &mut Scene<'_>) {
        let mut heard = Vec::new();
        self.bayeux
            .act(scene.life, scene.net, scene.now, &mut heard);
        self.hear(scene, heard);
    }

    pub(super) fn take(&mut self, scene: &mut Scene<'_>, arrival: &Arrival) -> bool {
        let mut heard = Vec::new();
        let taken = self
            .bayeux
            .take(scene.life, scene.net, scene.now, arrival, &mut heard);
        self.hear(scene, heard);
        taken
    }

    pub(super) fn cut(&mut self, scene: &mut Scene<'_>) {
        let mut heard = Vec::new();
        self.bayeux
            .cut(scene.life, scene.net, scene.now, &mut heard);
        self.hear(scene, heard);
    }

    pub(super) fn switch(&mut self, scene: &mut Scene<'_>) {
        let mut heard = Vec::new();
        self.bayeux
            .switch(scene.life, scene.net, scene.now, &mut heard);
        self.hear(scene, heard);
    }

    fn hear(&mut self, scene: &mut Scene<'_>, heard: Vec<Heard>) {
        for one in heard {
            match one {
                Heard::Ready => self.come_back(scene),
                Heard::Broken => {
                    self.torn = true;
                    self.out.clear();
                    self.joined.values_mut().for_each(|seat| seat.view.broken());
                }
                Heard::Forgotten => self.joined.clear(),
                Heard::Counted(count) => scene.check_burst(count, true),
                Heard::Data { data, at } => self.read(scene, &data, at),
                Heard::Acknowledged { id, ok: false, .. } => self.failed(scene, &id),
                Heard::Acknowledged { .. } => {}
                Heard::Unanswered { id } => self.unanswered(scene, &id),
            }
        }
    }

    fn come_back(&mut self, scene: &mut Scene<'_>) {
        self.asked.clear();
        self.joined.clear();
        self.torn = false;
        self.ask(
            scene,
            json!({"operation": "sessions", "watch": true}),
            Asked::Else,
        );
        self.insist(scene);
    }

    fn ask(&mut self, scene: &mut Scene<'_>, mut data: Value, asked: Asked) {
        self.serial += 1;
        let request = format!("r{}", self.serial);
        data["requestId"] = json!(request);
        let id = self
            .bayeux
            .publish(scene.life, scene.net, scene.now, &data, None);
        self.asked.insert(request, (id, asked));
    }

    pub(super) fn join(&mut self, scene: &mut Scene<'_>, session: SessionId) {
        if !self.wanted.contains(&session) {
            self.wanted.push(session);
        }
        if !self.bayeux.is_on() {
            return;
        }
        let visibility = match self.supervisor {
            true => "VIP",
            false => "ALL",
        };
        let data =
            json!({"operation": "join", "session": session.to_string(), "visibility": visibility});
        self.out.remove(&session);
        self.ask(scene, data, Asked::Join(session));
    }

    /// In a chat that it has joined; to all, to agents only, or to the customer alone.
    pub(super) fn say(&mut self, scene: &mut Scene<'_>, place: u64, how: u64, length: usize) {
        let sessions: Vec<SessionId> = self.joined.keys().copied().collect();
        if sessions.is_empty() || !self.bayeux.is_on() {
            return;
        }
        let session = sessions[place as usize % sessions.len()];
        let text = scene.text(length);
        let said = scene.ledger.say(session, text.clone());
        let mut data =
            json!({"operation": "message", "session": session.to_string(), "text": text});
        match how % 6 {
            0 => data["visibility"] = json!("INT"),
            1 => data["to"] = json!(1),
            _ => {}
        }
        let asked = Asked::Say {
            said,
            attempt: 0,
            data: data.clone(),
        };
        self.ask(scene, data, asked);
    }

    pub(super) fn read_all(&mut self, scene: &mut Scene<'_>, from: u64) {
        if let Some(session) = self
            .joined
            .keys()
            .next()
            .copied()
            .filter(|_| self.bayeux.is_on())
        {
            let from = 1 + from % 5;
            let data = json!({"operation": "transcript", "session": session.to_string(), "position": from});
            self.ask(scene, data, Asked::Read { session, from });
        }
    }

    pub(super) fn leave(&mut self, scene: &mut Scene<'_>, after: &str) {
        if let Some(session) = self
            .joined
            .keys()
            .next()
            .copied()
            .filter(|_| self.bayeux.is_on())
        {
            self.wanted.retain(|wanted| *wanted != session);
            let data = json!({"operation": "release", "session": session.to_string(), "afterAction": after});
            self.ask(scene, data, Asked::Leave(session));
        }
    }

    fn of(&mut self, id: &str) -> Option<Asked> {
        let request = self.asked.iter().find(|(_, (by, _))| by == id)?.0.clone();
        self.asked.remove(&request).map(|(_, asked)| asked)
    }

    /// The publish itself was refused for now.
    fn failed(&mut self, scene: &mut Scene<'_>, id: &str) {
        if let Some(Asked::Say { said, attempt, .. }) = self.of(id) {
            let fate = scene.acknowledged(said, false, scene.now, None);
            scene.ledger.fate(said, attempt, fate);
        }
    }

    fn sight(&self, participant: u64) -> Sight {
        Sight::Agent {
            participant,
            supervisor: self.supervisor,
        }
    }

    /// It joins again where it is not, everywhere at once.
    pub(super) fn insist(&mut self, scene: &mut Scene<'_>) {
        for session in self.wanted.clone() {
            let mut asked = self.asked.values();
            let joining =
                asked.any(|(_, asked)| matches!(asked, Asked::Join(chat) if *chat == session));
            if !joining && !self.joined.contains_key(&session) {
                self.join(scene, session);
            }
        }
    }

    /// It is where it wants to be, and has been told everything there.
    pub(super) fn is_content(&self, scene: &Scene<'_>) -> bool {
        let disk = scene.disk.platter();
        self.wanted.iter().all(|session| {
            self.joined.get(session).is_some_and(|seat| {
                let sight = self.sight(seat.participant);
                seat.view.missing(&disk, *session, sight).is_empty()
            })
        })
    }
}
