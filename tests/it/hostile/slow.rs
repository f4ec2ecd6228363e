//! Who takes a long time over little, and very many who say nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bombs::{AT_ONCE, CHAT, JSON};
use super::raw::{PATH, Raw};
use crate::world::{Caller, Customer, Door, RestChat, Server, eventually, within_time};

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
    let dawdlers = async { tokio::join!(head, lean, body(CHAT), body(PATH), socket, greeted) };
    let others = async {
        loop {
            alice.bayeux.meta_connect(Some(0)).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (head, lean, rest, polled, socket, greeted) = tokio::select! {
        ended = dawdlers => ended,
        () = others => unreachable!("others go on"),
    };
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
pub fn resident(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}
