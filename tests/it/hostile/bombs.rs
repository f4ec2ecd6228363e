//! Little that is sent and would cost much: each bomb meets a limit that has a name, and nobody else notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::raw::{CHANNEL, PATH, Raw};
use crate::world::{
    Caller, Customer, Door, Reply, RestChat, Server, eventually, multipart, within, within_time,
};

const CHAT: &str = "/genesys/2/chat/customer-support";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// No bomb may keep the server busy for longer; the machine may be.
const AT_ONCE: Duration = Duration::from_secs(5);

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
    for (method, path) in [("GET", "/"), ("POST", PATH), ("POST", CHAT)] {
        for lines in [&many, &long] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: 0\r\n\r\n",
                server.public
            );
            let answer = answer_to(server.public, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
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

/// Slow loris: whoever sends byte by byte is sent away, after 10 s without a head, 30 s without a body, and a minute
/// on a WebSocket that has not said hello; a customer who sends half a message and no more is forgotten like any other.
#[tokio::test]
async fn who_dawdles_is_sent_away() {
    let server = Server::with().set("cometd.maxInterval=5000").start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let head = trickle(
        server.public,
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(1_000)),
    );
    let lean = trickle(
        server.public,
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: x\r\nX: {}",
            "x".repeat(1_000)
        ),
    );
    let body = |path: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: 5000\r\n\r\n"
        );
        trickle_after(server.public, head, " ".repeat(1_000))
    };
    let socket = async {
        let mut raw = Raw::open(&server).await;
        trickle_frame(&mut raw).await
    };
    let greeted = async {
        let mut raw = Raw::open(&server).await;
        raw.greet(&json!({})).await;
        trickle_frame(&mut raw).await
    };
    let (head, lean, rest, polled, socket, greeted) =
        tokio::join!(head, lean, body(CHAT), body(PATH), socket, greeted);
    for (what, (took, _), most) in [
        ("a head", &head, 12),
        ("a poll's head", &lean, 13),
        ("a body", &rest, 33),
        ("a poll", &polled, 34),
    ] {
        assert!(*took < Duration::from_secs(most), "{what}: {took:?}");
    }
    for (_, answer) in [rest, polled] {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert!(
        socket < Duration::from_secs(65) && greeted < Duration::from_secs(75),
        "{socket:?}, {greeted:?}"
    );
    alice.bayeux.meta_connect(Some(0)).await;
}

async fn trickle(address: SocketAddr, bytes: String) -> (Duration, String) {
    trickle_after(address, String::new(), bytes).await
}

/// Sends the first at once and the rest byte by byte; how long that was borne, and what was said in the end.
async fn trickle_after(address: SocketAddr, first: String, bytes: String) -> (Duration, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    let (mut from, mut to) = stream.into_split();
    let dawdling = async {
        if to.write_all(first.as_bytes()).await.is_err() {
            return;
        }
        for byte in bytes.bytes() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if to.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    };
    let mut answer = Vec::new();
    let reading = async {
        let mut room = [0; 1024];
        while let Ok(count @ 1..) = from.read(&mut room).await {
            answer.extend_from_slice(&room[..count]);
        }
    };
    let ended = async {
        tokio::select! {
            () = reading => {}
            () = async { dawdling.await; std::future::pending::<()>().await } => {}
        }
    };
    within_time(Duration::from_secs(90), "the end of patience", ended).await;
    (
        began.elapsed(),
        String::from_utf8_lossy(&answer).into_owned(),
    )
}

