use std::time::Duration;

use super::super::testing::*;
use super::*;
use crate::chat::{AfterAction, Command, Speech, State};

const ALERT: Duration = Duration::from_secs(255);
const CLOSE: Duration = Duration::from_secs(45);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// A regular chat with inactivity control.
fn watched() -> Story {
    let mut story = Story::regular();
    story.policy.idle_enabled = true;
    story
}

fn typing() -> Command {
    Command::Typing {
        started: true,
        text: None,
        speech: Speech::default(),
    }
}

fn is_alert(changes: &[Change]) -> bool {
    matches!(event(changes).kind, EventKind::IdleAlert { .. })
}

#[test]
fn an_idle_chat_is_warned_and_then_closed() {
    let mut story = watched();
    let agent = story.agent();
    assert!(is_alert(&story.after(ALERT)));
    assert_eq!(story.session.state(), State::Served);
    let log = story.after(CLOSE);
    let [close, customer, other] = events(&log)[..] else {
        panic!("three events: {log:?}");
    };
    assert!(matches!(close.kind, EventKind::IdleClose { .. }));
    assert_eq!(close.from.user_type, UserType::System);
    assert_eq!(left(customer), (CUSTOMER, None, Some(QuitReason::Idle)));
    assert_eq!(left(other), (agent, None, None));
    assert!(closes(&log));
}

#[test]
fn the_second_warning_comes_where_it_has_a_time() {
    let mut story = watched();
    story.policy.idle_alert2 = Duration::from_secs(10);
    story.agent();
    story.after(ALERT);
    let second = story.after(Duration::from_secs(10));
    let text = story.policy.message_alert2.clone();
    assert_eq!(event(&second).kind, EventKind::IdleAlert { text });
    assert!(closes(&story.after(CLOSE)));
}

#[test]
fn an_empty_text_is_not_sent_but_its_time_passes() {
    let mut story = watched();
    story.policy.message_alert.clear();
    story.policy.message_close.clear();
    story.agent();
    assert!(story.after(ALERT).is_empty());
    let log = story.after(CLOSE);
    assert_eq!(events(&log).len(), 2);
    assert!(closes(&log));
}

#[test]
fn activity_that_everybody_sees_starts_it_anew() {
    let mut story = watched();
    let agent = story.agent();
    story.after(ALERT);
    story.by(agent, message("still there?"));
    assert!(story.after(CLOSE).is_empty());
    let whisper = Speech {
        visibility: Some(Visibility::Int),
        ..Speech::default()
    };
    story.by(agent, say("psst", whisper));
    assert!(is_alert(&story.after(ALERT - CLOSE)));
}

#[test]
fn notices_count_as_configured() {
    for (notices, counts) in [(IdleNotices::Major, false), (IdleNotices::Typing, true)] {
        let mut story = watched();
        story.policy.idle_notices = notices;
        story.agent();
        story.after(CLOSE);
        story.by(CUSTOMER, typing());
        let quiet = story.after(ALERT - CLOSE).is_empty();
        assert_eq!(quiet, counts, "{notices:?}");
    }
}

#[test]
fn the_workflow_may_count_other_notices() {
    let mut story = watched();
    story.agent();
    let notices = IdleNotices::All;
    story.session.apply(&Change::IdleConfigured { notices });
    story.after(CLOSE);
    story.by(CUSTOMER, typing());
    assert!(story.after(ALERT - CLOSE).is_empty());
}

#[test]
fn without_an_agent_the_regular_control_rests() {
    let mut story = watched();
    story.bot();
    assert_eq!(story.session.poll_timeout(&story.policy), None);
    let agent = story.agent();
    let deadline = story.now.instant + ALERT;
    assert_eq!(story.session.poll_timeout(&story.policy), Some(deadline));
    story.by(agent, release(None, AfterAction::KeepAlive));
    assert_eq!(story.session.poll_timeout(&story.policy), None);
    assert!(story.after(DAY).is_empty());
}

#[test]
fn an_idle_async_chat_is_warned_for_an_hour_without_an_agent() {
    let mut story = Story::asynchronous();
    let log = story.after(DAY);
    assert!(is_alert(&log));
    assert_eq!(status(&log), Some(IDLE_ALERTED));
    assert!(story.after(HOUR - CLOSE).is_empty());
    assert!(closes(&story.after(CLOSE)));
    assert_eq!(story.session.poll_timeout(&story.policy), None);
}

#[test]
fn bots_do_not_keep_an_async_chat_awake() {
    let mut story = Story::asynchronous();
    let bot = story.bot();
    story.after(HOUR);
    story.by(bot, message("beep"));
    assert!(is_alert(&story.after(DAY - HOUR)));
    story.by(CUSTOMER, message("oh"));
    assert!(story.after(HOUR).is_empty());
}

#[test]
fn both_controls_may_run_at_once() {
    let mut story = Story::asynchronous();
    story.policy.idle_enabled = true;
    story.policy.async_idle_alert = ALERT;
    story.agent();
    let log = story.after(ALERT);
    let indexes: Vec<_> = events(&log).iter().map(|event| event.index).collect();
    assert_eq!(indexes, [3, 4]);
    assert!(closes(&story.after(CLOSE)));
}

#[test]
fn after_a_restart_the_time_begins_anew() {
    let mut story = Story::asynchronous();
    story.after(DAY);
    story.now.instant = story.now.instant + CLOSE;
    story.session.restart_timers(story.now.instant);
    let deadline = story.now.instant + DAY;
    assert_eq!(story.session.poll_timeout(&story.policy), Some(deadline));
    story.session.restart_timers(Instant(0));
    assert_eq!(story.session.poll_timeout(&story.policy), Some(deadline));
}

#[test]
fn activity_is_due_at_once_so_that_it_is_timed() {
    let mut story = Story::asynchronous();
    let changes = story
        .session
        .decide(
            crate::chat::Caller::Participant(CUSTOMER),
            message("hi"),
            &story.policy,
            story.now,
        )
        .unwrap();
    changes
        .iter()
        .for_each(|change| story.session.apply(change));
    assert_eq!(story.session.poll_timeout(&story.policy), Some(Instant(0)));
    assert!(story.session.due(&story.policy, story.now).is_empty());
    let deadline = story.now.instant + DAY;
    assert_eq!(story.session.poll_timeout(&story.policy), Some(deadline));
}
