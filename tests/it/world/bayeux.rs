//! A Bayeux client that does nothing by itself: what it sends and when it listens is up to the story.

mod polling;

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{Caller, Reply, within};
use polling::Polling;

/// The transport a client comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// WebSocket.
    Socket,
    /// Long-polling.
    Polling,
}

impl Door {
    /// Each, for stories that must be true of both.
    pub const BOTH: [Self; 2] = [Self::Socket, Self::Polling];

    fn connection_type(self) -> &'static str {
        match self {
            Self::Socket => "websocket",
            Self::Polling => "long-polling",
        }
    }
}

enum Wire {
    Socket(Box<WebSocketStream<TcpStream>>),
    Polling(Polling),
}

/// A client with its session.
pub struct Bayeux {
    wire: Wire,
    address: SocketAddr,
    path: &'static str,
    /// The id of the session.
    pub client_id: String,
    /// The reply to the handshake.
    pub greeting: Value,
    held: Option<String>,
    events: VecDeque<Value>,
    /// Those to what was sent without waiting, over long-polling.
    replies: VecDeque<JoinHandle<Reply>>,
    serial: u64,
}

impl Bayeux {
    /// Connects, shakes hands and sends the first connect. Panics when refused.
    pub async fn connect(
        door: Door,
        address: SocketAddr,
        path: &'static str,
        ext: Option<Value>,
    ) -> Self {
        let mut client = Self::handshake(door, address, path, ext).await;
        assert_eq!(client.greeting["successful"], true, "{}", client.greeting);
        let reply = client.meta_connect(Some(0)).await;
        assert_eq!(reply["successful"], true, "{reply}");
        client
    }

