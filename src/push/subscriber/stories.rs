//! Stories of one chat and its pushes: alice is the customer, participant 1, and bob serves her.

mod chat;

use proptest::prelude::*;

use super::*;
use crate::chat::{Author, KvList, LeaveReason, UserData, UserType, Visibility};
use crate::clock::Wall;
use crate::id::ParticipantId;
use chat::{Chat, Told, notify, owed, payload, removed, resend, seconds, told_event};

mod payload_mode {
    use super::*;

    #[test]
    fn one_event_per_push_each_its_own_delivery_in_order() {
        let mut chat = Chat::new(payload());
        chat.bob_says(2);
        chat.bob_says(3);
        assert_eq!(chat.told(), [Told::Event(2), Told::Event(3)]);
        assert_eq!(chat.numbers(), [1, 2]);
        assert_eq!(chat.head(), Some(1));
        chat.delivered(1);
        assert_eq!(chat.head(), Some(2));
    }

    #[test]
    fn own_events_only_with_notify_requestor() {
        let mut chat = Chat::new(payload());
        chat.alice_says(2);
        assert_eq!(chat.told(), []);
        let mut chat = Chat::new(Subscription {
            notify_requestor: true,
            ..payload()
        });
        chat.alice_says(2);
        assert_eq!(chat.told(), [Told::Event(2)]);
    }

    #[test]
    fn a_live_viewer_is_not_pushed_to_until_it_expires() {
        let mut chat = Chat::new(payload());
        chat.viewer_live = true;
        chat.bob_says(2);
        chat.bob_says(3);
        chat.bob_says(4);
        chat.acknowledged(3);
        assert_eq!(chat.told(), []);
        chat.viewer_gone();
        assert_eq!(chat.told(), [Told::Event(3), Told::Event(4)]);
        assert_eq!(chat.numbers(), [1, 2]);
        chat.viewer_gone();
        assert_eq!(chat.told().len(), 2, "each is owed once");
    }

    #[test]
    fn of_too_many_the_oldest_are_given_up_but_not_what_is_under_way() {
        let mut chat = Chat::new(payload());
        let max = u64::try_from(OWED_MAX).unwrap();
        (2..max + 5).for_each(|index| chat.bob_says(index));
        let numbers = chat.numbers();
        assert_eq!(numbers.len(), OWED_MAX);
        assert_eq!(numbers[..3], [1, 5, 6], "2 to 4 are dead letters");
    }

    #[test]
    fn a_viewer_that_acknowledges_nothing_vouches_only_so_long() {
        let mut chat = Chat::new(payload());
        chat.viewer_live = true;
        let max = u64::try_from(OWED_MAX).unwrap();
        (2..=max).for_each(|index| chat.bob_says(index));
        assert_eq!(chat.told(), []);
        chat.bob_says(max + 1);
        assert_eq!(chat.told().len(), OWED_MAX);
    }

    #[test]
    fn what_a_viewer_left_behind_goes_before_what_is_new() {
        let mut chat = Chat::new(payload());
        chat.viewer_live = true;
        chat.bob_says(2);
        chat.viewer_live = false;
        chat.bob_says(3);
        assert_eq!(chat.told(), [Told::Event(2), Told::Event(3)]);
        assert!(!chat.subscriber.awaits_viewer());
    }

    #[test]
    fn an_acknowledgement_takes_nothing_from_what_is_owed() {
        let mut chat = Chat::new(payload());
        chat.bob_says(2);
        chat.fails(1, 2_000);
        chat.acknowledged(3);
        assert_eq!(chat.told(), [Told::Event(2)]);
    }

    #[test]
    fn no_resend_without_resend() {
        let mut chat = Chat::new(payload());
        chat.bob_says(2);
        chat.delivered(1);
        assert_eq!(chat.timeout(), None);
    }

    #[test]
    fn the_removal_is_the_last_event_pushed() {
        let mut chat = Chat::new(payload());
        chat.alice_leaves(2, Some(QuitReason::Removed), None);
        chat.bob_says(3);
        assert_eq!(chat.told(), [Told::Event(2)]);
    }

