//! The user-data keys that steer pushes, and the options that go with them: seed *Push notifications via GMS to HTTP
//! server*. Those that have a story in the module above are not told again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn the_wish_a_device_and_a_type_are_all_that_is_needed() {
    let (mut receiver, server) = world(|start| start).await;
    let mut bob = Agent::bob(&server).await;
    let wish = [
        ("userData[GCTI_Chat_PushSubscribe]", "TRUE"),
        ("userData[GCTI_GMS_PushDeviceId]", "dev-42"),
        ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
    ];
    for missing in 0..=wish.len() {
        let given = wish
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != missing);
        let given = given.map(|(_, field)| *field);
        let fields: Vec<_> = [("nickname", "Alice")].into_iter().chain(given).collect();
        let chat = RestChat::request(&server, &fields).await;
        bob.join(&chat.id).await;
        bob.say(&chat.id, &format!("without {missing}")).await;
    }
    assert_eq!(receiver.next().await.json(), json!({"deviceId": "dev-42"}));
    receiver.next().await;
    assert!(
        receiver.next_within(SOON).await.is_none(),
        "only of the last chat, its joining and its message"
    );
}

#[tokio::test]
async fn resend_includes_the_payload_and_a_warning_says_so() {
    let (mut receiver, server) = world(|start| start).await;
    served(&server, &[RESEND]).await;
    assert_eq!(receiver.next().await.event()["text"], "PUSH-NOTIFICATION");
    assert!(server.log().contains("GCTI_GMS_PushIncludePayload"));
}

#[tokio::test]
async fn the_debug_twin_of_a_provider_is_its_own() {
    let mut twin = Receiver::start().await;
    let toml = format!(
        "customhttp.message = \"of the default\"\n[push.provider.main]\ncustomhttp.url = \"http://127.0.0.1:9/\"\n\
         debug.customhttp.url = \"{}\"",
        twin.url()
    );
    let (_receiver, server) = world(|start| start.config(&toml)).await;
    let keys = [
        ("userData[GCTI_GMS_PushProvider]", "main"),
        ("userData[GCTI_GMS_PushDebug]", "true"),
    ];
    served(&server, &keys).await;
    assert_eq!(
        twin.next().await.json(),
        json!({"deviceId": "dev-42"}),
        "and inherits no message"
    );
}

#[tokio::test]
async fn the_key_carries_the_service_where_that_is_asked_for() {
    let (mut receiver, server) = world(|start| start).await;
    let channel = (
        "userData[GCTI_GMS_ClientChannel]",
        "/service/chatV2/customer-support",
    );
    served(&server, &[PAYLOAD]).await;
    assert!(!names_the_service(&receiver.next().await.json()["message"]));
    let (chat, mut bob) = served(&server, &[PAYLOAD, channel]).await;
    let message = receiver.next().await.json()["message"].clone();
    assert!(names_the_service(&message), "{message}");
    let key = message["secureKey"].as_str().unwrap();
    let mut app = Customer::resume(&server, Door::Socket, key, 1).await;
    app.next().await;
    assert_eq!(app.last["secureKey"], key, "the same over CometD");
    bob.say(&chat.id, "seen").await;
    app.until(|event| event["text"] == "seen").await;
    assert_eq!(app.last["secureKey"], key);
}

#[tokio::test]
async fn resends_follow_the_list() {
    let (mut receiver, server) = world(|start| {
        start
            .config("[settings]\nflex-push-resend-attempts = 3")
            .set("settings.flex-push-resend-delay=[1, 2]")
    })
    .await;
    served(&server, &[PAYLOAD, RESEND]).await;
    let mut posts = Vec::new();
    for number in ["0", "1", "2", "3"] {
        let post = receiver.next().await;
        assert_eq!(attempt(&post).0, number);
        posts.push(post.at);
    }
    for (place, seconds) in [1, 2, 2].into_iter().enumerate() {
        let waited = posts[place + 1] - posts[place];
        assert!(
            waited >= Duration::from_millis(seconds * 1000 - 20),
            "{place}: {waited:?}"
        );
    }
    assert!(
        posts[1] - posts[0] < Duration::from_millis(1900),
        "the first wait is the shortest"
    );
}

#[tokio::test]
async fn a_silent_subscriber_is_granted_its_time_once_more_and_then_removed() {
    let (mut receiver, server) = world(|start| start.set("settings.flex-push-timeout=2")).await;
    let (chat, _bob) = served(&server, &[PAYLOAD]).await;
    let joined = receiver.next().await;
    let left = receiver.next().await;
    let event = left.event();
    assert_eq!(event["type"], "ParticipantLeft");
    assert_eq!(
        event["eventAttributes"]["GCTI_SYSTEM"]["quit-reason-code"], "3",
        "a push shows every reason: {event}"
    );
    let waited = left.at - joined.at;
    assert!(
        waited >= Duration::from_millis(3500),
        "twice, and a push that worked is no sign of life: {waited:?}"
    );
    let reply = chat
        .call("refresh", &[("transcriptPosition", "1")])
        .await
        .good();
    assert_eq!(reply["chatEnded"], true);
    let events = crate::world::events(&reply);
    let seen = events
        .iter()
        .find(|event| event["type"] == "ParticipantLeft")
        .unwrap();
    assert!(
        seen.to_string().find("quit-reason-code").is_none(),
        "{seen}"
    );
}

#[tokio::test]
async fn a_sign_of_life_begins_the_time_anew() {
    let (mut receiver, server) = world(|start| start.set("settings.flex-push-timeout=2")).await;
    let (chat, _bob) = served(&server, &[PAYLOAD, RESEND]).await;
    let mut last = std::time::Instant::now();
    let until = last + Duration::from_secs(6);
    while last < until {
        chat.call("refresh", &[("transcriptPosition", "0")])
            .await
            .good();
        last = std::time::Instant::now();
        receiver.next_within(SOON).await;
    }
    let removed = eventually_from(&mut receiver, "-1").await;
    assert!(removed.at - last >= Duration::from_millis(3500));
    assert_eq!(attempt(&removed).0, "0");
}

#[tokio::test]
async fn a_wish_that_is_switched_off_is_counted_and_logged() {
    for option in ["flex-push-enabled", "flex-push-on-join"] {
        let assignment = format!("settings.{option}=false");
        let (mut receiver, server) = world(|start| start.set(&assignment)).await;
        let chat = subscribe(&server, &[PAYLOAD]).await;
        let wish =
            json!({"push_notification_deviceid": "dev-42", "push_notification_type": "customhttp"});
        let mut comet = Customer::request(
            &server,
            Door::Socket,
            json!({"nickname": "Alice", "userData": wish}),
        )
        .await;
        comet.bayeux.disconnect(None).await;
        let mut bob = Agent::bob(&server).await;
        for session in [&chat.id, &comet.chat] {
            bob.join(session).await;
            bob.say(session, "nobody is called").await;
        }
        assert!(receiver.next_within(SOON).await.is_none(), "{option}");
        assert_eq!(
            metric(&server, "parlor_push_subscriptions_ignored_total").await,
            2.0
        );
        assert!(server.log().contains(option), "{option}");
    }
}

fn names_the_service(message: &Value) -> bool {
    let key = STANDARD
        .decode(message["secureKey"].as_str().unwrap())
        .unwrap();
    let name = b"customer-support";
    key.windows(name.len()).any(|window| window == name)
}
