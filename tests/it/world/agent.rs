//! Agents, bots and supervisors.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{BOB, Bayeux, CAROL, Door, ROBBIE, Server, within};

const CHANNEL: &str = "/service/agent";

/// Why a request was refused: `error.code` of its answer.
pub type Refusal = String;

/// Somebody at the internal listener.
pub struct Agent {
    /// The client it talks with.
    pub bayeux: Bayeux,
    serial: u64,
    unasked: VecDeque<Value>,
}

impl Agent {
    /// The agent *bob* on a WebSocket.
    pub async fn bob(server: &Server) -> Self {
        Self::with_token(server, Door::Socket, BOB).await
    }

    /// The supervisor *carol* on a WebSocket.
    pub async fn carol(server: &Server) -> Self {
        Self::with_token(server, Door::Socket, CAROL).await
    }

    /// The bot *robbie* on a WebSocket.
    pub async fn robbie(server: &Server) -> Self {
        Self::with_token(server, Door::Socket, ROBBIE).await
    }

    /// Whoever this token is of.
    pub async fn with_token(server: &Server, door: Door, token: &str) -> Self {
        let ext = json!({"authentication": {"token": token}});
        let bayeux = Bayeux::connect(door, server.internal, "/cometd", Some(ext)).await;
        Self {
            bayeux,
            serial: 0,
            unasked: VecDeque::new(),
        }
    }

    /// Asks for something and waits for the answer.
    pub async fn ask(&mut self, operation: &str, mut fields: Value) -> Result<Value, Refusal> {
        self.serial += 1;
        let id = format!("r{}", self.serial);
        fields["operation"] = json!(operation);
        fields["requestId"] = json!(id);
        let reply = self.bayeux.publish(CHANNEL, fields).await;
        assert_eq!(reply["successful"], true, "{reply}");
        let answer = within(operation, self.answer(&id)).await;
        assert_eq!(answer["operation"], operation, "{answer}");
        if answer["ok"] == true {
            return Ok(answer);
        }
        assert!(
            answer["error"]["advice"].is_string(),
            "a refusal advises: {answer}"
        );
        Err(answer["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Asks for several things without waiting in between; their answers, in the order of the requests.
    pub async fn ask_at_once(&mut self, requests: &[Value]) -> Vec<Value> {
        let first = self.serial + 1;
        let messages = self.messages(requests);
        let last = format!("r{}", self.serial);
        self.bayeux.exchange(json!(messages), &last).await;
        let mut answers = Vec::new();
        for serial in first..=self.serial {
            let id = format!("r{serial}");
            answers.push(within(&id, self.answer(&id)).await);
        }
        answers
    }

    /// Asks for several things at once and listens meanwhile, as clients do; their answers, in the order in which they come.
    pub async fn ask_and_listen(&mut self, requests: &[Value]) -> Vec<Value> {
        let first = self.serial + 1;
        let messages = self.messages(requests);
        self.bayeux.send(json!(messages)).await;
        let ids: Vec<_> = (first..=self.serial).map(|id| format!("r{id}")).collect();
        let mut answers = Vec::new();
        while answers.len() < ids.len() {
            let message = within("an answer", self.read()).await;
            match ids.iter().any(|id| message["requestId"] == id.as_str()) {
                true => answers.push(message),
                false => self.unasked.push_back(message),
            }
        }
        answers
    }

    /// The publishes of these requests, each under the id of its request.
    fn messages(&mut self, requests: &[Value]) -> Vec<Value> {
        let client_id = self.bayeux.client_id.clone();
        let message = |request: &Value| {
            self.serial += 1;
            let id = format!("r{}", self.serial);
            let mut data = request.clone();
            data["requestId"] = json!(id);
            json!({"id": id, "channel": CHANNEL, "clientId": client_id, "data": data})
        };
        requests.iter().map(message).collect()
    }

    /// Joins a chat, for everybody to see; returns the answer.
    pub async fn join(&mut self, session: &str) -> Value {
        self.ask("join", json!({"session": session, "visibility": "ALL"}))
            .await
            .unwrap()
    }

    /// The entry of a chat in the list of open ones.
    pub async fn listed(&mut self, session: &str) -> Value {
        let list = self.ask("sessions", json!({})).await.unwrap();
        let entries = list["sessions"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["session"] == session);
        entry
            .unwrap_or_else(|| panic!("{session} is not listed: {list}"))
            .clone()
    }

    /// Says something in a joined chat; returns its index.
    pub async fn say(&mut self, session: &str, text: &str) -> u64 {
        let answer = self
            .ask("message", json!({"session": session, "text": text}))
            .await
            .unwrap();
        answer["index"].as_u64().unwrap()
    }

    /// The next unasked message that fits; others are skipped.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        within(what, async {
            loop {
                while let Some(message) = self.unasked.pop_front() {
                    if fits(&message) {
                        return message;
                    }
                }
                let message = self.read().await;
                self.unasked.push_back(message);
            }
        })
        .await
    }

    /// The next event of this type in any joined chat.
    pub async fn event(&mut self, kind: &str) -> Value {
        let message = self
            .until(kind, |message| {
                message["operation"] == "event" && message["event"]["type"] == kind
            })
            .await;
        message["event"].clone()
    }

    /// The next change of a session in the watched list to this state.
    pub async fn state(&mut self, session: &str, state: &str) -> Value {
        let fits = |message: &Value| {
            message["operation"] == "session"
                && message["session"] == session
                && message["state"] == state
        };
        self.until(state, fits).await
    }

    async fn answer(&mut self, id: &str) -> Value {
        if let Some(known) = self.unasked.iter().position(|one| one["requestId"] == id) {
            return self.unasked.remove(known).unwrap_or_default();
        }
        loop {
            let message = self.read().await;
            if message["requestId"] == id {
                return message;
            }
            self.unasked.push_back(message);
        }
    }

    async fn read(&mut self) -> Value {
        let message = self.bayeux.data().await;
        assert_eq!(message["channel"], CHANNEL, "{message}");
        message["data"].clone()
    }
}
