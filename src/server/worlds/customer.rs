//! A customer over CometD: one chat, one or several tabs, and no patience.

mod habits;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bayeux::{Bayeux, Carrier, Heard};
use super::model::{Sight, View};
use super::net::Arrival;
use super::scene::Scene;
use crate::id::SessionId;
use crate::server::route::Door;

/// How long what was asked for again may come twice, in milliseconds.
const AGAIN: u64 = 10_000;

/// A customer of this kind.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) name: String,
    user_data: Value,
    pub(super) tabs: Vec<Tab>,
    pub(super) chat: Option<Chat>,
    /// It wants to go on with its chat, or to begin one.
    pub(super) wants: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) session: SessionId,
    pub(super) key: String,
    pub(super) ended: bool,
}

/// One page of a browser.
#[derive(Debug)]
pub(super) struct Tab {
    pub(super) bayeux: Bayeux,
    pub(super) view: View,
    /// Its session has been given the events of the chat.
    served: bool,
    sent: BTreeMap<String, Sent>,
}

#[derive(Clone, Debug)]
enum Sent {
    Create,
    Resume,
    Say { said: usize, attempt: usize },
    Else,
}

impl Customer {
    pub(super) fn new(number: usize, carrier: Carrier, user_data: Value) -> Self {
        let tab = Tab::new(carrier);
        Self {
            name: format!("customer-{number}"),
            user_data,
            tabs: vec![tab],
            chat: None,
            wants: true,
        }
    }

    pub(super) fn next_at(&self, now: u64) -> u64 {
        let all = self.tabs.iter().map(|tab| tab.bayeux.next_at(now));
        all.min().unwrap_or(u64::MAX)
    }

    pub(super) fn act(&mut self, scene: &mut Scene<'_>) {
        for place in 0..self.tabs.len() {
            let mut heard = Vec::new();
            self.tabs[place]
                .bayeux
                .act(scene.life, scene.net, scene.now, &mut heard);
            self.hear(scene, place, heard);
        }
    }

    pub(super) fn take(&mut self, scene: &mut Scene<'_>, arrival: &Arrival) -> bool {
        for place in 0..self.tabs.len() {
            let mut heard = Vec::new();
            let tab = &mut self.tabs[place];
            let taken = tab
                .bayeux
                .take(scene.life, scene.net, scene.now, arrival, &mut heard);
            if taken {
                self.hear(scene, place, heard);
                return true;
            }
        }
        false
    }

    fn hear(&mut self, scene: &mut Scene<'_>, place: usize, heard: Vec<Heard>) {
        for one in heard {
            match one {
                Heard::Ready => self.settle_in(scene, place),
                Heard::Broken | Heard::Forgotten => self.tabs[place].view.broken(),
                Heard::Data { data, at } => self.read(scene, place, &data, at),
                Heard::Counted(count) => scene.check_burst(count, false),
                Heard::Acknowledged { id, ok, at } => {
                    if let Some(sent) = self.tabs[place].sent.remove(&id) {
                        self.tabs[place].served |=
                            ok && matches!(sent, Sent::Resume | Sent::Create);
                        if matches!(sent, Sent::Resume) {
                            self.tabs[place].view.again_until = at + AGAIN;
                        }
                        self.answered(scene, sent, ok, at);
                    }
                }
                Heard::Unanswered { id } => self.unanswered(scene, place, &id),
            }
        }
    }

    /// A session is there: begins a chat or goes on with it.
    fn settle_in(&mut self, scene: &mut Scene<'_>, place: usize) {
        // What the old session was asked is not answered by the new one.
        self.tabs[place].sent.clear();
        self.tabs[place].served = false;
        if self.chat.is_some() {
            self.resume(scene, place);
        } else if self.wants {
            self.create(scene, place);
        }
    }

    fn create(&mut self, scene: &mut Scene<'_>, place: usize) {
        let data =
            json!({"operation": "requestChat", "nickname": self.name, "userData": self.user_data});
        scene.ledger.asked.entry(self.name.clone()).or_default().0 += 1;
        self.publish(scene, place, &data, Sent::Create);
    }

    /// Asks for what it has not seen; a page that has forgotten asks for all.
    pub(super) fn resume(&mut self, scene: &mut Scene<'_>, place: usize) {
        let Some(chat) = self.chat.clone() else {
            return;
        };
        let from = match scene.dice.one_in(4) {
            true => 0,
            false => self.tabs[place].view.next,
        };
        let contested = (0..self.tabs.len()).any(|other| {
            let sent = &mut self.tabs[other].sent.values();
            other != place && sent.any(|sent| matches!(sent, Sent::Resume))
        });
        for (other, tab) in self.tabs.iter_mut().enumerate() {
            tab.view.replaced |= other != place;
        }
        // It had the events before another tab asked: whether it has them again, the answer says.
        self.tabs[place].served = false;
        let view = &mut self.tabs[place].view;
        view.broken();
        view.replaced = contested;
        let data = json!({"operation": "requestNotifications", "secureKey": chat.key, "transcriptPosition": from});
        self.publish(scene, place, &data, Sent::Resume);
    }

    fn publish(&mut self, scene: &mut Scene<'_>, place: usize, data: &Value, sent: Sent) {
        let tab = &mut self.tabs[place];
        let id = tab
            .bayeux
            .publish(scene.life, scene.net, scene.now, data, None);
        tab.sent.insert(id, sent);
    }

