use super::super::Request;
use super::*;
use crate::chat::Visibility;
use crate::wire::testing::{agent, chat, event, greeting, joining, participant, shared, texts};

fn asked(operation: &str, request_id: &str) -> Asked {
    let session = chat();
    let json = format!(
        r#"{{"operation":"{operation}","requestId":{request_id},"session":"{session}","text":"x"}}"#
    );
    Request::parse(&json).unwrap().asked
}

fn events() -> Vec<Arc<Event>> {
    let mut bot = event(2, agent(), EventKind::ParticipantJoined);
    bot.from.bot = true;
    let mut whisper = greeting(3);
    whisper.visibility = Visibility::Int;
    vec![shared(joining()), shared(bot), shared(whisper)]
}

#[test]
fn sessions_are_listed() {
    let user_data = texts(&[("FirstName", "Ana")]);
    let agents = ["Ann".to_owned()];
    let served = Listed {
        session: chat(),
        service: "customer-support",
        state: State::Served,
        created_at: Wall(1_735_689_600_000),
        subject: Some("Router"),
        nickname: "Ana",
        user_data: Some(&user_data),
        async_mode: true,
        agents: &agents,
    };
    let waiting = Listed {
        state: State::Waiting,
        subject: None,
        user_data: None,
        async_mode: false,
        agents: &[],
        ..served
    };
    let answer = sessions(
        &asked("sessions", r#""1""#),
        &[served, waiting],
        Some(chat()),
    );
    assert_golden!("agent-sessions", &answer);
    let held = Listed {
        state: State::Held,
        ..waiting
    };
    assert_golden!("agent-session", &session(&held));
}

#[test]
fn a_joining_is_answered_with_the_transcript() {
    let participants = [participant(3, &[("GCTI_Chat_PartyStyle", "BOT")])];
    let events = events();
    let transcript = Transcript {
        events: &events,
        participants: &participants,
        next_position: 4,
    };
    let answer = joined(&asked("join", "2"), chat(), ParticipantId(3), transcript);
    assert_golden!("agent-joined", &answer);
    let page = super::transcript(&asked("transcript", r#""6""#), chat(), transcript, true);
    assert_golden!("agent-transcript", &page);
}

#[test]
fn what_was_done_has_the_index_of_its_event() {
    let answer = done(&asked("message", r#""3""#), chat(), Some(9));
    assert_golden!("agent-done", &answer);
}

#[test]
fn what_was_not_done_says_why() {
    let request = Request::parse(r#"{"operation":"dance","requestId":null}"#);
    assert_golden!("agent-refused", &malformed(&request.unwrap_err()));
    let code = ErrorCode::Forbidden;
    let answer = refused(&asked("join", r#""a\"b""#), code, "hold is for async chats");
    assert_golden!("agent-forbidden", &answer);
}

#[test]
fn events_and_their_end_come_unasked() {
    let user_data = texts(&[("GCTI_Original_Nickname", "Annie")]);
    let joined = event(2, agent(), EventKind::ParticipantJoined);
    let told = super::event(chat(), &joined, Some(&user_data));
    assert_golden!("agent-event", &told);
    assert_golden!("agent-removed", &removed(chat(), Removed::Released));
}
