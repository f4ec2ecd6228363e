//! Pushes to chats that are held over CometD.

use serde_json::{Value, json};

use super::*;

/// A live client is called too, so that a story need not wait until it is gone.
const TO_ACTIVE: &str = "chat.customer-support.push_notification_to_active_client=true";
const INCLUDE: &str = "chat.customer-support.push_notification_include_payload=true";

#[tokio::test]
async fn a_live_client_is_called_too_where_that_is_configured() {
    let (mut receiver, server) = world(|start| start.set(TO_ACTIVE).set(INCLUDE)).await;
    let mut alice = alice(&server, json!({})).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    bob.say(&alice.chat, "both ways").await;
    alice.until(|event| event["text"] == "both ways").await;
    assert_eq!(receiver.next().await.event()["type"], "ParticipantJoined");
    assert_eq!(receiver.next().await.event()["text"], "both ways");
}

#[tokio::test]
async fn the_service_decides_about_the_payload_unless_the_chat_does() {
    for included in [false, true] {
        let option = format!("chat.customer-support.push_notification_include_payload={included}");
        let (mut receiver, server) = world(|start| start.set(TO_ACTIVE).set(&option)).await;
        let mut bob = Agent::bob(&server).await;
        let own = json!({"GCTI_GMS_PushIncludePayload": (!included).to_string()});
        for (more, has_payload) in [(json!({}), included), (own, !included)] {
            let alice = alice(&server, more).await;
            bob.join(&alice.chat).await;
            let body = receiver.next().await.json();
            assert_eq!(body["deviceId"], "dev-42");
            assert_eq!(
                body.get("message").is_some(),
                has_payload,
                "{option}: {body}"
            );
        }
    }
}

#[tokio::test]
async fn provider_and_debug_choose_the_destination() {
    let (mut provider, mut debug) = (Receiver::start().await, Receiver::start().await);
    let toml = format!(
        "debug.customhttp.url = \"{}\"\n[push.provider.main]\ncustomhttp.url = \"{}\"",
        debug.url(),
        provider.url()
    );
    let (mut receiver, server) = world(|start| start.set(TO_ACTIVE).config(&toml)).await;
    let mut bob = Agent::bob(&server).await;
    let chats = [
        (json!({"push_notification_provider": "main"}), &mut provider),
        (json!({"push_notification_debug": "true"}), &mut debug),
        (json!({"push_notification_debug": "false"}), &mut receiver),
    ];
    for (more, destination) in chats {
        let alice = alice(&server, more).await;
        bob.join(&alice.chat).await;
        destination.next().await;
        assert!(destination.next_within(SOON).await.is_none(), "one push");
    }
}

#[tokio::test]
async fn what_is_unknown_is_refused_by_the_name_it_was_given() {
    let (_receiver, server) = world(|start| start).await;
    let cases = [
        ("push_notification_type", "pigeon"),
        ("push_notification_provider", "nobody"),
        ("push_notification_debug", "true"),
    ];
    for (key, value) in cases {
        let mut user_data = wish(json!({}));
        user_data[key] = json!(value);
        let mut alice = Customer::knock(&server, Door::Socket).await;
        let fields = json!({"nickname": "Alice", "userData": user_data});
        alice.publish("requestChat", fields).await;
        refused(&mut alice, key).await;
    }
}

#[tokio::test]
async fn what_a_client_did_not_acknowledge_is_pushed_when_it_expires() {
    let (mut receiver, server) =
        world(|start| start.set(INCLUDE).set("cometd.maxInterval=3000")).await;
    let mut alice = alice(&server, json!({})).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    bob.say(&alice.chat, "seen").await;
    alice.until(|event| event["text"] == "seen").await;
    acknowledge(&mut alice).await;
    alice.bayeux.cut().await;
    let cut = std::time::Instant::now();
    bob.say(&alice.chat, "missed").await;
    let post = receiver.next().await;
    assert_eq!(post.event()["text"], "missed");
    let waited = post.at - cut;
    assert!(
        waited >= Duration::from_millis(2000),
        "the session lived on: {waited:?}"
    );
}

#[tokio::test]
async fn the_position_in_a_disconnect_acknowledges() {
    let (mut receiver, server) = world(|start| start.set(INCLUDE)).await;
    for says_so in [false, true] {
        let mut alice = alice(&server, json!({})).await;
        let mut bob = Agent::bob(&server).await;
        bob.join(&alice.chat).await;
        alice
            .until(|event| event["from"]["nickname"] == "Bob")
            .await;
        acknowledge(&mut alice).await;
        bob.say(&alice.chat, "written, not acknowledged").await;
        alice
            .until(|event| event["text"] == "written, not acknowledged")
            .await;
        let position = (alice.position() - 1).to_string();
        let ext = says_so.then(|| json!({"transcriptPosition": position}));
        alice.bayeux.disconnect(ext).await;
        bob.say(&alice.chat, "missed").await;
        if !says_so {
            let text = receiver.next().await.event()["text"].clone();
            assert_eq!(text, "written, not acknowledged");
        }
        assert_eq!(receiver.next().await.event()["text"], "missed");
    }
}

