//! Joining and talking, and who sees what.

use serde_json::{Value, json};

use crate::world::{Agent, Customer, Door, RestChat, Server, texts, types};

#[tokio::test]
async fn joining_gives_the_transcript_and_events_go_on_from_there() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    alice.say("hello?").await;
    let mut bob = Agent::bob(&server).await;
    let joined = bob.join(&alice.chat).await;
    let transcript = joined["transcript"].as_array().unwrap();
    assert_eq!(
        types(transcript),
        ["ParticipantJoined", "Message", "ParticipantJoined"],
        "one's own joining is in it"
    );
    assert_eq!(
        (&joined["participantId"], &joined["nextPosition"]),
        (&json!(2), &json!(4))
    );
    let again = bob.join(&alice.chat).await;
    assert_eq!(
        (&again["participantId"], &again["nextPosition"]),
        (&json!(2), &json!(4)),
        "joining twice is joining once"
    );

    let index = bob.say(&alice.chat, "hi Alice").await;
    assert_eq!(index, 4);
    assert_eq!(
        bob.event("Message").await["index"],
        4,
        "one's own events come too"
    );
    alice.say("finally").await;
    assert_eq!(bob.event("Message").await["text"], "finally");
    let read = bob
        .ask("transcript", json!({"session": alice.chat, "position": 4}))
        .await
        .unwrap();
    assert_eq!(
        texts(read["transcript"].as_array().unwrap()),
        ["hi Alice", "finally"]
    );
    assert_eq!(
        (&read["nextPosition"], &read["chatEnded"]),
        (&json!(6), &json!(false))
    );
}

#[tokio::test]
async fn notices_of_every_kind_reach_the_customer() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    let notices = [
        ("typing-started", json!(null), "TypingStarted"),
        ("typing-stopped", json!(null), "TypingStopped"),
        ("push-url", json!("https://shop.example/offer"), "PushUrl"),
        ("custom", json!("confetti"), "CustomNotice"),
        ("nickname", json!("Robert"), "NicknameUpdated"),
    ];
    for (notice, text, kind) in notices {
        let mut fields = json!({"session": alice.chat, "notice": notice});
        if !text.is_null() {
            fields["text"] = text.clone();
        }
        bob.ask("notice", fields).await.unwrap();
        let event = alice
            .until(|event| event["type"] == kind && event["from"]["type"] == "Agent")
            .await;
        assert!(text.is_null() || event["text"] == text, "{event}");
    }
    alice
        .publish("startTyping", json!({"message": "I wan"}))
        .await;
    assert_eq!(
        bob.until("typing", |message| message["event"]["text"] == "I wan")
            .await["event"]["type"],
        "TypingStarted"
    );
}

#[tokio::test]
async fn what_agents_say_among_themselves_stays_there() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let (mut bob, mut carol) = (Agent::bob(&server).await, Agent::carol(&server).await);
    bob.join(&alice.chat).await;
    carol
        .ask("join", json!({"session": alice.chat, "visibility": "INT"}))
        .await
        .unwrap();
    carol
        .ask(
            "message",
            json!({"session": alice.chat, "text": "offer a refund"}),
        )
        .await
        .unwrap();
    let whisper = bob.event("Message").await;
    assert_eq!(
        (&whisper["text"], &whisper["visibility"]),
        (&json!("offer a refund"), &json!("INT"))
    );
    bob.ask(
        "message",
        json!({"session": alice.chat, "text": "between us", "visibility": "INT"}),
    )
    .await
    .unwrap();
    bob.say(&alice.chat, "you get a refund").await;
    let heard = alice.until(|event| event["type"] == "Message").await;
    assert_eq!(heard["text"], "you get a refund");
    assert_eq!(
        types(&alice.seen),
        ["ParticipantJoined", "ParticipantJoined", "Message"],
        "the indexes have gaps, the customer sees none"
    );

    let wider = carol
        .ask(
            "message",
            json!({"session": alice.chat, "text": "aloud", "visibility": "ALL"}),
        )
        .await;
    assert_eq!(wider.unwrap_err(), "forbidden");
    let vip = bob
        .ask(
            "message",
            json!({"session": alice.chat, "text": "to supervisors", "visibility": "VIP"}),
        )
        .await;
    assert_eq!(vip.unwrap_err(), "forbidden");
}

