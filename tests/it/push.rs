//! Push notifications: who gets them, what they look like, when they come again, and that none is lost.

mod cometd;
mod keys;
mod retries;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{KeyInit, Mac};
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

#[tokio::test]
async fn a_failed_post_is_tried_again_with_the_same_id() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = [1, 1, 1]")).await;
    receiver.will([
        Answer::status(503),
        Answer::status(429).header("retry-after", "2"),
    ]);
    served(&server, &[PAYLOAD]).await;
    let (first, second, third) = (
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    );
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    assert_eq!(first.id(), third.id());
    assert!(
        second.at - first.at >= Duration::from_millis(790),
        "a second, give or take the jitter"
    );
    assert!(
        third.at - second.at >= Duration::from_millis(1950),
        "never before Retry-After"
    );
}

#[tokio::test]
async fn deliveries_of_one_chat_come_in_order() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = [1]")).await;
    receiver.will([
        Answer::status(500),
        Answer::status(204).after(Duration::from_millis(200)),
    ]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    for number in 0..10 {
        bob.say(&chat.id, &number.to_string()).await;
    }
    let mut indexes = Vec::new();
    while indexes.len() < 12 {
        indexes.push(receiver.next().await.event()["index"].as_u64().unwrap());
    }
    assert_eq!(indexes, [2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
}

#[tokio::test]
async fn a_slow_and_a_dead_destination_delay_nobody() {
    let mut slow = Receiver::start().await;
    slow.will(vec![Answer::status(204).after(Duration::from_secs(5)); 3]);
    let toml = format!(
        "[push.provider.slow]\ncustomhttp.url = \"{}\"\n[push.provider.dead]\ncustomhttp.url = \"http://127.0.0.1:9/\"",
        slow.url()
    );
    let (mut receiver, server) = world(|start| start.config(&toml)).await;
    for provider in ["slow", "dead"] {
        served(&server, &[("userData[GCTI_GMS_PushProvider]", provider)]).await;
    }
    slow.next().await;
    let started = std::time::Instant::now();
    served(&server, &[]).await;
    receiver.next().await;
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_other_refusals_are_final() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = [1]")).await;
    let elsewhere = receiver.url();
    receiver.will([
        Answer::status(307).header("location", &elsewhere),
        Answer::status(400),
        Answer::status(204),
    ]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "one").await;
    bob.say(&chat.id, "two").await;
    let mut indexes = Vec::new();
    for _ in 0..3 {
        indexes.push(receiver.next().await.event()["index"].as_u64().unwrap());
    }
    assert_eq!(
        indexes,
        [2, 3, 4],
        "the chat goes on with its next delivery"
    );
    dead_letters(&server, 2).await;
}

#[tokio::test]
async fn gone_disables_the_destination_until_the_next_start() {
    let (mut receiver, mut server) = world(|start| start).await;
    receiver.will([Answer::status(410)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    receiver.next().await;
    bob.say(&chat.id, "to nobody").await;
    dead_letters(&server, 2).await;
    assert_eq!(server.stop().await.code(), Some(0));
    server.start_again().await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    bob.say(&chat.id, "to somebody again").await;
    assert_eq!(receiver.next().await.event()["text"], "to somebody again");
}

#[tokio::test]
async fn what_is_owed_survives_a_kill() {
    let (mut receiver, mut server) =
        world(|start| start.config("customhttp.transport-retry = [1, 1, 1, 1, 1, 1]")).await;
    receiver.will([Answer::status(503)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "owed").await;
    let before = receiver.next().await;
    server.kill9().await;
    server.start_again().await;
    let after = receiver.next().await;
    assert_eq!(
        (before.id(), &before.body),
        (after.id(), &after.body),
        "the same delivery"
    );
    let mut event = receiver.next().await.event();
    while event["type"] != "Message" {
        event = receiver.next().await.event();
    }
    assert_eq!(event["text"], "owed");
}

#[tokio::test]
async fn a_receiver_that_comes_back_is_caught_up() {
    let address = Receiver::start().await.address;
    let toml = format!(
        "[push]\ncustomhttp.url = \"http://{address}/hook\"\ncustomhttp.transport-retry = [1, 1, 1, 1, 1, 1, 1, 1]"
    );
    let server = Server::with().config(&toml).start().await;
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "into the void").await;
    let mut receiver = Receiver::at(address).await;
    assert_eq!(receiver.next().await.event()["type"], "ParticipantJoined");
    assert_eq!(receiver.next().await.event()["text"], "into the void");
}

#[tokio::test]
async fn every_push_is_signed_with_each_secret() {
    let (mut receiver, server) = world(|start| {
        start.config(&format!(
            "customhttp.secret = [\"{SECRET}\", \"{OLD_SECRET}\"]"
        ))
    })
    .await;
    served(&server, &[PAYLOAD]).await;
    let post = receiver.next().await;
    let expected = [SECRET, OLD_SECRET].map(|secret| signature(secret, &post));
    assert_eq!(post.header("webhook-signature"), expected.join(" "));
}

#[tokio::test]
async fn an_unsigned_destination_is_warned_about() {
    let (mut receiver, server) = world(|start| start).await;
    served(&server, &[]).await;
    let post = receiver.next().await;
    assert_eq!(post.header("webhook-signature"), "");
    assert!(!post.id().is_empty());
    let log = server.log();
    let warnings = log.lines().filter(|line| line.contains("not signed"));
    let named: Vec<bool> = warnings.map(|line| line.contains("customhttp")).collect();
    assert_eq!(named, [true], "one warning at start names it: {log}");
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

fn signature(secret: &str, post: &Post) -> String {
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.", post.id(), post.header("webhook-timestamp")).as_bytes());
    mac.update(&post.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
