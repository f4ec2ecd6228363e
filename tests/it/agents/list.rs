//! The list of sessions: who waits, who is served, page by page.

use serde_json::{Value, json};

use crate::world::{Agent, BOB, Door, RestChat, Server};

#[tokio::test]
async fn a_chat_waits_is_served_and_closes() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut bob = Agent::with_token(&server, door, BOB).await;
        bob.ask("sessions", json!({"watch": true})).await.unwrap();
        let chat = RestChat::request(
            &server,
            &[
                ("nickname", "Alice"),
                ("subject", "Router"),
                ("userData[k]", "v"),
            ],
        )
        .await;
        let waiting = bob.state(&chat.id, "waiting").await;
        assert_eq!(
            (&waiting["subject"], &waiting["service"]),
            (&json!("Router"), &json!("customer-support"))
        );
        assert_eq!(
            (
                &waiting["customer"]["nickname"],
                &waiting["customer"]["userData"]["k"]
            ),
            (&json!("Alice"), &json!("v"))
        );
        assert_eq!(
            (&waiting["async"], &waiting["agents"]),
            (&json!(false), &json!([]))
        );
        assert!(
            waiting["createdAt"].as_u64().unwrap() > 1_600_000_000_000,
            "milliseconds"
        );

        bob.join(&chat.id).await;
        assert_eq!(
            bob.state(&chat.id, "served").await["agents"],
            json!(["Bob"])
        );
        bob.ask(
            "release",
            json!({"session": chat.id, "afterAction": "force-close"}),
        )
        .await
        .unwrap();
        bob.state(&chat.id, "closed").await;
        let listed = bob.ask("sessions", json!({})).await.unwrap()["sessions"]
            .as_array()
            .unwrap()
            .clone();
        assert!(
            listed.iter().all(|one| one["session"] != chat.id),
            "not listed any more"
        );
    }
}

#[tokio::test]
async fn the_list_comes_in_pages_oldest_first() {
    let server = Server::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(RestChat::alice(&server).await.id);
    }
    let mut bob = Agent::bob(&server).await;
    let (mut read, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut fields = json!({"limit": 2});
        if !after.is_null() {
            fields["after"] = after;
        }
        let page = bob.ask("sessions", fields).await.unwrap();
        let sessions = page["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 2);
        read.extend(
            sessions
                .iter()
                .map(|one| one["session"].as_str().unwrap().to_owned()),
        );
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(read, made);
}
