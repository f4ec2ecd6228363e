//! What a client makes of what comes.

use super::*;

impl Bayeux {
    /// Whether it is for this client; then it is taken.
    pub(in crate::server::worlds) fn take(
        &mut self,
        life: &Life,
        net: &mut Net,
        now: u64,
        arrival: &Arrival,
        heard: &mut Vec<Heard>,
    ) -> bool {
        match arrival {
            Arrival::Answer {
                ticket,
                at,
                status,
                cookie,
                body,
            } => {
                let Some(ids) = self.of(*ticket) else {
                    return false;
                };
                if let Some(cookie) = cookie {
                    self.cookie = Some(cookie.clone());
                }
                self.read(life, net, (now, *at), body, heard);
                for id in ids {
                    if self.settle(&id, true) {
                        assert!(
                            *status == 409 || *status == 503 || *status == 429,
                            "HTTP {status} leaves message {id} unanswered: {body}"
                        );
                        heard.push(Heard::Unanswered { id });
                        self.fail(now);
                    }
                }
                true
            }
            Arrival::Broken { ticket } => {
                let Some(ids) = self.of(*ticket) else {
                    return false;
                };
                heard.push(Heard::Broken);
                for id in ids {
                    self.settle(&id, true);
                    heard.push(Heard::Unanswered { id });
                }
                let lines = std::mem::take(&mut self.lines);
                let (free, busy) = lines.into_iter().partition(|line| net.is_free(*line));
                self.lines = busy;
                let free: Vec<u64> = free;
                free.into_iter()
                    .for_each(|line| net.hang_up(life, line, true));
                self.fail(now);
                true
            }
            Arrival::Frame { socket, at, body } => {
                let ours = self.socket == Some(*socket);
                if ours {
                    self.read(life, net, (now, *at), body, heard);
                }
                ours
            }
            Arrival::Closed { socket } => {
                let ours = self.socket == Some(*socket);
                if ours {
                    self.socket = None;
                    net.cut(*socket);
                    self.everything_broke(now, heard);
                }
                ours
            }
        }
    }

    /// What was asked under a ticket, if it is ours.
    pub(in crate::server::worlds) fn of(&self, ticket: u64) -> Option<Vec<String>> {
        let connect = self.connect.iter().filter(|(_, of, _)| *of == ticket);
        let asked = self.asked.iter().filter(|(_, (of, _))| *of == ticket);
        let ids: Vec<String> = connect
            .map(|(id, ..)| id.clone())
            .chain(asked.map(|(id, _)| id.clone()))
            .collect();
        (!ids.is_empty()).then_some(ids)
    }

    /// Something needs no answer any more; whether it did.
    pub(in crate::server::worlds) fn settle(&mut self, id: &str, broken: bool) -> bool {
        if self.connect.as_ref().is_some_and(|(known, ..)| known == id) {
            self.connect = None;
            self.fresh = broken;
            return true;
        }
        self.asked.remove(id).is_some()
    }

    pub(in crate::server::worlds) fn read(
        &mut self,
        life: &Life,
        net: &mut Net,
        (now, at): (u64, u64),
        body: &Value,
        heard: &mut Vec<Heard>,
    ) {
        let messages = body.as_array().map_or(&[][..], Vec::as_slice);
        heard.push(Heard::Counted(
            messages.iter().filter(|m| m.get("data").is_some()).count(),
        ));
        for message in messages {
            let channel = message["channel"].as_str().unwrap_or_default();
            if let Some(data) = message.get("data") {
                assert_eq!(channel, self.channel, "{message}");
                let data = data.clone();
                heard.push(Heard::Data { data, at });
                continue;
            }
            let id = message["id"].as_str().unwrap_or_default().to_owned();
            let asked = self.settle(&id, false);
            let ok = message["successful"] == true;
            match channel {
                "/meta/handshake" if asked => self.greeted(life, net, now, message),
                "/meta/subscribe" if asked && ok => {
                    self.phase = Phase::On;
                    heard.push(Heard::Ready);
                }
                "/meta/connect" if ok => {
                    self.failures = 0;
                    self.not_before = now + message["advice"]["interval"].as_u64().unwrap_or(0);
                }
                "/meta/connect" | "/meta/subscribe" => {}
                "/meta/disconnect" => self.phase = Phase::Away,
                _ if asked => heard.push(Heard::Acknowledged { id, ok, at }),
                _ => {}
            }
            let again = message["advice"]["reconnect"] == "handshake";
            if !ok && again && self.phase != Phase::Greeting {
                self.forgotten(now, message, heard);
            } else if !ok {
                let pause = message["advice"]["interval"].as_u64().unwrap_or(1000);
                self.not_before = self.not_before.max(now + pause);
            }
        }
    }

    pub(in crate::server::worlds) fn greeted(
        &mut self,
        life: &Life,
        net: &mut Net,
        now: u64,
        message: &Value,
    ) {
        if message["successful"] != true {
            self.phase = Phase::Away;
            return self.fail(now);
        }
        self.client = message["clientId"].as_str().map(str::to_owned);
        self.phase = Phase::Subscribing;
        let subscribe = json!({"channel": "/meta/subscribe", "subscription": self.channel});
        self.ask(life, net, now, subscribe);
    }

    pub(in crate::server::worlds) fn forgotten(
        &mut self,
        now: u64,
        message: &Value,
        heard: &mut Vec<Heard>,
    ) {
        if self.phase == Phase::Away {
            return;
        }
        heard.push(Heard::Forgotten);
        let asked = std::mem::take(&mut self.asked);
        heard.extend(asked.into_keys().map(|id| Heard::Unanswered { id }));
        self.connect = None;
        self.phase = Phase::Away;
        self.not_before = now + message["advice"]["interval"].as_u64().unwrap_or(0);
    }
}
