use super::*;
use crate::chat::Kv;
use crate::id::ParticipantId;
use crate::wire::json::encode;
use crate::wire::testing::*;

fn leaving(reason: Option<LeaveReason>, quit: Option<QuitReason>) -> Event {
    event(9, ana(), EventKind::ParticipantLeft { reason, quit })
}

fn seen(event: &Event, sight: Sight) -> String {
    String::from_utf8(encode(&Seen::new(event, sight)).to_vec()).unwrap()
}

#[test]
fn every_kind_has_its_name_and_text() {
    let text = || Some("t".to_owned());
    let kinds = [
        EventKind::ParticipantJoined,
        EventKind::TypingStarted { text: text() },
        EventKind::TypingStopped { text: None },
        EventKind::NicknameUpdated {
            nickname: "Bea".into(),
        },
        EventKind::PushUrl {
            url: "url.to.see".into(),
        },
        EventKind::CustomNotice { text: text() },
        EventKind::FileUploaded {
            name: "a.txt".into(),
        },
        EventKind::FileDeleted { name: text() },
        EventKind::Notice {
            name: "read-confirm".into(),
        },
        EventKind::IdleAlert {
            text: "soon".into(),
        },
        EventKind::IdleClose { text: "now".into() },
    ];
    let events: Vec<Event> = (1..)
        .zip(kinds)
        .map(|(index, kind)| event(index, ana(), kind))
        .collect();
    let seen: Vec<Seen> = events
        .iter()
        .map(|event| Seen::new(event, Sight::Customer))
        .collect();
    assert_golden!("events", &encode(&seen));
}

#[test]
fn a_structured_message_of_a_bot_is_marked() {
    let mut message = greeting(5);
    message.from.bot = true;
    let path = ["structured-content", "genesys-chat", "content"];
    message.attributes.set(&path, r#"{"type":"Message"}"#);
    assert_golden!("event-bot", seen(&message, Sight::Customer).as_bytes());
}

#[test]
fn a_leaving_says_why() {
    let held = leaving(Some(LeaveReason::Hold), None);
    assert_golden!("event-hold", seen(&held, Sight::Customer).as_bytes());
    let removed = leaving(None, Some(QuitReason::Removed));
    assert_golden!("event-removed", seen(&removed, Sight::Customer).as_bytes());
}

#[test]
fn customers_do_not_see_the_quit_reasons_0_and_3_but_their_pushes_do() {
    for quit in [QuitReason::Logout, QuitReason::Inactive] {
        let left = leaving(None, Some(quit));
        assert!(!seen(&left, Sight::Customer).contains("eventAttributes"));
        let code = format!(r#""quit-reason-code":"{}""#, quit.code());
        assert!(seen(&left, Sight::Push).contains(&code));
        assert!(seen(&left, Sight::Agent).contains(&code));
    }
}

#[test]
fn customers_do_not_see_internal_keys() {
    let name = "a.txt".to_owned();
    let mut uploaded = event(4, agent(), EventKind::FileUploaded { name });
    uploaded.user_data = texts(&[("file-id", "1"), ("file-document-id", "2")]);
    let customer = seen(&uploaded, Sight::Customer);
    assert!(customer.contains(r#""userData":{"file-id":"1"}"#));
    assert!(!customer.contains("file-document-id"));
    assert!(seen(&uploaded, Sight::Agent).contains("file-document-id"));
    uploaded.user_data.remove("file-id");
    assert!(!seen(&uploaded, Sight::Push).contains("userData"));
}

#[test]
fn agents_see_visibility_receiver_and_who_came_in() {
    let mut whisper = greeting(6);
    whisper.visibility = Visibility::Int;
    whisper.to = Some(ParticipantId(2));
    assert_golden!("event-whisper", seen(&whisper, Sight::Agent).as_bytes());
    assert!(!seen(&whisper, Sight::Customer).contains("visibility"));
    let joined = event(2, agent(), EventKind::ParticipantJoined);
    let user_data = texts(&[("GCTI_Original_Nickname", "Annie")]);
    let agents = Seen::new(&joined, Sight::Agent).with_user_data(Some(&user_data));
    assert_golden!("event-joined", &encode(&agents));
    let customers = Seen::new(&joined, Sight::Customer).with_user_data(Some(&user_data));
    assert_eq!(encode(&customers), seen(&joined, Sight::Customer));
}

#[test]
fn a_senders_attributes_stay_beside_what_is_derived() {
    let mut left = leaving(Some(LeaveReason::Transfer), Some(QuitReason::Idle));
    left.attributes.set(&["general-properties", "note"], "x");
    left.attributes.0.insert("a".into(), Kv::Text("b".into()));
    let text = seen(&left, Sight::Agent);
    for part in [r#""note":"x""#, r#""TRANSFER""#, r#""a":"b""#, r#""7""#] {
        assert!(text.contains(part), "{part}");
    }
}
