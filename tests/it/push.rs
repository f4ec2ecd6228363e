//! Push notifications: who gets them, what they look like, when they come again, and that none is lost.

mod cometd;
mod destinations;
mod keys;
mod resends;
mod retries;

use std::time::Duration;

use serde_json::json;

use crate::world::{
    Agent, Answer, Caller, Customer, Door, Post, Receiver, RestChat, Server, Start, eventually,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

const SUBSCRIBED: [(&str, &str); 5] = [
    ("nickname", "Alice"),
    ("userData[GCTI_Chat_PushSubscribe]", "true"),
    ("userData[GCTI_GMS_PushDeviceId]", "dev-42"),
    ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
    ("userData[GCTI_GMS_NodeGroup]", "any"),
];
const PAYLOAD: (&str, &str) = ("userData[GCTI_GMS_PushIncludePayload]", "true");
const RESEND: (&str, &str) = ("userData[GCTI_GMS_PushResend]", "true");
const REQUESTOR: (&str, &str) = ("userData[GCTI_GMS_NotifyRequestor]", "true");

/// So long a story listens for what must not come.
const SOON: Duration = Duration::from_millis(700);

#[tokio::test]
async fn without_payload_only_the_device_is_named() {
    let (mut receiver, server) = world(|start| start).await;
    let (chat, mut bob) = served(&server, &[]).await;
    assert_eq!(
        receiver.next().await.json(),
        json!({"deviceId": "dev-42"}),
        "of Bob's joining"
    );
    bob.say(&chat.id, "hello").await;
    let post = receiver.next().await;
    assert_eq!(post.json(), json!({"deviceId": "dev-42"}));
    assert!(post.header("content-type").starts_with("application/json"));
    assert!(post.header("webhook-timestamp").parse::<u64>().unwrap() > 1_600_000_000);
    let trace: Vec<&str> = post.header("traceparent").split('-').collect();
    assert_eq!(
        trace.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [2, 32, 16, 2],
        "{trace:?}"
    );
}

#[tokio::test]
async fn with_payload_each_push_carries_one_event() {
    let (mut receiver, server) = world(|start| start).await;
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "hello").await;
    assert_eq!(receiver.next().await.event()["type"], "ParticipantJoined");
    let post = receiver.next().await;
    let body = post.json();
    assert_eq!(body["deviceId"], "dev-42");
    let message = &body["message"];
    for (name, value) in [
        ("chatId", "deprecated"),
        ("userId", "deprecated"),
        ("alias", "0"),
    ] {
        assert_eq!(message[name], value, "{name}");
    }
    assert_eq!(
        (
            &message["statusCode"],
            &message["chatEnded"],
            &message["monitored"]
        ),
        (&json!(0), &json!(false), &json!(false))
    );
    assert_eq!(
        (&message["nextPosition"], &post.event()["index"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(
        (&post.event()["text"], &post.event()["from"]["nickname"]),
        (&json!("hello"), &json!("Bob"))
    );
    assert_ne!(message["secureKey"], chat.key, "not the REST key");
    let mut app = Customer::resume(
        &server,
        Door::Socket,
        message["secureKey"].as_str().unwrap(),
        3,
    )
    .await;
    app.until(|event| event["text"] == "hello").await;
}

#[tokio::test]
async fn ones_own_events_are_pushed_only_on_request() {
    let (mut receiver, server) = world(|start| start).await;
    let (quiet, mut bob) = served(&server, &[PAYLOAD]).await;
    quiet.say("my own").await;
    bob.say(&quiet.id, "of another").await;
    receiver.next().await;
    assert_eq!(receiver.next().await.event()["text"], "of another");

    let loud = subscribe(&server, &[PAYLOAD, REQUESTOR]).await;
    loud.say("mine too").await;
    let mut event = receiver.next().await.event();
    while event["type"] != "Message" {
        event = receiver.next().await.event();
    }
    assert_eq!(event["text"], "mine too");
}

#[tokio::test]
async fn without_the_subscription_nothing_is_pushed() {
    let (mut receiver, server) = world(|start| start).await;
    let mut bob = Agent::bob(&server).await;
    let plain = RestChat::alice(&server).await;
    let half: Vec<_> = SUBSCRIBED
        .iter()
        .copied()
        .filter(|(name, _)| !name.contains("PushSubscribe"))
        .chain([PAYLOAD])
        .collect();
    let half = RestChat::request(&server, &half).await;
    for chat in [&plain, &half] {
        bob.join(&chat.id).await;
        bob.say(&chat.id, "nobody is called").await;
    }
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "the first").await;
    assert_eq!(receiver.next().await.event()["type"], "ParticipantJoined");
    assert_eq!(receiver.next().await.event()["text"], "the first");
}

#[tokio::test]
async fn push_can_be_switched_off() {
    for option in [
        "settings.flex-push-enabled=false",
        "settings.flex-push-on-join=false",
    ] {
        let (mut receiver, server) = world(|start| start.set(option)).await;
        let (chat, mut bob) = served(&server, &[]).await;
        bob.say(&chat.id, "the chat works all the same").await;
        assert!(
            receiver
                .next_within(Duration::from_millis(700))
                .await
                .is_none(),
            "{option}"
        );
    }
}

#[tokio::test]
async fn providers_and_debug_twins_have_their_own_addresses() {
    let (mut provider, mut debug) = (Receiver::start().await, Receiver::start().await);
    let toml = format!(
        "debug.customhttp.url = \"{}\"\n[push.provider.main]\ncustomhttp.url = \"{}\"",
        debug.url(),
        provider.url()
    );
    let (mut receiver, server) = world(|start| start.config(&toml)).await;
    served(&server, &[("userData[GCTI_GMS_PushProvider]", "main")]).await;
    provider.next().await;
    served(&server, &[("userData[GCTI_GMS_PushDebug]", "true")]).await;
    debug.next().await;
    served(&server, &[]).await;
    receiver.next().await;
}

#[tokio::test]
async fn what_is_unknown_is_refused_by_name() {
    let (_receiver, server) = world(|start| start).await;
    let cases = [
        ("GCTI_GMS_PushDeviceType", "pigeon"),
        ("GCTI_GMS_PushDeviceType", "fcm"),
        ("GCTI_GMS_PushProvider", "nobody"),
        ("GCTI_GMS_PushDebug", "true"),
    ];
    for (key, value) in cases {
        let name = format!("userData[{key}]");
        let fields: Vec<_> = SUBSCRIBED
            .iter()
            .copied()
            .filter(|field| field.0 != name)
            .chain([(name.as_str(), value)])
            .collect();
        let body = Caller::new()
            .form(&server.public("/genesys/2/chat/customer-support"), &fields)
            .await
            .json();
        assert_eq!(body["statusCode"], 2, "{key}={value}: {body}");
        assert!(
            body["errors"][0]["advice"].as_str().unwrap().contains(key),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_configured_message_replaces_the_content() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.message = \"You have a new message\"")).await;
    served(&server, &[PAYLOAD]).await;
    assert_eq!(
        receiver.next().await.json(),
        json!({"deviceId": "dev-42", "message": "You have a new message"})
    );
}

#[tokio::test]
async fn over_cometd_nobody_is_called_who_is_there() {
    let (mut receiver, server) = world(|start| start).await;
    let data = json!({"push_notification_deviceid": "dev-42", "push_notification_type": "customhttp",
        "push_notification_debug": "false", "push_notification_language": "en", "GCTI_GMS_PushIncludePayload": "true"});
    let mut alice = Customer::request(
        &server,
        Door::Socket,
        json!({"nickname": "Alice", "userData": data}),
    )
    .await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    bob.say(&alice.chat, "seen").await;
    alice.until(|event| event["text"] == "seen").await;
    let read = alice.position() - 1;
    alice
        .bayeux
        .disconnect(Some(json!({"transcriptPosition": read.to_string()})))
        .await;
    bob.say(&alice.chat, "missed").await;
    assert_eq!(receiver.next().await.event()["text"], "missed");
}

/// A receiver, and a server that pushes to it with waits of a second.
async fn world(options: impl FnOnce(Start) -> Start) -> (Receiver, Server) {
    let receiver = Receiver::start().await;
    let push = format!("[push]\ncustomhttp.url = \"{}\"", receiver.url());
    let start = Server::with()
        .set("settings.flex-push-resend-delay=1")
        .config(&push);
    (receiver, options(start).start().await)
}

async fn subscribe(server: &Server, more: &[(&str, &str)]) -> RestChat {
    let fields: Vec<_> = SUBSCRIBED.iter().chain(more).copied().collect();
    RestChat::request(server, &fields).await
}

/// A subscribed chat that Bob has joined: event 2, the first that is pushed.
async fn served(server: &Server, more: &[(&str, &str)]) -> (RestChat, Agent) {
    let chat = subscribe(server, more).await;
    let mut bob = Agent::bob(server).await;
    bob.join(&chat.id).await;
    (chat, bob)
}

fn attempt(post: &Post) -> (String, String) {
    let data = post.event()["userData"].clone();
    let text = |name: &str| data[name].as_str().unwrap().to_owned();
    (text("notify-attempt"), text("notify-position"))
}

/// The first push of this position; those of earlier ones may still have been under way.
async fn eventually_from(receiver: &mut Receiver, position: &str) -> Post {
    loop {
        let post = receiver.next().await;
        if attempt(&post).1 == position {
            return post;
        }
    }
}

async fn dead_letters(server: &Server, count: u64) {
    eventually("the dead letters", || async {
        let sum = metric(server, "parlor_push_dead_letters_total").await;
        (sum >= count as f64).then_some(())
    })
    .await;
}

/// The sum of a metric over its labels; 0 where there is none.
async fn metric(server: &Server, name: &str) -> f64 {
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    let lines = metrics
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
