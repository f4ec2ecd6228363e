use super::*;
use crate::chat::{
    Change, Event, EventKind, Idle, IdleNotices, KvList, LeaveReason, Liveness, Participant,
    Presence, Protocol, QuitReason, Session, SessionParts, Stage, Style, Timer, UserData, UserType,
    Visibility,
};
use crate::clock::Wall;
use crate::id::ParticipantId;
use crate::push::{
    Change as PushChange, Content, Delivery, Outcome, Removal, Round, Subscriber, SubscriberParts,
    Subscription,
};

/// What format 1 wrote. It is never changed: what was written once is read for ever.
const RECORD_V1: &[u8] = include_bytes!("../../../tests/fixtures/store/v1/record.json");
const SNAPSHOT_V1: &[u8] = include_bytes!("../../../tests/fixtures/store/v1/snapshot.json");

#[test]
fn a_record_of_every_change_reads_back() {
    let record = every_change();
    assert_eq!(decode_record(&encode_record(&record)), Ok(record));
}

#[test]
fn a_snapshot_reads_back() {
    let snapshot = snapshot();
    assert_eq!(decode_snapshot(&encode_snapshot(&snapshot)), Ok(snapshot));
}

#[test]
fn format_1_is_still_understood() {
    assert_eq!(decode_record(&versioned(RECORD_V1)), Ok(every_change()));
    assert_eq!(decode_snapshot(&versioned(SNAPSHOT_V1)), Ok(snapshot()));
}

#[test]
fn format_1_is_still_written() {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(
        text(&encode_record(&every_change())[1..]),
        text(RECORD_V1.trim_ascii())
    );
    assert_eq!(
        text(&encode_snapshot(&snapshot())[1..]),
        text(SNAPSHOT_V1.trim_ascii())
    );
}

#[test]
fn a_later_version_is_named() {
    assert_eq!(decode_record(&[9, b'{', b'}']), Err(Malformed::Version(9)));
}

