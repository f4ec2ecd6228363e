//! CometD v2: every operation over WebSocket and long-polling, and everything that can happen to a connection.

mod operations;

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{
    Agent, Bayeux, Caller, Customer, Door, RestChat, Server, events, texts, types, within,
};

const CHANNEL: &str = "/service/chatV2/customer-support";

#[tokio::test]
async fn a_chat_data_message_has_all_that_an_app_decodes() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let alice = Customer::alice(&server, door).await;
        let data = &alice.last;
        assert_eq!(
            (&data["statusCode"], &data["chatEnded"], &data["monitored"]),
            (&json!(0), &json!(false), &json!(false))
        );
        assert_eq!(
            (&data["userId"], &data["alias"]),
            (&json!("deprecated"), &json!("0"))
        );
        assert_eq!(data["chatId"].as_str().unwrap().len(), 16);
        assert_eq!(
            (&data["nextPosition"], types(&events(data))),
            (&json!(2), vec!["ParticipantJoined".to_owned()])
        );
    }
}

#[tokio::test]
async fn a_long_poll_is_released_by_what_happens() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Polling).await;
    let mut bob = Agent::bob(&server).await;
    let chat = alice.chat.clone();
    let (heard, ()) = tokio::join!(
        alice.until(|event| event["text"] == "are you there?"),
        async {
            bob.join(&chat).await;
            bob.say(&chat, "are you there?").await;
        }
    );
    assert_eq!(heard["from"]["nickname"], "Bob");
}

#[tokio::test]
async fn what_happens_while_a_connection_is_broken_comes_afterwards() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        let mut bob = Agent::bob(&server).await;
        bob.join(&alice.chat).await;
        alice
            .until(|event| event["from"]["nickname"] == "Bob")
            .await;
        alice.bayeux.cut().await;
        bob.say(&alice.chat, "one").await;
        bob.say(&alice.chat, "two").await;
        alice.until(|event| event["text"] == "two").await;
        assert_eq!(texts(&alice.seen), ["one", "two"], "{door:?}");
    }
}

#[tokio::test]
async fn a_client_that_comes_back_reads_on_from_its_position() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("one").await;
        let position = alice.position();
        let ext = json!({"transcriptPosition": (position - 1).to_string()});
        assert_eq!(alice.bayeux.disconnect(Some(ext)).await["successful"], true);
        let mut bob = Agent::bob(&server).await;
        bob.join(&alice.chat).await;
        bob.say(&alice.chat, "while you were away").await;

        let mut back = Customer::resume(&server, door, &alice.key, position).await;
        back.until(|event| event["text"] == "while you were away")
            .await;
        assert!(
            back.seen
                .iter()
                .all(|event| event["index"].as_u64() >= Some(position)),
            "nothing from before"
        );
        assert_eq!(
            back.last["secureKey"], alice.key,
            "the key stays for the life of the chat"
        );
        back.say("thanks").await;
    }
}

#[tokio::test]
async fn from_the_start_comes_everything_and_an_answer_comes_always() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    alice.say("one").await;
    let mut all = Customer::resume(&server, Door::Socket, &alice.key, 0).await;
    all.until(|event| event["text"] == "one").await;
    assert_eq!(types(&all.seen), ["ParticipantJoined", "Message"]);

    let mut none = Customer::resume(&server, Door::Polling, &alice.key, 3).await;
    let data = none.next().await;
    assert_eq!(
        (
            &data["statusCode"],
            &data["nextPosition"],
            events(&data).len()
        ),
        (&json!(0), &json!(3), 0)
    );
}

