//! Little that is sent and would cost much: each bomb meets a limit that has a name, and nobody else notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::raw::{CHANNEL, PATH, Raw};
use crate::world::{Caller, Reply, RestChat, Server, multipart, within};

pub const CHAT: &str = "/genesys/2/chat/customer-support";
pub const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// No bomb may keep the server busy for longer; the machine may be.
pub const AT_ONCE: Duration = Duration::from_secs(5);

/// What is sent over REST, and the status and the words that it is refused with; no words: it is accepted.
#[tokio::test]
async fn each_bomb_over_rest_meets_its_limit() {
    let server = Server::start().await;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let members = |count: usize| {
        let members: Vec<_> = (0..count)
            .map(|number| format!("\"k{number}\":1"))
            .collect();
        members.join(",")
    };
    let attributes = r#"{"a":"#.repeat(9) + "1" + &"}".repeat(9);
    let (many_parts, parts) = multipart(&vec![("a", ""); 5_000]);
    let half_parts = parts.replace("\r\n\r\n", "");
    let digits = "9".repeat(100_000);
    let fields = "[limits] fields = 200";
    let bombs: Vec<(&str, String, u16, &str)> = vec![
        (
            JSON,
            format!("{{\"nickname\":\"a\",\"x\":{}}}", nested(400_000)),
            400,
            "at most 128 levels",
        ),
        (
            JSON,
            format!("{{\"nickname\":\"a\",\"userData\":{}}}", nested(100)),
            400,
            "userData",
        ),
        (
            JSON,
            format!("{{\"nickname\":\"a\",\"eventAttributes\":{attributes}}}"),
            400,
            "eventAttributes",
        ),
        (
            JSON,
            format!("{{\"nickname\":\"a\",\"x\":{digits}}}"),
            200,
            "",
        ),
        (
            JSON,
            "{\"nickname\":\"a\",\"x\":1e999999999}".to_owned(),
            200,
            "",
        ),
        (JSON, format!("{{{}}}", members(50_000)), 400, fields),
        (
            JSON,
            format!("{{\"userData\":{{{}}}}}", members(50_000)),
            400,
            fields,
        ),
        (
            JSON,
            format!("{{\"nickname\":\"a\",\"userData\":{{{}}}}}", members(65)),
            200,
            "user-data-keys = 64",
        ),
        (
            JSON,
            format!("\"{}", "\\u0000".repeat(100_000)),
            400,
            "JSON object",
        ),
        (FORM, "a&".repeat(400_000), 400, fields),
        (FORM, "%".repeat(1_000_000), 200, "nickname is missing"),
        (
            FORM,
            format!("nickname={}", "%41".repeat(300_000)),
            200,
            "nickname = 256",
        ),
        (&many_parts, parts.clone(), 400, fields),
        (&many_parts, half_parts, 400, "multipart"),
        (&many_parts, "-".repeat(1_000_000), 400, "multipart"),
        (
            FORM,
            "a=b&".repeat(300_000),
            413,
            "[limits] request-body = 1048576",
        ),
    ];
    for (kind, body, status, words) in bombs {
        let shown: String = body.chars().take(40).collect();
        let began = Instant::now();
        let reply = Caller::new().post(&server.public(CHAT), kind, body).await;
        assert!(began.elapsed() < AT_ONCE, "{shown}: {:?}", began.elapsed());
        assert_eq!(reply.status, status, "{shown}: {}", reply.text());
        assert!(
            words.is_empty() || advice(&reply).contains(words),
            "{shown}: {}",
            reply.text()
        );
    }
    RestChat::alice(&server).await.say("still served").await;
}

fn advice(reply: &Reply) -> String {
    reply.json()["errors"][0]["advice"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn numbers_beyond_all_bounds_are_only_numbers() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    for (position, status) in [
        ("18446744073709551615", 200),
        ("18446744073709551616", 400),
        ("1e400", 400),
        ("-0", 400),
        (&*"9".repeat(10_000), 400),
    ] {
        for call in ["refresh", "send"] {
            let reply = chat
                .call(call, &[("transcriptPosition", position), ("message", "x")])
                .await;
            assert_eq!(reply.status, status, "{call} {position:.20}");
        }
    }
    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({})).await;
    for number in ["1e308", "18446744073709551616", "-9e99", "0.1"] {
        let connect = format!(
            r#"[{{"id":"c","channel":"/meta/connect","clientId":"{client}","advice":{{"interval":{number},"timeout":0}},"ext":{{"ack":{number},"timesync":{{"tc":{number},"l":{number},"o":{number}}},"activity":{{"maxInactivity":{number}}}}}}}]"#
        );
        let reply = raw.ask("c", &connect).await;
        assert_eq!(reply["successful"], true, "{number}: {reply}");
    }
}

