use super::super::testing::*;
use super::*;
use crate::chat::{AfterAction, Caller, Change, KvList, State, UserType};

fn with(visibility: Visibility) -> Speech {
    Speech {
        visibility: Some(visibility),
        ..Speech::default()
    }
}

fn to(receiver: ParticipantId) -> Speech {
    Speech {
        to: Some(receiver),
        ..Speech::default()
    }
}

fn receipt(last_event: u64) -> Command {
    Command::ReadConfirm { last_event }
}

#[test]
fn a_message_gets_the_next_index_and_its_senders_name() {
    let mut story = Story::regular();
    let log = story.by(CUSTOMER, message("hello"));
    let event = event(&log);
    assert_eq!((event.index, event.from.nickname.as_str()), (2, "Ana"));
    assert_eq!(event.at, story.now.wall);
    assert_eq!(event.visibility, Visibility::All);
}

#[test]
fn what_is_said_has_the_visibility_of_the_joining_or_a_narrower_one() {
    let mut story = Story::regular();
    let coach = story.join(UserType::Agent, Visibility::Int);
    assert_eq!(
        event(&story.by(coach, message("psst"))).visibility,
        Visibility::Int
    );
    let wider = story.refused(coach, say("hi", with(Visibility::All)));
    let beyond = story.refused(coach, say("hi", with(Visibility::Vip)));
    assert!(matches!(wider, Rejection::Forbidden(_)));
    assert!(matches!(beyond, Rejection::Forbidden(_)));
    let supervisor = story.join(UserType::Supervisor, Visibility::All);
    let log = story.by(supervisor, say("psst", with(Visibility::Vip)));
    assert_eq!(event(&log).visibility, Visibility::Vip);
}

#[test]
fn customers_speak_to_everybody() {
    let mut story = Story::regular();
    let agent = story.agent();
    for speech in [with(Visibility::Int), to(agent)] {
        let refused = story.refused(CUSTOMER, say("psst", speech));
        assert!(matches!(refused, Rejection::Forbidden(_)));
    }
}

#[test]
fn a_direct_message_goes_to_somebody_present() {
    let mut story = Story::regular();
    let (agent, gone) = (story.agent(), story.agent());
    story.by(gone, release(None, AfterAction::KeepAlive));
    assert_eq!(
        event(&story.by(agent, say("hi", to(CUSTOMER)))).to,
        Some(CUSTOMER)
    );
    assert_eq!(story.refused(agent, say("hi", to(gone))), Rejection::Left);
    let nobody = say("hi", to(ParticipantId(9)));
    assert_eq!(story.refused(agent, nobody), Rejection::UnknownParticipant);
    let oneself = story.refused(agent, say("hi", to(agent)));
    assert!(matches!(oneself, Rejection::Invalid(_)));
}

#[test]
fn direct_messages_give_no_hidden_participant_away() {
    let mut story = Story::regular();
    let agent = story.agent();
    let monitor = story.join(UserType::Supervisor, Visibility::Vip);
    let guess = story.refused(agent, say("hi", to(monitor)));
    assert_eq!(guess, Rejection::UnknownParticipant);
    let slip = story.refused(monitor, say("hi", to(CUSTOMER)));
    assert!(matches!(slip, Rejection::Forbidden(_)));
}

#[test]
fn a_text_that_is_too_long_is_refused_whole() {
    let mut story = Story::regular();
    story.policy.message_bytes_max = 4;
    let too_long = Rejection::TooLong { max: 4 };
    story.by(CUSTOMER, message("éé"));
    assert_eq!(story.refused(CUSTOMER, message("éée")), too_long);
    let notice = Command::CustomNotice {
        text: Some("12345".into()),
        speech: Speech::default(),
    };
    assert_eq!(story.refused(CUSTOMER, notice), too_long);
    let mut attributes = KvList::default();
    attributes.set(&["structured-content", "x"], "12345");
    let speech = Speech {
        attributes,
        ..Speech::default()
    };
    assert_eq!(story.refused(CUSTOMER, say("hi", speech)), too_long);
}

