//! A customer over REST: an app that is told by pushes that there is something to fetch.

use serde_json::Value;

use super::model::{Fate, Sight};
use super::net::{Arrival, Post};
use super::scene::Scene;
use crate::id::SessionId;
use crate::server::route::Door;

/// How an app wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// One push for each event, with it.
    Payload,
    /// A push until it has fetched.
    Resend,
}

#[derive(Debug)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) wish: Wish,
    pub(super) is_async: bool,
    pub(super) chat: Option<RestChat>,
    line: Option<u64>,
    /// What is under way; one thing after the other.
    call: Option<(u64, u64, Call)>,
    /// From where it reads next.
    position: u64,
    /// Everything before was fetched, by an answer that came.
    pub(super) fetched: u64,
    /// What it asked for last that acknowledges: when, and up to which index it could have.
    pub(super) refreshed: bool,
    keys: u64,
}

#[derive(Clone, Debug)]
pub(super) struct RestChat {
    pub(super) session: SessionId,
    pub(super) user: String,
    pub(super) key: String,
    pub(super) ended: bool,
}

#[derive(Clone, Debug)]
enum Call {
    Create,
    Say {
        said: usize,
        attempt: usize,
        from: Option<u64>,
        key: Option<String>,
    },
    Refresh {
        from: u64,
    },
    Else,
}

