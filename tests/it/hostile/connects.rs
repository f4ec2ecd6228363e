//! Connects, goodbyes and acknowledgements in every wrong order.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::raw::{CHANNEL, PATH, Poller, Raw, reply};
use crate::world::{Agent, BOB, Bayeux, Customer, Door, Server, events, within};

// The client was forgotten with its goodbye, and whoever it had asked something of in the same request found nobody to
// answer: neither the publish nor the disconnect was ever answered.
#[tokio::test]
async fn who_asks_and_leaves_in_one_request_is_answered_both() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut customer = Bayeux::connect(door, server.public, PATH, None).await;
        let publish = json!({"id": "p", "channel": CHANNEL, "clientId": customer.client_id,
            "data": {"operation": "requestChat", "nickname": "Alice"}});
        both_are_answered(&mut customer, publish).await;

        let alice = Customer::alice(&server, door).await;
        let token = json!({"authentication": {"token": BOB}});
        let mut bob = Bayeux::connect(door, server.internal, "/cometd", Some(token)).await;
        let publish = json!({"id": "p", "channel": "/service/agent", "clientId": bob.client_id,
            "data": {"operation": "join", "requestId": "1", "session": alice.chat}});
        both_are_answered(&mut bob, publish).await;
    }
}

async fn both_are_answered(client: &mut Bayeux, publish: Value) {
    let bye = json!({"id": "d", "channel": "/meta/disconnect", "clientId": client.client_id});
    let replies = within("both answers", client.exchange(json!([publish, bye]), "d")).await;
    let replies = Value::from(replies);
    assert_eq!(reply(&replies, "p")["successful"], true, "{replies}");
    assert_eq!(reply(&replies, "d")["successful"], true, "{replies}");
    let late = client.meta_connect(None).await;
    assert_eq!(late["error"], "402::session_unknown", "{late}");
    assert_eq!(late["advice"]["reconnect"], "handshake");
}

#[tokio::test]
async fn of_two_connects_the_newer_hears_what_happens() {
    let server = Server::start().await;
    let mut bob = Agent::bob(&server).await;
    let poller = Poller::greet(&server).await;
    let request = json!({"id": "r", "channel": CHANNEL, "clientId": poller.client,
        "data": {"operation": "requestChat", "nickname": "Alice"}});
    let mut seen = poller.ask(&request).await.as_array().unwrap().clone();
    while !seen
        .iter()
        .any(|message| message["data"]["chatId"].is_string())
    {
        let more = poller.ask(&poller.connect("e")).await;
        seen.extend(more.as_array().unwrap().clone());
    }
    let chat = seen
        .iter()
        .find_map(|message| message["data"]["chatId"].as_str());
    let chat = chat.unwrap().to_owned();
    let (older, newer) = (poller.connect("5"), poller.connect("6"));
    let (older, newer) = (older.to_string(), newer.to_string());
    let (mut older, mut newer) = (pin!(poller.post(&older)), pin!(poller.post(&newer)));
    // Nothing is said until one has taken the place of the other, whichever the server has read first.
    let (overtaken, held) = tokio::select! {
        overtaken = &mut older => (overtaken, newer),
        overtaken = &mut newer => (overtaken, older),
    };
    assert_eq!(overtaken.0, 409, "{overtaken:?}");
    let talk = async {
        bob.join(&chat).await;
        bob.say(&chat, "to whom?").await;
    };
    let (answered, ()) = tokio::join!(held, talk);
    assert_eq!(answered.0, 200, "{answered:?}");
    let mut heard = [overtaken.1, answered.1].concat_arrays();
    while !heard
        .iter()
        .any(|message| message["data"].to_string().contains("to whom?"))
    {
        let more = poller.ask(&poller.connect("7")).await;
        heard.extend(more.as_array().unwrap().clone());
    }
    let indexes: Vec<u64> = heard
        .iter()
        .flat_map(|message| events(&message["data"]))
        .filter_map(|event| event["index"].as_u64())
        .collect();
    assert_eq!(indexes, [2, 3], "each once, in order");
}

trait Concat {
    fn concat_arrays(self) -> Vec<Value>;
}

impl Concat for [Value; 2] {
    fn concat_arrays(self) -> Vec<Value> {
        let arrays = self.iter().filter_map(Value::as_array);
        arrays.flatten().cloned().collect()
    }
}

