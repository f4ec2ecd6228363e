//! The list of sessions: who waits, who is served, page by page.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Agent, BOB, Door, RestChat, Server, within};

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

/// A request that came too often was remembered as done: sent again under the same id, it was never answered.
#[tokio::test]
async fn a_request_that_came_too_often_is_answered_when_it_is_sent_again() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 2\nexempt = []")
        .start()
        .await;
    let mut bob = Agent::bob(&server).await;
    let mut id = 100;
    while sessions_as(&mut bob, id).await.is_ok() {
        id += 1;
    }
    within("the same request is done", async {
        while let Err(code) = sessions_as(&mut bob, id).await {
            assert_eq!(code, "rate-limited");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Asks for the list in a publish of this id; the code of a refusal.
async fn sessions_as(agent: &mut Agent, id: u32) -> Result<(), Value> {
    let (id, client) = (id.to_string(), &agent.bayeux.client_id);
    let data = json!({"operation": "sessions", "requestId": id});
    let message =
        json!([{"id": id, "channel": "/service/agent", "clientId": client, "data": data}]);
    agent.bayeux.exchange(message, &id).await;
    let answer = agent.bayeux.data().await;
    assert_eq!(answer["data"]["requestId"], id.as_str(), "{answer}");
    match answer["data"]["ok"] == true {
        true => Ok(()),
        false => Err(answer["data"]["error"]["code"].clone()),
    }
}
