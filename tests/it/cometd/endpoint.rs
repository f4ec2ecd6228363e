//! The CometD endpoint itself: whom it answers, what it takes for Bayeux, and what it says to the rest.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Agent, Bayeux, Caller, Customer, Door, Server, texts, within};

const CHANNEL: &str = "/service/chatV2/customer-support";

#[tokio::test]
async fn over_http_the_cookie_and_the_client_belong_together() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Polling).await;
    let cookie = alice.bayeux.cookie().to_owned();
    assert!(
        cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Lax")
            && !cookie.contains("Secure"),
        "{cookie}"
    );
    for pretended in [None, Some("BAYEUX_BROWSER=anothers")] {
        alice.bayeux.pretend(pretended);
        let refused = alice.bayeux.meta_connect(Some(0)).await;
        assert_eq!(
            (&refused["successful"], &refused["advice"]["reconnect"]),
            (&json!(false), &json!("handshake"))
        );
        assert!(refused["error"].as_str().unwrap().starts_with("402:"));
    }
    let own = cookie.split(';').next().unwrap().to_owned();
    alice.bayeux.pretend(Some(&own));
    assert_eq!(alice.bayeux.meta_connect(Some(0)).await["successful"], true);
}

#[tokio::test]
async fn an_unknown_client_is_advised_to_shake_hands() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut client = Bayeux::connect(door, server.public, "/genesys/cometd", None).await;
        client.client_id = "0123456789abcdefghijkl".into();
        let reply = client.meta_connect(Some(0)).await;
        assert!(
            reply["error"].as_str().unwrap().starts_with("402:"),
            "{reply}"
        );
        assert_eq!(reply["advice"]["reconnect"], "handshake");
    }
}

#[tokio::test]
async fn customers_have_no_other_channels() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut mallory = Bayeux::connect(door, server.public, "/genesys/cometd", None).await;
        for channel in [
            "/service/agent",
            "/service/chatV2/other",
            "/chat/1",
            "/**",
            "/service/*",
        ] {
            let subscribe = mallory
                .request(json!({"channel": "/meta/subscribe", "subscription": channel}))
                .await;
            assert!(
                subscribe["error"]
                    .as_str()
                    .is_some_and(|error| error.starts_with("403:")),
                "{subscribe}"
            );
        }
        for channel in ["/service/agent", "/service/chatV2/other", "/chat/1"] {
            let publish = mallory
                .publish(channel, json!({"operation": "sessions"}))
                .await;
            assert!(
                publish["error"]
                    .as_str()
                    .is_some_and(|error| error.starts_with("403:")),
                "{publish}"
            );
        }
    }
}

#[tokio::test]
async fn the_endpoint_answers_below_and_with_a_slash() {
    let server = Server::start().await;
    let (caller, base) = (Caller::new(), server.public("/genesys/cometd"));
    let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]);
    for below in [
        "",
        "/",
        "/handshake",
        "/connect",
        "/disconnect",
        "/subscribe",
        "/any/thing",
    ] {
        let url = format!("{base}{below}");
        let reply = caller
            .post(&url, "application/json", hello.to_string())
            .await;
        assert_eq!(
            (reply.status, &reply.json()[0]["successful"]),
            (200, &json!(true)),
            "{below}"
        );
        // What is said counts, and not where.
        let cookie = reply.header("set-cookie").split(';').next().unwrap();
        let client = &reply.json()[0]["clientId"];
        let messages = json!([
            {"id": "2", "channel": "/meta/subscribe", "clientId": client, "subscription": CHANNEL},
            {"id": "3", "channel": "/meta/connect", "clientId": client},
            {"id": "4", "channel": "/meta/disconnect", "clientId": client},
        ]);
        let request = caller.request(Method::POST, &url).header("cookie", cookie);
        let reply = caller.send(request.body(messages.to_string())).await;
        let replies = reply.json();
        let done = |id: &str| {
            let mut all = replies.as_array().unwrap().iter();
            all.any(|reply| reply["id"] == id && reply["successful"] == true)
        };
        assert!(done("2") && done("3") && done("4"), "{below}: {replies}");
    }
    for path in [
        "/genesys/cometd",
        "/genesys/cometd/",
        "/genesys/cometd/connect",
    ] {
        Bayeux::connect(Door::Socket, server.public, path, None).await;
    }
}

