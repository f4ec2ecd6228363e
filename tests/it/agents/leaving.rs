//! Leaving, holding, ending, and who may make others leave.

use serde_json::{Value, json};

use crate::world::{Agent, BOB, Door, RestChat, Server};

#[tokio::test]
async fn leaving_keeps_closes_or_holds() {
    let server = Server::start().await;
    let mut bob = Agent::bob(&server).await;

    let kept = RestChat::alice(&server).await;
    bob.join(&kept.id).await;
    bob.ask("release", json!({"session": kept.id}))
        .await
        .unwrap();
    kept.say("still open").await;

    let closed = RestChat::alice(&server).await;
    bob.join(&closed.id).await;
    bob.ask(
        "release",
        json!({"session": closed.id, "afterAction": "close-if-no-agents"}),
    )
    .await
    .unwrap();
    assert_eq!(closed.call("refresh", &[]).await.good()["chatEnded"], true);

    let plain = RestChat::alice(&server).await;
    bob.join(&plain.id).await;
    assert_eq!(
        bob.ask("release", json!({"session": plain.id, "reason": "hold"}))
            .await
            .unwrap_err(),
        "forbidden"
    );

    let held = RestChat::request(
        &server,
        &[
            ("nickname", "Alice"),
            ("userData[GCTI_Chat_AsyncMode]", "true"),
        ],
    )
    .await;
    bob.ask("sessions", json!({"watch": true})).await.unwrap();
    bob.join(&held.id).await;
    bob.ask("release", json!({"session": held.id, "reason": "hold"}))
        .await
        .unwrap();
    bob.state(&held.id, "held").await;
    let left = held.transcript(1).await.pop().unwrap();
    assert_eq!(left["type"], "ParticipantLeft");
    assert_eq!(
        left["eventAttributes"]["general-properties"]["reason-for-leave"],
        "HOLD"
    );
    held.say("I am back").await;
    bob.state(&held.id, "waiting").await;
}

#[tokio::test]
async fn whoever_is_removed_is_told() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let (mut bob, mut carol) = (Agent::bob(&server).await, Agent::carol(&server).await);
    let participant = bob.join(&chat.id).await["participantId"].clone();
    carol.join(&chat.id).await;
    carol
        .ask(
            "release",
            json!({"session": chat.id, "participantId": participant}),
        )
        .await
        .unwrap();
    let removed = bob
        .until("removal", |message| message["operation"] == "removed")
        .await;
    assert_eq!(
        (&removed["session"], &removed["reason"]),
        (&json!(chat.id), &json!("released"))
    );
    assert_eq!(
        bob.ask("message", json!({"session": chat.id, "text": "?"}))
            .await
            .unwrap_err(),
        "not-joined"
    );

    bob.ask("join", json!({"session": chat.id})).await.unwrap();
    bob.ask("release", json!({"session": chat.id, "participantId": 1}))
        .await
        .unwrap();
    assert_eq!(
        chat.call("refresh", &[]).await.good()["chatEnded"],
        true,
        "the customer was removed"
    );
}

#[tokio::test]
async fn who_may_release_whom() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let (mut bob, mut carol) = (Agent::bob(&server).await, Agent::carol(&server).await);
    let mut robbie = Agent::robbie(&server).await;
    let bobs = bob.join(&chat.id).await["participantId"].clone();
    let carols = carol.join(&chat.id).await["participantId"].clone();
    let robbies = robbie.join(&chat.id).await["participantId"].clone();
    let release = |who: &Value| json!({"session": chat.id, "participantId": who});
    assert_eq!(
        bob.ask("release", release(&carols)).await.unwrap_err(),
        "forbidden"
    );
    bob.ask("release", release(&robbies)).await.unwrap();
    carol.ask("release", release(&bobs)).await.unwrap();
    carol
        .ask("release", json!({"session": chat.id, "reason": "hold"}))
        .await
        .unwrap_err();
    carol
        .ask(
            "release",
            json!({"session": chat.id, "afterAction": "force-close"}),
        )
        .await
        .unwrap();
    let removed = carol
        .until("the end", |message| message["operation"] == "removed")
        .await;
    assert_eq!(removed["reason"], "closed");
}

#[tokio::test]
async fn who_leaves_says_whether_it_is_a_transfer_or_for_good() {
    let server = Server::start().await;
    let asynchronous = [
        ("nickname", "Alice"),
        ("userData[GCTI_Chat_AsyncMode]", "true"),
    ];
    let (mut bob, mut carol) = (Agent::bob(&server).await, Agent::carol(&server).await);
    carol.ask("sessions", json!({"watch": true})).await.unwrap();
    let reasons = [
        (json!("transfer"), json!("TRANSFER"), "waiting"),
        (json!("hold"), json!("HOLD"), "held"),
        (Value::Null, Value::Null, "waiting"),
    ];
    for (reason, told, state) in reasons {
        let chat = RestChat::request(&server, &asynchronous).await;
        bob.join(&chat.id).await;
        carol.state(&chat.id, "served").await;
        let mut release = json!({"session": chat.id});
        if !reason.is_null() {
            release["reason"] = reason;
        }
        bob.ask("release", release).await.unwrap();
        carol.state(&chat.id, state).await;
        let left = chat.transcript(1).await.pop().unwrap();
        assert_eq!(
            left["eventAttributes"]["general-properties"]["reason-for-leave"], told,
            "{left}"
        );
        carol.join(&chat.id).await;
        carol.state(&chat.id, "served").await;
    }
    // A transfer is nothing peculiar to async chats; a hold is.
    let regular = RestChat::alice(&server).await;
    bob.join(&regular.id).await;
    let transfer = json!({"session": regular.id, "reason": "transfer"});
    bob.ask("release", transfer).await.unwrap();
    let left = regular.transcript(1).await.pop().unwrap();
    assert_eq!(
        left["eventAttributes"]["general-properties"]["reason-for-leave"],
        "TRANSFER"
    );
    bob.join(&regular.id).await;
    let strange = json!({"session": regular.id, "reason": "lunch"});
    assert_eq!(bob.ask("release", strange).await.unwrap_err(), "malformed");
}

// A seat stood until its holder's leaving was confirmed, by the next connect: for half a minute who had been removed read on
// what the others said among themselves.
#[tokio::test]
async fn whoever_is_out_is_told_no_more() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let chat = RestChat::alice(&server).await;
        let mut bob = Agent::with_token(&server, door, BOB).await;
        let mut carol = Agent::carol(&server).await;
        let participant = bob.join(&chat.id).await["participantId"].clone();
        carol.join(&chat.id).await;
        let out = json!({"session": chat.id, "participantId": participant});
        carol.ask("release", out).await.unwrap();
        let secret = json!({"session": chat.id, "text": "about Bob", "visibility": "INT"});
        carol.ask("message", secret).await.unwrap();
        // Nothing confirms to the server what Bob has read but a connect.
        bob.until("removal", |message| message["operation"] == "removed")
            .await;
        let again = bob.join(&chat.id).await;
        let next = again["nextPosition"].as_u64().unwrap();
        chat.say("Bob?").await;
        let event = bob.until("an event", |message| message["operation"] == "event");
        let event = event.await["event"].clone();
        assert_eq!(
            (&event["text"], event["index"].as_u64()),
            (&json!("Bob?"), Some(next)),
            "{door:?}: neither what was said about him, nor his coming once more"
        );
    }
}
