//! WebSocket stories.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

type Socket = WebSocketStream<TcpStream>;

async fn send(socket: &mut Socket, body: &Value) {
    let frame = Frame::Text(body.to_string().into());
    socket.send(frame).await.expect("a connection");
}

/// The messages of the next frame.
async fn read(socket: &mut Socket) -> Vec<Value> {
    loop {
        match socket.next().await.expect("a frame").expect("a connection") {
            Frame::Text(text) => return serde_json::from_str(&text).expect("an array"),
            Frame::Close(close) => panic!("closed: {close:?}"),
            _ => {}
        }
    }
}

/// How the server closes.
async fn closed(socket: &mut Socket) -> CloseFrame {
    loop {
        let frame = socket.next().await.expect("a frame").expect("a connection");
        if let Frame::Close(close) = frame {
            return close.expect("a reason");
        }
    }
}

async fn close_code(socket: &mut Socket) -> u16 {
    closed(socket).await.code.into()
}

/// Shakes hands and connects once.
async fn client(socket: &mut Socket) -> String {
    send(socket, &handshake()).await;
    let reply = read(socket).await;
    let client = reply[0]["clientId"]
        .as_str()
        .expect("a client id")
        .to_owned();
    send(socket, &connect(&client)).await;
    assert_eq!(read(socket).await[0]["successful"], true);
    client
}

async fn until(so: impl Fn() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never was so");
}

#[tokio::test]
async fn row_016_to_022_an_echo() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = client(&mut socket).await;
    send(&mut socket, &json!([])).await;
    let ping = Frame::Ping(bytes::Bytes::from_static(b"x"));
    socket.send(ping).await.expect("a connection");
    send(
        &mut socket,
        &json!([publish(&client, "3", "é"), publish(&client, "4", 2)]),
    )
    .await;
    let mut messages = Vec::new();
    while messages.len() < 4 {
        messages.extend(read(&mut socket).await);
    }
    assert_eq!(data(&messages), [json!("é"), json!(2)]);
    let replies = messages
        .iter()
        .filter(|message| message["successful"] == true);
    let ids: Vec<_> = replies.map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, ["3", "4"], "each is answered");
    assert_eq!(server.registry.counters().websockets, 1);
}

#[tokio::test]
async fn row_011_and_020_what_cannot_be_read_closes_the_socket() {
    let server = Server::with(|config| config.max_message_size = 1_000).await;
    let large = format!("[{}]", " ".repeat(999));
    for (text, code, reason) in [
        ("{bad", 1007, "malformed"),
        ("[{\"secret\":}]", 1007, "malformed"),
        ("", 1007, "malformed"),
        ("[null]", 1002, "not Bayeux messages"),
        ("\"secret\"", 1002, "not Bayeux messages"),
        ("42", 1002, "not Bayeux messages"),
        (large.as_str(), 1009, ""),
    ] {
        let mut socket = server.websocket().await;
        let frame = Frame::Text(text.to_owned().into());
        socket.send(frame).await.expect("a connection");
        let closed = closed(&mut socket).await;
        assert_eq!(u16::from(closed.code), code, "{text}");
        assert!(
            code == 1009 || closed.reason.as_str() == reason,
            "{closed:?}"
        );
        assert!(closed.reason.len() < 60 && !closed.reason.contains("secret"));
    }
    let mut socket = server.websocket().await;
    let exact = format!(
        "[{}{}]",
        handshake(),
        " ".repeat(998 - handshake().to_string().len())
    );
    assert_eq!(exact.len(), 1_000);
    socket.send(Frame::text(exact)).await.expect("a connection");
    assert_eq!(read(&mut socket).await[0]["successful"], true);
}

#[tokio::test]
async fn large_messages_between_small_ones_are_neither_cut_nor_lost() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = client(&mut socket).await;
    let sizes = [10, 20_000, 10, 125, 126, 60_000, 10];
    for (id, size) in sizes.into_iter().enumerate() {
        let text = "x".repeat(size);
        // Two at once, so that one is in the buffers while the other is answered.
        send(
            &mut socket,
            &publish(&client, &format!("{id}a"), text.as_str()),
        )
        .await;
        send(&mut socket, &publish(&client, &format!("{id}b"), size)).await;
        let mut messages = Vec::new();
        while messages.len() < 4 {
            messages.extend(read(&mut socket).await);
        }
        assert_eq!(data(&messages), [json!(text), json!(size)]);
    }
}

#[tokio::test]
async fn bytes_that_come_one_by_one_are_frames_in_the_end() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = client(&mut socket).await;
    for (id, size) in [0, 3, 120, 130, 900].into_iter().enumerate() {
        let text = "ü".repeat(size);
        let whole = publish(&client, &id.to_string(), text.as_str()).to_string();
        for byte in masked(&whole) {
            socket.get_mut().write_all(&[byte]).await.expect("written");
            tokio::task::yield_now().await;
        }
        let mut messages = Vec::new();
        while messages.len() < 2 {
            messages.extend(read(&mut socket).await);
        }
        assert_eq!(data(&messages), [json!(text)]);
        let ping = Frame::Ping(bytes::Bytes::from(vec![b'?'; id]));
        socket.send(ping).await.expect("a connection");
        let pong = socket.next().await.expect("a frame").expect("a connection");
        assert!(pong.is_pong() && pong.len() == id, "{pong:?}");
    }
    server.toy.newest().client.disconnect();
    let farewell = read(&mut socket).await;
    assert_eq!(farewell[0]["channel"], "/meta/disconnect", "{farewell:?}");
}

