//! A customer over CometD.

use serde_json::{Value, json};

use super::{Bayeux, Door, Server, events};

const CHANNEL: &str = "/service/chatV2/customer-support";

/// A customer in a chat, who checks on the way that each event comes in order and once.
pub struct Customer {
    /// The client it talks with.
    pub bayeux: Bayeux,
    /// The chat's CometD key.
    pub key: String,
    /// The chat's id, as in REST.
    pub chat: String,
    /// The events seen so far.
    pub seen: Vec<Value>,
    /// The last data message.
    pub last: Value,
}

impl Customer {
    /// *Alice*, in a new chat.
    pub async fn alice(server: &Server, door: Door) -> Self {
        Self::request(server, door, json!({"nickname": "Alice"})).await
    }

    /// Somebody who requests a chat with these fields.
    pub async fn request(server: &Server, door: Door, fields: Value) -> Self {
        let mut customer = Self::knock(server, door).await;
        customer.publish("requestChat", fields).await;
        customer.next().await;
        assert_eq!(customer.last["statusCode"], 0, "{}", customer.last);
        customer.key = customer.last["secureKey"].as_str().unwrap().to_owned();
        server.keep_secret(&customer.key);
        customer.chat = customer.last["chatId"].as_str().unwrap().to_owned();
        customer
    }

    /// Somebody with a subscribed client and no chat yet.
    pub async fn knock(server: &Server, door: Door) -> Self {
        let mut bayeux = Bayeux::connect(door, server.public, "/genesys/cometd", None).await;
        bayeux.subscribe(CHANNEL).await;
        Self {
            bayeux,
            key: String::new(),
            chat: String::new(),
            seen: Vec::new(),
            last: Value::Null,
        }
    }

    /// Comes back to a chat by its key and the position it was read to.
    pub async fn resume(server: &Server, door: Door, key: &str, position: u64) -> Self {
        let mut customer = Self::knock(server, door).await;
        customer.key = key.to_owned();
        customer
            .publish(
                "requestNotifications",
                json!({"transcriptPosition": position}),
            )
            .await;
        customer
    }

    /// Publishes an operation on this chat; the publish itself must be acknowledged.
    pub async fn publish(&mut self, operation: &str, mut fields: Value) {
        fields["operation"] = json!(operation);
        if !self.key.is_empty() {
            fields["secureKey"] = json!(self.key);
        }
        let reply = self.bayeux.publish(CHANNEL, fields).await;
        assert_eq!(reply["successful"], true, "{reply}");
    }

    /// Says something and waits until it stands in the transcript.
    pub async fn say(&mut self, text: &str) -> Value {
        self.publish("sendMessage", json!({"message": text})).await;
        self.until(|event| event["type"] == "Message" && event["text"] == text)
            .await
    }

    /// The next data message; its events are in `seen`.
    pub async fn next(&mut self) -> Value {
        let message = self.bayeux.data().await;
        assert_eq!(message["channel"], CHANNEL, "{message}");
        self.last = message["data"].clone();
        for event in events(&self.last) {
            self.see(event);
        }
        self.last.clone()
    }

    /// The first event that fits, of those seen and those that will come.
    pub async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let mut read = 0;
        loop {
            if let Some(event) = self.seen[read..].iter().find(|event| fits(event)) {
                return event.clone();
            }
            read = self.seen.len();
            self.next().await;
        }
    }

    /// Reads until the chat has ended.
    pub async fn until_ended(&mut self) -> Value {
        while self.last["chatEnded"] != true {
            self.next().await;
        }
        self.last.clone()
    }

    /// The position from which nothing has been read.
    pub fn position(&self) -> u64 {
        self.seen
            .last()
            .and_then(|event| event["index"].as_u64())
            .unwrap_or(0)
            + 1
    }

    // After a broken connection an event may come twice; otherwise indexes only grow.
    fn see(&mut self, event: Value) {
        let index = event["index"]
            .as_u64()
            .unwrap_or_else(|| panic!("no index: {event}"));
        if index >= self.position() {
            self.seen.push(event);
        } else {
            let known = self.seen.iter().any(|seen| seen["index"] == event["index"]);
            assert!(
                known,
                "event {index} came after event {}",
                self.position() - 1
            );
        }
    }
}
