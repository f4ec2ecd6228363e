//! An application that echoes, and keeps what it said so that it can say it again.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::bayeux::{Event, Offer, Source};
use crate::transport::sharded::lock;
use crate::transport::{Application, Gone, Handle, Hello, Party, PublishDone, Refused};

#[derive(Default)]
pub struct Toy {
    pub parties: Mutex<Vec<Arc<Echo>>>,
}

/// One client's stream: number 1, positions from 1.
pub struct Echo {
    pub client: Handle,
    log: Mutex<Log>,
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
            gone: OnceLock::new(),
        });
        lock(&self.parties).push(Arc::clone(&echo));
        Ok(echo)
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
            _ => done.ok(),
        }
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
        let _ = self.gone.set(format!("{how:?}"));
    }
}
