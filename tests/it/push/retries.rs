//! What becomes of a push whose POST failed: another attempt, or a dead letter.

use super::*;

#[tokio::test]
async fn after_a_spent_schedule_the_chat_goes_on_with_its_next_delivery() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = [1]")).await;
    receiver.will([Answer::status(503), Answer::status(503)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "goes on").await;
    let (first, again) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.id(), again.id());
    let next = receiver.next().await;
    assert_eq!(next.event()["text"], "goes on");
    assert_ne!(next.id(), first.id());
    dead_letters(&server, 1).await;
    eventually("the log of it", || {
        std::future::ready(server.log().contains(first.id()).then_some(()))
    })
    .await;
}

#[tokio::test]
async fn without_transport_retry_there_is_one_attempt() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = \"none\"")).await;
    receiver.will([Answer::status(503)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    bob.say(&chat.id, "next").await;
    assert_eq!(receiver.next().await.event()["type"], "ParticipantJoined");
    assert_eq!(receiver.next().await.event()["text"], "next");
    dead_letters(&server, 1).await;
}

#[tokio::test]
async fn the_first_success_ends_the_waiting_of_others_but_not_of_retry_after() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = [600]")).await;
    receiver.will([
        Answer::status(503),
        Answer::status(503).header("retry-after", "4"),
    ]);
    let (_one, _bob) = served(&server, &[PAYLOAD]).await;
    let one = receiver.next().await;
    owed(&server, 1.0).await;
    let (_two, _bob) = served(&server, &[PAYLOAD]).await;
    let two = receiver.next().await;
    owed(&server, 2.0).await;
    let (_three, _bob) = served(&server, &[PAYLOAD]).await;
    let three = receiver.next().await;
    assert!(three.id() != one.id() && three.id() != two.id());
    let first = receiver.next().await;
    assert_eq!(first.id(), one.id(), "at once, not after ten minutes");
    let second = receiver.next().await;
    assert_eq!(second.id(), two.id());
    let waited = second.at - two.at;
    assert!(waited >= Duration::from_millis(3950), "{waited:?}");
    owed(&server, 0.0).await;
}

#[tokio::test]
async fn what_is_owed_since_before_a_restart_need_not_wait_either() {
    let (mut receiver, mut server) =
        world(|start| start.config("customhttp.transport-retry = [600]")).await;
    receiver.will([Answer::status(503)]);
    served(&server, &[PAYLOAD]).await;
    let before = receiver.next().await;
    owed(&server, 1.0).await;
    server.stop().await;
    server.start_again().await;
    owed(&server, 1.0).await;
    served(&server, &[PAYLOAD]).await;
    let (one, other) = (receiver.next().await, receiver.next().await);
    assert!([one.id(), other.id()].contains(&before.id()));
}

#[tokio::test]
async fn several_owed_deliveries_survive_a_kill_in_order_with_their_ids() {
    let (mut receiver, mut server) =
        world(|start| start.config("customhttp.transport-retry = [1, 1, 1, 1, 1]")).await;
    receiver.will([Answer::status(503)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    let before = receiver.next().await;
    for text in ["one", "two"] {
        bob.say(&chat.id, text).await;
    }
    server.kill9().await;
    receiver.will([Answer::status(503), Answer::status(503)]);
    server.start_again().await;
    let mut ids: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != "two") {
        let post = receiver.next().await;
        if ids.last().is_none_or(|last| last != post.id()) {
            ids.push(post.id().to_owned());
            texts.push(post.event()["text"].as_str().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(ids[0], before.id(), "the delivery of before");
    assert_eq!(texts[..3], ["", "one", "two"], "in order");
}

#[tokio::test]
async fn the_owed_are_bounded_and_the_oldest_given_up() {
    let (mut receiver, server) = world(|start| {
        start.config(
            "customhttp.transport-retry = [600]\n[rate-limit]\nper-chat = 0\nper-address = 0",
        )
    })
    .await;
    receiver.will([Answer::status(503)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    receiver.next().await;
    for number in 0..1001 {
        bob.say(&chat.id, &number.to_string()).await;
    }
    owed(&server, 1000.0).await;
    dead_letters(&server, 2).await;
    assert!(server.log().contains("more than 1000 pushes owed"));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_is_asked_again() {
    let options = "customhttp.timeout = 1\ncustomhttp.transport-retry = [1]";
    let (mut receiver, server) = world(|start| start.config(options)).await;
    receiver.will([Answer::status(204).after(Duration::from_secs(30))]);
    served(&server, &[PAYLOAD]).await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    owed(&server, 0.0).await;
}

#[tokio::test]
async fn no_more_attempts_are_under_way_than_configured() {
    let (mut receiver, server) = world(|start| start.config("customhttp.concurrency = 1")).await;
    let pause = Duration::from_millis(400);
    receiver.will(vec![Answer::status(204).after(pause); 5]);
    for _ in 0..5 {
        served(&server, &[PAYLOAD]).await;
    }
    let mut before = receiver.next().await.at;
    for _ in 1..5 {
        let at = receiver.next().await.at;
        assert!(at - before >= pause, "{:?}", at - before);
        before = at;
    }
}

#[tokio::test]
async fn an_acknowledgement_ends_resends_but_not_the_delivery_that_is_owed() {
    let (mut receiver, server) =
        world(|start| start.config("customhttp.transport-retry = [1]")).await;
    receiver.will([Answer::status(503)]);
    let (chat, _bob) = served(&server, &[PAYLOAD, RESEND]).await;
    let first = receiver.next().await;
    chat.transcript(1).await;
    let again = receiver.next().await;
    assert_eq!((first.id(), &first.body), (again.id(), &again.body));
    let resend = receiver.next_within(Duration::from_millis(1500)).await;
    assert!(resend.is_none(), "it has fetched what there is");
}

#[tokio::test]
async fn a_reload_tries_a_destination_again_that_was_gone() {
    let (mut receiver, server) = world(|start| start).await;
    receiver.will([Answer::status(410)]);
    let (chat, mut bob) = served(&server, &[PAYLOAD]).await;
    receiver.next().await;
    bob.say(&chat.id, "to nobody").await;
    dead_letters(&server, 2).await;
    assert!(receiver.next_within(SOON).await.is_none());
    server.signal(rustix::process::Signal::HUP);
    for _ in 0..20 {
        bob.say(&chat.id, "to somebody again").await;
        if let Some(post) = receiver.next_within(SOON).await {
            return assert_eq!(post.event()["text"], "to somebody again");
        }
    }
    panic!("nothing came after the reload");
}

async fn owed(server: &Server, count: f64) {
    eventually("what is owed", || async {
        (metric(server, "parlor_push_owed").await == count).then_some(())
    })
    .await;
}
