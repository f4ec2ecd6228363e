//! With the text in the push: each event its own delivery.

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
