//! Stories of one shard. alice is the customer, bob an agent; `Bench` is a disk that does what it is told.

use std::sync::Mutex;

use super::*;
use crate::chat::{AfterAction, Change, Speech, Style, UserData, UserType, Visibility};
use crate::clock::Wall;
use crate::hub::fan_out::CUSTOMER;
use crate::hub::seat::{Offer, Told};
use crate::id::{ClientId, Epoch};

mod bench;
mod counting;
mod joins;
mod mailbox;
mod pushes;
mod refusals;

pub(super) use bench::{Bench, Durable, bob};
pub(super) use mailbox::Mailbox;

#[test]
fn nobody_is_told_before_the_disk_has_it() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    bench.hold = true;
    let answer = bench.say(session, "hello");
    bench.settle();
    assert_eq!(alice.positions(), [1], "told only what is durable");
    assert!(answer.lock().unwrap().is_none(), "not answered either");
    bench.hold = false;
    bench.settle();
    assert_eq!(alice.positions(), [1, 2]);
    assert_eq!(
        answer.lock().unwrap().take().unwrap().unwrap().index,
        Some(2)
    );
}

#[test]
fn what_the_disk_refuses_never_happened() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    bench.fail = Some(store::Error::NoSpace);
    let lost = bench.say(session, "lost");
    let after = bench.say(session, "decided on what was lost");
    bench.settle();
    for answer in [lost, after] {
        assert_eq!(
            answer.lock().unwrap().take().unwrap().unwrap_err(),
            Refusal::Store(store::Error::NoSpace)
        );
    }
    bench.fail = None;
    let kept = bench.say(session, "kept");
    bench.settle();
    assert_eq!(kept.lock().unwrap().take().unwrap().unwrap().index, Some(2));
    assert_eq!(alice.positions(), [1, 2]);
}

#[test]
fn a_full_mailbox_loses_time_and_no_event() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    alice.room(0);
    for text in ["two", "three", "four"] {
        bench.say(session, text);
    }
    bench.settle();
    assert_eq!(alice.positions(), [1]);
    alice.room(2);
    bench.ask(session, Ask::Room(alice.id()));
    assert_eq!(alice.positions(), [1, 2, 3]);
    alice.room(9);
    bench.ask(session, Ask::Room(alice.id()));
    bench.say(session, "five");
    bench.settle();
    assert_eq!(alice.positions(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_slow_viewer_reads_on_from_the_disk_where_memory_has_forgotten() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    alice.room(0);
    for _ in 0..40 {
        bench.say(session, &"x".repeat(1024));
    }
    bench.settle();
    alice.room(100);
    bench.ask(session, Ask::Room(alice.id()));
    assert_eq!(alice.positions(), (1..=41).collect::<Vec<u64>>());
}

#[test]
fn a_broken_connection_is_told_again_from_the_last_confirmed() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    bench.say(session, "two");
    bench.settle();
    bench.ask(session, Ask::Confirmed(alice.id(), 1));
    bench.ask(session, Ask::Rewind(alice.id(), 1));
    assert_eq!(alice.positions(), [1, 2, 2]);
}

#[test]
fn the_newest_client_of_the_customer_gets_the_events() {
    let mut bench = Bench::new();
    let (old, new) = (Mailbox::new(1), Mailbox::new(2));
    let session = bench.begin(Some(&old));
    bench.ask(
        session,
        Ask::Watch(
            new.clone(),
            1,
            None,
            Box::new(|view| assert_eq!(view.unwrap().next_index, 2)),
        ),
    );
    bench.say(session, "two");
    bench.settle();
    bench.ask(session, Ask::Gone(old.id(), Parting::Lost));
    bench.say(session, "three");
    bench.settle();
    assert_eq!(old.positions(), [1]);
    assert_eq!(new.positions(), [1, 2, 3]);
}

#[test]
fn bob_joins_and_sees_the_transcript_once() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.say(session, "anybody there?");
    bench.settle();
    let bob = Mailbox::new(7);
    let page = bench.join(session, &bob);
    let seen: Vec<u64> = page.events.iter().map(|event| event.index).collect();
    assert_eq!((seen, page.next_position), (vec![1, 2, 3], 4));
    bench.say(session, "hello bob");
    bench.settle();
    assert_eq!(bob.positions(), [4]);
    let again = bench.join(session, &bob);
    assert_eq!(
        again.next_position, 5,
        "joining twice on one connection adds no event"
    );
}

#[test]
fn an_agent_who_is_lost_leaves_and_one_who_released_has_no_seat() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let (bob, carol) = (Mailbox::new(7), Mailbox::new(8));
    bench.join(session, &bob);
    bench.join(session, &carol);
    bench.ask(session, Ask::Gone(bob.id(), Parting::Lost));
    assert_eq!(carol.positions(), [4], "bob left");
    let release = Command::Release {
        participant: None,
        after: AfterAction::KeepAlive,
        reason: None,
    };
    bench.ask(
        session,
        Ask::SubmitAs(carol.id(), release, Box::new(|done| assert!(done.is_ok()))),
    );
    assert_eq!(
        bench.shard.room(session).unwrap().seats.len(),
        1,
        "its leaving may have to be told again"
    );
    bench.ask(session, Ask::Confirmed(carol.id(), 5));
    assert_eq!(bench.shard.room(session).unwrap().seats.len(), 0);
    let message = Command::Message {
        text: "late".into(),
        message_type: None,
        speech: Speech::default(),
    };
    bench.ask(
        session,
        Ask::SubmitAs(
            carol.id(),
            message,
            Box::new(|done| assert_eq!(done.unwrap_err(), Refusal::NotJoined)),
        ),
    );
}