#[tokio::test]
async fn a_goodbye_releases_the_connect_that_is_held() {
    let server = Server::start().await;
    let poller = Poller::greet(&server).await;
    let held = poller.connect("5").to_string();
    let bye = json!({"id": "d", "channel": "/meta/disconnect", "clientId": poller.client});
    let farewell = async {
        // Until the poll is there the goodbye would find nothing to release.
        let url = server.internal("/metrics");
        within("the poll is held", async {
            while !poller
                .caller
                .get(&url)
                .await
                .text()
                .contains("parlor_long_polls{listener=\"public\"} 1")
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        poller.ask(&bye).await
    };
    let ((status, released), said) = tokio::join!(poller.post(&held), farewell);
    assert_eq!(status, 200);
    assert_eq!(reply(&released, "5")["advice"]["reconnect"], "none");
    assert_eq!(reply(&said, "d")["successful"], true);
    let late = poller.ask(&poller.connect("9")).await;
    assert_eq!(late[0]["error"], "402::session_unknown");

    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({})).await;
    let message =
        |id: &str, channel: &str| json!({"id": id, "channel": channel, "clientId": client});
    raw.ask("1", &message("1", "/meta/connect").to_string())
        .await;
    let batch = json!([
        message("2", "/meta/connect"),
        message("3", "/meta/connect"),
        message("4", "/meta/disconnect"),
        message("5", "/meta/connect"),
        {"id": "6", "channel": CHANNEL, "clientId": client, "data": {"operation": "requestChat", "nickname": "M"}}
    ]);
    raw.say(&batch.to_string()).await;
    let said = Value::from(raw.until("6").await);
    assert!(
        !said
            .as_array()
            .unwrap()
            .iter()
            .any(|message| message["id"] == "2"),
        "overtaken"
    );
    assert_eq!(reply(&said, "3")["advice"]["reconnect"], "none");
    assert_eq!(reply(&said, "4")["successful"], true);
    for late in ["5", "6"] {
        assert_eq!(reply(&said, late)["error"], "402::session_unknown");
    }
}

#[tokio::test]
async fn acknowledgements_out_of_order_lose_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({"ext": {"ack": true}})).await;
    let connect = |id: &str, ack: Value| {
        json!({"id": id, "channel": "/meta/connect", "clientId": client, "ext": {"ack": ack}, "advice": {"timeout": 0}}).to_string()
    };
    raw.ask("1", &connect("1", json!(0))).await;
    let request = json!({"id": "r", "channel": CHANNEL, "clientId": client,
        "data": {"operation": "requestChat", "nickname": "Alice"}});
    assert_eq!(raw.ask("r", &request.to_string()).await["successful"], true);
    let mut seen: Vec<u64> = Vec::new();
    let mut key = String::new();
    let odd = [
        json!(99_999),
        json!(-1),
        json!("x"),
        json!(null),
        json!(0),
        json!(1),
        json!([1]),
        json!(2),
    ];
    for (place, ack) in odd.iter().cycle().take(24).enumerate() {
        let id = format!("c{place}");
        raw.say(&connect(&id, ack.clone())).await;
        for message in raw.until(&id).await {
            if let Some(known) = message["data"]["secureKey"].as_str() {
                known.clone_into(&mut key);
            }
            seen.extend(
                events(&message["data"])
                    .iter()
                    .filter_map(|event| event["index"].as_u64()),
            );
        }
        if !key.is_empty() && place < 16 {
            let say = json!({"id": format!("s{place}"), "channel": CHANNEL, "clientId": client,
                "data": {"operation": "sendMessage", "secureKey": key, "message": place.to_string()}});
            let said = raw.ask(&format!("s{place}"), &say.to_string()).await;
            assert_eq!(said["successful"], true, "{said}");
        }
    }
    let mut known = seen.clone();
    known.sort_unstable();
    known.dedup();
    let last = known.last().copied().unwrap();
    assert!(last > 10, "{seen:?}");
    assert_eq!(known, (1..=last).collect::<Vec<_>>(), "{seen:?}");
    let mut next = 1;
    for index in seen {
        assert!(index <= next, "{index} came before {next}");
        next = next.max(index + 1);
    }
}