/// Names that are one for a weak hash are many here: what a client names is kept in trees, or hashed with a secret of the
/// process, so that thousands of them cost as much as thousands of others.
#[tokio::test]
async fn names_that_collide_elsewhere_cost_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({})).await;
    let colliding: Vec<String> = (0..2_048)
        .map(|number: u32| {
            (0..11)
                .map(|bit| if number >> bit & 1 == 0 { "Aa" } else { "BB" })
                .collect()
        })
        .collect();
    let members: Vec<String> = colliding
        .iter()
        .map(|name| format!("\"{name}\":1"))
        .collect();
    let members = members.join(",");
    let request = |id: &str, data: &str| {
        format!(r#"[{{"id":"{id}","channel":"{CHANNEL}","clientId":"{client}","data":{data}}}]"#)
    };
    let began = Instant::now();
    let many = raw
        .ask(
            "1",
            &request(
                "1",
                &format!("{{\"operation\":\"requestChat\",\"userData\":{{{members}}}}}"),
            ),
        )
        .await;
    assert_eq!(many["successful"], true, "{many}");
    let strange = format!(
        r#"[{{"id":"2","channel":"/meta/connect","clientId":"{client}","advice":{{"timeout":0}},{members}}}]"#
    );
    assert_eq!(raw.ask("2", &strange).await["successful"], true);
    let subscriptions = json!([{"id": "3", "channel": "/meta/subscribe", "clientId": client, "subscription": colliding.iter().map(|name| format!("/{name}")).collect::<Vec<_>>()}]);
    assert!(
        raw.ask("3", &subscriptions.to_string()).await["error"]
            .as_str()
            .unwrap()
            .starts_with("403:")
    );
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

/// Nothing compressed is ever unpacked: not a body, and not a frame.
#[tokio::test]
async fn compressed_bombs_are_not_unpacked() {
    let server = Server::start().await;
    let caller = Caller::new();
    for coding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"] {
        for url in [
            server.public(CHAT),
            server.public(PATH),
            server.internal("/cometd"),
        ] {
            let request = caller
                .request(reqwest::Method::POST, &url)
                .header("content-type", JSON)
                .header("content-encoding", coding);
            let reply = caller.send(request.body(vec![0x1f, 0x8b, 8, 0])).await;
            assert_eq!(reply.status, 415, "{coding} {url}");
        }
    }
    for path in [CHAT, PATH] {
        let packed = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {JSON}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
            server.public
        );
        let answer = answer_to(server.public, packed.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    }
    let mut stream = TcpStream::connect(server.public).await.unwrap();
    let upgrade = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
        server.public
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut head).await.unwrap() > 0);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && !head.contains("sec-websocket-extensions"),
        "{head}"
    );

    let mut raw = Raw::open(&server).await;
    let mut packed = Frame::message(vec![0xaa, 0x56, 0, 0], OpCode::Data(Data::Text), true);
    packed.header_mut().rsv1 = true;
    raw.0.send(Message::Frame(packed)).await.unwrap();
    assert_eq!(raw.closed().await, Some(1002));
}

/// Heads without end: 100 lines and 16 KiB are enough for everybody.
#[tokio::test]
async fn heads_without_end_are_refused() {
    let server = Server::start().await;
    let many = "a: b\r\n".repeat(500);
    let long = format!("X: {}\r\n", "x".repeat(20_000));
    let mut refused = 0;
    for (method, path) in [("GET", "/"), ("POST", PATH), ("POST", CHAT)] {
        for lines in [&many, &long] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: 0\r\n\r\n",
                server.public
            );
            let answer = answer_to(server.public, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            refused += 1;
        }
        let address = format!("{path}?{}", "x".repeat(70_000));
        let answer = answer_to(
            server.public,
            format!("{method} {address} HTTP/1.1\r\n").as_bytes(),
        )
        .await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    let counted = metrics.lines().find_map(|line| {
        line.strip_prefix(
            r#"parlor_http_heads_refused_total{listener="public",reason="too-large"} "#,
        )
    });
    let counted: u32 = counted.expect(&metrics).parse().unwrap();
    assert!(counted >= refused, "{counted} of {refused}");
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nHost: {}\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.public
    );
    let endless = chunked.clone() + "1;" + &"x".repeat(100_000);
    let answer = answer_to(server.public, endless.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    let huge = chunked + "ffffffffffffffff\r\nx";
    let answer = answer_to(server.public, huge.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    RestChat::alice(&server).await.say("still served").await;
}

/// Everything that is answered until the connection ends.
async fn answer_to(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have closed before it was all sent.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = within("the end of a connection", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}
