//! Coming back to a chat by its key and a position.

use serde_json::json;

use crate::world::{Agent, Customer, Door, Server, events, texts, types};

#[tokio::test]
async fn a_client_that_comes_back_reads_on_from_its_position() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("one").await;
        let position = alice.position();
        let ext = json!({"transcriptPosition": (position - 1).to_string()});
        assert_eq!(alice.bayeux.disconnect(Some(ext)).await["successful"], true);
        let mut bob = Agent::bob(&server).await;
        bob.join(&alice.chat).await;
        bob.say(&alice.chat, "while you were away").await;

        let mut back = Customer::resume(&server, door, &alice.key, position).await;
        back.until(|event| event["text"] == "while you were away")
            .await;
        assert!(
            back.seen
                .iter()
                .all(|event| event["index"].as_u64() >= Some(position)),
            "nothing from before"
        );
        assert_eq!(
            back.last["secureKey"], alice.key,
            "the key stays for the life of the chat"
        );
        back.say("thanks").await;
    }
}

#[tokio::test]
async fn from_the_start_comes_everything_and_an_answer_comes_always() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    alice.say("one").await;
    let mut all = Customer::resume(&server, Door::Socket, &alice.key, 0).await;
    all.until(|event| event["text"] == "one").await;
    assert_eq!(types(&all.seen), ["ParticipantJoined", "Message"]);

    let mut none = Customer::resume(&server, Door::Polling, &alice.key, 3).await;
    let data = none.next().await;
    assert_eq!(
        (
            &data["statusCode"],
            &data["nextPosition"],
            events(&data).len()
        ),
        (&json!(0), &json!(3), 0)
    );
}

#[tokio::test]
async fn after_a_restart_a_client_shakes_hands_and_goes_on() {
    let mut server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("before").await;
        server.kill9().await;
        server.start_again().await;
        alice.bayeux.cut().await;
        let gone = alice.bayeux.meta_connect(Some(0)).await;
        assert_eq!(gone["advice"]["reconnect"], "handshake", "{gone}");
        let mut back = Customer::resume(&server, door, &alice.key, 1).await;
        back.say("after").await;
        assert_eq!(texts(&back.seen), ["before", "after"]);
    }
}

#[tokio::test]
async fn the_answer_to_a_resume_counts_no_event_that_is_still_to_come() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("one").await;
        let mut back = Customer::resume(&server, door, &alice.key, 0).await;
        let mut position = 1;
        while back.seen.len() < 2 {
            let data = back.next().await;
            let next = data["nextPosition"].as_u64().unwrap();
            let seen = back
                .seen
                .last()
                .map_or(0, |event| event["index"].as_u64().unwrap());
            assert!(next <= seen + 1, "{data}");
            assert!(next >= position, "it only moves forward");
            position = next;
        }
        assert_eq!(position, 3, "{door:?}");
    }
}

#[tokio::test]
async fn who_comes_back_to_a_chat_that_has_ended_is_told_so_last() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        alice.say("bye").await;
        alice.publish("disconnect", json!({})).await;
        alice.until_ended().await;

        let mut back = Customer::resume(&server, door, &alice.key, 1).await;
        back.until_ended().await;
        assert_eq!(
            types(&back.seen),
            ["ParticipantJoined", "Message", "ParticipantLeft"],
            "{door:?}"
        );
        let mut again = Customer::resume(&server, door, &alice.key, 4).await;
        let data = again.next().await;
        assert_eq!(
            (&data["chatEnded"], &data["nextPosition"], again.seen.len()),
            (&json!(true), &json!(4), 0)
        );
    }
}
