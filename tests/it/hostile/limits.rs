//! Who sends too much, and too many who come.

use serde_json::{Value, json};

use super::raw::{CHANNEL, PATH, Poller, Raw};
use crate::world::{Bayeux, Caller, Door, Server};

// Only publishes and handshakes counted on a WebSocket, so connects and subscriptions could come without end.
#[tokio::test]
async fn connects_and_subscriptions_of_a_socket_count_for_its_address() {
    for channel in ["/meta/connect", "/meta/subscribe"] {
        let server = Server::with()
            .config("[rate-limit]\nper-address = 5\nexempt = []")
            .start()
            .await;
        let mut mallory = Raw::open(&server).await;
        let client = mallory.greet(&json!({})).await;
        let message = |id: &str| json!({"id": id, "channel": channel, "clientId": client, "subscription": CHANNEL, "advice": {"timeout": 0}});
        let mut flood: Vec<Value> = (0..50).map(|_| message("f")).collect();
        flood.push(message("last"));
        mallory.say(&Value::from(flood).to_string()).await;
        let last = mallory.until("last").await.pop().unwrap();
        assert_eq!(last["error"], "429::too_many_requests", "{channel}");
    }
}

// A publish over long-polling cost its address twice: as a request, and as a message.
#[tokio::test]
async fn a_publish_over_long_polling_counts_once() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 10\nexempt = []")
        .start()
        .await;
    let poller = Poller::greet(&server).await;
    let publish = json!({"channel": CHANNEL, "clientId": poller.client, "data": {"operation": "sendMessage"}});
    let mut done = 0;
    for _ in 0..40 {
        let (status, replies) = poller.post(&publish.to_string()).await;
        if status != 200 {
            break;
        }
        let told = &replies[0]["data"]["errors"][0]["code"];
        assert_eq!(
            told, 400,
            "the message is missing, and that is all: {replies}"
        );
        done += 1;
    }
    assert!(
        done >= 18,
        "twenty in a burst, two of them for the greeting: {done}"
    );
}

#[tokio::test]
async fn no_more_clients_come_in_than_there_may_be() {
    let server = Server::with().set("limits.clients=2").start().await;
    let mut first = Bayeux::connect(Door::Socket, server.public, PATH, None).await;
    Bayeux::connect(Door::Polling, server.public, PATH, None).await;
    for door in Door::BOTH {
        let refused = Bayeux::handshake(door, server.public, PATH, None)
            .await
            .greeting;
        assert_eq!(
            refused["error"],
            "503:[limits] clients = 2:client_limit_reached"
        );
        assert_eq!(refused["advice"]["reconnect"], "retry");
        assert!(
            refused["advice"]["interval"].as_u64() >= Some(1_000),
            "{refused}"
        );
    }
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    assert!(
        metrics.contains("parlor_bayeux_clients_refused_total 2"),
        "{metrics}"
    );
    first.disconnect(None).await;
    Bayeux::connect(Door::Socket, server.public, PATH, None).await;
}
