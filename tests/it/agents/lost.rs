//! What becomes of an agent whose connection, or whose server, is lost.

use serde_json::json;

use crate::world::{Agent, BOB, Door, RestChat, Server, events, eventually, types};

#[tokio::test]
async fn an_agent_whose_connection_is_lost_leaves_when_its_session_expires() {
    let server = Server::with()
        .config("[cometd]\nmaxInterval = 1500")
        .start()
        .await;
    let chat = RestChat::request(
        &server,
        &[
            ("nickname", "Alice"),
            ("userData[GCTI_Chat_AsyncMode]", "true"),
        ],
    )
    .await;
    let mut carol = Agent::carol(&server).await;
    carol.join(&chat.id).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    drop(bob);
    let left = carol.event("ParticipantLeft").await;
    assert_eq!(left["from"]["nickname"], "Bob");
}

#[tokio::test]
async fn after_a_restart_an_agent_takes_its_participant_over() {
    let mut server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    let before = bob.join(&chat.id).await;
    server.kill9().await;
    server.start_again().await;
    let mut bob = Agent::bob(&server).await;
    let after = bob.join(&chat.id).await;
    assert_eq!(
        (&after["participantId"], &after["nextPosition"]),
        (&before["participantId"], &before["nextPosition"]),
        "without an event"
    );
    bob.say(&chat.id, "as if nothing had happened").await;
    let rest = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    let body = rest.call("refresh", &[]).await.good();
    assert_eq!(
        types(&events(&body)),
        ["ParticipantJoined", "ParticipantJoined", "Message"]
    );
}

/// A desktop that opens a chat to look at it first, and joins it for good later, asked for another visibility after the
/// restart than before: somebody new came in, and a minute later the customer saw the old one leave.
#[tokio::test]
async fn a_participant_is_taken_over_with_the_visibility_it_has() {
    let mut server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut before = Vec::new();
    for visibility in ["INT", "VIP", "ALL"] {
        let mut carol = Agent::carol(&server).await;
        let join = json!({"session": chat.id, "visibility": visibility});
        let joined = carol.ask("join", join).await.unwrap();
        before.push((joined["participantId"].clone(), carol));
    }
    server.kill9().await;
    server.start_again().await;
    let ids: Vec<_> = before.into_iter().map(|(id, _)| id).collect();
    let asked = [
        // Each its own first, then whichever is left: the only one is seen by all.
        ("monitor", json!({}), &ids[1]),
        ("join", json!({"visibility": "INT"}), &ids[0]),
        ("join", json!({"visibility": "INT"}), &ids[2]),
    ];
    let mut carols = Vec::new();
    for (operation, mut fields, id) in asked {
        fields["session"] = json!(chat.id);
        let mut carol = Agent::carol(&server).await;
        let joined = carol.ask(operation, fields).await.unwrap();
        assert_eq!(&joined["participantId"], id, "{operation}");
        carols.push(carol);
    }
    carols[2].say(&chat.id, "to everybody, as before").await;
    let seen = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    assert_eq!(
        types(&seen.transcript(1).await),
        ["ParticipantJoined", "ParticipantJoined", "Message"],
        "the customer has noticed nothing"
    );
    let newcomer = Agent::carol(&server).await.join(&chat.id).await;
    assert!(!ids.contains(&newcomer["participantId"]), "nobody is left");
}

#[tokio::test]
async fn agents_who_do_not_come_back_after_an_orderly_restart_leave_as_lost() {
    let mut server = Server::with()
        .config("[cometd]\nmaxInterval = 1500")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    server.stop().await;
    server.start_again().await;
    // Nobody touches the chat meanwhile.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    let seen = types(&chat.transcript(1).await);
    assert_eq!(
        seen,
        ["ParticipantJoined", "ParticipantJoined", "ParticipantLeft"]
    );
}

#[tokio::test]
async fn who_joins_and_is_gone_at_once_does_not_stay() {
    let server = Server::with()
        .config("[cometd]\nmaxInterval = 1500")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    let client = bob.bayeux.client_id.clone();
    let both = json!([
        {"id": "j", "channel": "/service/agent", "clientId": client,
            "data": {"operation": "join", "requestId": "j", "session": chat.id}},
        {"id": "d", "channel": "/meta/disconnect", "clientId": client},
    ]);
    let soon = std::time::Duration::from_secs(1);
    // Whether it is answered is not the point here.
    let _ = tokio::time::timeout(soon, bob.bayeux.exchange(both, "d")).await;
    eventually("the leaving", || async {
        let seen = types(&chat.transcript(1).await);
        seen.ends_with(&["ParticipantLeft".to_owned()])
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_chat_that_lost_its_agent_waits_again() {
    let server = Server::with()
        .config("[cometd]\nmaxInterval = 1500")
        .start()
        .await;
    let mut carol = Agent::carol(&server).await;
    carol.ask("sessions", json!({"watch": true})).await.unwrap();
    for door in Door::BOTH {
        let fields = [
            ("nickname", "Alice"),
            ("userData[GCTI_Chat_AsyncMode]", "true"),
        ];
        let chat = RestChat::request(&server, &fields).await;
        let mut bob = Agent::with_token(&server, door, BOB).await;
        bob.join(&chat.id).await;
        carol.state(&chat.id, "served").await;
        drop(bob);
        carol.state(&chat.id, "waiting").await;
        let left = chat.transcript(1).await.pop().unwrap();
        assert_eq!(
            (&left["type"], &left["from"]["nickname"]),
            (&json!("ParticipantLeft"), &json!("Bob"))
        );
        assert!(
            left["eventAttributes"]["general-properties"].is_null(),
            "neither a hold nor a transfer: {left}"
        );
    }
}

#[tokio::test]
async fn who_says_goodbye_leaves_at_once() {
    // Nobody would wait for this long.
    let server = Server::with()
        .config("[cometd]\nmaxInterval = 3600000")
        .start()
        .await;
    let mut carol = Agent::carol(&server).await;
    carol.ask("sessions", json!({"watch": true})).await.unwrap();
    for door in Door::BOTH {
        let chat = RestChat::alice(&server).await;
        let mut bob = Agent::with_token(&server, door, BOB).await;
        bob.join(&chat.id).await;
        carol.state(&chat.id, "served").await;
        bob.bayeux.disconnect(None).await;
        carol.state(&chat.id, "waiting").await;
    }
}