#[tokio::test]
async fn the_newest_subscriber_of_a_chat_gets_its_events() {
    let server = Server::start().await;
    let mut first = Customer::alice(&server, Door::Socket).await;
    let mut second = Customer::resume(&server, Door::Socket, &first.key, 1).await;
    second.next().await;
    let rest = RestChat::of(&server, &first.chat, "deprecated", &first.key);
    rest.say("to whom?").await;
    second.until(|event| event["text"] == "to whom?").await;
    let reply = first.bayeux.meta_connect(Some(0)).await;
    assert_eq!(
        (reply["successful"].as_bool(), first.bayeux.arrived()),
        (Some(true), Vec::new()),
        "the replaced one hears nothing"
    );
}

#[tokio::test]
async fn one_client_may_hold_several_chats() {
    let server = Server::start().await;
    let mut middleware = Customer::knock(&server, Door::Socket).await;
    let mut keys = Vec::new();
    for name in ["Anna", "Ben"] {
        middleware
            .bayeux
            .publish(
                CHANNEL,
                json!({"operation": "requestChat", "nickname": name}),
            )
            .await;
        keys.push(middleware.bayeux.data().await["data"]["secureKey"].clone());
    }
    assert_ne!(keys[0], keys[1]);
    for key in &keys {
        middleware
            .bayeux
            .publish(
                CHANNEL,
                json!({"operation": "sendMessage", "secureKey": key, "message": "hi"}),
            )
            .await;
        assert_eq!(
            &middleware.bayeux.data().await["data"]["secureKey"],
            key,
            "told apart by the key"
        );
    }
}

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
        client.client_id = "0123456789abcdef0123456789abcdef".into();
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
    let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]);
    for path in [
        "/genesys/cometd",
        "/genesys/cometd/",
        "/genesys/cometd/handshake",
        "/genesys/cometd/any/thing",
    ] {
        let reply = Caller::new()
            .post(&server.public(path), "application/json", hello.to_string())
            .await;
        assert_eq!(
            (reply.status, &reply.json()[0]["successful"]),
            (200, &json!(true)),
            "{path}"
        );
        Bayeux::connect(Door::Socket, server.public, path, None).await;
    }
}

#[tokio::test]
async fn the_same_publish_happens_once() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        let data = json!({"operation": "sendMessage", "secureKey": alice.key, "message": "once"});
        let again = json!([{"id": "again", "channel": CHANNEL, "clientId": alice.bayeux.client_id, "data": data}]);
        for _ in 0..3 {
            let replies = alice.bayeux.exchange(again.clone(), "again").await;
            assert!(
                replies.iter().any(|reply| reply["successful"] == true),
                "{replies:?}"
            );
        }
        alice.say("end").await;
        assert_eq!(texts(&alice.seen), ["once", "end"], "{door:?}");
    }
}

#[tokio::test]
async fn after_a_restart_a_client_shakes_hands_and_goes_on() {
    let mut server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("before").await;
        server.kill9().await;
        server.start_again().await;
        alice.bayeux.cut().await;
        let gone = alice.bayeux.meta_connect(Some(0)).await;
        assert_eq!(gone["advice"]["reconnect"], "handshake", "{gone}");
        let mut back = Customer::resume(&server, door, &alice.key, 1).await;
        back.say("after").await;
        assert_eq!(texts(&back.seen), ["before", "after"]);
    }
}

#[tokio::test]
async fn another_origins_page_gets_no_websocket() {
    let server = Server::start().await;
    let caller = Caller::new();
    let upgrade = |origin: &str| {
        let request = caller
            .request(reqwest::Method::GET, &server.public("/genesys/cometd"))
            .header("origin", origin);
        let request = request
            .header("connection", "Upgrade")
            .header("upgrade", "websocket");
        request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
    };
    for origin in ["https://evil.example", "null"] {
        let reply = caller.send(upgrade(origin)).await;
        assert!(
            matches!(reply.status, 400..=403),
            "{origin}: {}",
            reply.status
        );
    }
    let own = server.public("");
    let reply = upgrade(&own).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 101);
}