#[test]
fn what_is_cut_anywhere_is_refused() {
    let bytes = encode_record(&every_change());
    for length in 0..bytes.len() {
        assert!(decode_record(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn an_error_tells_nothing_of_the_content() {
    let error = decode_record(b"\x01{\"c\":[{\"ev\":\"secret\"}]}").unwrap_err();
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn what_a_later_version_adds_does_not_disturb() {
    let record = decode_record(b"\x01{\"c\":[{\"nil\":{\"i\":4,\"later\":1}}],\"z\":0}").unwrap();
    assert_eq!(record.changes, [Change::Annihilated { index: 4 }]);
}

fn versioned(json: &[u8]) -> Vec<u8> {
    [&[VERSION], json.trim_ascii()].concat()
}

fn every_change() -> Record {
    let mut changes = vec![
        Change::Created {
            at: Wall(1_700_000_000_000),
            service: "customer-support".into(),
            subject: Some("A \"quoted\" subject, ünïcode".into()),
            async_mode: true,
        },
        Change::Joined(alice()),
        Change::Joined(bob()),
        Change::UserDataUpdated(data("FirstName", "Alice")),
        Change::Annihilated { index: 3 },
        Change::AsyncStatus(-2),
        Change::IdleConfigured {
            notices: IdleNotices::Major2,
        },
        Change::Closed {
            at: Wall(1_700_000_000_999),
        },
    ];
    let events = kinds().into_iter().zip(1..);
    changes.extend(events.map(|(kind, index)| Change::Event(event(index, kind))));
    Record {
        changes,
        push: push_changes(),
        remembered: Some(remembered()),
    }
}

fn push_changes() -> Vec<PushChange> {
    let now = crate::clock::Now {
        instant: Instant(10),
        wall: Wall(20),
    };
    let notify = Content::Notify {
        attempt: 2,
        position: None,
        next_position: 8,
        chat_ended: true,
    };
    let event = Content::Event {
        index: 7,
        chat_ended: false,
    };
    let mut late = Delivery::new(2, notify, now);
    late.failed = 1;
    late.retry_after = Some(Instant(99));
    let settled = |outcome| PushChange::Settled {
        number: 1,
        outcome,
        at: Instant(30),
    };
    vec![
        PushChange::Subscribed(subscription()),
        PushChange::Unretrieved { index: 7 },
        PushChange::Removed(Removal {
            index: 9,
            told: true,
        }),
        PushChange::Owed(Delivery::new(1, event, now)),
        PushChange::Owed(late),
        PushChange::Acknowledged { position: 8 },
        settled(Outcome::Delivered),
        settled(Outcome::Retry {
            not_before: Instant(40),
            retry_after: Some(Instant(41)),
        }),
        settled(Outcome::Dead {
            reason: "HTTP 404".into(),
        }),
        PushChange::Spent,
    ]
}

/// Made of parts, not by applying changes: what a session makes of its changes may improve.
fn snapshot() -> Snapshot {
    let idle = Idle {
        regular: Timer {
            since: Some(Instant(7)),
            stage: Stage::AlertedTwice,
        },
        asynchronous: Timer {
            since: None,
            stage: Stage::Quiet,
        },
        seen: 5,
    };
    Snapshot {
        chat: Session::from_parts(SessionParts {
            service: "customer-support".into(),
            created_at: Wall(1_700_000_000_000),
            subject: Some("subject".into()),
            async_mode: true,
            async_status: -2,
            closed_at: Some(Wall(1_700_000_000_999)),
            next_index: 14,
            next_participant: 3,
            participants: vec![alice(), bob()],
            user_data: data("FirstName", "Alice"),
            receipts: vec![(ParticipantId(1), 9)],
            idle_notices: Some(IdleNotices::Typing),
            idle,
        }),
        push: Some(Subscriber::from_parts(subscriber())),
        remembered: vec![remembered()],
        presence: Liveness {
            touched: Instant(11),
            granted_once: true,
        },
    }
}

fn subscriber() -> SubscriberParts {
    let now = crate::clock::Now {
        instant: Instant(10),
        wall: Wall(20),
    };
    let content = Content::Event {
        index: 7,
        chat_ended: false,
    };
    SubscriberParts {
        subscription: subscription(),
        owed: vec![Delivery::new(1, content, now)],
        unretrieved: vec![7, 8],
        round: Round::Waiting {
            attempt: 1,
            since: Instant(9),
        },
        removed: Some(Removal {
            index: 9,
            told: false,
        }),
        next_number: 3,
    }
}

fn kinds() -> Vec<EventKind> {
    let text = || Some("text".to_owned());
    vec![
        EventKind::ParticipantJoined,
        EventKind::Message {
            text: "line\nbreak \u{1F600} \u{1}".into(),
            message_type: Some("text/plain".into()),
        },
        EventKind::TypingStarted { text: text() },
        EventKind::TypingStopped { text: None },
        EventKind::NicknameUpdated {
            nickname: "Al".into(),
        },
        EventKind::PushUrl {
            url: "https://shop.example/".into(),
        },
        EventKind::CustomNotice { text: text() },
        EventKind::FileUploaded {
            name: "a.png".into(),
        },
        EventKind::FileDeleted { name: text() },
        EventKind::Notice {
            name: "read-confirm".into(),
        },
        EventKind::IdleAlert {
            text: "soon".into(),
        },
        EventKind::IdleClose { text: "now".into() },
        EventKind::ParticipantLeft {
            reason: Some(LeaveReason::Transfer),
            quit: Some(QuitReason::Restored),
        },
    ]
}

fn event(index: u64, kind: EventKind) -> Event {
    let mut attributes = KvList::default();
    attributes.set(&["general-properties", "deep", "key"], "value");
    attributes.set(&["flat"], "1");
    Event {
        index,
        at: Wall(1_700_000_000_000 + index),
        from: bob().author(),
        visibility: Visibility::Int,
        to: Some(ParticipantId(1)),
        kind,
        user_data: data("key", "value"),
        attributes,
    }
}

fn alice() -> Participant {
    Participant {
        id: ParticipantId(1),
        user_type: UserType::Client,
        nickname: "alice".into(),
        visibility: Visibility::All,
        style: Style::Person,
        protocol: Protocol::Flex,
        client_version: 106,
        user_data: UserData::new(),
        account: String::new(),
        joined: 1,
        presence: Presence::Present,
    }
}

fn bob() -> Participant {
    Participant {
        id: ParticipantId(2),
        user_type: UserType::Supervisor,
        nickname: "bob".into(),
        visibility: Visibility::Vip,
        style: Style::Bot,
        protocol: Protocol::Basic,
        account: "bob-1".into(),
        user_data: data("GCTI_Original_Nickname", "robert"),
        joined: 2,
        presence: Presence::Left {
            index: 13,
            reason: Some(LeaveReason::Hold),
        },
        ..alice()
    }
}

fn subscription() -> Subscription {
    Subscription {
        device_id: "device".into(),
        destination: "debug.customhttp".into(),
        include_payload: true,
        resend: true,
        notify_requestor: true,
    }
}

fn remembered() -> Remembered {
    Remembered {
        key: u128::MAX - 1,
        at: Instant(5),
        index: Some(6),
    }
}

fn data(key: &str, value: &str) -> UserData {
    UserData::from([(key.to_owned(), value.to_owned())])
}