    /// Connects and shakes hands; `greeting` has the server's reply, a refusal too.
    pub async fn handshake(
        door: Door,
        address: SocketAddr,
        path: &'static str,
        ext: Option<Value>,
    ) -> Self {
        let wire = match door {
            Door::Socket => Wire::Socket(Box::new(socket(address, path).await)),
            Door::Polling => Wire::Polling(Polling::new(format!("http://{address}{path}"))),
        };
        let mut client = Self {
            wire,
            address,
            path,
            client_id: String::new(),
            greeting: Value::Null,
            held: None,
            events: VecDeque::new(),
            replies: VecDeque::new(),
            serial: 0,
        };
        let mut hello = json!({"channel": "/meta/handshake", "version": "1.0", "minimumVersion": "1.0",
            "supportedConnectionTypes": [door.connection_type()]});
        if let Some(ext) = ext {
            hello["ext"] = ext;
        }
        client.greeting = client.request(hello).await;
        client.client_id = client.greeting["clientId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        client
    }

    /// Sends a message with a fresh id, and waits for its reply. Events that come first are kept for [`data`](Self::data).
    pub async fn request(&mut self, mut message: Value) -> Value {
        let id = self.fresh_id();
        message["id"] = json!(id);
        if !self.client_id.is_empty() {
            message["clientId"] = json!(self.client_id);
        }
        let replies = self.exchange(json!([message]), &id).await;
        replies
            .into_iter()
            .find(|reply| reply["id"] == id.as_str())
            .unwrap_or_else(|| panic!("no reply to {message}"))
    }

    /// Sends messages exactly as they are, and returns all replies to the last of them and before.
    pub async fn exchange(&mut self, messages: Value, last: &str) -> Vec<Value> {
        let mut replies = Vec::new();
        match &mut self.wire {
            Wire::Socket(socket) => {
                socket
                    .send(Message::text(messages.to_string()))
                    .await
                    .unwrap();
                while !replies.iter().any(|reply: &Value| reply["id"] == last) {
                    let batch = self.read_frame().await;
                    replies.extend(self.sort(batch));
                }
            }
            Wire::Polling(polling) => {
                let reply = polling.post("/", &messages).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                let batch = reply.json().as_array().cloned().unwrap_or_default();
                replies.extend(self.sort(batch));
            }
        }
        replies
    }

    /// Sends messages exactly as they are, and does not wait for the replies: listening goes on meanwhile.
    pub async fn send(&mut self, messages: Value) {
        match &mut self.wire {
            Wire::Socket(socket) => {
                let text = Message::text(messages.to_string());
                socket.send(text).await.unwrap();
            }
            Wire::Polling(polling) => {
                let (caller, request) = (polling.caller.clone(), polling.request("/", &messages));
                let reply = tokio::spawn(async move { caller.send(request).await });
                self.replies.push_back(reply);
            }
        }
    }

    /// Subscribes; it must succeed.
    pub async fn subscribe(&mut self, channel: &str) {
        let reply = self
            .request(json!({"channel": "/meta/subscribe", "subscription": channel}))
            .await;
        assert_eq!(reply["successful"], true, "{reply}");
    }

    /// Publishes; returns the acknowledgement, good or bad.
    pub async fn publish(&mut self, channel: &str, data: Value) -> Value {
        self.request(json!({"channel": channel, "data": data}))
            .await
    }

    /// As [`publish`](Self::publish), or nothing when the connection ends before the answer.
    pub async fn try_publish(&mut self, channel: &str, data: Value) -> Option<Value> {
        let id = self.fresh_id();
        let message =
            json!([{"id": id, "channel": channel, "clientId": self.client_id, "data": data}]);
        let text = Message::text(message.to_string());
        if let Wire::Socket(socket) = &mut self.wire {
            socket.send(text).await.ok()?;
        }
        loop {
            let batch = match &mut self.wire {
                Wire::Socket(_) => self.try_read_frame().await?,
                Wire::Polling(polling) => polling.try_post(&message).await?,
            };
            if let Some(reply) = self
                .sort(batch)
                .into_iter()
                .find(|reply| reply["id"] == id.as_str())
            {
                return Some(reply);
            }
        }
    }

    /// The next event, in the order of arrival; listens with a connect as long as there is none.
    pub async fn data(&mut self) -> Value {
        within("an event", async {
            loop {
                if let Some(event) = self.events.pop_front() {
                    return event;
                }
                self.listen().await;
            }
        })
        .await
    }

    /// The events that are there already.
    pub fn arrived(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }

    /// One `/meta/connect`, with `advice.timeout` in milliseconds or held as long as the server likes.
    pub async fn meta_connect(&mut self, timeout: Option<u64>) -> Value {
        let door = self.door();
        let mut message =
            json!({"channel": "/meta/connect", "connectionType": door.connection_type()});
        if let Some(timeout) = timeout {
            message["advice"] = json!({"timeout": timeout});
        }
        self.request(message).await
    }

    /// Ends the session; what an app says when it goes to the background rides in `ext`.
    pub async fn disconnect(&mut self, ext: Option<Value>) -> Value {
        let mut message = json!({"channel": "/meta/disconnect"});
        if let Some(ext) = ext {
            message["ext"] = ext;
        }
        self.request(message).await
    }

    /// The connection breaks: no closing handshake, no word. The session may live on.
    pub async fn cut(&mut self) {
        match &mut self.wire {
            Wire::Socket(socket) => {
                let linger = Some(std::time::Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(socket.get_ref(), linger).unwrap();
                **socket = self::socket(self.address, self.path).await;
            }
            Wire::Polling(polling) => polling.caller = Caller::new(),
        }
        self.held = None;
    }

    /// Sends a connect that will be held, and makes sure that the server has read it.
    pub async fn hold(&mut self) {
        self.send_connect().await;
        // What comes by one WebSocket is handled in order: the answer to what was sent later proves it.
        self.request(json!({"channel": "/meta/unsubscribe", "subscription": "/service/none"}))
            .await;
    }

    /// What the server says from now on until it closes the WebSocket, and its closing code.
    pub async fn farewell(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut said = Vec::new();
        let Wire::Socket(socket) = &mut self.wire else {
            return (said, None);
        };
        loop {
            match within("the end of the WebSocket", socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    said.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
                }
                Some(Ok(Message::Close(frame))) => {
                    return (said, frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (said, None),
            }
        }
    }

    /// The `BAYEUX_BROWSER` cookie as it was set, attributes and all.
    pub fn cookie(&self) -> &str {
        match &self.wire {
            Wire::Socket(_) => "",
            Wire::Polling(polling) => &polling.set_cookie,
        }
    }

    /// Sends another cookie from now on, or none.
    pub fn pretend(&mut self, cookie: Option<&str>) {
        if let Wire::Polling(polling) = &mut self.wire {
            polling.cookie = cookie.map(str::to_owned);
        }
    }

    fn door(&self) -> Door {
        match self.wire {
            Wire::Socket(_) => Door::Socket,
            Wire::Polling(_) => Door::Polling,
        }
    }

    async fn listen(&mut self) {
        let Door::Socket = self.door() else {
            // Events may come with other replies as well, which are looked at in between.
            let timeout = (!self.replies.is_empty()).then_some(100);
            let reply = self.meta_connect(timeout).await;
            assert_eq!(reply["successful"], true, "{reply}");
            self.sort_replies().await;
            return;
        };
        if self.held.is_none() {
            self.send_connect().await;
        }
        let batch = self.read_frame().await;
        self.sort(batch);
    }

    /// Takes the events that came with replies that nobody has waited for.
    async fn sort_replies(&mut self) {
        while self.replies.front().is_some_and(JoinHandle::is_finished)
            && let Some(reply) = self.replies.pop_front()
        {
            let batch = reply.await.unwrap().json();
            self.sort(batch.as_array().cloned().unwrap_or_default());
        }
    }

    async fn send_connect(&mut self) {
        let id = self.fresh_id();
        let message = json!([{"id": id, "channel": "/meta/connect", "connectionType": "websocket", "clientId": self.client_id}]);
        let Wire::Socket(socket) = &mut self.wire else {
            return;
        };
        socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        self.held = Some(id);
    }

    async fn read_frame(&mut self) -> Vec<Value> {
        self.try_read_frame()
            .await
            .unwrap_or_else(|| panic!("the WebSocket ended"))
    }

    async fn try_read_frame(&mut self) -> Option<Vec<Value>> {
        let Wire::Socket(socket) = &mut self.wire else {
            return None;
        };
        loop {
            match within("a WebSocket frame", socket.next()).await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }

    // Keeps the events, and gives back the replies.
    fn sort(&mut self, batch: Vec<Value>) -> Vec<Value> {
        let (replies, events): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|message| message.get("successful").is_some());
        if replies
            .iter()
            .any(|reply| self.held.as_deref().is_some_and(|held| reply["id"] == held))
        {
            self.held = None;
        }
        self.events.extend(events);
        replies
    }

    fn fresh_id(&mut self) -> String {
        self.serial += 1;
        self.serial.to_string()
    }
}

/// A WebSocket to the server; panics when the upgrade is refused.
async fn socket(address: SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let upgrade = tokio_tungstenite::client_async(format!("ws://{address}{path}"), stream);
    within("the WebSocket upgrade", upgrade).await.unwrap().0
}
