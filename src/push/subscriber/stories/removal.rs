//! The customer is taken out, and told so.

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
