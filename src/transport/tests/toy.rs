//! An application that echoes, and keeps what it said so that it can say it again.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::bayeux::{Event, Offer, Source};
use crate::transport::sharded::lock;
use crate::transport::{Application, Gone, Handle, Hello, Party, PublishDone, Refused};

pub struct Toy {
    pub parties: Mutex<Vec<Arc<Echo>>>,
    /// Messages that may still be sent.
    pub allowance: AtomicU64,
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            parties: Mutex::default(),
            allowance: AtomicU64::new(u64::MAX),
        }
    }
}

/// One client's stream: number 1, positions from 1.
pub struct Echo {
    pub client: Handle,
    log: Mutex<Log>,
    /// Publishes that are still to be answered.
    pub waiting: Mutex<Vec<PublishDone>>,
    gone: OnceLock<String>,
}

#[derive(Default)]
struct Log {
    said: Vec<Bytes>,
    offered: usize,
    confirmed: u64,
    rewinds: usize,
}

impl Application for Toy {
    fn handshake(&self, hello: Hello<'_>, client: Handle) -> Result<Arc<dyn Party>, Refused> {
        if hello.ext.is_some_and(|ext| ext.get().contains("stranger")) {
            return Err(Refused {
                error: "403::handshake_denied".to_owned(),
                advice_none: true,
            });
        }
        let echo = Arc::new(Echo {
            client,
            log: Mutex::default(),
            waiting: Mutex::default(),
            gone: OnceLock::new(),
        });
        if hello.ext.is_some_and(|ext| ext.get().contains("early")) {
            echo.say("\"early\"");
        }
        lock(&self.parties).push(Arc::clone(&echo));
        Ok(echo)
    }

    fn may_send(&self, _: IpAddr) -> bool {
        let allowed = |allowance: u64| allowance.checked_sub(1);
        self.allowance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, allowed)
            .is_ok()
    }
}

impl Toy {
    /// The newest client's party.
    pub fn newest(&self) -> Arc<Echo> {
        Arc::clone(lock(&self.parties).last().expect("a party"))
    }
}

impl Echo {
    /// Says something to the client.
    pub fn say(&self, data: &str) {
        let message = format!(r#"{{"channel":"/service/echo","data":{data}}}"#);
        lock(&self.log).said.push(message.into());
        self.offer();
    }

    pub fn offered(&self) -> usize {
        lock(&self.log).offered
    }

    pub fn confirmed(&self) -> u64 {
        lock(&self.log).confirmed
    }

    pub fn rewinds(&self) -> usize {
        lock(&self.log).rewinds
    }

    pub fn gone(&self) -> Option<&str> {
        self.gone.get().map(String::as_str)
    }

    fn offer(&self) {
        let mut log = lock(&self.log);
        while let Some(message) = log.said.get(log.offered) {
            let position = log.offered as u64 + 1;
            let event = Event {
                message: message.clone(),
                source: Some(Source {
                    stream: 1,
                    position,
                }),
            };
            drop(log);
            let offer = self.client.deliver(event);
            log = lock(&self.log);
            if offer != Offer::Queued {
                return;
            }
            // A rewind may have come in between.
            if log.offered as u64 + 1 == position {
                log.offered += 1;
            }
        }
    }
}

impl Party for Echo {
    fn may_subscribe(&self, channel: &str) -> Result<(), String> {
        self.may_publish(channel)
    }

    fn subscribed(&self, _: &str) {}

    fn unsubscribed(&self, _: &str) {}

    fn may_publish(&self, channel: &str) -> Result<(), String> {
        match channel {
            "/service/echo" => Ok(()),
            other => Err(format!("403:{other}:publish_denied")),
        }
    }

    fn publish(&self, _: &str, data: Box<RawValue>, done: PublishDone) {
        self.say(data.get());
        match data.get() {
            "\"forget\"" => drop(done),
            "\"wait\"" => lock(&self.waiting).push(done),
            _ => done.ok(),
        }
    }

    fn too_often(&self, _: &str, _: &RawValue, done: PublishDone) {
        self.say("\"too often\"");
        done.fail("429::too_many_requests");
    }

    fn confirmed(&self, _: u64, position: u64) {
        lock(&self.log).confirmed = position;
    }

    fn rewind(&self, _: u64, position: u64) {
        let mut log = lock(&self.log);
        log.offered = usize::try_from(position).expect("a small number");
        log.rewinds += 1;
        drop(log);
        // Answered with `Full`, so that `drained` follows.
        self.offer();
    }

    fn drained(&self) {
        self.offer();
    }

    fn gone(&self, how: Gone) {
        let once = self.gone.set(format!("{how:?}"));
        assert!(once.is_ok(), "gone twice: {how:?}");
    }
}
