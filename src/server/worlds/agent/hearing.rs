//! What an agent makes of what it is told.

use super::*;

impl Agent {
    pub(in crate::server::worlds) fn read(&mut self, scene: &mut Scene<'_>, data: &Value, at: u64) {
        if let Some(request) = data["requestId"].as_str() {
            if let Some((_, asked)) = self.asked.remove(request) {
                self.answered(scene, asked, data, at);
            }
            return;
        }
        let session = data["session"].as_str().and_then(|id| id.parse().ok());
        let Some(session): Option<SessionId> = session else {
            return;
        };
        match data["operation"].as_str() {
            Some("event") => {
                let participant = self.joined.get(&session).map(|seat| seat.participant);
                let sight = self.sight(participant.unwrap_or(0));
                let disk = scene.disk.platter();
                let shown = &data["event"];
                match self.joined.get_mut(&session) {
                    Some(seat) => {
                        let index = disk.check_event(session, sight, shown, at);
                        let taken = seat.view.take(&disk, (session, sight), (index, at));
                        taken.unwrap_or_else(|wrong| panic!("an agent: {wrong}"));
                    }
                    // The answer to its joining was lost: whether an event is its own cannot be told.
                    None if self.out.contains(&session) => {
                        panic!("an agent that is out of {session} is told {shown}")
                    }
                    None if shown["to"].is_null() => {
                        disk.check_event(session, sight, shown, at);
                    }
                    None => {}
                }
            }
            Some("removed") => {
                self.joined.remove(&session);
                self.wanted.retain(|wanted| *wanted != session);
                let asks = |(_, asked): &(String, Asked)| matches!(asked, Asked::Join(of) | Asked::LateJoin(of) if *of == session);
                if !self.torn && !self.asked.values().any(asks) {
                    self.out.insert(session);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, scene: &mut Scene<'_>, asked: Asked, data: &Value, at: u64) {
        let ok = data["ok"] == true;
        match asked {
            Asked::Say { said, attempt, .. } => {
                let fate = scene.acknowledged(said, ok, at, None);
                scene.ledger.fate(said, attempt, fate);
                if fate == Fate::Done && !ok {
                    panic!("refused and done: {data}");
                }
            }
            Asked::Join(session) | Asked::LateJoin(session) if ok => {
                let participant = data["participantId"].as_u64().unwrap();
                let next = data["nextPosition"].as_u64().unwrap();
                let shown = data["transcript"].as_array().unwrap();
                let sight = self.sight(participant);
                let disk = scene.disk.platter();
                disk.check_stretch((session, sight), shown, (1, next), at);
                let seat = self.joined.entry(session).or_insert_with(|| Seat {
                    participant,
                    view: View::from(next),
                });
                if seat.participant != participant {
                    seat.participant = participant;
                    seat.view = View::from(next);
                }
                if self.torn {
                    seat.view.broken();
                }
            }
            Asked::Join(session) | Asked::LateJoin(session) => {
                let gone = ["unknown-session", "session-closed", "forbidden"];
                if gone.iter().any(|code| data["error"]["code"] == *code) {
                    self.wanted.retain(|wanted| *wanted != session);
                }
            }
            Asked::Read { session, from } if ok => {
                let Some(seat) = self.joined.get(&session) else {
                    return;
                };
                let next = data["nextPosition"].as_u64().unwrap();
                let shown = data["transcript"].as_array().unwrap();
                let sight = self.sight(seat.participant);
                let disk = scene.disk.platter();
                disk.check_stretch((session, sight), shown, (from, next), at);
            }
            Asked::Leave(session) if ok => {
                self.joined.remove(&session);
            }
            Asked::Read { .. } | Asked::Leave(_) | Asked::Else => {}
        }
    }

    /// Some ask again, under the same id or another one.
    pub(in crate::server::worlds) fn unanswered(&mut self, scene: &mut Scene<'_>, id: &str) {
        let Some(request) = self.asked.iter().find(|(_, (by, _))| by == id) else {
            return;
        };
        let request = request.0.clone();
        let (_, asked) = self.asked[&request].clone();
        let Asked::Say {
            said,
            attempt,
            data,
        } = asked
        else {
            // It is asked anew when it still matters. An answer to a joining that comes all the same says where events go on.
            match asked {
                Asked::Join(session) | Asked::LateJoin(session) => {
                    let late = (id.to_owned(), Asked::LateJoin(session));
                    self.asked.insert(request, late);
                }
                _ => {
                    self.asked.remove(&request);
                }
            }
            return;
        };
        if !self.bayeux.is_on() || scene.dice.one_in(3) {
            return;
        }
        if scene.dice.one_in(2) {
            let mut again = data;
            again["requestId"] = json!(request);
            self.bayeux
                .publish(scene.life, scene.net, scene.now, &again, Some(id));
            scene.ledger.repeat(said, attempt);
        } else {
            self.asked.remove(&request);
            let attempt = scene.ledger.try_again(said);
            let asked = Asked::Say {
                said,
                attempt,
                data: data.clone(),
            };
            self.ask(scene, data, asked);
        }
    }
}
