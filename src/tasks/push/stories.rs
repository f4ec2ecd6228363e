//! Stories of the poster and receivers on the same machine: `acme` is the receiver that most of them are about.

mod poster;
mod receiver;

use std::time::Duration;

use poster::{BODY, TRACEPARENT, TestPoster, delivery, destination, given_up, secret};
use receiver::{Reply, TestReceiver, status};
use tokio::net::TcpListener;

use super::*;
use crate::push::sign;

#[tokio::test]
async fn a_push_is_posted_with_the_headers_of_standard_webhooks() {
    let mut acme = TestReceiver::answering(|_| status(204)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, Outcome::Delivered));
    let seen = acme.seen().await;
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("webhook-id"), delivery(1).to_string());
    assert_eq!(seen.header("traceparent"), TRACEPARENT);
    assert!(seen.header("user-agent").starts_with("Parlor/"));
    assert_eq!(seen.body, BODY);
    let timestamp: u64 = seen.header("webhook-timestamp").parse().unwrap();
    assert_eq!(
        seen.header("webhook-signature"),
        sign(&[secret()], seen.header("webhook-id"), timestamp, BODY)
    );
}

#[tokio::test]
async fn an_unsigned_destination_gets_the_other_headers_all_the_same() {
    let mut acme = TestReceiver::answering(|_| status(200)).await;
    let unsigned = Destination {
        secrets: Vec::new(),
        ..acme.destination()
    };
    let mut poster = TestPoster::to([("acme", unsigned)]);
    poster.offer("acme", 1);
    poster.settled().await;
    let seen = acme.seen().await;
    assert!(!seen.headers.contains_key("webhook-signature"));
    for name in ["webhook-id", "webhook-timestamp", "traceparent"] {
        assert!(seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_503_is_tried_again_as_the_same_delivery() {
    let mut acme = TestReceiver::answering(|n| status(if n == 0 { 503 } else { 200 })).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    let (_, outcome) = poster.settled().await;
    assert!(matches!(
        outcome,
        Outcome::Retry {
            retry_after: None,
            ..
        }
    ));
    poster.offer_again("acme", 1, 1);
    assert_eq!(poster.settled().await, (1, Outcome::Delivered));
    let (first, second) = (acme.seen().await, acme.seen().await);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn the_retry_is_not_before_retry_after() {
    let acme = TestReceiver::answering(|_| status(429).with("retry-after", "3600")).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    let before = poster.clock.now().instant;
    poster.offer("acme", 1);
    let (_, outcome) = poster.settled().await;
    let Outcome::Retry {
        not_before,
        retry_after,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(not_before >= before + Duration::from_secs(3600));
    assert_eq!(retry_after, Some(not_before));
}

#[tokio::test]
async fn transport_retry_none_gives_up_after_one_attempt() {
    let acme = TestReceiver::answering(|_| status(500)).await;
    let once = Destination {
        retry: RetrySchedule::none(),
        ..acme.destination()
    };
    let mut poster = TestPoster::to([("acme", once)]);
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, given_up("HTTP 500")));
}

#[tokio::test]
async fn a_schedule_that_is_spent_makes_a_dead_letter() {
    let acme = TestReceiver::answering(|_| status(500)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer_again("acme", 1, 1);
    assert_eq!(
        poster.settled().await,
        (1, given_up("HTTP 500; schedule spent"))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = TestReceiver::answering(|_| status(200)).await;
    let url = elsewhere.url.clone();
    let acme = TestReceiver::answering(move |_| status(307).with("location", &url)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, given_up("HTTP 307")));
    assert!(elsewhere.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_404_is_a_dead_letter_and_the_next_delivery_goes_on() {
    let acme = TestReceiver::answering(|n| status(if n == 0 { 404 } else { 200 })).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, given_up("HTTP 404")));
    poster.offer("acme", 2);
    assert_eq!(poster.settled().await, (2, Outcome::Delivered));
}

#[tokio::test]
async fn a_410_disables_the_destination_until_reload() {
    let mut acme = TestReceiver::answering(|n| status(if n == 0 { 410 } else { 200 })).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    let (_, outcome) = poster.settled().await;
    assert!(matches!(outcome, Outcome::Dead { .. }));
    assert_eq!(
        poster.report().await,
        Report::Disabled {
            destination: "acme".to_owned()
        }
    );
    acme.seen().await;

    poster.offer("acme", 2);
    assert_eq!(poster.settled().await, (2, given_up(Closed::Gone.reason())));
    assert!(acme.requests.try_recv().is_err(), "no attempt was made");

    let again = BTreeMap::from([("acme".to_owned(), acme.destination())]);
    poster.poster.reload(again).unwrap();
    poster.offer("acme", 3);
    assert_eq!(poster.settled().await, (3, Outcome::Delivered));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_times_out() {
    let acme = TestReceiver::answering(|_| Reply::Never).await;
    let impatient = Destination {
        timeout: Duration::from_millis(100),
        retry: RetrySchedule::none(),
        ..acme.destination()
    };
    let mut poster = TestPoster::to([("acme", impatient)]);
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, given_up("timed out")));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let mut poster = TestPoster::to([("acme", destination(url))]);
    poster.offer("acme", 1);
    let (_, outcome) = poster.settled().await;
    assert!(matches!(outcome, Outcome::Retry { .. }));
    assert!(poster.metrics().contains("status=\"not-connected\""));
}

#[tokio::test]
async fn a_2xx_counts_by_its_status_however_long_its_body() {
    let acme = TestReceiver::answering(|_| Reply::Status {
        code: 200,
        header: None,
        body: Bytes::from(vec![b'x'; 1024 * 1024]),
    })
    .await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, Outcome::Delivered));
}

#[tokio::test]
async fn a_slow_destination_delays_no_other() {
    let slow = TestReceiver::answering(|_| Reply::Never).await;
    let good = TestReceiver::answering(|_| status(200)).await;
    let mut poster = TestPoster::to([("slow", slow.destination()), ("good", good.destination())]);
    for number in 1..=4 {
        poster.offer("slow", number);
    }
    for number in 11..=30 {
        poster.offer("good", number);
        assert_eq!(poster.settled().await, (number, Outcome::Delivered));
    }
}

#[tokio::test]
async fn a_full_destination_gives_jobs_back_and_says_when_there_is_room() {
    let acme = TestReceiver::answering(|_| status(200)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    // Nothing runs on this thread before the first await: two under way, two waiting.
    for number in 1..=4 {
        poster.offer("acme", number);
    }
    let fifth = poster.job("acme", 5, 0);
    let back = poster
        .poster
        .offer(fifth)
        .map_err(|job| job.delivery.number);
    assert_eq!(back, Err(5));
    let mut settled = Vec::new();
    loop {
        match poster.report().await {
            Report::Settled { delivery, .. } => settled.push(delivery.number),
            Report::Room { room, .. } => break assert_eq!(room, 1),
            _ => {}
        }
    }
    poster.offer("acme", 5);
    while settled.len() < 5 {
        settled.push(poster.settled().await.0);
    }
    settled.sort_unstable();
    assert_eq!(settled, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn the_first_success_after_failures_is_told_once() {
    let acme = TestReceiver::answering(|n| status(if n == 1 { 503 } else { 200 })).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    for number in 1..=4 {
        poster.offer("acme", number);
        poster.next_settled().await;
    }
    poster.poster.drain().await;
    let recovered = |report: &Report| matches!(report, Report::Recovered { .. });
    let told = poster
        .seen
        .iter()
        .filter(|report| recovered(report))
        .count();
    assert_eq!(told, 2, "after the start, and after the 503");
}

#[tokio::test]
async fn connections_are_kept() {
    let acme = TestReceiver::answering(|_| status(200)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    for number in 1..=5 {
        poster.offer("acme", number);
        poster.settled().await;
    }
    assert_eq!(acme.connections(), 1);
}

#[tokio::test]
async fn what_is_owed_to_nobody_is_a_dead_letter() {
    let mut poster = TestPoster::to([]);
    poster.offer("acme", 1);
    assert_eq!(
        poster.settled().await,
        (1, given_up(Closed::Unconfigured.reason()))
    );
}

#[tokio::test]
async fn a_reload_is_taken_whole_or_not_at_all() {
    let acme = TestReceiver::answering(|_| status(200)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    let bad = BTreeMap::from([
        ("other".to_owned(), acme.destination()),
        (
            "worse".to_owned(),
            destination("ftp://user:pw@host".to_owned()),
        ),
    ]);
    let refused = poster.poster.reload(bad).unwrap_err().to_string();
    assert_eq!(refused, "worse.url is not an http or https URL with a host");
    poster.offer("acme", 1);
    assert_eq!(poster.settled().await, (1, Outcome::Delivered));
    poster.offer("other", 2);
    let (_, outcome) = poster.settled().await;
    assert_eq!(outcome, given_up(Closed::Unconfigured.reason()));
}

#[tokio::test]
async fn draining_ends_what_is_under_way_and_takes_no_more() {
    let mut acme = TestReceiver::answering(|_| status(200)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    acme.seen().await;
    poster.poster.drain().await;
    let ended = poster.reports.try_recv();
    assert!(matches!(ended, Ok(Report::Settled { .. })));
    let job = poster.job("acme", 2, 0);
    assert!(poster.poster.offer(job).is_err());
}

#[tokio::test]
async fn what_was_not_begun_when_draining_is_left_to_the_next_start() {
    let mut acme = TestReceiver::answering(|_| status(200)).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    poster.offer("acme", 1);
    poster.poster.drain().await;
    assert!(poster.reports.try_recv().is_err());
    assert!(acme.requests.try_recv().is_err());
}

#[tokio::test]
async fn attempts_deliveries_and_dead_letters_are_counted() {
    let acme = TestReceiver::answering(|n| status(if n == 0 { 404 } else { 200 })).await;
    let mut poster = TestPoster::to([("acme", acme.destination())]);
    for number in 1..=2 {
        poster.offer("acme", number);
        poster.settled().await;
    }
    poster.poster.metrics().owed("acme").set(3);
    let metrics = poster.metrics();
    for line in [
        r#"parlor_push_deliveries_total{destination="acme",outcome="delivered"} 1"#,
        r#"parlor_push_deliveries_total{destination="acme",outcome="dead"} 1"#,
        r#"parlor_push_attempts_total{destination="acme",status="404"} 1"#,
        r#"parlor_push_attempts_total{destination="acme",status="200"} 1"#,
        r#"parlor_push_dead_letters_total{destination="acme"} 1"#,
        r#"parlor_push_owed{destination="acme"} 3"#,
        "parlor_push_attempt_seconds_count 2",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}
