//! The receiver of pushes: it takes them, refuses them, answers late or not at all, and keeps everything it got.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;
use tokio::time::sleep;

use super::dice::Dice;
use super::disk::Disk;
use super::model::Sight;
use super::time::Time;
use crate::clock::Wall;
use crate::id::SessionId;
use crate::push::{Answer, Destination, Secret, sign};
use crate::tasks::push::{Answered, Courier, Couriers};

/// What configuration has as `customhttp.secret`.
pub(super) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How a receiver does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    /// 5xx, and now and then when to come again.
    Failing,
    /// Nobody is there.
    Absent,
    /// Takes everything, and answers too late.
    Late,
    /// Takes everything, and the connection breaks before the answer.
    Breaking,
    /// 404: wants none of these.
    Refusing,
    /// 410: wants nothing any more.
    Gone,
}

impl Mood {
    pub(super) const ALL: [Self; 7] = [
        Self::Well,
        Self::Failing,
        Self::Absent,
        Self::Late,
        Self::Breaking,
        Self::Refusing,
        Self::Gone,
    ];
}

/// One push as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Posting {
    pub(super) session: SessionId,
    pub(super) body: Value,
    /// It was answered with a 2xx.
    pub(super) taken: bool,
}

#[derive(Clone)]
pub(super) struct Receivers(Arc<Mutex<Inner>>);

struct Inner {
    mood: Mood,
    postings: Vec<Posting>,
    /// Of each delivery, its only body.
    bodies: BTreeMap<String, Bytes>,
    /// The newest delivery of each chat.
    newest: BTreeMap<SessionId, u64>,
    life: u64,
    /// What is wrong: a task of the server's is no place to panic in.
    wrong: Vec<String>,
    dice: Dice,
    disk: Disk,
    time: Time,
}

struct Door {
    receivers: Receivers,
    life: u64,
    timeout: Duration,
}

impl Receivers {
    pub(super) fn new(seed: u64, disk: &Disk, time: &Time) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            mood: Mood::Well,
            postings: Vec::new(),
            bodies: BTreeMap::new(),
            newest: BTreeMap::new(),
            life: 0,
            wrong: Vec::new(),
            dice: Dice::new(seed ^ 0x9057),
            disk: disk.clone(),
            time: time.clone(),
        })))
    }

    pub(super) fn begin_life(&self) {
        self.0.lock().unwrap().life += 1;
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    pub(super) fn couriers(&self) -> Couriers {
        let receivers = self.clone();
        Box::new(move |_: &str, destination: &Destination| {
            Ok(Box::new(Door {
                life: receivers.0.lock().unwrap().life,
                receivers: receivers.clone(),
                timeout: destination.timeout,
            }))
        })
    }

    pub(super) fn postings(&self) -> Vec<Posting> {
        self.0.lock().unwrap().postings.clone()
    }

    pub(super) fn check(&self) {
        let inner = self.0.lock().unwrap();
        assert!(inner.wrong.is_empty(), "{:?}", inner.wrong);
    }
}

impl Courier for Door {
    fn post(&self, headers: HeaderMap, body: Bytes, _now: Wall) -> Answered<'_> {
        Box::pin(async move {
            let (mood, there, think) = {
                let mut inner = self.receivers.0.lock().unwrap();
                if inner.life != self.life {
                    return Answer::Broken;
                }
                let there = Duration::from_millis(inner.dice.between(1, 60));
                let think = Duration::from_millis(inner.dice.between(1, 400));
                (inner.mood, there, think)
            };
            sleep(there).await;
            if mood == Mood::Absent {
                return Answer::NotConnected;
            }
            let taken = mood == Mood::Well;
            let arrived = self
                .receivers
                .0
                .lock()
                .unwrap()
                .arrived(&headers, body, taken);
            if let Err(wrong) = arrived {
                self.receivers.0.lock().unwrap().wrong.push(wrong);
            }
            if mood == Mood::Late {
                sleep(self.timeout.saturating_sub(there)).await;
                return Answer::TimedOut;
            }
            sleep(think).await;
            self.receivers.0.lock().unwrap().answer(mood)
        })
    }
}

impl Inner {
    fn answer(&mut self, mood: Mood) -> Answer {
        let status = |code, wait: Option<u64>| Answer::Status {
            code,
            retry_after: wait.map(Duration::from_secs),
        };
        match mood {
            Mood::Well => status(204, None),
            Mood::Failing if self.dice.one_in(3) => status(429, Some(self.dice.between(1, 20))),
            Mood::Failing => status(500, None),
            Mood::Refusing => status(404, None),
            Mood::Gone => status(410, None),
            Mood::Absent | Mood::Late | Mood::Breaking => Answer::Broken,
        }
    }

    /// A push is signed, the same at every attempt, in the order of its chat, and tells what is stored and may be seen.
    fn arrived(&mut self, headers: &HeaderMap, body: Bytes, taken: bool) -> Result<(), String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let id = header("webhook-id").ok_or("no webhook-id")?.to_owned();
        let seconds: u64 = header("webhook-timestamp")
            .and_then(|seconds| seconds.parse().ok())
            .ok_or("no webhook-timestamp")?;
        let secret = Secret::parse(SECRET).map_err(|error| error.to_string())?;
        if header("webhook-signature") != Some(&sign(&[secret], &id, seconds, &body)) {
            return Err(format!("{id} is not signed as it should be"));
        }
        let known = self.bodies.entry(id.clone()).or_insert(body.clone());
        if *known != body {
            return Err(format!("{id} has two bodies: {known:?} and {body:?}"));
        }
        let (session, number) = id
            .strip_prefix("msg_")
            .and_then(|rest| rest.rsplit_once('_'))
            .and_then(|(session, number)| Some((session.parse().ok()?, number.parse().ok()?)))
            .ok_or(format!("{id} names no delivery"))?;
        let newest = self.newest.entry(session).or_insert(0);
        if number < *newest {
            return Err(format!("{id} came after delivery {newest} of its chat"));
        }
        *newest = number;
        let at = self.time.now();
        let body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let disk = self.disk.platter();
        if disk.stored(session).is_empty() {
            return Err(format!("{id} is of a chat that is not stored"));
        }
        for event in body["message"]["messages"].as_array().into_iter().flatten() {
            if event["index"] != 0 {
                disk.check_event(session, Sight::Customer, event, at);
            } else if let Some(position) = position(event)
                && position > disk.stored(session).len() as u64
            {
                return Err(format!(
                    "{id} tells of event {position}, which is not stored"
                ));
            }
        }
        self.postings.push(Posting {
            session,
            body,
            taken,
        });
        Ok(())
    }
}

/// `notify-position`; `None` for the removal.
pub(super) fn position(event: &Value) -> Option<u64> {
    event["userData"]["notify-position"].as_str()?.parse().ok()
}