    #[test]
    fn a_dead_letter_lets_the_next_delivery_go_on() {
        let mut chat = Chat::new(payload());
        chat.bob_says(2);
        chat.bob_says(3);
        chat.dead(1);
        assert_eq!(chat.head(), Some(2));
    }
}

mod resend_mode {
    use super::*;

    #[test]
    fn n_resends_after_the_first_push() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        for attempt in 0..=2 {
            assert_eq!(chat.told(), [notify(attempt, 2)]);
            chat.deliver_all();
            chat.wait(15);
        }
        assert_eq!(chat.told(), [], "the schedule of two resends is spent");
        assert_eq!(chat.timeout(), None);
    }

    #[test]
    fn each_push_is_a_delivery_of_its_own() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        assert_eq!(chat.numbers(), [1]);
        chat.delivered(1);
        chat.wait(15);
        assert_eq!(chat.numbers(), [2]);
    }

    #[test]
    fn the_wait_counts_from_the_post_that_worked() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        assert_eq!(chat.timeout(), None, "nothing to wait for while it is owed");
        chat.wait(40);
        chat.delivered(1);
        assert_eq!(chat.timeout(), Some(chat.now.instant + seconds(15)));
        chat.wait(14);
        assert_eq!(chat.told(), []);
    }

    #[test]
    fn a_new_event_while_unacknowledged_adds_nothing() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.bob_says(3);
        assert_eq!(chat.told(), [notify(0, 2)]);
        chat.delivered(1);
        chat.bob_says(4);
        chat.wait(15);
        assert_eq!(chat.told(), [notify(1, 2)], "the first unretrieved stays");
    }

    #[test]
    fn after_an_acknowledgement_the_next_event_starts_at_attempt_0() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.delivered(1);
        chat.acknowledged(3);
        assert_eq!(chat.timeout(), None, "waiting resends are cancelled");
        chat.bob_says(3);
        assert_eq!(chat.told(), [notify(0, 3)]);
    }

    #[test]
    fn after_the_schedule_is_spent_the_next_event_starts_anew_from_the_first_unretrieved() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.spend();
        chat.bob_says(9);
        assert_eq!(chat.told(), [notify(0, 2)]);
    }

    #[test]
    fn a_dead_letter_counts_as_that_attempt() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.dead(1);
        chat.wait(15);
        assert_eq!(chat.told(), [notify(1, 2)]);
    }

    #[test]
    fn an_acknowledgement_meets_a_transport_retry() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.fails(1, 60_000);
        chat.acknowledged(3);
        assert_eq!(chat.told(), [notify(0, 2)], "the delivery is still made");
        chat.delivered(1);
        chat.wait(60);
        assert_eq!(chat.told(), [], "but not resent");
    }

    #[test]
    fn a_new_event_after_an_acknowledgement_queues_behind_the_transport_retry() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.fails(1, 60_000);
        chat.acknowledged(3);
        chat.bob_says(3);
        assert_eq!(chat.told(), [notify(0, 2), notify(0, 3)]);
        chat.delivered(1);
        assert_eq!(chat.timeout(), None, "the round is that of the second");
        chat.delivered(2);
        assert!(chat.timeout().is_some());
    }

    #[test]
    fn only_own_events_between_do_not_count_as_unretrieved() {
        let mut chat = Chat::new(resend());
        chat.alice_says(2);
        chat.bob_says(3);
        assert_eq!(chat.told(), [notify(0, 3)]);
    }

    #[test]
    fn a_live_viewer_stills_the_schedule() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.delivered(1);
        chat.viewer_live = true;
        assert_eq!(chat.timeout(), None);
        chat.wait(60);
        assert_eq!(chat.told(), []);
        chat.viewer_gone();
        chat.wait(0);
        assert_eq!(chat.told(), [notify(1, 2)]);
    }

    #[test]
    fn what_a_viewer_did_not_acknowledge_is_pushed_when_it_expires() {
        let mut chat = Chat::new(resend());
        chat.viewer_live = true;
        for index in 2..=6 {
            chat.bob_says(index);
        }
        chat.acknowledged(4);
        chat.viewer_gone();
        assert_eq!(chat.told(), [notify(0, 4)]);
    }

    #[test]
    fn a_spent_schedule_does_not_begin_again_because_a_viewer_went() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.spend();
        chat.viewer_live = true;
        chat.viewer_gone();
        assert_eq!(chat.told(), []);
    }

    #[test]
    fn a_shorter_schedule_after_a_reload_ends_the_round() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.delivered(1);
        chat.schedule.attempts = 0;
        chat.wait(15);
        assert_eq!(chat.told(), []);
        assert_eq!(chat.timeout(), None);
    }

    #[test]
    fn without_resends_every_event_is_told_once() {
        let mut chat = Chat::new(resend());
        chat.schedule.attempts = 0;
        chat.bob_says(2);
        chat.delivered(1);
        chat.bob_says(3);
        assert_eq!(chat.told(), [notify(0, 2)]);
    }
}

