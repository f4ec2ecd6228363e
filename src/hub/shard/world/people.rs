//! What customers and agents do.

use super::*;
use crate::chat::{AfterAction, Speech, Style, UserData, UserType, Visibility};

impl World {
    pub(super) fn somebody_begins(&mut self) {
        if self.sessions.len() >= 4 {
            return;
        }
        let session = SessionId::new(self.bench.now.wall, self.random);
        let viewer = (self.below(2) == 0).then(|| self.client(false));
        if let Some(client) = &viewer {
            client.begins(session, CUSTOMER, 1);
        }
        let durable = self.durable.clone();
        let reply = Box::new(move |done: Result<Done, Refusal>| {
            let told = done.is_err() || durable.lock().unwrap().contains(&(session, 1));
            assert!(told, "answered before it is stored");
        });
        let begin = Begin {
            session,
            create: Create {
                service: "customer-support".into(),
                nickname: "alice".into(),
                subject: None,
                user_data: UserData::new(),
                async_mode: self.below(2) == 0,
            },
            subscription: None,
            viewer: viewer.map(|client| client as Arc<dyn Viewer>),
            reply,
        };
        self.sessions.push(session);
        self.bench
            .shard
            .handle(Input::Create(Box::new(begin)), self.bench.now);
    }

    pub(super) fn somebody_joins(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let client = self.client(true);
        let supervisor = self.below(3) == 0;
        let visibility = match self.below(3) {
            0 => Visibility::All,
            1 => Visibility::Int,
            _ if supervisor => Visibility::Vip,
            _ => Visibility::All,
        };
        let join = Join {
            account: format!("agent-{}", self.below(3)),
            nickname: "Bob".into(),
            user_type: match supervisor {
                true => UserType::Supervisor,
                false => UserType::Agent,
            },
            style: Style::Person,
            visibility,
            client_version: 106,
            user_data: UserData::new(),
        };
        let (joined, durable) = (client.clone(), self.durable.clone());
        let reply = Box::new(move |result: Result<Joined, Refusal>| {
            let Ok(Joined { participant, page }) = result else {
                return;
            };
            let durable = durable.lock().unwrap();
            let stored = |index| durable.contains(&(session, index));
            assert!(page.events.iter().all(|event| stored(event.index)));
            let already = joined
                .looks
                .lock()
                .unwrap()
                .get(&session)
                .is_some_and(|look| look.participant == Some(participant));
            if !already {
                joined.begins(session, participant, page.next_position);
            }
        });
        let bytes_max = client.bytes_max;
        self.hand(
            session,
            Ask::Join {
                join,
                viewer: client,
                bytes_max,
                reply,
            },
        );
    }

    pub(super) fn message(&mut self, speech: Speech) -> (Command, Reply<Done>) {
        let length = [10, 10, 3_000][self.below(3)];
        let text = format!("{:05}{}", self.said.len(), "x".repeat(length));
        let answer = Arc::new(Mutex::new(None));
        self.said.push(Said {
            text: text.clone(),
            answer: answer.clone(),
        });
        let durable = self.durable.clone();
        let reply = Box::new(move |done: Result<Done, Refusal>| {
            if let Ok(done) = &done {
                let key = (done.view.session, done.index.unwrap());
                assert!(
                    durable.lock().unwrap().contains(&key),
                    "answered before it is stored"
                );
            }
            *answer.lock().unwrap() = Some(done.is_ok());
        });
        (
            Command::Message {
                text,
                message_type: None,
                speech,
            },
            reply,
        )
    }

    pub(super) fn the_customer_speaks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let (command, reply) = self.message(Speech::default());
        let also = Also::default();
        let caller = Caller::Participant(CUSTOMER);
        self.hand(
            session,
            Ask::Submit {
                caller,
                command,
                also,
                reply,
            },
        );
    }

    pub(super) fn an_agent_speaks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let speech = Speech {
            visibility: [None, None, Some(Visibility::Int)][self.below(3)],
            to: [None, None, Some(CUSTOMER)][self.below(3)],
            ..Speech::default()
        };
        let agent = self.client(true);
        let (command, reply) = self.message(speech);
        self.hand(session, Ask::SubmitAs(agent.id, command, reply));
    }

    pub(super) fn somebody_leaves(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let command = Command::Release {
            participant: None,
            after: AfterAction::KeepAlive,
            reason: None,
        };
        let reply = Box::new(|_| {});
        match self.below(4) {
            0 => {
                let (caller, also) = (Caller::Participant(CUSTOMER), Also::default());
                self.hand(
                    session,
                    Ask::Submit {
                        caller,
                        command,
                        also,
                        reply,
                    },
                );
            }
            _ => {
                let agent = self.client(true);
                self.hand(session, Ask::SubmitAs(agent.id, command, reply));
            }
        }
    }

    pub(super) fn the_customer_looks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let client = self.client(false);
        let from = self.below(12) as u64;
        let looking = client.clone();
        let reply = Box::new(move |view: Result<View, Refusal>| {
            if let Ok(view) = view {
                looking.begins(session, CUSTOMER, from.clamp(1, view.next_index));
            }
        });
        self.hand(session, Ask::Watch(client, from, None, reply));
    }

    pub(super) fn somebody_reads(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let durable = self.durable.clone();
        let reply = Box::new(move |page: Result<Page, Refusal>| {
            let durable = durable.lock().unwrap();
            let events = page.map(|page| page.events).unwrap_or_default();
            let stored = |index| durable.contains(&(session, index));
            assert!(
                events.iter().all(|event| stored(event.index)),
                "read before it is stored"
            );
            assert!(events.is_sorted_by(|one, other| one.index < other.index));
        });
        let ask = Ask::Read {
            reader: CUSTOMER,
            from: self.below(20) as u64,
            bytes_max: [1, 4_000, 1 << 20][self.below(3)],
            acknowledge: true,
            reply,
        };
        self.hand(session, ask);
    }
}