/// A long text frame, byte by byte; how long that is borne.
async fn trickle_frame(raw: &mut Raw) -> Duration {
    let began = Instant::now();
    let socket = raw.0.get_mut();
    socket
        .write_all(&[0x81, 0xfe, 0x40, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    within_time(Duration::from_secs(90), "the end of patience", async {
        let mut room = [0; 1024];
        loop {
            if socket.write_all(b" ").await.is_err() {
                return;
            }
            let read =
                tokio::time::timeout(Duration::from_millis(300), socket.read(&mut room)).await;
            if let Ok(Ok(0) | Err(_)) = read {
                return;
            }
        }
    })
    .await;
    began.elapsed()
}

/// Thousands of connections on which nobody says anything to the end cost a few kilobytes each for ten seconds, and nobody
/// else waits. Where that is too much, `[limits] connections-per-address` says how many there may be.
#[tokio::test]
async fn thousands_of_half_open_connections_delay_nobody() {
    const MANY: usize = 3_000;
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: most,
            maximum: most,
        },
    )
    .unwrap();
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let before = resident(&server);
    let mut half_open = Vec::new();
    for number in 0..MANY {
        let mut stream = TcpStream::connect(server.public).await.unwrap();
        let begun: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET / HTT",
            _ => b"POST /genesys/cometd HTTP/1.1\r\nContent-Le",
        };
        stream.write_all(begun).await.unwrap();
        half_open.push(stream);
    }
    let began = Instant::now();
    alice.say("is anybody there?").await;
    RestChat::alice(&server).await.say("and here?").await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let each = resident(&server).saturating_sub(before) / MANY;
    assert!(each < 24 * 1024, "{each} bytes for each");
    eventually("all of them are sent away", || async {
        let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("parlor_connections{") && line.contains("public"));
        let left: usize = line?.split(' ').next_back()?.parse().ok()?;
        (left < 10).then_some(())
    })
    .await;
    drop(half_open);

    let few = Server::with()
        .config("[limits]\nconnections-per-address = 50\n[rate-limit]\nexempt = []")
        .start()
        .await;
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(TcpStream::connect(few.public).await.unwrap());
    }
    eventually("the rest are refused and counted", || async {
        let metrics = Caller::new().get(&few.internal("/metrics")).await.text();
        metrics
            .contains("parlor_connections_refused_total 150")
            .then_some(())
    })
    .await;
}

/// Bytes of memory that the server holds.
fn resident(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}

/// A batch, a message and a socket have their limits, each by its name.
#[tokio::test]
async fn limits_of_bayeux_have_their_names() {
    let server = Server::with().config("[limits]\nbatch = 3\nsubscriptions-per-client = 2\nchats-per-client = 1\n[chat.a]\n[chat.b]\n[chat.c]").start().await;
    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({})).await;
    for (place, service) in ["a", "b", "c"].iter().enumerate() {
        let subscribe = json!({"id": service, "channel": "/meta/subscribe", "clientId": client, "subscription": format!("/service/chatV2/{service}")});
        let reply = raw.ask(service, &subscribe.to_string()).await;
        assert_eq!(reply["successful"], place < 2, "{reply}");
        assert!(
            place < 2
                || reply["error"]
                    .as_str()
                    .unwrap()
                    .contains("subscriptions-per-client"),
            "{reply}"
        );
    }
    let request = |id: &str| {
        json!({"id": id, "channel": "/service/chatV2/a", "clientId": client, "data": {"operation": "requestChat", "nickname": "M"}}).to_string()
    };
    raw.ask("1", &request("1")).await;
    raw.say(&request("2")).await;
    let told = within("the refusal", async {
        loop {
            let frame = raw.0.next().await.unwrap().unwrap();
            let said: Vec<Value> =
                serde_json::from_str(frame.to_text().unwrap_or("[]")).unwrap_or_default();
            if let Some(told) = said
                .into_iter()
                .find(|message| message["data"]["statusCode"] == 2)
            {
                return told;
            }
        }
    })
    .await;
    assert!(
        told.to_string().contains("[limits] chats-per-client = 1"),
        "{told}"
    );
    let reply = Caller::new()
        .post(
            &server.public(PATH),
            JSON,
            json!([{}, {}, {}, {}]).to_string(),
        )
        .await;
    assert_eq!(
        (reply.status, reply.text().contains("[limits] batch")),
        (400, true),
        "{}",
        reply.text()
    );
}
