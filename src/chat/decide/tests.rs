use super::super::testing::*;
use super::*;
use crate::chat::{AfterAction, State};

#[test]
fn a_new_chat_has_its_customer_and_its_first_event() {
    let story = Story::regular();
    let [created, user_data, joined, event] = &story.log[..] else {
        panic!("four changes: {:?}", story.log);
    };
    assert!(matches!(created, Change::Created { service, .. } if service == "customer-support"));
    assert!(matches!(user_data, Change::UserDataUpdated(_)));
    assert!(matches!(joined, Change::Joined(who) if who.id == CUSTOMER && who.joined == 1));
    assert!(matches!(event, Change::Event(event)
        if event.index == 1 && event.kind == EventKind::ParticipantJoined));
    assert_eq!(story.session.state(), State::Waiting);
    assert_eq!(story.session.next_index(), 2);
    assert_eq!(story.session.user_data()["FirstName"], "Ana");
}

#[test]
fn an_async_chat_is_new_to_the_workflow() {
    assert_eq!(status(&Story::asynchronous().log), Some(1));
    assert_eq!(status(&Story::regular().log), None);
}

#[test]
fn a_session_begins_once_and_before_everything_else() {
    let mut story = Story::regular();
    let again = story.attempt(Caller::Server, Command::Create(create(false)));
    assert!(matches!(again, Err(Rejection::Invalid(_))));
    let early = Session::new().decide(
        Caller::Participant(CUSTOMER),
        message("hi"),
        &story.policy,
        story.now,
    );
    assert_eq!(early, Err(Rejection::UnknownParticipant));
}

#[test]
fn a_visible_person_makes_a_chat_served() {
    let mut story = Story::asynchronous();
    let bot = story.bot();
    assert_eq!(story.session.state(), State::Waiting);
    let log = story.server(Command::Join(join(
        UserType::Agent,
        Style::Person,
        Visibility::All,
    )));
    assert_eq!(story.session.state(), State::Served);
    assert_eq!(status(&log), Some(-1));
    assert_eq!(story.session.participant(bot).unwrap().id, ParticipantId(2));
}

#[test]
fn a_silent_supervisor_monitors_and_serves_nobody() {
    let mut story = Story::asynchronous();
    story.join(UserType::Supervisor, Visibility::Vip);
    assert!(story.session.is_monitored());
    assert_eq!(story.session.state(), State::Waiting);
    assert_eq!(story.session.async_status(), NEW);
}

#[test]
fn roles_join_with_the_visibilities_they_may_use() {
    use {Style::*, UserType::*, Visibility::*};
    let mut story = Story::regular();
    for (user_type, style, visibility) in [
        (Agent, Person, Vip),
        (Supervisor, Bot, Vip),
        (Client, Person, All),
        (System, Person, All),
    ] {
        let refused = story.attempt(
            Caller::Server,
            Command::Join(join(user_type, style, visibility)),
        );
        assert!(
            matches!(refused, Err(Rejection::Forbidden(_))),
            "{user_type:?}"
        );
    }
    story.join(Agent, Int);
    story.join(Supervisor, Vip);
}

#[test]
fn a_bot_is_marked_and_shows_as_an_agent() {
    let mut story = Story::regular();
    let log = story.server(Command::Join(join(
        UserType::Supervisor,
        Style::Bot,
        Visibility::All,
    )));
    let from = &event(&log).from;
    assert!(from.bot);
    assert_eq!(from.user_type, UserType::Agent);
    let bot = story.session.participants().last().unwrap();
    assert_eq!(bot.user_data["GCTI_Chat_PartyStyle"], "BOT");
}

#[test]
fn a_second_joining_makes_a_second_participant() {
    let mut story = Story::regular();
    let first = story.agent();
    story.by(first, release(None, AfterAction::KeepAlive));
    let second = story.agent();
    assert_ne!(first, second);
    assert_eq!(story.refused(first, message("late")), Rejection::Left);
}

