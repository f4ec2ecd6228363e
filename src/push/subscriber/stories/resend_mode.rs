//! Without the text: pushed again until it was fetched.

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
