//! Where pushes go: destinations that fail, are slow, go away and come back, and how a push is signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{KeyInit, Mac};

use super::*;

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

fn signature(secret: &str, post: &Post) -> String {
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.", post.id(), post.header("webhook-timestamp")).as_bytes());
    mac.update(&post.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
