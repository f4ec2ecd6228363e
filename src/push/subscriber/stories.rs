//! Stories of one chat and its pushes: alice is the customer, participant 1, and bob serves her.

mod chat;
mod payload_mode;
mod removal;
mod resend_mode;

use proptest::prelude::*;

use super::*;
use crate::chat::{Author, KvList, LeaveReason, UserData, UserType, Visibility};
use crate::clock::Wall;
use crate::id::ParticipantId;
use chat::{Chat, Told, notify, owed, payload, removed, resend, seconds, told_event};

#[test]
fn a_delivery_waits_for_its_retry_unless_the_destination_recovers() {
    let mut chat = Chat::new(payload());
    chat.bob_says(2);
    chat.fails(1, 60_000);
    let head = chat.subscriber.head().unwrap().clone();
    assert_eq!(head.failed, 1);
    assert_eq!(head.ready_at(false), Instant(60_000));
    assert!(head.ready_at(true) <= chat.now.instant);
}

#[test]
fn retry_after_holds_even_when_the_destination_recovers() {
    let mut chat = Chat::new(payload());
    chat.bob_says(2);
    chat.settle(
        1,
        Outcome::Retry {
            not_before: Instant(60_000),
            retry_after: Some(Instant(30_000)),
        },
    );
    let head = chat.subscriber.head().unwrap();
    assert_eq!(head.ready_at(true), Instant(30_000));
}

#[test]
fn an_outcome_may_be_reported_twice() {
    let mut chat = Chat::new(resend());
    chat.bob_says(2);
    chat.delivered(1);
    let before = chat.subscriber.clone();
    chat.delivered(1);
    assert_eq!(chat.subscriber, before);
}

#[test]
fn an_acknowledgement_of_nothing_is_not_stored() {
    let chat = Chat::new(resend());
    assert_eq!(chat.subscriber.on_acknowledged(9), []);
}

proptest! {
    #[test]
    fn replay_and_snapshot_give_the_same_subscriber(
        steps in prop::collection::vec((0..9u8, 0..4u64), 0..80),
        resends in any::<bool>(),
        notify_requestor in any::<bool>(),
    ) {
        let mut chat = Chat::new(Subscription { resend: resends, notify_requestor, ..payload() });
        for (step, by) in steps {
            chat.step(step, by);
            let parts = chat.subscriber.parts();
            prop_assert_eq!(&Subscriber::from_parts(parts), &chat.subscriber);
        }
        let mut replayed = Subscriber::new(chat.subscriber.subscription.clone());
        chat.changes.iter().for_each(|change| replayed.apply(change));
        prop_assert_eq!(&replayed, &chat.subscriber);
        // Numbers are given once, in order; events are told once each.
        let owed: Vec<&Delivery> = chat.changes.iter().filter_map(owed).collect();
        prop_assert!(owed.iter().map(|delivery| delivery.number).eq(1..=owed.len() as u64));
        let events: Vec<u64> = owed.iter().filter_map(|delivery| told_event(delivery)).collect();
        prop_assert!(events.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

const ALICE: u32 = 1;
const BOB: u32 = 2;
