//! The operations, one by one: what each needs, what may be added, and what it leaves in the transcript.

use super::*;

/// The operations in a chat, each with fields that satisfy it.
fn operations() -> [(&'static str, Value); 10] {
    [
        ("startTyping", json!({})),
        ("stopTyping", json!({})),
        ("sendMessage", json!({"message": "hello"})),
        ("pushUrl", json!({"pushUrl": "https://shop.example/"})),
        ("updateNickname", json!({"nickname": "Ali"})),
        ("customNotice", json!({})),
        ("updateData", json!({"userData": {"basket": "3 items"}})),
        ("readReceipt", json!({"transcriptPosition": 1})),
        ("requestNotifications", json!({})),
        ("disconnect", json!({})),
    ]
}

#[tokio::test]
async fn every_operation_works_over_every_transport() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::request(
            &server,
            door,
            json!({"firstName": "Alice", "lastName": "Rossi", "userData": {"k": "v"}}),
        )
        .await;
        let mut bob = Agent::bob(&server).await;
        bob.join(&alice.chat).await;

        alice
            .publish("startTyping", json!({"message": "I wan"}))
            .await;
        alice.publish("stopTyping", json!({})).await;
        alice
            .publish(
                "sendMessage",
                json!({"message": "hello", "messageType": "greeting"}),
            )
            .await;
        alice
            .publish("pushUrl", json!({"pushUrl": "https://shop.example/"}))
            .await;
        alice
            .publish("updateNickname", json!({"nickname": "Ali"}))
            .await;
        alice
            .publish("customNotice", json!({"message": "scrolled"}))
            .await;
        alice
            .publish("updateData", json!({"userData": {"basket": "3"}}))
            .await;
        let notice = alice.until(|event| event["type"] == "CustomNotice").await;
        assert_eq!(notice["from"]["nickname"], "Ali");
        let expected = [
            "ParticipantJoined",
            "ParticipantJoined",
            "TypingStarted",
            "TypingStopped",
            "Message",
            "PushUrl",
            "NicknameUpdated",
            "CustomNotice",
        ];
        assert_eq!(types(&alice.seen), expected, "{door:?}");
        let said = [
            (2, "I wan"),
            (4, "hello"),
            (5, "https://shop.example/"),
            (6, "Ali"),
            (7, "scrolled"),
        ];
        for (place, text) in said {
            assert_eq!(alice.seen[place]["text"], text, "{door:?}");
        }
        assert_eq!(alice.seen[4]["messageType"], "greeting");
        bob.until("the new data", |message| {
            message["customer"]["userData"]["basket"] == "3"
        })
        .await;

        let index = bob.say(&alice.chat, "read this").await;
        alice.until(|event| event["text"] == "read this").await;
        alice
            .publish("readReceipt", json!({"transcriptPosition": index}))
            .await;
        let receipt = bob.event("Notice").await;
        assert_eq!(
            (&receipt["text"], &receipt["userData"]["last-event-id"]),
            (&json!("read-confirm"), &json!(index.to_string()))
        );

        alice.publish("disconnect", json!({})).await;
        assert_eq!(alice.until_ended().await["statusCode"], 0);
        let left = bob.event("ParticipantLeft").await;
        assert_eq!(
            left["from"]["type"], "Client",
            "the chat has ended for others too"
        );
    }
}

// A page that ends the chat and says good-bye in one request was never told that the chat had ended.
#[tokio::test]
async fn who_ends_the_chat_and_says_good_bye_at_once_is_told_the_end() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        let client = alice.bayeux.client_id.clone();
        let data = json!({"operation": "disconnect", "secureKey": alice.key});
        let messages = json!([
            {"id": "over", "channel": CHANNEL, "clientId": client, "data": data},
            {"id": "bye", "channel": "/meta/disconnect", "clientId": client},
        ]);
        let replies = alice.bayeux.exchange(messages, "bye").await;
        assert!(replies.iter().all(|reply| reply["successful"] == true));
        let last = alice.bayeux.arrived().pop().expect("the end");
        assert_eq!(last["data"]["chatEnded"], true, "{door:?}: {last}");
    }
}