    pub(super) fn say(&mut self, scene: &mut Scene<'_>, length: usize) {
        let Some((place, chat)) = self.speaker() else {
            return;
        };
        let text = scene.text(length);
        let said = scene.ledger.say(chat.session, text.clone());
        let data = json!({"operation": "sendMessage", "secureKey": chat.key, "message": text});
        self.publish(scene, place, &data, Sent::Say { said, attempt: 0 });
    }

    pub(super) fn operate(&mut self, scene: &mut Scene<'_>, operation: &str) {
        let Some((place, chat)) = self.speaker() else {
            return;
        };
        let data = json!({"operation": operation, "secureKey": chat.key});
        self.publish(scene, place, &data, Sent::Else);
    }

    fn speaker(&self) -> Option<(usize, Chat)> {
        let place = self.tabs.iter().position(|tab| tab.bayeux.is_on())?;
        let chat = self.chat.clone().filter(|chat| !chat.ended)?;
        Some((place, chat))
    }

    fn answered(&mut self, scene: &mut Scene<'_>, sent: Sent, ok: bool, at: u64) {
        match sent {
            Sent::Say { said, attempt } => {
                let fate = scene.acknowledged(said, ok, at, Some(1));
                scene.ledger.fate(said, attempt, fate);
            }
            Sent::Create if ok => {
                scene.ledger.asked.entry(self.name.clone()).or_default().1 += 1;
            }
            // Refused for now: it is asked again with the next session, or by the story.
            Sent::Create | Sent::Resume | Sent::Else => {}
        }
    }

    /// Nobody knows what became of it: some send it again, under the same id or another.
    fn unanswered(&mut self, scene: &mut Scene<'_>, place: usize, id: &str) {
        let Some(sent) = self.tabs[place].sent.remove(id) else {
            return;
        };
        let Sent::Say { said, attempt } = sent else {
            return;
        };
        let Some(chat) = self.chat.clone() else {
            return;
        };
        if !self.tabs[place].bayeux.is_on() || scene.dice.one_in(3) {
            return;
        }
        let text = scene.ledger.said[said].text.clone();
        let data = json!({"operation": "sendMessage", "secureKey": chat.key, "message": text});
        let same = scene.dice.one_in(2);
        let attempt = match same {
            true => attempt,
            false => scene.ledger.try_again(said),
        };
        scene.ledger.repeat(said, attempt);
        let again = same.then_some(id);
        let tab = &mut self.tabs[place];
        let id = tab
            .bayeux
            .publish(scene.life, scene.net, scene.now, &data, again);
        tab.sent.insert(id, Sent::Say { said, attempt });
    }

    /// A data message: what it says is true, is this customer's, and comes in order.
    fn read(&mut self, scene: &mut Scene<'_>, place: usize, data: &Value, at: u64) {
        if data["statusCode"] != 0 {
            return self.refused(scene, data);
        }
        let session: SessionId = data["chatId"].as_str().unwrap().parse().unwrap();
        let key = data["secureKey"].as_str().unwrap();
        let disk = scene.disk.platter();
        let owner = disk.stored(session).first();
        assert_eq!(
            owner.map(|(event, _)| event.from.nickname.as_str()),
            Some(self.name.as_str()),
            "{} is told of a chat of somebody else, or of none: {data}",
            self.name
        );
        let chat = self.chat.get_or_insert_with(|| Chat {
            session,
            key: key.to_owned(),
            ended: false,
        });
        let ours = chat.session == session;
        let tab = &mut self.tabs[place];
        // What it asked for again may come again, on top of what was on its way.
        if tab.sent.values().any(|sent| matches!(sent, Sent::Resume)) {
            tab.view.broken();
        }
        for event in data["messages"].as_array().into_iter().flatten() {
            let index = disk.check_event(session, Sight::Customer, event, at);
            if ours {
                let view = &mut self.tabs[place].view;
                let taken = view.take(&disk, (session, Sight::Customer), (index, at));
                taken.unwrap_or_else(|wrong| panic!("{} (tab {place}): {wrong}", self.name));
            }
        }
        if ours && data["chatEnded"] == true {
            assert!(
                disk.left(session, 1).is_some(),
                "{} is told that {session} has ended: {data}",
                self.name
            );
            chat.ended = true;
        }
    }

    fn refused(&mut self, scene: &mut Scene<'_>, data: &Value) {
        let code = data["errors"][0]["code"].as_u64();
        if let Some(chat) = &mut self.chat
            && data["secureKey"] == chat.key.as_str()
            && code == Some(249)
        {
            let ended = scene.disk.platter().left(chat.session, 1).is_some();
            assert!(
                ended,
                "{} is told that its chat is unknown: {data}",
                self.name
            );
            chat.ended = true;
        }
    }

    /// It has its chat, and has read everything in it.
    pub(super) fn is_content(&self, scene: &Scene<'_>) -> bool {
        let Some(chat) = &self.chat else {
            return !self.wants;
        };
        let disk = scene.disk.platter();
        let tab = &self.tabs[0];
        tab.view.replaced
            || tab
                .view
                .missing(&disk, chat.session, Sight::Customer)
                .is_empty()
    }
}

impl Tab {
    fn new(carrier: Carrier) -> Self {
        Self {
            bayeux: Bayeux::new(Door::Public, carrier, None),
            view: View::from(1),
            served: false,
            sent: BTreeMap::new(),
        }
    }
}
