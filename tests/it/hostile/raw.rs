//! Clients that say exactly what the story wants.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Caller, Server, within};

pub const PATH: &str = "/genesys/cometd";
pub const CHANNEL: &str = "/service/chatV2/customer-support";

/// A WebSocket that says exactly what the story wants.
pub struct Raw(pub WebSocketStream<TcpStream>);

impl Raw {
    pub async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.public).await.unwrap();
        let url = format!("ws://{}{PATH}", server.public);
        Self(
            tokio_tungstenite::client_async(url, stream)
                .await
                .unwrap()
                .0,
        )
    }

    /// Shakes hands, with whatever else in the handshake; the client's id.
    pub async fn greet(&mut self, more: &Value) -> String {
        let mut hello = json!({"id": "hi", "channel": "/meta/handshake", "version": "1.0"});
        for (name, value) in more.as_object().unwrap() {
            hello[name] = value.clone();
        }
        self.say(&hello.to_string()).await;
        let reply = self.until("hi").await.pop().unwrap();
        reply["clientId"].as_str().unwrap().to_owned()
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Everything said up to the reply to `id`, which is the last.
    pub async fn until(&mut self, id: &str) -> Vec<Value> {
        let mut said = Vec::new();
        loop {
            let frame = within("a frame", self.0.next()).await.unwrap().unwrap();
            if let Message::Text(text) = frame {
                for message in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
                    let last = message["id"] == id;
                    said.push(message);
                    if last {
                        return said;
                    }
                }
            } else if let Message::Close(close) = frame {
                panic!("closed: {close:?} after {said:?}");
            }
        }
    }

    /// Sends, and gives back the reply to `id`.
    pub async fn ask(&mut self, id: &str, text: &str) -> Value {
        self.say(text).await;
        self.until(id).await.pop().unwrap()
    }

    /// The code of the server's close.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match within("the end of the WebSocket", self.0.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// One HTTP client with its cookie, as a browser has it.
pub struct Poller {
    pub caller: Caller,
    url: String,
    cookie: String,
    /// Its id.
    pub client: String,
}

impl Poller {
    pub async fn greet(server: &Server) -> Self {
        let (caller, url) = (Caller::new(), server.public(PATH));
        let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0"}]);
        let reply = caller
            .post(&url, "application/json", hello.to_string())
            .await;
        let cookie = reply
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let client = reply.json()[0]["clientId"].as_str().unwrap().to_owned();
        let poller = Self {
            caller,
            url,
            cookie,
            client,
        };
        let first = poller.ask(&poller.connect("2")).await;
        assert_eq!(first[0]["successful"], true, "{first}");
        poller
    }

    pub fn connect(&self, id: &str) -> Value {
        json!({"id": id, "channel": "/meta/connect", "clientId": self.client})
    }

    pub async fn post(&self, body: &str) -> (u16, Value) {
        let request = self
            .caller
            .request(reqwest::Method::POST, &self.url)
            .header("cookie", &self.cookie)
            .body(body.to_owned());
        let reply = self.caller.send(request).await;
        (reply.status, reply.json())
    }

    pub async fn ask(&self, body: &Value) -> Value {
        let (status, reply) = self.post(&body.to_string()).await;
        assert_eq!(status, 200, "{body}");
        reply
    }
}

pub fn reply<'a>(messages: &'a Value, id: &str) -> &'a Value {
    let all = messages.as_array().unwrap();
    let found = all.iter().find(|message| message["id"] == id);
    found.unwrap_or_else(|| panic!("no reply to {id}: {messages}"))
}
