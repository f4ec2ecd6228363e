//! What frames and headers may look like, and who counts how often.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

type Socket = WebSocketStream<TcpStream>;

async fn send(socket: &mut Socket, body: &Value) {
    let frame = Message::Text(body.to_string().into());
    socket.send(frame).await.expect("a connection");
}

/// Everything up to the reply to `id`, and how many pongs came between.
async fn read_until(socket: &mut Socket, id: &str) -> (Vec<Value>, usize) {
    let (mut messages, mut pongs) = (Vec::<Value>::new(), 0);
    while !messages.iter().any(|message| message["id"] == id) {
        match socket.next().await.expect("a frame").expect("a connection") {
            Message::Text(text) => {
                messages.extend(serde_json::from_str::<Vec<Value>>(&text).expect("an array"));
            }
            Message::Pong(_) => pongs += 1,
            other => panic!("{other:?}"),
        }
    }
    (messages, pongs)
}

async fn greet(socket: &mut Socket) -> String {
    send(socket, &handshake()).await;
    let (reply, _) = read_until(socket, "1").await;
    reply[0]["clientId"].as_str().expect("a client").to_owned()
}

#[tokio::test]
async fn row_005_the_content_type_may_say_more_or_nothing() {
    let server = Server::start().await;
    let body = handshake().to_string();
    for header in [
        "Content-Type: application/json;charset=UTF-8\r\n",
        "Content-Type: text/json\r\n",
        "",
    ] {
        let mut stream = TcpStream::connect(server.address).await.expect("a socket");
        let length = body.len();
        let request = format!(
            "POST /cometd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}Content-Length: {length}\r\n\r\n{body}"
        );
        let mut told = String::new();
        stream.write_all(request.as_bytes()).await.expect("written");
        stream.read_to_string(&mut told).await.expect("text");
        assert!(told.contains("\"successful\":true"), "{header}{told}");
    }
}

#[tokio::test]
async fn row_004_text_of_every_script_comes_back_as_it_was() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    let text = "é € 😀 \u{2028}";
    let body = format!(
        r#"{{"id":"3","channel":"/service/echo","clientId":"{client}","data":"{text}\ud83d\ude00\u00e9"}}"#
    );
    http.raw("POST", "application/json", &body).await;
    http.read().await;
    let reply = http.post(&connect_at_once(&client)).await;
    assert_eq!(data(&reply.messages()), [format!("{text}😀é")]);
}

#[tokio::test]
async fn row_017_no_subprotocol_and_no_extension_is_selected() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.expect("a socket");
    let upgrade = "GET /cometd HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: bayeux, chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text").to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
    assert!(!head.contains("sec-websocket-protocol") && !head.contains("extensions"));
}

/// The answer to HTTP/1.0 was 101, and then the connection was closed: nobody could tell what was wrong.
#[tokio::test]
async fn an_upgrade_by_http_1_0_is_refused_with_the_reason() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.expect("a socket");
    let upgrade = "GET /cometd HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.expect("written");
    let mut told = String::new();
    stream.read_to_string(&mut told).await.expect("text");
    assert!(told.starts_with("HTTP/1.0 400 "), "{told}");
    assert!(told.contains("needs HTTP/1.1"), "{told}");
}

#[tokio::test]
async fn row_021_a_message_in_pieces_with_pings_between_is_one_message() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = greet(&mut socket).await;
    let text = publish(&client, "3", "ü".repeat(2_000))
        .to_string()
        .into_bytes();
    // In the middle of a letter too.
    let pieces: Vec<_> = text.chunks(333).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let code = if place == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let last = place + 1 == pieces.len();
        let frame = Frame::message(Bytes::copy_from_slice(piece), OpCode::Data(code), last);
        socket.send(Message::Frame(frame)).await.expect("sent");
        socket
            .send(Message::Ping(Bytes::from_static(b"?")))
            .await
            .expect("sent");
        socket
            .send(Message::Pong(Bytes::from_static(b"unasked")))
            .await
            .expect("sent");
    }
    let (messages, _) = read_until(&mut socket, "3").await;
    assert_eq!(data(&messages), ["ü".repeat(2_000)]);
}