#[test]
fn typing_shows_a_preview_only_where_that_is_on() {
    let mut story = Story::regular();
    let typing = Command::Typing {
        started: true,
        text: Some("hel".into()),
        speech: Speech::default(),
    };
    let shown = EventKind::TypingStarted {
        text: Some("hel".into()),
    };
    assert_eq!(event(&story.by(CUSTOMER, typing.clone())).kind, shown);
    story.policy.typing_preview = false;
    let hidden = EventKind::TypingStarted { text: None };
    assert_eq!(event(&story.by(CUSTOMER, typing)).kind, hidden);
}

#[test]
fn a_new_nickname_keeps_the_first_one_for_agents() {
    let mut story = Story::regular();
    for nickname in ["Bea", "Cleo"] {
        let nickname = nickname.to_owned();
        story.by(CUSTOMER, Command::UpdateNickname { nickname });
    }
    let Some(Change::Event(last)) = story.log.last() else {
        panic!("an event");
    };
    assert_eq!(last.from.nickname, "Bea");
    let customer = story.session.customer().unwrap();
    assert_eq!(customer.nickname, "Cleo");
    assert_eq!(customer.user_data["GCTI_Original_Nickname"], "Ana");
}

#[test]
fn a_newer_read_receipt_takes_the_place_of_the_older() {
    let mut story = Story::regular();
    let older = event(&story.by(CUSTOMER, receipt(1))).clone();
    assert_eq!(older.user_data["last-event-id"], "1");
    assert!(!story.session.is_annihilated(&older));
    let log = story.by(CUSTOMER, receipt(1));
    assert_eq!(log[0], Change::Annihilated { index: older.index });
    assert!(story.session.is_annihilated(&older));
    assert!(!story.session.is_annihilated(event(&log)));
}

#[test]
fn a_read_receipt_goes_with_its_sender() {
    let mut story = Story::regular();
    let agent = story.agent();
    let read = event(&story.by(agent, receipt(1))).clone();
    let log = story.by(agent, release(None, AfterAction::KeepAlive));
    assert!(log.contains(&Change::Annihilated { index: read.index }));
    assert!(story.session.is_annihilated(&read));
}

#[test]
fn only_what_happened_can_be_read() {
    let mut story = Story::regular();
    for index in [0, 2, u64::MAX] {
        let refused = story.refused(CUSTOMER, receipt(index));
        assert!(matches!(refused, Rejection::Invalid(_)), "{index}");
    }
}

#[test]
fn a_customer_who_writes_to_nobody_wakes_the_workflow() {
    let mut story = Story::asynchronous();
    assert_eq!(status(&story.by(CUSTOMER, message("anybody?"))), Some(2));
    assert_eq!(status(&story.by(CUSTOMER, message("hello?"))), None);
    story.agent();
    assert_eq!(story.session.async_status(), -1);
    assert_eq!(status(&story.by(CUSTOMER, message("there?"))), None);
}

#[test]
fn notices_wake_the_workflow_where_they_count() {
    let mut story = Story::asynchronous();
    let custom = Command::CustomNotice {
        text: None,
        speech: Speech::default(),
    };
    assert_eq!(status(&story.by(CUSTOMER, custom.clone())), None);
    story.policy.async_idle_notices = crate::chat::IdleNotices::Major2;
    assert_eq!(status(&story.by(CUSTOMER, custom)), Some(2));
    assert_eq!(story.session.state(), State::Waiting);
}

#[test]
fn the_language_is_changed_by_name_or_code_only() {
    let mut story = Story::regular();
    let agent = story.agent();
    let configure = |key: &str| Command::ConfigureSession {
        speech: Speech {
            user_data: UserData::from([(key.into(), "English".into())]),
            ..Speech::default()
        },
    };
    let kind = event(&story.by(agent, configure("GCTI_LanguageName")))
        .kind
        .clone();
    assert!(matches!(kind, EventKind::Notice { name } if name == "configure-session"));
    let refused = story.refused(agent, configure("Language"));
    assert!(matches!(refused, Rejection::Invalid(_)));
}

#[test]
fn the_server_speaks_as_the_system() {
    let mut story = Story::regular();
    let log = story
        .attempt(Caller::Server, message("maintenance"))
        .unwrap();
    assert_eq!(event(&log).from, system());
}