#[test]
fn the_present_are_limited_and_the_gone_are_not_counted() {
    let mut story = Story::regular();
    story.policy.participants_max = 2;
    let agent = story.agent();
    let third = Command::Join(join(UserType::Agent, Style::Person, Visibility::All));
    assert_eq!(
        story.attempt(Caller::Server, third.clone()),
        Err(Rejection::Limit {
            option: "[limits] participants",
            max: 2
        })
    );
    story.by(agent, release(None, AfterAction::KeepAlive));
    story.server(third);
}

#[test]
fn a_chat_of_many_months_forgets_who_left_the_longest_ago() {
    let mut story = Story::regular();
    let first = story.agent();
    story.by(first, release(None, AfterAction::KeepAlive));
    for _ in 0..300 {
        let agent = story.agent();
        story.by(agent, release(None, AfterAction::KeepAlive));
    }
    assert_eq!(story.session.participants().len(), 256);
    assert_eq!(story.session.participant(first), None);
    assert!(story.session.participant(CUSTOMER).is_some());
    assert!(story.session.participant(ParticipantId(302)).is_some());
}

#[test]
fn user_data_is_merged_without_an_event_and_limited() {
    let mut story = Story::regular();
    story.policy.user_data_keys_max = 1;
    let update = |key: &str| Command::UpdateData {
        user_data: UserData::from([(key.into(), "1".into())]),
    };
    let log = story.by(CUSTOMER, update("order"));
    assert!(events(&log).is_empty());
    assert_eq!(story.session.user_data().len(), 2);
    let full = Rejection::Limit {
        option: "[limits] user-data-keys",
        max: 1,
    };
    assert_eq!(story.refused(CUSTOMER, update("more")), full);
    story.by(CUSTOMER, update("order"));
}

/// A chat that had 63 of 64 allowed keys was refused, because the gateway adds at least two itself.
#[test]
fn what_the_gateway_adds_does_not_count_as_user_data() {
    let mut story = Story::regular();
    story.policy.user_data_keys_max = 1;
    story.policy.user_data_bytes_max = 6;
    let update = |key: &str, value: &str| Command::UpdateData {
        user_data: UserData::from([(key.into(), value.into())]),
    };
    for key in ADDED_KEYS {
        story.by(CUSTOMER, update(key, "added"));
    }
    story.by(CUSTOMER, update("order", "1"));
    assert_eq!(
        story.refused(CUSTOMER, update("more", "1")),
        Rejection::Limit {
            option: "[limits] user-data-keys",
            max: 1
        }
    );
    let long = "x".repeat(257);
    assert!(matches!(
        story.attempt(Caller::Participant(CUSTOMER), update(ADDED_KEYS[0], &long)),
        Err(Rejection::Limit { .. })
    ));
}

#[test]
fn names_have_their_limits() {
    let mut story = Story::regular();
    let mut long = join(UserType::Agent, Style::Person, Visibility::All);
    long.nickname = "é".repeat(257);
    let refused = story.attempt(Caller::Server, Command::Join(long.clone()));
    assert_eq!(
        refused,
        Err(Rejection::Limit {
            option: "[limits] nickname",
            max: 256
        })
    );
    long.nickname.pop();
    long.nickname.pop();
    story.server(Command::Join(long));
}

#[test]
fn replaying_the_changes_gives_the_same_session() {
    let mut story = Story::asynchronous();
    let agent = story.agent();
    story.by(CUSTOMER, message("hello"));
    story.by(agent, Command::ReadConfirm { last_event: 3 });
    story.by(
        agent,
        Command::UpdateNickname {
            nickname: "Anna".into(),
        },
    );
    let mut replayed = Session::new();
    story.log.iter().for_each(|change| replayed.apply(change));
    replayed.settle(&story.policy, story.now.instant);
    assert_eq!(replayed, story.session);
    let copy = Session::from_parts(replayed.parts().clone());
    assert_eq!(copy, story.session);
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= 320, "{}", size_of::<Session>());
    assert!(
        size_of::<Participant>() <= 152,
        "{}",
        size_of::<Participant>()
    );
}
