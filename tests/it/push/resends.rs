//! Pushes that come again until the app has fetched, and the removal.

use super::*;

#[tokio::test]
async fn a_resend_comes_again_until_the_attempts_are_spent() {
    let (mut receiver, server) =
        world(|start| start.set("settings.flex-push-resend-attempts=2")).await;
    let (chat, _bob) = served(&server, &[PAYLOAD, RESEND]).await;
    let mut ids = Vec::new();
    for attempt in ["0", "1", "2"] {
        let post = receiver.next().await;
        let event = post.event();
        assert_eq!(
            (&event["type"], &event["text"], &event["index"]),
            (&json!("PushUrl"), &json!("PUSH-NOTIFICATION"), &json!(0))
        );
        assert_eq!(
            event["from"],
            json!({"nickname": "", "participantId": 0, "type": "Client"})
        );
        let expected = json!({"notify-attempt": attempt, "notify-position": "2", "session-id": chat.id, "user-id": chat.user});
        assert_eq!(event["userData"], expected);
        assert_eq!(post.json()["message"]["nextPosition"], 3);
        ids.push(post.id().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each resend is a delivery of its own");
    assert!(
        receiver
            .next_within(Duration::from_millis(1500))
            .await
            .is_none(),
        "three are all"
    );
}

#[tokio::test]
async fn the_content_of_a_resend_is_configured() {
    let (mut receiver, server) =
        world(|start| start.set("settings.flex-push-content=\"secure-key, app-dbid\"")).await;
    let (chat, _bob) = served(&server, &[PAYLOAD, RESEND]).await;
    let data = receiver.next().await.event()["userData"].clone();
    assert_eq!(
        data,
        json!({"notify-attempt": "0", "notify-position": "2", "secure-key": chat.key, "app-dbid": "1"})
    );
}

#[tokio::test]
async fn a_refresh_acknowledges_and_the_next_event_starts_anew() {
    let (mut receiver, server) = world(|start| start).await;
    let (chat, mut bob) = served(&server, &[PAYLOAD, RESEND]).await;
    assert_eq!(attempt(&receiver.next().await), ("0".into(), "2".into()));
    bob.say(&chat.id, "adds nothing while unacknowledged").await;
    chat.call("refresh", &[("transcriptPosition", "0")])
        .await
        .good();
    assert_eq!(
        attempt(&receiver.next().await),
        ("1".into(), "2".into()),
        "position 0 is only a sign of life"
    );
    chat.call("refresh", &[("transcriptPosition", "2")])
        .await
        .good();
    bob.say(&chat.id, "new").await;
    let next = eventually_from(&mut receiver, "4").await;
    assert_eq!(attempt(&next).0, "0");
}

#[tokio::test]
async fn the_removal_is_told_with_minus_one_and_again() {
    let (mut receiver, server) = world(|start| start).await;
    let (chat, mut bob) = served(&server, &[PAYLOAD, RESEND]).await;
    bob.ask(
        "release",
        json!({"session": chat.id, "afterAction": "force-close"}),
    )
    .await
    .unwrap();
    for expected in ["0", "1"] {
        let post = eventually_from(&mut receiver, "-1").await;
        assert_eq!(attempt(&post).0, expected);
        let message = &post.json()["message"];
        let last = chat
            .call("refresh", &[("transcriptPosition", "0")])
            .await
            .good()["nextPosition"]
            .clone();
        assert_eq!(
            (&message["chatEnded"], &message["nextPosition"]),
            (&json!(true), &last)
        );
    }
}

// The push said that the chat went on, where REST and CometD said that it was over.
#[tokio::test]
async fn a_customer_who_is_removed_is_pushed_the_end() {
    for (modes, removal) in [
        (&[PAYLOAD][..], json!("ParticipantLeft")),
        (&[PAYLOAD, RESEND][..], json!("PushUrl")),
    ] {
        let (mut receiver, server) = world(|start| start).await;
        let (chat, mut bob) = served(&server, modes).await;
        let out = json!({"session": chat.id, "participantId": 1});
        bob.ask("release", out).await.unwrap();
        loop {
            let post = receiver.next().await;
            let event = post.event();
            let is_removal =
                event["from"]["participantId"] == 1 || event["userData"]["notify-position"] == "-1";
            assert_eq!(post.json()["message"]["chatEnded"], is_removal, "{event}");
            if is_removal {
                assert_eq!(event["type"], removal);
                break;
            }
        }
    }
}
