//! Who gets in, and what a refused request is told.

use serde_json::{Value, json};

use crate::world::{Agent, BOB, Bayeux, Caller, Door, RestChat, Server};

#[tokio::test]
async fn the_admin_token_makes_a_supervisor_called_agent() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut admin = Agent::with_token(&server, Door::Socket, &server.admin_token()).await;
    admin
        .ask("monitor", json!({"session": chat.id}))
        .await
        .unwrap();
    admin
        .ask("release", json!({"session": chat.id}))
        .await
        .unwrap();
    admin.join(&chat.id).await;
    admin.say(&chat.id, "hello").await;
    let last = chat.transcript(1).await.pop().unwrap();
    assert_eq!(
        (&last["from"]["nickname"], &last["text"]),
        (&json!("Agent"), &json!("hello"))
    );
}

#[tokio::test]
async fn every_refused_token_gets_the_same_answer() {
    let server = Server::start().await;
    let mut answers = Vec::new();
    let exts = [
        None,
        Some(json!({})),
        Some(json!({"authentication": {"token": "guess"}})),
        Some(json!({"authentication": {"token": 7}})),
        Some(json!({"authentication": "x"})),
    ];
    for ext in exts {
        for door in Door::BOTH {
            let mallory = Bayeux::handshake(door, server.internal, "/cometd", ext.clone()).await;
            let mut answer = mallory.greeting.clone();
            assert_eq!(
                (&answer["successful"], &answer["advice"]["reconnect"]),
                (&json!(false), &json!("none")),
                "{answer}"
            );
            assert!(
                answer["error"].as_str().unwrap().starts_with("403::")
                    && answer.get("clientId").is_none()
            );
            for name in ["supportedConnectionTypes", "ext"] {
                answer.as_object_mut().unwrap().remove(name);
            }
            answers.push(answer);
        }
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_bearer_token_works_too() {
    let server = Server::start().await;
    let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]);
    let caller = Caller::new();
    let request = caller
        .request(reqwest::Method::POST, &server.internal("/cometd"))
        .header("authorization", format!("Bearer {BOB}"));
    let reply = caller
        .send(
            request
                .header("content-type", "application/json")
                .body(hello.to_string()),
        )
        .await;
    assert_eq!(reply.json()[0]["successful"], true, "{}", reply.text());
}

#[tokio::test]
async fn refusals_have_codes() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    let cases = [
        ("fly", json!({}), "unknown-operation"),
        ("join", json!({}), "malformed"),
        (
            "join",
            json!({"session": "0000000000000000"}),
            "unknown-session",
        ),
        (
            "message",
            json!({"session": chat.id, "text": "hi"}),
            "not-joined",
        ),
        (
            "transcript",
            json!({"session": chat.id, "position": 1}),
            "not-joined",
        ),
        (
            "join",
            json!({"session": chat.id, "visibility": "VIP"}),
            "forbidden",
        ),
    ];
    for (operation, fields, code) in cases {
        assert_eq!(
            bob.ask(operation, fields.clone()).await.unwrap_err(),
            code,
            "{operation} {fields}"
        );
    }
    bob.join(&chat.id).await;
    let long = "x".repeat(40_000);
    assert_eq!(
        bob.ask("message", json!({"session": chat.id, "text": long}))
            .await
            .unwrap_err(),
        "too-large"
    );
    chat.call("disconnect", &[]).await.good();
    bob.ask(
        "release",
        json!({"session": chat.id, "afterAction": "force-close"}),
    )
    .await
    .ok();
    assert_eq!(
        bob.ask("join", json!({"session": chat.id}))
            .await
            .unwrap_err(),
        "session-closed"
    );
}

/// A message under an id that could not be given back was said, and its answer looked like something unasked: the program
/// that waited for it said it again.
#[tokio::test]
async fn what_could_not_be_answered_under_its_id_is_not_done() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    let said = |id: Value| json!({"operation": "message", "session": chat.id, "text": "once", "requestId": id});
    for id in [json!("x".repeat(256)), json!([1]), json!({})] {
        let reply = bob.bayeux.publish("/service/agent", said(id)).await;
        assert_eq!(reply["successful"], true, "{reply}");
        let answer = bob
            .until("the refusal", |message| message["ok"] == false)
            .await;
        assert_eq!(answer["error"]["code"], "malformed", "{answer}");
        assert_eq!(answer["operation"], "message", "{answer}");
    }
    bob.bayeux
        .publish("/service/agent", said(Value::Null))
        .await;
    let answer = bob
        .until("the answer", |message| message["ok"] == true)
        .await;
    assert_eq!(
        (&answer["index"], answer.get("requestId")),
        (&json!(3), None)
    );
}