/// The bytes of a text frame as a client sends it.
fn masked(text: &str) -> Vec<u8> {
    let payload = bytes::Bytes::copy_from_slice(text.as_bytes());
    let mut frame = RawFrame::message(payload, OpCode::Data(Data::Text), true);
    frame.header_mut().mask = Some([1, 2, 3, 4]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("a frame");
    bytes
}

#[tokio::test]
async fn row_112_a_socket_may_speak_for_a_client_made_over_http() {
    let server = Server::start().await;
    let (_http, client) = server.client().await;
    let mut socket = server.websocket().await;
    send(&mut socket, &connect("nobody")).await;
    assert_eq!(read(&mut socket).await[0]["error"], "402::session_unknown");
    send(&mut socket, &connect(&client)).await;
    server.toy.newest().say("1");
    assert_eq!(data(&read(&mut socket).await), [1]);
}

#[tokio::test]
async fn row_111_and_113_a_socket_speaks_for_the_client_it_made() {
    let server = Server::start().await;
    let (_http, other) = server.client().await;
    let mut socket = server.websocket().await;
    let old = client(&mut socket).await;
    let new = client(&mut socket).await;
    for unknown in [&other, &old] {
        send(&mut socket, &publish(unknown, "1", 1)).await;
        let reply = read(&mut socket).await;
        assert_eq!(reply[0]["error"], "402::session_unknown");
    }
    send(&mut socket, &publish(&new, "1", 1)).await;
    assert!(
        read(&mut socket)
            .await
            .iter()
            .any(|reply| reply["successful"] == true)
    );
}

#[tokio::test]
async fn row_115_and_116_a_socket_that_breaks_loses_nothing() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = client(&mut socket).await;
    let party = server.toy.newest();
    party.say("1");
    assert_eq!(data(&read(&mut socket).await), [1]);
    drop(socket);
    until(|| party.rewinds() == 1).await;
    party.say("2");
    let mut socket = server.websocket().await;
    send(&mut socket, &connect(&client)).await;
    let mut read_again = Vec::new();
    while read_again.len() < 2 {
        read_again.extend(data(&read(&mut socket).await));
    }
    assert_eq!(read_again, [1, 2]);
}

#[tokio::test]
async fn row_114_a_newer_socket_takes_over_and_the_older_is_closed() {
    let server = Server::start().await;
    let mut older = server.websocket().await;
    let (_http, client) = server.client().await;
    send(&mut older, &connect(&client)).await;
    until(|| server.registry.counters().websockets == 1).await;
    server.toy.newest().say("1");
    assert_eq!(data(&read(&mut older).await), [1]);
    let mut newer = server.websocket().await;
    send(&mut newer, &connect(&client)).await;
    assert_eq!(close_code(&mut older).await, 1000);
    assert_eq!(data(&read(&mut newer).await), [1]);
}

#[tokio::test]
async fn row_119_and_120_a_slow_reader_costs_a_bounded_queue_and_gets_everything() {
    const SAID: usize = 20_000;
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = client(&mut socket).await;
    let party = server.toy.newest();
    let pad = "x".repeat(1_000);
    for number in 0..SAID {
        party.say(&format!(r#"{{"n":{number},"pad":"{pad}"}}"#));
    }
    until(|| server.registry.counters().queue_full > 0).await;
    assert!(
        party.offered() < SAID,
        "what does not fit stays with the application"
    );
    // Others are served meanwhile.
    let (mut other, name) = server.client().await;
    other.post(&publish(&name, "3", "hi")).await;
    let reply = other.post(&connect_at_once(&name)).await;
    assert_eq!(data(&reply.messages()), ["hi"]);
    // Its own publish is answered before what still waits: only what the kernel has already taken is before it.
    send(&mut socket, &publish(&client, "9", "last")).await;
    let (mut next, mut before_the_reply) = (0, None);
    while next < SAID || before_the_reply.is_none() {
        for message in read(&mut socket).await {
            if message["id"] == "9" {
                assert_eq!(message["successful"], true);
                before_the_reply = Some(next);
            } else if message["data"]["n"].is_u64() {
                assert_eq!(message["data"]["n"], next);
                next += 1;
            }
        }
    }
    let before = before_the_reply.expect("a reply");
    assert!(
        before < SAID - 1_000,
        "{before} of {SAID} events came first"
    );
}

#[tokio::test]
async fn a_server_that_ends_closes_sockets_as_going_away() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    client(&mut socket).await;
    server.registry.drain();
    assert_eq!(close_code(&mut socket).await, 1001);
    until(|| server.registry.counters().websockets == 0).await;
    assert_eq!(server.registry.counters().sessions, 1, "until maxInterval");
}

#[tokio::test]
async fn row_109_the_application_ends_a_client() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = client(&mut socket).await;
    send(&mut socket, &connect(&client)).await;
    server.toy.newest().client.disconnect();
    let messages = read(&mut socket).await;
    assert_eq!(messages[0]["channel"], "/meta/disconnect");
    send(&mut socket, &connect(&client)).await;
    let unknown = |message: &Value| message["error"] == "402::session_unknown";
    while !read(&mut socket).await.iter().any(unknown) {}
}
