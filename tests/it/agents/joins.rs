//! Joining again, joining much, and what comes right behind a join.

use serde_json::json;

use crate::world::{Agent, BOB, Door, RestChat, Server, types};

#[tokio::test]
async fn joining_twice_is_joining_once_and_coming_back_is_somebody_new() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let (mut bob, mut twin) = (Agent::bob(&server).await, Agent::bob(&server).await);
    let first = bob.join(&chat.id).await;
    let again = bob.join(&chat.id).await;
    assert_eq!(first["participantId"], again["participantId"]);
    assert_eq!(
        first["nextPosition"], again["nextPosition"],
        "without an event"
    );
    let other = twin.join(&chat.id).await;
    assert_ne!(
        other["participantId"], first["participantId"],
        "each connection"
    );
    bob.ask("release", json!({"session": chat.id}))
        .await
        .unwrap();
    let back = bob.join(&chat.id).await;
    assert_ne!(back["participantId"], first["participantId"], "a new one");
    twin.say(&chat.id, "welcome back").await;
    assert_eq!(bob.event("Message").await["text"], "welcome back");
}

/// An agent's program published `join` and `message` one behind the other, as every example does, and the message was
/// refused because the joining was still on its way to the disk.
#[tokio::test]
async fn what_follows_a_join_need_not_wait_for_its_answer() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let chat = RestChat::alice(&server).await;
        let mut bob = Agent::with_token(&server, door, BOB).await;
        let requests = [
            json!({"operation": "join", "session": chat.id}),
            json!({"operation": "message", "session": chat.id, "text": "Hello, this is Bob."}),
            json!({"operation": "transcript", "session": chat.id, "position": 1}),
            json!({"operation": "release", "session": chat.id, "afterAction": "force-close"}),
        ];
        let answers = bob.ask_at_once(&requests).await;
        assert!(
            answers.iter().all(|answer| answer["ok"] == true),
            "{answers:?}"
        );
        let transcript = answers[2]["transcript"].as_array().unwrap();
        assert_eq!(
            types(&transcript[..2]),
            ["ParticipantJoined", "ParticipantJoined"],
            "its own joining is in it"
        );
        let removed = bob
            .until("the end", |message| message["operation"] == "removed")
            .await;
        assert_eq!(removed["reason"], "closed");
        assert_eq!(
            types(&chat.transcript(1).await),
            [
                "ParticipantJoined",
                "ParticipantJoined",
                "Message",
                "ParticipantLeft",
                "ParticipantLeft"
            ]
        );
    }
}

#[tokio::test]
async fn who_leaves_and_comes_back_in_one_breath_goes_on_as_somebody_new() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    let requests = [
        json!({"operation": "release", "session": chat.id}),
        json!({"operation": "message", "session": chat.id, "text": "too late"}),
        json!({"operation": "join", "session": chat.id}),
        json!({"operation": "message", "session": chat.id, "text": "here again"}),
        json!({"operation": "transcript", "session": chat.id, "position": 4}),
    ];
    let answers = bob.ask_at_once(&requests).await;
    let done: Vec<bool> = answers.iter().map(|answer| answer["ok"] == true).collect();
    assert_eq!(done, [true, false, true, true, true], "{answers:?}");
    assert_eq!(answers[1]["error"]["code"], "not-joined");
    assert_eq!(answers[2]["participantId"], 3, "somebody new");
    let own = &answers[4]["transcript"][0];
    assert_eq!(
        (&own["type"], &own["from"]["participantId"]),
        (&json!("ParticipantJoined"), &json!(3)),
        "its own joining is in it"
    );
    let said = chat.transcript(1).await.pop().unwrap();
    assert_eq!(
        (&said["text"], &said["from"]["participantId"]),
        (&json!("here again"), &json!(3))
    );
}

// Bob came back after a restart and joined all his chats at once. The transcripts together were larger than what may wait
// for a client, so that he was disconnected, and came back, without end.
#[tokio::test]
async fn many_long_chats_are_joined_at_once() {
    let server = Server::start().await;
    let mut joins = Vec::new();
    for _ in 0..6 {
        let chat = RestChat::alice(&server).await;
        for _ in 0..4 {
            chat.say(&"long ".repeat(6_000)).await;
        }
        joins.push(json!({"operation": "join", "session": chat.id, "visibility": "ALL"}));
    }
    let mut bob = Agent::bob(&server).await;
    for answer in bob.ask_at_once(&joins).await {
        assert_eq!(answer["ok"], true);
        assert_eq!(answer["transcript"].as_array().unwrap().len(), 6);
    }
    assert_eq!(
        bob.join(joins[0]["session"].as_str().unwrap()).await["ok"],
        true
    );
}