#[tokio::test]
async fn chat_trouble_is_a_data_message() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut stranger = Customer::knock(&server, door).await;
        stranger
            .publish("requestChat", json!({"subject": "no name"}))
            .await;
        let refused = stranger.next().await;
        assert_eq!(
            (&refused["statusCode"], &refused["chatId"]),
            (&json!(2), &json!("")),
            "{refused}"
        );
        assert!(
            !refused["secureKey"].as_str().unwrap().is_empty(),
            "a fresh key that opens nothing"
        );
        assert_eq!(refused["errors"][0]["code"], 161);

        let mut lost = Customer::resume(&server, door, "bm90IGEga2V5", 0).await;
        let refused = lost.next().await;
        assert_eq!(
            (&refused["statusCode"], &refused["errors"][0]["code"]),
            (&json!(2), &json!(249))
        );

        let mut alice = Customer::alice(&server, door).await;
        alice.publish("sendMessage", json!({})).await;
        let refused = alice.next().await;
        assert_eq!(
            (&refused["statusCode"], &refused["errors"][0]["code"]),
            (&json!(2), &json!(400))
        );
        assert_eq!(refused["chatEnded"], false);
    }
}

/// Subject and e-mail address were given nowhere over CometD, and what became of the names and of user data not looked for.
#[tokio::test]
async fn what_a_chat_is_requested_with_reaches_the_agents() {
    let server = Server::start().await;
    let mut bob = Agent::bob(&server).await;
    let fields = json!({"firstName": "Alice", "lastName": "Rossi", "subject": "Router",
        "emailAddress": "alice@shop.example", "userData": {"TimeZone": "60", "basket": 3}});
    let alice = Customer::request(&server, Door::Socket, fields).await;
    assert_eq!(alice.seen[0]["from"]["nickname"], "Alice Rossi");
    let entry = bob.listed(&alice.chat).await;
    assert_eq!(entry["subject"], "Router");
    let expected = json!({"nickname": "Alice Rossi", "userData": {
        "FirstName": "Alice", "LastName": "Rossi", "EmailAddress": "alice@shop.example", "TimeZone": "60",
        "basket": "3", "MediaType": "chat", "IdentifyCreateContact": "3"}});
    assert_eq!(entry["customer"], expected);
}

#[tokio::test]
async fn a_chat_needs_a_name_and_a_right_address() {
    let server = Server::start().await;
    let mut stranger = Customer::knock(&server, Door::Socket).await;
    for (fields, code) in [
        (json!({"lastName": "Rossi"}), 102),
        (json!({"firstName": "Alice"}), 103),
        (json!({"subject": "no name"}), 161),
        (json!({"nickname": "Alice", "emailAddress": "none"}), 364),
    ] {
        stranger.publish("requestChat", fields).await;
        let refused = stranger.next().await;
        let trouble = (&refused["statusCode"], &refused["errors"][0]["code"]);
        assert_eq!(trouble, (&json!(2), &json!(code)), "{refused}");
    }
}

#[tokio::test]
async fn an_operation_without_what_it_needs_is_refused_by_name() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    for (operation, fields) in operations() {
        for name in fields.as_object().unwrap().keys() {
            alice.publish(operation, json!({})).await;
            missing(&mut alice, name, operation).await;
        }
        let key = std::mem::take(&mut alice.key);
        alice.publish(operation, fields).await;
        missing(&mut alice, "secureKey", operation).await;
        alice.key = key;
    }
    let nothing = json!({"secureKey": alice.key, "message": "hello"});
    alice.bayeux.publish(CHANNEL, nothing).await;
    missing(&mut alice, "operation", "none").await;
    alice.say("and nothing happened").await;
    assert_eq!(types(&alice.seen), ["ParticipantJoined", "Message"]);
}

