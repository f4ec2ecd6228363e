//! The transcript: from where it is read, in which parts, and how long.

use super::*;

#[tokio::test]
async fn refresh_reads_from_a_position() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.say("one").await;
    chat.say("two").await;

    for (position, indexes) in [
        ("0", vec![]),
        ("1", vec![1, 2, 3]),
        ("3", vec![3]),
        ("4", vec![]),
        ("900", vec![]),
    ] {
        let body = chat
            .call("refresh", &[("transcriptPosition", position)])
            .await
            .good();
        let got: Vec<u64> = events(&body)
            .iter()
            .map(|event| event["index"].as_u64().unwrap())
            .collect();
        assert_eq!(got, indexes, "from {position}");
        assert_eq!(
            (&body["nextPosition"], &body["tenantName"]),
            (&json!(4), &json!("Environment"))
        );
    }
    let all = chat.call("refresh", &[]).await.good();
    assert_eq!(events(&all).len(), 3, "no position: everything");
}

#[tokio::test]
async fn disconnect_ends_the_chat_and_leaves_it_readable() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.say("bye").await;
    let body = chat.call("disconnect", &[]).await.good();
    assert!(
        body["messages"].is_null() && body["chatId"].is_null() && body["secureKey"].is_null(),
        "{body}"
    );

    let last = chat
        .call("refresh", &[("transcriptPosition", "1")])
        .await
        .good();
    assert_eq!(last["chatEnded"], true);
    assert_eq!(
        types(&events(&last)),
        ["ParticipantJoined", "Message", "ParticipantLeft"]
    );
    let late = chat.call("send", &[("message", "one more")]).await.json();
    assert_eq!(
        (&late["statusCode"], &late["chatEnded"]),
        (&json!(2), &json!(true))
    );
}

#[tokio::test]
async fn a_long_transcript_comes_in_parts() {
    let server = Server::with()
        .set("settings.max-reply-size=1024")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    for _ in 0..5 {
        chat.say(&"x".repeat(600)).await;
    }
    let (mut position, mut indexes, mut replies) = (1, Vec::new(), 0);
    while position < 7 {
        let body = chat
            .call("refresh", &[("transcriptPosition", &position.to_string())])
            .await
            .good();
        indexes.extend(
            events(&body)
                .iter()
                .map(|event| event["index"].as_u64().unwrap()),
        );
        position = body["nextPosition"].as_u64().unwrap();
        replies += 1;
    }
    assert_eq!(indexes, [1, 2, 3, 4, 5, 6]);
    assert!(replies > 2, "in {replies} parts");
}

#[tokio::test]
async fn a_customer_who_was_removed_reads_up_to_its_own_leaving() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut carol = Agent::carol(&server).await;
    carol.join(&chat.id).await;
    carol
        .ask("release", json!({"session": chat.id, "participantId": 1}))
        .await
        .unwrap();
    carol.say(&chat.id, "among ourselves").await;

    let last = chat.call("refresh", &[]).await.good();
    assert_eq!(last["chatEnded"], true);
    assert_eq!(
        types(&events(&last)),
        ["ParticipantJoined", "ParticipantJoined", "ParticipantLeft"]
    );
    for call in ["send", "startTyping", "disconnect"] {
        let body = chat.call(call, &[("message", "hello?")]).await.json();
        assert_eq!(
            (&body["statusCode"], &body["chatEnded"]),
            (&json!(2), &json!(true)),
            "{call}"
        );
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_readable_for_a_while() {
    let server = Server::with()
        .set("settings.closed-session-readable=1")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    chat.call("disconnect", &[]).await.good();
    let gone = || async {
        let body = chat.call("refresh", &[]).await.json();
        (body["errors"][0]["code"] == 249).then_some(())
    };
    eventually("the chat is forgotten", gone).await;
}
