use super::*;
use crate::chat::{EventKind, QuitReason};
use crate::clock::{Instant, Wall};
use crate::wire::testing::{ana, chat, event, greeting};

fn wish() -> Subscription {
    Subscription {
        device_id: "dev-42".into(),
        destination: "customhttp".into(),
        include_payload: true,
        resend: false,
        notify_requestor: false,
    }
}

fn owed(content: Content) -> Delivery {
    Delivery {
        number: 1,
        owed_at: Instant(5),
        owed_wall: Wall(1_735_689_600_000),
        content,
        failed: 0,
        not_before: Instant(5),
        retry_after: None,
    }
}

fn told(index: u64) -> Delivery {
    owed(Content::Event {
        index,
        chat_ended: false,
    })
}

fn notified(attempt: u32, position: Option<u64>) -> Delivery {
    owed(Content::Notify {
        attempt,
        position,
        next_position: 17,
        chat_ended: position.is_none(),
    })
}

fn made(delivery: &Delivery, wish: &Subscription, event: Option<&Event>, reveal: Reveal) -> Bytes {
    replaced(delivery, wish, event, reveal, "")
}

fn replaced(
    delivery: &Delivery,
    wish: &Subscription,
    event: Option<&Event>,
    reveal: Reveal,
    replacement: &str,
) -> Bytes {
    let with = With {
        keys: &Keys::new([7; 32]),
        session: chat(),
        service: None,
        alias: "131",
        reveal,
        replacement,
    };
    body(delivery, wish, event, &with)
}

#[test]
fn an_event_is_pushed_whole() {
    let pushed = made(&told(7), &wish(), Some(&greeting(7)), Reveal::default());
    assert_golden!("push-event", &pushed);
}

#[test]
fn a_push_shows_that_the_customer_asked_to_leave() {
    let kind = EventKind::ParticipantLeft {
        reason: None,
        quit: Some(QuitReason::Logout),
    };
    let pushed = made(
        &told(9),
        &wish(),
        Some(&event(9, ana(), kind)),
        Reveal::default(),
    );
    let text = std::str::from_utf8(&pushed).unwrap();
    assert!(text.contains(r#""GCTI_SYSTEM":{"quit-reason-code":"0"}"#));
}

#[test]
fn without_payload_only_the_device_is_named() {
    let wish = Subscription {
        include_payload: false,
        ..wish()
    };
    let pushed = made(&told(7), &wish, Some(&greeting(7)), Reveal::default());
    assert_golden!("push-device", &pushed);
}

#[test]
fn a_push_to_be_fetched_gives_what_a_refresh_needs() {
    let everything = Reveal {
        session_id: true,
        user_id: true,
        secure_key: true,
        app_dbid: true,
    };
    let pushed = made(&notified(0, Some(16)), &wish(), None, everything);
    assert_golden!("push-notify", &pushed);
    let pushed = made(&notified(2, None), &wish(), None, Reveal::default());
    assert_golden!("push-removed", &pushed);
}

#[test]
fn a_configured_text_takes_the_place_of_the_content() {
    for delivery in [told(7), notified(0, Some(16))] {
        let event = greeting(7);
        let pushed = replaced(
            &delivery,
            &wish(),
            Some(&event),
            Reveal::default(),
            "You have mail",
        );
        assert_golden!("push-replaced", &pushed);
    }
}
