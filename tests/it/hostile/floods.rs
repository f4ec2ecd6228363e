//! Who sends without end and reads nothing.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::raw::{CHANNEL, Raw};
use super::slow::resident;
use crate::world::{Caller, Customer, Door, RestChat, Server, within_time};

/// More than the kernel keeps for both ends of a connection.
const MUCH: usize = 64 << 20;
const PING: usize = 125;
/// A ping as a client sends it, masked with zeros.
const HEAD: [u8; 6] = [0x89, 0x80 | PING as u8, 0, 0, 0, 0];

/// One anonymous WebSocket that sent pings and read nothing filled the memory with pongs, by 26 MiB a second. Now the server
/// stops reading, cuts off who takes nothing for half a minute, and counts it; who reads at last goes on.
#[tokio::test]
async fn a_flood_of_pings_costs_its_sender_only() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let before = resident(&server);
    let mut anonymous = Raw::open(&server).await;
    let mut greeted = Raw::open(&server).await;
    let client = greeted.greet(&json!({})).await;

    let (_, sent) = tokio::join!(flood(anonymous.0.get_mut()), flood(greeted.0.get_mut()));
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 12 << 20, "{grown} bytes for two who read nothing");
    alice.say("is anybody there?").await;
    RestChat::alice(&server).await.say("and here?").await;

    listen(greeted.0.get_mut(), sent).await;
    let publish = json!({"id": "p", "channel": CHANNEL, "clientId": client, "data": {"operation": "requestChat", "nickname": "M"}});
    let reply = greeted.ask("p", &publish.to_string()).await;
    assert_eq!(reply["successful"], true, "{reply}");

    let cut = async {
        while !metrics(&server)
            .await
            .contains("parlor_websockets_stalled_total 1")
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    within_time(Duration::from_secs(60), "the end of the deaf", cut).await;
}

/// Sends pings until nobody takes them any more; how many bytes that were.
async fn flood(stream: &mut TcpStream) -> usize {
    let mut ping = HEAD.to_vec();
    ping.extend([b'x'; PING]);
    let pings = ping.repeat(500);
    let mut sent = 0;
    while let Ok(written) = timeout(
        Duration::from_secs(2),
        stream.write(&pings[sent % pings.len()..]),
    )
    .await
    {
        sent += written.unwrap();
        assert!(sent < MUCH, "the server takes pings without end");
    }
    sent
}

/// Reads the answers to all that was sent, and to the rest of the last ping.
async fn listen(stream: &mut TcpStream, sent: usize) {
    let size = HEAD.len() + PING;
    let rest = match sent % size {
        0 => Vec::new(),
        begun => [&HEAD[..], &[b'x'; PING]].concat()[begun..].to_vec(),
    };
    let mut left = sent.div_ceil(size) * (PING + 2);
    let (mut from, mut to) = stream.split();
    let reading = async {
        let mut room = vec![0; 1 << 16];
        while left > 0 {
            let most = left.min(room.len());
            let read = from.read(&mut room[..most]).await.unwrap();
            assert!(read > 0, "{left} bytes of pongs are missing");
            left -= read;
        }
    };
    let both = async { tokio::join!(reading, to.write_all(&rest)) };
    within_time(Duration::from_secs(60), "every pong", both)
        .await
        .1
        .unwrap();
}

async fn metrics(server: &Server) -> String {
    Caller::new().get(&server.internal("/metrics")).await.text()
}
