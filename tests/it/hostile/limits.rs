//! Who sends too much, and too many who come.

use futures_util::StreamExt;
use hyper::Method;
use serde_json::{Value, json};

use super::raw::{CHANNEL, PATH, Poller, Raw};
use crate::world::{Bayeux, Caller, Door, RestChat, Server, eventually, within};

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
        let answered = &replies[0]["successful"];
        assert_eq!(
            answered, true,
            "what is missing is told by a connect: {replies}"
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

// Somebody could try every size there is, and the operator saw nothing of it: no counter moved, no line was logged.
#[tokio::test]
async fn limits_that_are_reached_are_counted_and_named_in_the_log() {
    let server = Server::with()
        .config("[limits]\nfields = 8\nbatch = 3\nrequest-body = 2000\nidempotency-keys = 1\n[settings]\nmax-message-size = 100\n[cometd]\nmaxMessageSize = 3000")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    let caller = Caller::new();
    let large = "x".repeat(5000);
    chat.call("send", &[("message", &large[..200])]).await;
    chat.call("send", &[("message", &large)]).await;
    let many = ["a", "b", "c", "d", "e", "f"].map(|name| (name, "1"));
    chat.call("send", &many).await;
    for body in [&format!("[\"{large}\"]"), "[{}, {}, {}, {}]"] {
        let url = server.public(PATH);
        caller.post(&url, "application/json", body.to_owned()).await;
    }
    let mut raw = Raw::open(&server).await;
    raw.say(&large).await;
    let keyed = async |key: &str| {
        let request = caller
            .request(Method::POST, &chat.url("send"))
            .header("idempotency-key", key)
            .header("content-type", "application/x-www-form-urlencoded");
        let fields = chat
            .credentials()
            .map(|(name, value)| format!("{name}={value}"));
        let body = format!("{}&message={key}", fields.join("&"));
        caller.send(request.body(body)).await.json()
    };
    assert_eq!(keyed("one").await["statusCode"], 0);
    let refused = keyed("two").await.to_string();
    assert!(
        refused.contains("limit reached: [limits] idempotency-keys = 1"),
        "{refused}"
    );
    assert_eq!(keyed("one").await["statusCode"], 0, "it is still known");

    for (limit, times) in [
        ("[limits] fields", 1),
        ("[limits] request-body", 1),
        ("[limits] batch", 1),
        ("[limits] idempotency-keys", 1),
        ("[settings] max-message-size", 1),
        ("[cometd] maxMessageSize", 2),
    ] {
        let line = format!("parlor_limits_reached_total{{limit=\"{limit}\"}} {times}");
        eventually(&line, || async {
            let metrics = caller.get(&server.internal("/metrics")).await.text();
            metrics.contains(&line).then_some(())
        })
        .await;
        let said = format!("limit reached: {limit}");
        assert!(server.log().contains(&said), "{said}");
    }
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
            "application/json",
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