impl App {
    pub(super) fn new(number: usize, wish: Wish, is_async: bool) -> Self {
        Self {
            name: format!("app-{number}"),
            wish,
            is_async,
            chat: None,
            line: None,
            call: None,
            position: 1,
            fetched: 1,
            refreshed: false,
            keys: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.call.is_none()
    }

    pub(super) fn create(&mut self, scene: &mut Scene<'_>) {
        if self.chat.is_some() || !self.is_idle() {
            return;
        }
        let mut fields = vec![("nickname".to_owned(), self.name.clone())];
        let mut data =
            |name: &str, value: &str| fields.push((format!("userData[{name}]"), value.to_owned()));
        if self.is_async {
            data("GCTI_Chat_AsyncMode", "true");
        }
        if self.wish != Wish::Nothing {
            data("GCTI_Chat_PushSubscribe", "true");
            data("GCTI_GMS_PushDeviceId", &self.name);
            data("GCTI_GMS_PushDeviceType", "customhttp");
            data("GCTI_GMS_PushIncludePayload", "true");
        }
        if self.wish == Wish::Resend {
            data("GCTI_GMS_PushResend", "true");
        }
        scene.ledger.asked.entry(self.name.clone()).or_default().0 += 1;
        self.post(scene, "", fields, None, Call::Create);
    }

    pub(super) fn say(&mut self, scene: &mut Scene<'_>, length: usize) {
        let Some(chat) = self.ready() else { return };
        let text = scene.text(length);
        let said = scene.ledger.say(chat.session, text);
        let from = scene.dice.one_in(2).then_some(self.position);
        self.keys += 1;
        let key = scene.dice.one_in(2).then(|| format!("key-{}", self.keys));
        self.send(scene, said, 0, from, key);
    }

    fn send(
        &mut self,
        scene: &mut Scene<'_>,
        said: usize,
        attempt: usize,
        from: Option<u64>,
        key: Option<String>,
    ) {
        let mut fields = vec![("message".to_owned(), scene.ledger.said[said].text.clone())];
        if let Some(from) = from {
            fields.push(("transcriptPosition".to_owned(), from.to_string()));
        }
        let call = Call::Say {
            said,
            attempt,
            from,
            key: key.clone(),
        };
        self.post(scene, "send", fields, key, call);
    }

    pub(super) fn refresh(&mut self, scene: &mut Scene<'_>, how: u64) {
        if self.ready_even_if_ended().is_none() {
            return;
        }
        let from = match how % 6 {
            0 => 0,
            1 => 1,
            _ => self.position,
        };
        let fields = vec![("transcriptPosition".to_owned(), from.to_string())];
        self.post(scene, "refresh", fields, None, Call::Refresh { from });
    }

    pub(super) fn operate(&mut self, scene: &mut Scene<'_>, operation: &str) {
        if self.ready().is_some() {
            self.post(scene, operation, Vec::new(), None, Call::Else);
        }
    }

    fn ready(&self) -> Option<RestChat> {
        self.ready_even_if_ended().filter(|chat| !chat.ended)
    }

    fn ready_even_if_ended(&self) -> Option<RestChat> {
        self.chat.clone().filter(|_| self.is_idle())
    }

    fn post(
        &mut self,
        scene: &mut Scene<'_>,
        operation: &str,
        mut fields: Vec<(String, String)>,
        key: Option<String>,
        call: Call,
    ) {
        let mut path = "/genesys/2/chat/customer-support".to_owned();
        if let Some(chat) = &self.chat {
            path += &format!("/{}/{operation}", chat.session);
            fields.push(("userId".to_owned(), chat.user.clone()));
            fields.push(("secureKey".to_owned(), chat.key.clone()));
            fields.push(("alias".to_owned(), "1".to_owned()));
        }
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let line = *self
            .line
            .get_or_insert_with(|| scene.net.connect(Door::Public));
        let once = key.is_some() || matches!(call, Call::Refresh { .. });
        let headers = key
            .map(|key| ("idempotency-key", key))
            .into_iter()
            .collect();
        let post = Post {
            path,
            kind: "application/x-www-form-urlencoded",
            headers,
            body: body.join("&"),
            once,
        };
        let ticket = scene.net.post(scene.life, line, post);
        self.call = Some((ticket, scene.now, call));
    }

    pub(super) fn take(&mut self, scene: &mut Scene<'_>, arrival: &Arrival) -> bool {
        match arrival {
            Arrival::Answer {
                ticket,
                at,
                status,
                body,
                ..
            } => {
                let Some((_, _, call)) = self.call.take_if(|(of, ..)| of == ticket) else {
                    return false;
                };
                self.answered(scene, call, *status, body, *at);
                true
            }
            Arrival::Broken { ticket } => {
                let Some((_, _, call)) = self.call.take_if(|(of, ..)| of == ticket) else {
                    return false;
                };
                if let Some(line) = self.line.take() {
                    scene.net.hang_up(scene.life, line, false);
                }
                self.lost(scene, call);
                true
            }
            _ => false,
        }
    }

    /// Tries again, if it can: a call under a key is the same call.
    fn lost(&mut self, scene: &mut Scene<'_>, call: Call) {
        if let Call::Say {
            said,
            attempt,
            from,
            key,
        } = call
            && self.ready().is_some()
            && !scene.dice.one_in(3)
        {
            let attempt = match key {
                Some(_) => attempt,
                None => scene.ledger.try_again(said),
            };
            scene.ledger.repeat(said, attempt);
            self.send(scene, said, attempt, from, key);
        }
    }

    fn answered(&mut self, scene: &mut Scene<'_>, call: Call, status: u16, body: &Value, at: u64) {
        assert!(
            [200, 429, 503].contains(&status),
            "HTTP {status} to {call:?} of {}: {body}",
            self.name
        );
        let done = status == 200 && body["statusCode"] == 0;
        if status == 200 && body["statusCode"] == 2 {
            self.refused(scene, body);
        }
        match call {
            Call::Create if done => self.begun(scene, body, at),
            Call::Say {
                said,
                attempt,
                from,
                ..
            } => {
                let fate = match done {
                    true => scene.acknowledged(said, true, at, None),
                    false => scene.acknowledged(said, false, at, None),
                };
                if status == 200 || fate == Fate::Unknown {
                    scene.ledger.fate(said, attempt, fate);
                } else {
                    scene.ledger.fate(said, attempt, Fate::Failed);
                }
                if done {
                    self.read(scene, body, from.unwrap_or(0), at);
                }
            }
            Call::Refresh { from } if done => self.read(scene, body, from, at),
            Call::Create | Call::Refresh { .. } | Call::Else => {}
        }
    }

    fn begun(&mut self, scene: &mut Scene<'_>, body: &Value, at: u64) {
        scene.ledger.asked.entry(self.name.clone()).or_default().1 += 1;
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let session: SessionId = text("chatId").parse().unwrap();
        let disk = scene.disk.platter();
        let begun = disk.stored(session).first().map(|(_, stored)| *stored);
        assert!(
            begun.is_some_and(|stored| stored <= at),
            "{session} was given at {at} and stored at {begun:?}"
        );
        self.chat = Some(RestChat {
            session,
            user: text("userId"),
            key: text("secureKey"),
            ended: false,
        });
    }

    fn read(&mut self, scene: &mut Scene<'_>, body: &Value, from: u64, at: u64) {
        let Some(chat) = &mut self.chat else { return };
        let next = body["nextPosition"].as_u64().unwrap();
        let shown = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let disk = scene.disk.platter();
        let asked = (chat.session, Sight::Customer);
        if from == 0 {
            assert!(shown.is_empty(), "nothing was asked for: {body}");
        } else {
            disk.check_stretch(asked, shown, (from, next), at);
            self.position = next.max(1);
            self.fetched = self.fetched.max(self.position);
            self.refreshed = true;
        }
        if body["chatEnded"] == true {
            assert!(disk.left(chat.session, 1).is_some(), "it has ended: {body}");
            chat.ended = true;
        }
    }

    fn refused(&mut self, scene: &mut Scene<'_>, body: &Value) {
        let Some(chat) = &mut self.chat else { return };
        if body["errors"][0]["code"] == 249 || body["chatEnded"] == true {
            let left = scene.disk.platter().left(chat.session, 1);
            assert!(
                left.is_some(),
                "{} is told that its chat is gone: {body}",
                self.name
            );
            chat.ended = true;
        }
    }

    /// It has fetched everything there is.
    pub(super) fn is_content(&self, scene: &Scene<'_>) -> bool {
        let Some(chat) = &self.chat else { return true };
        let disk = scene.disk.platter();
        let end = disk
            .left(chat.session, 1)
            .unwrap_or(disk.stored(chat.session).len() as u64);
        self.fetched > end
    }
}