#[tokio::test]
async fn a_flood_of_pings_that_is_read_is_answered() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = greet(&mut socket).await;
    for _ in 0..20_000 {
        let ping = Message::Ping(Bytes::from_static(&[b'x'; 125]));
        socket.feed(ping).await.expect("sent");
    }
    send(&mut socket, &publish(&client, "3", 1)).await;
    let (messages, pongs) = read_until(&mut socket, "3").await;
    assert_eq!(data(&messages), [1]);
    assert!(pongs > 0);
}

#[tokio::test]
async fn row_041_what_is_said_during_a_handshake_comes_after_its_reply() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let mut hello = handshake();
    hello["ext"] = json!({"early": true});
    send(&mut socket, &hello).await;
    let (first, _) = read_until(&mut socket, "1").await;
    assert_eq!(first.len(), 1, "{first:?}");
    let client = first[0]["clientId"].as_str().expect("a client");
    send(&mut socket, &publish(client, "3", 1)).await;
    assert_eq!(data(&read_until(&mut socket, "3").await.0)[0], "early");

    let mut http = server.http().await;
    let reply = http.post(&hello).await.messages();
    assert_eq!(reply.len(), 1, "{reply:?}");
    let client = reply[0]["clientId"].as_str().expect("a client");
    let reply = http.post(&connect(client)).await.messages();
    assert_eq!(data(&reply), ["early"]);
}

// Only publishes and handshakes counted on a WebSocket: connects and subscriptions were free, however many came.
#[tokio::test]
async fn every_message_of_a_socket_counts() {
    let server = Server::start().await;
    let mut socket = server.websocket().await;
    let client = greet(&mut socket).await;
    let ask = |id: &str, channel: &str| json!({"id": id, "channel": channel, "clientId": client});
    let mut subscribe = ask("4", "/meta/subscribe");
    subscribe["subscription"] = json!("/service/echo");
    let batch = json!([
        ask("3", "/meta/connect"),
        subscribe,
        publish(&client, "5", 1)
    ]);
    let allow = |messages| server.toy.allowance.store(messages, Ordering::Relaxed);

    allow(3);
    send(&mut socket, &batch).await;
    let (replies, _) = read_until(&mut socket, "5").await;
    let refused = |replies: &[Value]| {
        let too_often = |reply: &&Value| reply["error"] == "429::too_many_requests";
        replies.iter().filter(too_often).count()
    };
    assert_eq!(refused(&replies), 0, "{replies:?}");

    allow(0);
    let again = json!([
        ask("6", "/meta/connect"),
        ask("7", "/meta/subscribe"),
        publish(&client, "8", 1)
    ]);
    send(&mut socket, &again).await;
    let (replies, _) = read_until(&mut socket, "8").await;
    assert_eq!(refused(&replies), 3, "{replies:?}");
    let connect = replies.iter().find(|reply| reply["id"] == "6");
    assert_eq!(
        connect.expect("a reply")["advice"],
        json!({"reconnect": "retry", "interval": 1_000})
    );

    allow(u64::MAX);
    let mut later = publish(&client, "8", 1);
    later["timestamp"] = json!("now");
    send(&mut socket, &json!([ask("9", "/meta/connect"), later])).await;
    let (replies, _) = read_until(&mut socket, "8").await;
    let publish = replies.iter().find(|reply| reply["id"] == "8");
    assert_eq!(
        publish.expect("a reply")["successful"],
        true,
        "now it is done"
    );
    server.toy.newest().client.disconnect();
}

// A publish over long-polling counted twice: as a request, and as a message.
#[tokio::test]
async fn a_request_pays_for_its_first_message() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    server.toy.allowance.store(0, Ordering::Relaxed);
    let one = http.post(&publish(&client, "3", 1)).await.messages();
    assert!(
        one.iter().any(|reply| reply["successful"] == true),
        "{one:?}"
    );
    let two = json!([publish(&client, "4", 1), publish(&client, "5", 2)]);
    let two = http.post(&two).await.messages();
    let refused = two.iter().find(|reply| reply["id"] == "5");
    assert_eq!(refused.expect("a reply")["error"], "429::too_many_requests");
    assert!(refused.expect("a reply").get("advice").is_none());
    server.toy.allowance.store(u64::MAX, Ordering::Relaxed);
    let said = http.post(&connect_at_once(&client)).await.messages();
    assert_eq!(data(&said), [json!(1), json!(1), json!("too often")]);
}
