//! The conformance checklist, row by row, as far as a machine without sockets can show it.

mod acks;
mod broadcast;
mod confirm;
mod connect;
mod cuts;
mod ending;
mod handshake;
mod publish;
mod putting_off;
mod stamps;
mod subscribe;

use std::time::Duration;

use serde_json::{Value, json};

use super::broker::Broker;
use crate::id::ClientId;

/// A client of a broker over HTTP, on one connection for its connects and one for the rest.
struct Client {
    id: ClientId,
    name: String,
    talk: u64,
    poll: u64,
}

impl Client {
    /// Shakes hands over HTTP and connects once.
    fn new(broker: &mut Broker, connections: u64) -> Self {
        let client = Self::greet(broker, connections, json!({}));
        let first = broker.ask(client.poll, &client.connect());
        assert_eq!(first[0]["successful"], true);
        client
    }

    fn greet(broker: &mut Broker, connections: u64, ext: Value) -> Self {
        let hello = json!({"channel": "/meta/handshake", "version": "1.0", "ext": ext});
        Self::from_reply(&broker.ask(connections, &hello)[0], connections)
    }

    /// Shakes hands over a WebSocket and connects once.
    fn on_socket(broker: &mut Broker, socket: u64, ext: Value) -> Self {
        let hello = json!({"channel": "/meta/handshake", "version": "1.0", "ext": ext});
        let client = Self::from_reply(&broker.frame(socket, &hello)[0], socket);
        let mut connect = client.connect();
        connect["ext"] = json!({"ack": 0});
        broker.frame(socket, &connect);
        client
    }

    fn from_reply(reply: &Value, connections: u64) -> Self {
        let name = reply["clientId"].as_str().expect("a client id").to_owned();
        Self {
            id: name.parse().expect("one of ours"),
            name,
            talk: connections,
            poll: connections + 100,
        }
    }

    fn connect(&self) -> Value {
        json!({"id": "c", "channel": "/meta/connect", "clientId": self.name})
    }

    /// What waits, fetched by a connect that is answered at once where the last reply came from.
    fn fetch(&self, broker: &mut Broker) -> Vec<Value> {
        data(&broker.ask(self.poll, &self.connect_at_once()))
    }

    fn connect_at_once(&self) -> Value {
        let mut connect = self.connect();
        connect["advice"] = json!({"timeout": 0});
        connect
    }

    fn message(&self, channel: &str, fields: Value) -> Value {
        let mut message = json!({"channel": channel, "clientId": self.name});
        for (name, value) in fields.as_object().expect("an object") {
            message[name] = value.clone();
        }
        message
    }

    fn publish(&self, id: &str, channel: &str, data: impl Into<Value>) -> Value {
        self.message(channel, json!({"id": id, "data": data.into()}))
    }

    fn subscribe(&self, to: impl Into<Value>) -> Value {
        self.message("/meta/subscribe", json!({"subscription": to.into()}))
    }
}

/// The data of the events among messages, which are those that are no replies.
fn data(messages: &[Value]) -> Vec<Value> {
    let events = messages
        .iter()
        .filter(|message| message["successful"].is_null());
    events.map(|event| event["data"].clone()).collect()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