mod removal {
    use super::*;

    #[test]
    fn it_is_minus_1_by_the_same_schedule() {
        let mut chat = Chat::new(resend());
        chat.alice_leaves(7, Some(QuitReason::Removed), None);
        for attempt in 0..=2 {
            assert_eq!(chat.told(), [removed(attempt, 8)]);
            chat.deliver_all();
            chat.wait(15);
        }
        assert_eq!(chat.told(), []);
    }

    #[test]
    fn it_takes_the_place_of_what_was_being_resent() {
        let mut chat = Chat::new(resend());
        chat.bob_says(2);
        chat.delivered(1);
        chat.alice_leaves(3, Some(QuitReason::Idle), None);
        assert_eq!(chat.told(), [removed(0, 4)]);
        chat.delivered(2);
        chat.wait(15);
        assert_eq!(chat.told(), [removed(1, 4)]);
    }

    #[test]
    fn closing_does_not_cancel_it_and_a_last_transcript_fetch_does() {
        let mut chat = Chat::new(resend());
        chat.alice_leaves(2, Some(QuitReason::Removed), None);
        chat.bob_says(3);
        chat.delivered(1);
        chat.acknowledged(2);
        assert!(chat.timeout().is_some(), "fetched before the leaving");
        chat.acknowledged(3);
        assert_eq!(chat.timeout(), None);
    }

    #[test]
    fn a_customer_who_asked_for_it_is_told_only_with_notify_requestor() {
        let mut chat = Chat::new(resend());
        chat.alice_leaves(2, Some(QuitReason::Logout), None);
        assert_eq!(chat.told(), []);
        let mut chat = Chat::new(Subscription {
            notify_requestor: true,
            ..resend()
        });
        chat.alice_leaves(2, Some(QuitReason::Logout), None);
        assert_eq!(chat.told(), [removed(0, 3)]);
    }

    #[test]
    fn a_viewer_that_saw_it_is_not_told_again() {
        let mut chat = Chat::new(resend());
        chat.viewer_live = true;
        chat.alice_leaves(2, Some(QuitReason::Removed), None);
        chat.acknowledged(3);
        chat.viewer_gone();
        assert_eq!(chat.told(), []);
    }

    #[test]
    fn one_that_did_not_is() {
        let mut chat = Chat::new(resend());
        chat.viewer_live = true;
        chat.alice_leaves(2, Some(QuitReason::Removed), None);
        chat.viewer_gone();
        assert_eq!(chat.told(), [removed(0, 3)]);
    }

    #[test]
    fn bob_leaving_or_going_on_hold_is_an_event_as_any() {
        let mut chat = Chat::new(resend());
        chat.leaves(BOB, 2, None, Some(LeaveReason::Hold));
        assert_eq!(chat.told(), [notify(0, 2)]);
    }
}

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