async fn missing(alice: &mut Customer, name: &str, operation: &str) {
    let refused = alice.next().await;
    let trouble = &refused["errors"][0];
    assert_eq!(
        (&refused["statusCode"], &trouble["code"]),
        (&json!(2), &json!(400)),
        "{operation}"
    );
    assert_eq!(
        trouble["advice"],
        format!("{name} is missing"),
        "{operation}"
    );
}

#[tokio::test]
async fn no_operation_is_done_by_a_key_that_is_not_the_chats() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let mut mallory = Customer::knock(&server, Door::Socket).await;
    let (head, tail) = alice.key.split_at(alice.key.len() / 2);
    mallory.key = format!("{head}{}", "A".repeat(tail.len()));
    for (operation, fields) in operations() {
        mallory.publish(operation, fields).await;
        let refused = mallory.next().await;
        let trouble = (&refused["statusCode"], &refused["errors"][0]["code"]);
        assert_eq!(trouble, (&json!(2), &json!(249)), "{operation}: {refused}");
    }
    alice.say("and nothing happened").await;
    assert_eq!(types(&alice.seen), ["ParticipantJoined", "Message"]);
    let entry = Agent::bob(&server).await.listed(&alice.chat).await;
    assert_eq!(entry["customer"]["userData"]["basket"], Value::Null);
}

/// `userId`, `alias` and `chatId` are of older gateways; `auth` is for services that ask for it, in either of two forms.
#[tokio::test]
async fn what_apps_of_all_ages_add_is_tolerated() {
    let server = Server::start().await;
    for auth in [
        json!({"username": "u", "password": "p"}),
        json!({"encoded": "dTpw"}),
    ] {
        let added = json!({"userId": "00F05D1A2C3D0001", "alias": "131", "chatId": "of another", "auth": auth});
        let with = |mut fields: Value| {
            let more = added.as_object().unwrap().clone();
            fields.as_object_mut().unwrap().extend(more);
            fields
        };
        let begun = with(json!({"nickname": "Alice"}));
        let mut alice = Customer::request(&server, Door::Socket, begun).await;
        for (operation, fields) in operations() {
            alice.publish(operation, with(fields)).await;
        }
        while alice.last["chatEnded"] != true {
            let told = alice.next().await;
            assert_eq!(told["statusCode"], 0, "{told}");
        }
        let expected = [
            "ParticipantJoined",
            "TypingStarted",
            "TypingStopped",
            "Message",
            "PushUrl",
            "NicknameUpdated",
            "CustomNotice",
            "Notice",
            "ParticipantLeft",
        ];
        assert_eq!(types(&alice.seen), expected);
    }
}

#[tokio::test]
async fn typing_and_notices_come_with_a_text_and_without() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    for operation in ["startTyping", "stopTyping", "customNotice"] {
        alice.publish(operation, json!({})).await;
        alice.publish(operation, json!({"message": "my rou"})).await;
    }
    alice.say("end").await;
    let told: Vec<_> = alice.seen[1..7]
        .iter()
        .map(|event| event["text"].as_str())
        .collect();
    assert_eq!(told, [None, Some("my rou")].repeat(3));
}

#[tokio::test]
async fn notifications_come_from_the_position_that_is_asked_for() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    alice.say("one").await;
    alice.say("two").await;
    let rest = RestChat::of(&server, &alice.chat, "deprecated", &alice.key);
    for (fields, from) in [
        (json!({"transcriptPosition": 3}), 3),
        (json!({"transcriptPosition": "3"}), 3),
        (json!({"transcriptPosition": 0}), 1),
        (json!({}), 1),
    ] {
        let mut back = Customer::knock(&server, Door::Socket).await;
        back.key.clone_from(&alice.key);
        back.publish("requestNotifications", fields.clone()).await;
        back.until(|event| event["index"] == 3).await;
        assert_eq!(back.seen[0]["index"], from, "{fields}");
        let text = format!("asked with {fields}");
        rest.say(&text).await;
        back.until(|event| event["text"] == text.as_str()).await;
    }
}