#[test]
fn the_end_is_told_again_until_it_has_arrived() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    let bob = Mailbox::new(7);
    bench.join(session, &bob);
    let release = Command::Release {
        participant: None,
        after: AfterAction::ForceClose,
        reason: None,
    };
    bench.ask(
        session,
        Ask::SubmitAs(bob.id(), release, Box::new(|done| assert!(done.is_ok()))),
    );
    let told = alice.positions();
    let end = *told.last().unwrap();
    bench.ask(session, Ask::Rewind(alice.id(), 2));
    let again: Vec<u64> = (3..=end).collect();
    assert_eq!(alice.positions()[told.len()..], again[..]);
    bench.ask(session, Ask::Confirmed(alice.id(), end));
    bench.ask(session, Ask::Confirmed(bob.id(), end));
    assert!(bench.shard.room(session).unwrap().seats.is_empty());
}

#[test]
fn who_is_gone_before_it_is_seated_leaves() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let (bob, carol) = (Mailbox::new(7), Mailbox::new(8));
    bench.join(session, &carol);
    *bob.gone.lock().unwrap() = Some(Parting::Lost);
    bench.join(session, &bob);
    let room = bench.shard.room(session).unwrap();
    let present: Vec<u32> = room.chat.present().map(|someone| someone.id.0).collect();
    assert_eq!(present, [1, 2]);
}

#[test]
fn an_idle_session_is_small() {
    // Beside it: the strings of its customer, and two entries of the shard's tables.
    let room = std::mem::size_of::<Room>();
    let customer = std::mem::size_of::<chat::Participant>();
    assert!(room + customer < 1024, "{room} + {customer} bytes");
}

#[test]
fn a_quiet_session_sleeps_and_comes_back_on_touch() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.say(session, "see you");
    bench.settle();
    bench.pass(Duration::from_secs(31));
    assert_eq!(bench.shard.awake(), 0);
    let answer = bench.say(session, "back");
    bench.settle();
    assert_eq!(
        answer.lock().unwrap().take().unwrap().unwrap().index,
        Some(3)
    );
    assert_eq!(bench.shard.awake(), 1);
}

/// A chat that was begun, and then left alone, was looked after at its next deadline only: in a day. A million of them
/// stayed in memory.
#[test]
fn a_chat_of_one_command_sleeps_too() {
    let mut bench = Bench::new();
    bench.begin(None);
    bench.settle();
    bench.pass(Duration::from_secs(31));
    assert_eq!(bench.shard.awake(), 0);
}

#[test]
fn a_silent_customer_without_push_is_removed() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.pass(Duration::from_secs(31));
    bench.pass(Duration::from_secs(20));
    let page = bench.read(session, 1);
    assert!(page.view.ended);
    assert_eq!(page.events.len(), 2);
    bench.pass(Duration::from_secs(3700));
    let gone = Arc::new(Mutex::new(None));
    let heard = gone.clone();
    let reply =
        Box::new(move |page: Result<Page, Refusal>| *heard.lock().unwrap() = Some(page.err()));
    bench.ask(
        session,
        Ask::Read {
            reader: CUSTOMER,
            from: 1,
            bytes_max: 1024,
            acknowledge: true,
            reply,
        },
    );
    assert_eq!(
        gone.lock().unwrap().take(),
        Some(Some(Refusal::Unknown)),
        "no longer readable"
    );
}

#[test]
fn the_same_key_happens_once() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let also = Also {
        idempotency: Some(42),
    };
    let first = bench.say_also(session, "once", also);
    let second = bench.say_also(session, "once", also);
    bench.settle();
    bench.pass(Duration::from_secs(31));
    let third = bench.say_also(session, "once", also);
    bench.settle();
    for answer in [first, second, third] {
        assert_eq!(
            answer.lock().unwrap().take().unwrap().unwrap().index,
            Some(2)
        );
    }
    assert_eq!(bench.read(session, 1).events.len(), 2);
}

// A chat forgot a key after 256 others, within seconds, and did again what had been done.
#[test]
fn a_key_is_known_for_a_day_however_many_follow() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let also = |key| Also {
        idempotency: Some(key),
    };
    for key in 0..300 {
        bench.say_also(session, "once", also(key));
        bench.settle();
    }
    let again = bench.say_also(session, "once", also(0));
    bench.settle();
    assert_eq!(
        again.lock().unwrap().take().unwrap().unwrap().index,
        Some(2)
    );
}

#[test]
fn the_list_is_told_as_it_changes() {
    let mut bench = Bench::new();
    let carol = Mailbox::new(9);
    bench
        .shard
        .handle(Input::WatchList(carol.clone()), bench.now);
    let session = bench.begin(None);
    let bob = Mailbox::new(7);
    bench.join(session, &bob);
    bench.say(session, "no change of the list");
    bench.settle();
    assert_eq!(carol.told.lock().unwrap().len(), 2, "created, served");
}