#[tokio::test]
async fn coming_back_acknowledges_and_ends_the_resends() {
    let (mut receiver, server) = world(|start| start.set(INCLUDE)).await;
    let mut alice = alice(&server, json!({"GCTI_GMS_PushResend": "true"})).await;
    let mut bob = Agent::bob(&server).await;
    alice.bayeux.disconnect(None).await;
    bob.join(&alice.chat).await;
    assert_eq!(attempt(&receiver.next().await).0, "0");
    assert_eq!(attempt(&receiver.next().await).0, "1");
    let mut back = Customer::resume(&server, Door::Socket, &alice.key, 1).await;
    back.until(|event| event["from"]["nickname"] == "Bob").await;
    let position = (back.position() - 1).to_string();
    back.bayeux
        .disconnect(Some(json!({"transcriptPosition": position})))
        .await;
    bob.say(&alice.chat, "new").await;
    let next = eventually_from(&mut receiver, "3").await;
    assert_eq!(attempt(&next).0, "0", "what was fetched is not resent");
}

#[tokio::test]
async fn new_push_fields_beside_request_notifications_take_over() {
    let (mut receiver, mut server) = world(|start| start.set(INCLUDE)).await;
    let mut alice = alice(&server, json!({})).await;
    let mut tablet =
        json!({"push_notification_deviceid": "tablet", "push_notification_type": "customhttp"});
    again(&mut alice, tablet.clone()).await;
    assert_eq!(alice.next().await["statusCode"], 0);
    tablet["push_notification_provider"] = json!("nobody");
    again(&mut alice, tablet).await;
    refused(&mut alice, "push_notification_provider").await;

    server.kill9().await;
    server.start_again().await;
    let mut bob = Agent::bob(&server).await;
    Customer::resume(&server, Door::Socket, &alice.key, 1)
        .await
        .bayeux
        .disconnect(None)
        .await;
    bob.join(&alice.chat).await;
    assert_eq!(
        receiver.next().await.json()["deviceId"],
        "tablet",
        "it was stored"
    );
}

/// A phone gave its app a new device token, which the app told us with as little as it needed. From then on its pushes were
/// bare, and came once: what it missed it missed.
#[tokio::test]
async fn a_new_device_keeps_what_the_chat_wished_for() {
    let (mut receiver, mut server) = world(|start| start).await;
    let wish = json!({"GCTI_GMS_PushIncludePayload": "true", "GCTI_GMS_PushResend": "true"});
    let mut alice = alice(&server, wish).await;
    let chat = alice.chat.clone();
    let rotations = [
        (
            "d2",
            json!({"push_notification_deviceid": "d2", "push_notification_type": "customhttp"}),
        ),
        ("d3", json!({"push_notification_deviceid": "d3"})),
    ];
    for (device, fields) in rotations {
        let position = alice.position();
        alice = Customer::resume(&server, Door::Socket, &alice.key, position).await;
        again(&mut alice, fields).await;
        alice.bayeux.disconnect(None).await;
        server.kill9().await;
        server.start_again().await;
        let mut bob = Agent::bob(&server).await;
        bob.join(&chat).await;
        bob.say(&chat, "news").await;
        let mut attempts = Vec::new();
        while attempts.len() < 2 {
            let post = receiver.next().await;
            if post.json()["deviceId"] == device {
                attempts.push(attempt(&post).0);
            }
        }
        assert_eq!(attempts, ["0", "1"], "{device}");
    }
}

#[tokio::test]
async fn a_device_alone_makes_no_subscription_later_either() {
    let (mut receiver, server) = world(|start| start.set(TO_ACTIVE)).await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    again(&mut alice, json!({"push_notification_deviceid": "d2"})).await;
    assert_eq!(alice.next().await["statusCode"], 0);
    again(&mut alice, json!({"push_notification_type": "pigeon"})).await;
    assert_eq!(alice.next().await["statusCode"], 0);
    Agent::bob(&server).await.join(&alice.chat).await;
    assert!(receiver.next_within(SOON).await.is_none());
}

