//! CometD v2: every operation over WebSocket and long-polling, and everything that can happen to a connection.

mod endpoint;
mod inactivity;
mod operations;
mod origins;
mod resuming;

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Agent, Bayeux, Customer, Door, RestChat, Server, events, texts, types, within};

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