#[tokio::test]
async fn a_direct_message_is_seen_by_two() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let (mut bob, mut robbie) = (Agent::bob(&server).await, Agent::robbie(&server).await);
    bob.join(&alice.chat).await;
    robbie.join(&alice.chat).await;
    bob.ask(
        "message",
        json!({"session": alice.chat, "text": "just you", "to": 1}),
    )
    .await
    .unwrap();
    let direct = alice.until(|event| event["type"] == "Message").await;
    assert_eq!(direct["text"], "just you");
    bob.say(&alice.chat, "everybody").await;
    assert_eq!(robbie.event("Message").await["text"], "everybody");
    assert_eq!(bob.event("Message").await["to"], 1);
}

#[tokio::test]
async fn a_supervisor_monitors_unseen() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let (mut bob, mut carol) = (Agent::bob(&server).await, Agent::carol(&server).await);
    bob.join(&alice.chat).await;
    carol
        .ask("monitor", json!({"session": alice.chat}))
        .await
        .unwrap();
    assert_eq!(
        bob.ask("monitor", json!({"session": alice.chat}))
            .await
            .unwrap_err(),
        "forbidden"
    );
    alice.say("is anybody else here?").await;
    assert_eq!(
        carol.event("Message").await["text"],
        "is anybody else here?"
    );
    bob.say(&alice.chat, "no").await;
    alice.until(|event| event["text"] == "no").await;
    assert_eq!(
        types(&alice.seen),
        [
            "ParticipantJoined",
            "ParticipantJoined",
            "Message",
            "Message"
        ]
    );
}

#[tokio::test]
async fn a_bot_carries_its_mark() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let mut robbie = Agent::robbie(&server).await;
    robbie.join(&alice.chat).await;
    let content = json!({"structured-content": {"genesys-chat": {"type": "Generic", "content": "{\"type\":\"Message\"}"}}});
    robbie
        .ask(
            "message",
            json!({"session": alice.chat, "text": "Pick", "eventAttributes": content}),
        )
        .await
        .unwrap();
    let event = alice.until(|event| event["text"] == "Pick").await;
    assert_eq!(event["from"]["type"], "Agent");
    assert_eq!(
        event["eventAttributes"]["GCTI_SYSTEM"]["party-info"]["style"],
        "BOT"
    );
    assert_eq!(
        event["eventAttributes"]["structured-content"],
        content["structured-content"]
    );
}

#[tokio::test]
async fn a_newer_read_receipt_annihilates_the_older() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    for index in ["1", "2"] {
        let receipt = json!({"session": chat.id, "notice": "read-confirm",
            "userData": {"last-event-id": index}});
        bob.ask("notice", receipt).await.unwrap();
    }
    let page = bob
        .ask("transcript", json!({"session": chat.id, "position": 1}))
        .await
        .unwrap();
    let indexes: Vec<u64> = page["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["index"].as_u64())
        .collect();
    assert_eq!((indexes, &page["nextPosition"]), (vec![1, 2, 4], &json!(5)));
}

/// A customer can see that it is monitored, on every door, as long as it is.
#[tokio::test]
async fn a_monitored_customer_is_told_so() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let chat = RestChat::alice(&server).await;
    let mut carol = Agent::carol(&server).await;
    for session in [&alice.chat, &chat.id] {
        carol
            .ask("monitor", json!({"session": session}))
            .await
            .unwrap();
    }
    let monitored = |reply: &Value| reply["monitored"].clone();
    assert_eq!(monitored(&chat.call("refresh", &[]).await.good()), true);
    alice.say("am I alone?").await;
    assert_eq!(monitored(&alice.last), true);
    for session in [&alice.chat, &chat.id] {
        carol
            .ask("release", json!({"session": session}))
            .await
            .unwrap();
    }
    assert_eq!(monitored(&chat.call("refresh", &[]).await.good()), false);
    alice.say("and now?").await;
    assert_eq!(monitored(&alice.last), false);
    let seen = types(&alice.seen);
    assert_eq!(seen, ["ParticipantJoined", "Message", "Message"]);
}