#[tokio::test]
async fn malformed_requests_get_an_error_and_leave_the_session_alone() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Polling).await;
    let url = server.public("/genesys/cometd");
    let bodies = ["", "{", "[1]", "null", "[null]", "42", "[{}]]"];
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
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE] {
        let reply = caller.send(caller.request(method, &url)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
    }
    assert_eq!(caller.get(&url).await.status, 400);
    let zipped = caller
        .request(reqwest::Method::POST, &url)
        .header("content-encoding", "gzip")
        .body("[]");
    assert_eq!(caller.send(zipped).await.status, 415);
}

#[tokio::test]
async fn callbacks_are_for_the_pages_that_may_call() {
    let server = Server::with()
        .config(
            "[server]\nallowed-origins = [\"https://shop.example\"]\n[cometd]\n\
             transports = [\"websocket\", \"long-polling\", \"callback-polling\"]",
        )
        .start()
        .await;
    let caller = Caller::new();
    let ask = |callback: &str, page: Option<&str>| {
        let url = server.public(&format!("/genesys/cometd?jsonp={callback}&message=%5B%5D"));
        let mut request = caller.request(reqwest::Method::GET, &url);
        if let Some(page) = page {
            request = request
                .header("sec-fetch-site", "cross-site")
                .header("referer", page);
        }
        caller.send(request)
    };
    let own = ask("jsonp.1", None).await;
    assert_eq!((own.status, own.text()), (200, "jsonp.1([])".to_owned()));
    assert!(own.header("content-type").starts_with("text/javascript"));
    assert_eq!(
        ask("cb", Some("https://shop.example/chat")).await.status,
        200
    );
    assert_eq!(
        ask("cb", Some("https://evil.example/chat")).await.status,
        403
    );
    for bad in ["alert(1)", "", &"a".repeat(65)] {
        assert_eq!(ask(bad, None).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn publishes_and_handshakes_that_come_too_often_are_asked_to_wait() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 0\nper-chat = 2\nexempt = []")
        .start()
        .await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let say = json!({"operation": "sendMessage", "secureKey": alice.key, "message": "again"});
    let mut refused = 0;
    for _ in 0..20 {
        let reply = alice.bayeux.publish(CHANNEL, say.clone()).await;
        refused += usize::from(reply["successful"] == false);
    }
    assert!(refused > 9, "{refused} of 20");
    let told: Vec<Value> = alice.bayeux.arrived();
    let told = told
        .iter()
        .find(|told| told["data"]["statusCode"] == 1)
        .unwrap();
    assert_eq!(
        (
            &told["data"]["errors"][0]["code"],
            &told["data"]["secureKey"]
        ),
        (&json!(429), &json!(alice.key))
    );
    assert_eq!(told["data"]["chatEnded"], false);

    let mut id = 100;
    while send_as(&mut alice, id, &say).await {
        id += 1;
    }
    within("the message that was refused is taken later", async {
        while !send_as(&mut alice, id, &say).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;

    let server = Server::with()
        .config("[rate-limit]\nper-address = 2\nexempt = []")
        .start()
        .await;
    let mut mallory = Bayeux::handshake(Door::Socket, server.public, "/genesys/cometd", None).await;
    let hello = json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]});
    let mut last = Value::Null;
    for _ in 0..9 {
        last = mallory.request(hello.clone()).await;
    }
    assert_eq!(
        (&last["error"], &last["advice"]["reconnect"]),
        (&json!("429::too_many_requests"), &json!("retry"))
    );
}

/// A chat that was refused at the load limit was remembered as refused for good: the same request never began it.
#[tokio::test]
async fn a_chat_that_was_refused_for_now_begins_when_it_is_asked_for_again() {
    let server = Server::with()
        .set("settings.limit-for-sessions=1")
        .start()
        .await;
    let first = RestChat::alice(&server).await;
    let mut late = Customer::knock(&server, Door::Socket).await;
    let ask = json!({"operation": "requestChat", "nickname": "Late"});
    assert!(!send_as(&mut late, 100, &ask).await);
    let refused = late.next().await;
    assert_eq!(
        (&refused["statusCode"], &refused["errors"][0]["code"]),
        (&json!(1), &json!(240))
    );
    first.call("disconnect", &[]).await.good();
    assert!(send_as(&mut late, 100, &ask).await);
    assert_eq!(late.next().await["statusCode"], 0);
}

async fn send_as(customer: &mut Customer, id: u32, data: &Value) -> bool {
    let (id, client) = (id.to_string(), &customer.bayeux.client_id);
    let message = json!([{"id": id, "channel": CHANNEL, "clientId": client, "data": data}]);
    let replies = customer.bayeux.exchange(message, &id).await;
    replies.iter().any(|reply| reply["successful"] == true)
}

#[tokio::test]
async fn trouble_with_a_chat_is_told_under_its_key() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    for fields in [json!({}), json!({"message": "x".repeat(32_769)})] {
        alice.publish("sendMessage", fields).await;
        let refused = alice.next().await;
        assert_eq!(
            (
                &refused["secureKey"],
                &refused["chatId"],
                &refused["statusCode"]
            ),
            (&json!(alice.key), &json!(alice.chat), &json!(2))
        );
        assert_eq!(refused["referenceId"].as_str().unwrap().len(), 16);
    }
}

