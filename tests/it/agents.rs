//! Agents, bots and supervisors: who gets in, who waits, who sees what, and what becomes of a lost connection.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{
    Agent, BOB, Bayeux, Caller, Customer, Door, RestChat, Server, events, eventually, texts, types,
    within,
};

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
