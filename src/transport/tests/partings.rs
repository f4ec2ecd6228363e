//! Ends: what is still owed to a client that has gone, and what becomes of very many that go at once.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::bayeux::{self, Carrier, ConnectionId};
use crate::transport::reception::Visit;
use crate::transport::sharded::lock;
use crate::transport::timers::SLICE;
use crate::transport::{Connection, Registry};

/// A publish whose answer takes a while, and the goodbye in the same request.
fn publish_and_leave(client: &str) -> Value {
    json!([publish(client, "p", "wait"), {"id": "d", "channel": "/meta/disconnect", "clientId": client}])
}

fn outcome(messages: &[Value]) -> Vec<(&str, bool)> {
    let replies = messages.iter().filter(|message| message["id"].is_string());
    replies
        .map(|reply| {
            let id = reply["id"].as_str().expect("an id");
            (id, reply["successful"] == true)
        })
        .collect()
}

async fn answered<T>(reply: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), reply)
        .await
        .expect("an answer")
}

/// Answers the publish that waits, once it is there.
async fn answer_late(server: &Server) {
    let party = server.toy.newest();
    answered(async {
        while lock(&party.waiting).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let done = lock(&party.waiting).pop();
    done.expect("a publish").ok();
}

/// A WebSocket whose client publishes and leaves in one frame.
struct Leaving(tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>);

impl Leaving {
    async fn new(server: &Server) -> Self {
        let mut socket = Self(server.websocket().await);
        let client = socket.greet().await;
        socket.send(&publish_and_leave(&client)).await;
        socket
    }

    async fn greet(&mut self) -> String {
        self.send(&handshake()).await;
        let messages = self.read_until("1").await;
        let mut clients = messages
            .iter()
            .filter_map(|reply| reply["clientId"].as_str());
        clients.next().expect("a client").to_owned()
    }

    async fn send(&mut self, body: &Value) {
        let frame = Frame::Text(body.to_string().into());
        self.0.send(frame).await.expect("a connection");
    }

    /// Everything up to the reply to `id`.
    async fn read_until(&mut self, id: &str) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        while !messages.iter().any(|message| message["id"] == id) {
            let frame = answered(self.0.next()).await.expect("a frame");
            let text = frame.expect("a connection").into_text().expect("text");
            messages.extend(serde_json::from_str::<Vec<Value>>(&text).expect("an array"));
        }
        messages
    }
}

// A client that published and disconnected in one request was forgotten at once, and its socket let go of it: the answer to
// the publish, which came a moment later, had nobody to go to, and the disconnect in the same request was not answered.
#[tokio::test]
async fn who_publishes_and_leaves_in_one_frame_hears_how_both_went() {
    let server = Server::start().await;
    let mut socket = Leaving::new(&server).await;
    answer_late(&server).await;
    let replies = socket.read_until("d").await;
    assert_eq!(outcome(&replies), [("p", true), ("d", true)]);
    until_empty(&server.registry).await;
}

#[tokio::test]
async fn who_publishes_and_leaves_in_one_post_hears_how_both_went() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    http.send(&publish_and_leave(&client)).await;
    answer_late(&server).await;
    let reply = answered(http.read()).await;
    assert_eq!(outcome(&reply.messages()), [("p", true), ("d", true)]);
    until_empty(&server.registry).await;
}

// The deadline of a publish stood with the client, and the client was gone: a publish that is never answered held the
// exchange, its connection and its task for ever.
#[tokio::test]
async fn the_deadline_of_a_publish_outlives_its_client() {
    let server = Server::with(|config| config.publish_timeout = Duration::from_millis(50)).await;
    let mut socket = Leaving::new(&server).await;
    let replies = socket.read_until("d").await;
    assert_eq!(outcome(&replies), [("p", false), ("d", true)]);
    let (mut http, client) = server.client().await;
    http.send(&publish_and_leave(&client)).await;
    let reply = answered(http.read()).await;
    assert_eq!(outcome(&reply.messages()), [("p", false), ("d", true)]);
    until_empty(&server.registry).await;
}

#[tokio::test]
async fn a_socket_may_begin_anew_while_an_answer_to_its_last_client_is_owed() {
    let server = Server::start().await;
    let mut socket = Leaving::new(&server).await;
    let gone = server.toy.newest();
    let client = socket.greet().await;
    socket.send(&publish(&client, "n", 1)).await;
    socket.read_until("n").await;
    let done = lock(&gone.waiting).pop();
    done.expect("a publish").ok();
    let replies = socket.read_until("d").await;
    assert!(outcome(&replies).ends_with(&[("p", true), ("d", true)]));
}

// All that was due was looked at in one go, so whoever else had something to do waited for the last of them.
#[tokio::test]
async fn row_121_others_have_their_turn_while_very_many_sessions_end() {
    const MANY: u64 = 10 * SLICE as u64;
    let server = Server::with(|config| config.max_interval = Duration::from_millis(50)).await;
    for number in 0..MANY {
        greet(&server.registry, number);
    }
    let sessions = || server.registry.counters().sessions;
    let mut before = sessions();
    assert_eq!(before, MANY);
    while before > 0 {
        tokio::task::yield_now().await;
        let now = sessions();
        assert!(before - now <= SLICE as u64, "{before} to {now} at once");
        before = now;
    }
}

#[tokio::test]
async fn there_are_only_so_many_clients() {
    let server = Server::start().await;
    let mut options = server.registry.options();
    options.clients_max = 2;
    server.registry.reload(options);
    let (mut http, client) = server.client().await;
    server.client().await;
    let refused = http.post(&handshake()).await.messages();
    assert_eq!(
        refused[0]["error"],
        "503:[limits] clients = 2:client_limit_reached"
    );
    assert_eq!(refused[0]["advice"]["reconnect"], "retry");
    assert!(refused[0]["advice"]["interval"].as_u64() >= Some(1_000));
    assert_eq!(server.registry.counters().clients_refused, 1);
    let bye = json!({"id": "3", "channel": "/meta/disconnect", "clientId": client});
    http.post(&bye).await;
    assert_eq!(
        http.post(&handshake()).await.messages()[0]["successful"],
        true
    );
}

fn greet(registry: &std::sync::Arc<Registry>, number: u64) {
    let text = handshake().to_string();
    let messages = bayeux::parse(&text, 1).expect("a message");
    let visit = Visit {
        carrier: Carrier::Http,
        connection: Connection {
            id: ConnectionId(number),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            secure: false,
        },
        authorization: None,
        browser: None,
        socket: None,
    };
    assert!(registry.handshake(&messages[0], &visit).1.is_some());
}

async fn until_empty(registry: &Registry) {
    answered(async {
        while registry.counters().sessions > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

// The library had the answer to a goodbye, and nobody let it write it: every client that closed its socket in order saw it
// break instead (1006 in a browser).
#[tokio::test]
async fn who_closes_its_socket_in_order_is_answered_in_order() {
    let server = Server::start().await;
    for code in [
        CloseCode::Normal,
        CloseCode::Away,
        CloseCode::Library(4_000),
    ] {
        let mut socket = server.websocket().await;
        let reason = "bye".into();
        let close = Frame::Close(Some(CloseFrame { code, reason }));
        socket.send(close).await.expect("a connection");
        match answered(socket.next()).await {
            Some(Ok(Frame::Close(Some(close)))) => assert_eq!(close.code, code),
            other => panic!("{other:?}"),
        }
        assert!(answered(socket.next()).await.is_none(), "a clean end");
    }
}