#[tokio::test]
async fn the_answer_to_a_resume_counts_no_event_that_is_still_to_come() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("one").await;
        let mut back = Customer::resume(&server, door, &alice.key, 0).await;
        let mut position = 1;
        while back.seen.len() < 2 {
            let data = back.next().await;
            let next = data["nextPosition"].as_u64().unwrap();
            let seen = back
                .seen
                .last()
                .map_or(0, |event| event["index"].as_u64().unwrap());
            assert!(next <= seen + 1, "{data}");
            assert!(next >= position, "it only moves forward");
            position = next;
        }
        assert_eq!(position, 3, "{door:?}");
    }
}

#[tokio::test]
async fn who_comes_back_to_a_chat_that_has_ended_is_told_so_last() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("bye").await;
        alice.publish("disconnect", json!({})).await;
        alice.until_ended().await;

        let mut back = Customer::resume(&server, door, &alice.key, 1).await;
        back.until_ended().await;
        assert_eq!(
            types(&back.seen),
            ["ParticipantJoined", "Message", "ParticipantLeft"],
            "{door:?}"
        );
        let mut again = Customer::resume(&server, door, &alice.key, 4).await;
        let data = again.next().await;
        assert_eq!(
            (&data["chatEnded"], &data["nextPosition"], again.seen.len()),
            (&json!(true), &json!(4), 0)
        );
    }
}

#[tokio::test]
async fn chats_that_have_ended_make_room_for_others() {
    let server = Server::with()
        .set("limits.chats-per-client=2")
        .start()
        .await;
    let mut middleware = Customer::knock(&server, Door::Socket).await;
    let request = json!({"operation": "requestChat", "nickname": "Anna"});
    let mut keys = Vec::new();
    for _ in 0..3 {
        middleware.bayeux.publish(CHANNEL, request.clone()).await;
        keys.push(middleware.bayeux.data().await["data"].clone());
    }
    let advice = keys[2]["errors"][0]["advice"].as_str().unwrap();
    assert!(advice.contains("[limits] chats-per-client = 2"), "{advice}");

    let mut carol = Agent::carol(&server).await;
    for chat in &keys[..2] {
        let session = chat["chatId"].as_str().unwrap();
        carol.join(session).await;
        let force = json!({"session": session, "participantId": 1, "afterAction": "force-close"});
        carol.ask("release", force).await.unwrap();
        while middleware.bayeux.data().await["data"]["chatEnded"] != true {}
    }
    for _ in 0..2 {
        middleware.bayeux.publish(CHANNEL, request.clone()).await;
        assert_eq!(middleware.bayeux.data().await["data"]["statusCode"], 0);
    }
}