#[tokio::test]
async fn malformed_requests_get_an_error_and_leave_the_session_alone() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Polling).await;
    let url = server.public("/genesys/cometd");
    let bodies = [
        "", "{", "[1]", "null", "[null]", "42", "\"s\"", "[{}]]", "[] x",
    ];
    for body in bodies {
        let reply = Caller::new().post(&url, "application/json", body).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    let nested = "[".repeat(100_000);
    assert_eq!(
        Caller::new()
            .post(&url, "application/json", nested)
            .await
            .status
            / 100,
        4
    );
    alice.say("still here").await;
}

#[tokio::test]
async fn a_failed_handshake_says_so() {
    let server = Server::start().await;
    let newer = json!([{"id": "1", "channel": "/meta/handshake", "version": "2.0", "minimumVersion": "2.0",
        "supportedConnectionTypes": ["long-polling"]}]);
    let reply = Caller::new()
        .post(
            &server.public("/genesys/cometd"),
            "application/json",
            newer.to_string(),
        )
        .await;
    assert_eq!(
        (reply.status, &reply.json()[0]["successful"]),
        (200, &Value::Bool(false))
    );
}

#[tokio::test]
async fn a_handshake_that_cannot_succeed_is_not_tried_again() {
    let server = Server::start().await;
    let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["iframe"]}]);
    let url = server.public("/genesys/cometd");
    let reply = Caller::new()
        .post(&url, "application/json", hello.to_string())
        .await;
    let refused = &reply.json()[0];
    assert_eq!(
        (&refused["successful"], &refused["advice"]["reconnect"]),
        (&json!(false), &json!("none")),
        "{refused}"
    );
    assert_eq!(
        refused["supportedConnectionTypes"],
        json!(["websocket", "long-polling"])
    );
    assert_eq!(reply.header("set-cookie"), "");
}