/// A field that cannot be had is refused, also where it comes alone, and leaves the subscription as it is.
#[tokio::test]
async fn a_field_of_its_own_is_judged_by_what_the_chat_has() {
    let (mut receiver, server) = world(|start| start.set(TO_ACTIVE)).await;
    let mut alice = alice(&server, json!({"GCTI_GMS_PushIncludePayload": "true"})).await;
    for (key, value) in [
        ("push_notification_type", "pigeon"),
        ("push_notification_provider", "nobody"),
        ("push_notification_debug", "true"),
    ] {
        again(
            &mut alice,
            json!({key: value, "push_notification_deviceid": "d2"}),
        )
        .await;
        refused(&mut alice, key).await;
    }
    Agent::bob(&server).await.join(&alice.chat).await;
    let body = receiver.next().await.json();
    assert_eq!(body["deviceId"], "dev-42");
    assert!(body["message"].is_object(), "{body}");
}

#[tokio::test]
async fn a_chat_without_pushes_can_wish_for_them_later() {
    let (mut receiver, server) = world(|start| start).await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    again(&mut alice, wish(json!({}))).await;
    alice.next().await;
    alice.bayeux.disconnect(None).await;
    Agent::bob(&server).await.join(&alice.chat).await;
    assert_eq!(receiver.next().await.json(), json!({"deviceId": "dev-42"}));
}

#[tokio::test]
async fn a_device_and_a_type_are_both_needed() {
    let (mut receiver, server) = world(|start| start.set(TO_ACTIVE)).await;
    let mut bob = Agent::bob(&server).await;
    for absent in ["push_notification_deviceid", "push_notification_type", ""] {
        let mut user_data = wish(json!({}));
        user_data.as_object_mut().unwrap().remove(absent);
        let fields = json!({"nickname": "Alice", "userData": user_data});
        let alice = Customer::request(&server, Door::Socket, fields).await;
        bob.join(&alice.chat).await;
    }
    assert_eq!(receiver.next().await.json(), json!({"deviceId": "dev-42"}));
    assert!(
        receiver.next_within(SOON).await.is_none(),
        "of the last chat only"
    );
}

/// Whoever serves the chat, and whoever writes the text of a notification, has to know the device and its language.
#[tokio::test]
async fn push_fields_are_user_data_as_any_other() {
    let toml = "[push.provider.main]\ncustomhttp.url = \"http://127.0.0.1:9/\"";
    let (_receiver, server) = world(|start| start.config(toml)).await;
    let more = json!({"push_notification_provider": "main", "push_notification_debug": "false",
        "push_notification_language": "ru-RU"});
    let given = wish(more);
    let alice = alice(&server, given.clone()).await;
    let entry = Agent::bob(&server).await.listed(&alice.chat).await;
    for (key, value) in given.as_object().unwrap() {
        assert_eq!(&entry["customer"]["userData"][key], value, "{key}");
    }
}

#[tokio::test]
async fn the_destination_too_can_be_chosen_anew() {
    let (mut provider, mut debug) = (Receiver::start().await, Receiver::start().await);
    let toml = format!(
        "debug.customhttp.url = \"{}\"\n[push.provider.main]\ncustomhttp.url = \"{}\"",
        debug.url(),
        provider.url()
    );
    let (mut receiver, server) = world(|start| start.set(TO_ACTIVE).config(&toml)).await;
    let mut alice = alice(&server, json!({})).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    receiver.next().await;
    let chosen = [
        (json!({"push_notification_provider": "main"}), &mut provider),
        (json!({"push_notification_debug": "true"}), &mut debug),
    ];
    for (more, destination) in chosen {
        again(&mut alice, wish(more)).await;
        bob.say(&alice.chat, "to the new one").await;
        destination.next().await;
    }
    assert!(
        receiver.next_within(SOON).await.is_none(),
        "the former hears nothing"
    );
}

async fn alice(server: &Server, more: Value) -> Customer {
    let fields = json!({"nickname": "Alice", "userData": wish(more)});
    Customer::request(server, Door::Socket, fields).await
}

fn wish(more: Value) -> Value {
    let mut wish =
        json!({"push_notification_deviceid": "dev-42", "push_notification_type": "customhttp"});
    let more = more.as_object().unwrap().clone();
    wish.as_object_mut().unwrap().extend(more);
    wish
}

/// Says that everything has arrived: on a WebSocket by the connect after a connect reply.
async fn acknowledge(alice: &mut Customer) {
    for _ in 0..2 {
        alice.bayeux.meta_connect(Some(0)).await;
    }
}

async fn again(alice: &mut Customer, user_data: Value) {
    let fields = json!({"transcriptPosition": alice.position(), "userData": user_data});
    alice.publish("requestNotifications", fields).await;
}

async fn refused(alice: &mut Customer, key: &str) {
    let message = alice.next().await;
    assert_eq!(message["statusCode"], 2, "{message}");
    assert!(
        message["errors"][0]["advice"]
            .as_str()
            .unwrap()
            .contains(key),
        "{message}"
    );
}