#[tokio::test]
async fn the_endpoint_refuses_what_is_no_bayeux() {
    let server = Server::start().await;
    let (caller, url) = (Caller::new(), server.public("/genesys/cometd"));
    let empty = caller.post(&url, "application/json", "[]").await;
    assert_eq!((empty.status, empty.text()), (200, "[]".to_owned()));
    let exact = format!("[]{}", " ".repeat(65_534));
    assert_eq!(
        caller.post(&url, "application/json", exact).await.status,
        200
    );
    let over = format!("[]{}", " ".repeat(65_535));
    let over = caller.post(&url, "application/json", over).await;
    assert_eq!((over.status, over.header("connection")), (413, "close"));
    assert!(
        over.text().contains("[cometd] maxMessageSize = 65536"),
        "{}",
        over.text()
    );
    let many = json!(vec![json!({"channel": "/meta/connect"}); 101]).to_string();
    let many = caller.post(&url, "application/json", many).await;
    assert!(
        many.status == 400 && many.text().contains("[limits] batch = 100"),
        "{}",
        many.text()
    );
    for method in [Method::PUT, Method::DELETE] {
        let reply = caller.send(caller.request(method, &url)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
    }
    assert_eq!(caller.get(&url).await.status, 400);
    let zipped = caller
        .request(Method::POST, &url)
        .header("content-encoding", "gzip")
        .body("[]");
    assert_eq!(caller.send(zipped).await.status, 415);
}

/// CometD hands on what a publisher writes beside its data, and subscribers obey an `advice` wherever it stands.
#[tokio::test]
async fn row_084_to_086_nothing_of_a_message_is_handed_on_but_its_data() {
    let server = Server::start().await;
    let alice = Customer::alice(&server, Door::Socket).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    let mut watching = Customer::resume(&server, Door::Polling, &alice.key, 0).await;
    let evil = json!([{"id": "evil1", "channel": CHANNEL, "clientId": alice.bayeux.client_id,
        "advice": {"reconnect": "none", "interval": 60_000}, "ext": {"x": 1}, "successful": false, "error": "402::x",
        "subscription": "/a", "timestamp": "now", "unknown": 1,
        "data": {"operation": "sendMessage", "secureKey": alice.key, "message": "hello", "advice": {"reconnect": "none"},
            "clientId": "x", "successful": false, "unknown": 1}}]);
    let mut alice = alice;
    let replies = alice.bayeux.exchange(evil, "evil1").await;
    let reply = replies.iter().find(|reply| reply["id"] == "evil1").unwrap();
    assert_eq!(keys(reply), ["channel", "id", "successful", "timestamp"]);
    for client in [&mut watching.bayeux, &mut bob.bayeux] {
        let event = within("the message", async {
            loop {
                let event = client.data().await;
                if event["data"].to_string().contains("\"hello\"") {
                    return event;
                }
            }
        })
        .await;
        assert_eq!(keys(&event), ["channel", "data"], "{event}");
        for stranger in ["advice", "clientId", "unknown", "evil1"] {
            assert!(!event.to_string().contains(stranger), "{event}");
        }
    }
    // Nobody has been sent away.
    assert_eq!(
        watching.bayeux.meta_connect(Some(0)).await["successful"],
        true
    );
    bob.say(&alice.chat, "still here").await;
    watching.until(|event| event["text"] == "still here").await;
    assert_eq!(texts(&watching.seen).last().unwrap(), "still here");
}

/// The names in an object, in order.
fn keys(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

/// Its own events come back over both doors, beside the acknowledgement of what caused them, and none is lost.
#[tokio::test]
async fn row_087_to_089_a_customer_hears_itself_once() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        for number in 0..20 {
            alice.say(&number.to_string()).await;
        }
        let expected: Vec<String> = (0..20).map(|number: i32| number.to_string()).collect();
        assert_eq!(texts(&alice.seen), expected, "{door:?}");
    }
}

/// Over HTTP it is always so; over a WebSocket an operator may wish for it.
#[tokio::test]
async fn row_136_events_go_with_connect_replies_alone() {
    let option = "cometd.metaConnectDeliverOnly=true";
    for (door, option) in [(Door::Socket, Some(option)), (Door::Polling, None)] {
        let server = option
            .iter()
            .fold(Server::with(), |server, option| server.set(option));
        let server = server.start().await;
        let mut alice = Customer::alice(&server, door).await;
        for text in ["one", "two"] {
            alice.publish("sendMessage", json!({"message": text})).await;
        }
        assert!(alice.bayeux.arrived().is_empty(), "{door:?}");
        assert_eq!(alice.bayeux.meta_connect(Some(0)).await["successful"], true);
        let told = alice.bayeux.arrived();
        let told: Vec<_> = told
            .iter()
            .map(|event| &event["data"]["messages"][0]["text"])
            .collect();
        assert_eq!(told, ["one", "two"], "{door:?}");
    }
}

// What an agent wrote filled the queue of a customer who had not polled, and the answers to its wrong publishes were dropped:
// it waited for them for ever, with the publishes acknowledged.
#[tokio::test]
async fn a_full_queue_swallows_no_answer() {
    let server = Server::with().set("limits.queue-messages=5").start().await;
    let mut alice = Customer::alice(&server, Door::Polling).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    for number in 0..20 {
        bob.say(&alice.chat, &number.to_string()).await;
    }
    alice.publish("sendMessage", json!({})).await;
    alice.publish("requestChat", json!({})).await;
    let mut codes = Vec::new();
    while codes.len() < 2 {
        let data = alice.bayeux.data().await["data"].clone();
        if data["statusCode"] != 0 {
            codes.push(data["errors"][0]["code"].clone());
        }
    }
    assert_eq!(codes, [400, 161]);
    alice.say("I read you").await;
}
