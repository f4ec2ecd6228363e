use super::*;
use crate::chat::{AfterAction, LeaveReason};
use crate::id::ParticipantId;
use crate::wire::testing::chat;

fn parse(json: &str) -> Result<Operation, Malformed> {
    let json = json.replace("CHAT", &chat().to_string());
    Request::parse(&json).map(|request| request.operation)
}

fn command(json: &str) -> Command {
    match parse(json).unwrap() {
        Operation::Do { session, command } if session == chat() => command,
        other => panic!("{other:?}"),
    }
}

fn notice(fields: &str) -> Command {
    command(&format!(
        r#"{{"operation":"notice","session":"CHAT",{fields}}}"#
    ))
}

fn code(json: &str) -> ErrorCode {
    parse(json).unwrap_err().code
}

#[test]
fn sessions_are_asked_for_in_pages() {
    let plain = Operation::Sessions {
        watch: None,
        limit: 1_000,
        after: None,
    };
    assert_eq!(parse(r#"{"operation":"sessions"}"#).unwrap(), plain);
    let page = r#"{"operation":"sessions","watch":true,"limit":10000,"after":"CHAT"}"#;
    let expected = Operation::Sessions {
        watch: Some(true),
        limit: 10_000,
        after: Some(chat()),
    };
    assert_eq!(parse(page).unwrap(), expected);
    let all = r#"{"operation":"sessions","limit":10001}"#;
    assert_eq!(code(all), ErrorCode::Malformed);
}

#[test]
fn joining_is_visible_unless_said_otherwise() {
    for (json, visibility) in [
        (r#"{"operation":"join","session":"CHAT"}"#, Visibility::All),
        (
            r#"{"operation":"join","session":"CHAT","visibility":"INT"}"#,
            Visibility::Int,
        ),
    ] {
        let expected = Operation::Join {
            session: chat(),
            visibility,
            password: None,
        };
        assert_eq!(parse(json).unwrap(), expected);
    }
    let monitor = parse(r#"{"operation":"monitor","session":"CHAT"}"#).unwrap();
    assert_eq!(monitor, Operation::Monitor { session: chat() });
}

#[test]
fn a_message_says_to_whom_and_how() {
    let said = command(
        r#"{"operation":"message","session":"CHAT","text":"Hello","messageType":"text","to":1,"visibility":"VIP",
            "eventAttributes":{"structured-content":{"x":{"content":"{}"}},"GCTI_SYSTEM":{"a":"b"}}}"#,
    );
    let Command::Message {
        text,
        message_type,
        speech,
    } = said
    else {
        panic!("{said:?}");
    };
    assert_eq!(
        (text.as_str(), message_type.as_deref()),
        ("Hello", Some("text"))
    );
    assert_eq!(speech.to, Some(ParticipantId(1)));
    assert_eq!(speech.visibility, Some(Visibility::Vip));
    let content = ["structured-content", "x", "content"];
    assert_eq!(speech.attributes.text(&content), Some("{}"));
    assert_eq!(speech.attributes.0.len(), 1);
}

#[test]
fn every_notice_is_understood() {
    use Command as C;
    let file = r#""userData":{"file-name":"a.txt"}"#;
    let uploaded = notice(&format!(r#""notice":"file-uploaded",{file}"#));
    assert!(matches!(
        notice(r#""notice":"typing-started","text":"h""#),
        C::Typing { started: true, .. }
    ));
    assert!(matches!(
        notice(r#""notice":"typing-stopped""#),
        C::Typing { started: false, .. }
    ));
    assert!(matches!(
        notice(r#""notice":"push-url","text":"u""#),
        C::PushUrl { .. }
    ));
    assert!(matches!(
        notice(r#""notice":"custom""#),
        C::CustomNotice { text: None, .. }
    ));
    assert!(matches!(
        notice(r#""notice":"nickname","text":"A""#),
        C::UpdateNickname { .. }
    ));
    assert!(matches!(uploaded, C::FileUploaded { name, .. } if name == "a.txt"));
    assert!(matches!(
        notice(r#""notice":"file-deleted""#),
        C::FileDeleted { name: None, .. }
    ));
    assert!(matches!(
        notice(r#""notice":"configure-session""#),
        C::ConfigureSession { .. }
    ));
}

#[test]
fn a_read_receipt_names_its_event() {
    let read = Command::ReadConfirm { last_event: 5 };
    let user_data = r#""notice":"read-confirm","userData":{"last-event-id":"5"}"#;
    assert_eq!(notice(user_data), read);
    assert_eq!(notice(r#""notice":"read-confirm","text":"5""#), read);
    let none = r#"{"operation":"notice","session":"CHAT","notice":"read-confirm"}"#;
    assert_eq!(code(none), ErrorCode::Malformed);
}

#[test]
fn a_release_is_of_oneself_and_keeps_the_chat_alive_unless_said_otherwise() {
    let plain = command(r#"{"operation":"release","session":"CHAT"}"#);
    let expected = Command::Release {
        participant: None,
        after: AfterAction::KeepAlive,
        reason: None,
    };
    assert_eq!(plain, expected);
    let full = command(
        r#"{"operation":"release","session":"CHAT","participantId":1,"afterAction":"force-close","reason":"transfer"}"#,
    );
    let expected = Command::Release {
        participant: Some(ParticipantId(1)),
        after: AfterAction::ForceClose,
        reason: Some(LeaveReason::Transfer),
    };
    assert_eq!(full, expected);
}

#[test]
fn what_cannot_be_done_has_its_code() {
    use ErrorCode as E;
    for (json, expected) in [
        ("[]", E::Malformed),
        ("{}", E::Malformed),
        (r#"{"operation":"dance"}"#, E::UnknownOperation),
        (r#"{"operation":"transcript"}"#, E::Malformed),
        (
            r#"{"operation":"transcript","session":"nope"}"#,
            E::UnknownSession,
        ),
        (
            r#"{"operation":"transcript","session":"CHAT","position":-1}"#,
            E::Malformed,
        ),
        (r#"{"operation":"message","session":"CHAT"}"#, E::Malformed),
        (
            r#"{"operation":"message","session":"CHAT","text":"a\u0000"}"#,
            E::Malformed,
        ),
        (
            r#"{"operation":"message","session":"CHAT","text":"a","userData":{"a":[]}}"#,
            E::Malformed,
        ),
        (
            r#"{"operation":"message","session":"CHAT","text":"a","userData":"b"}"#,
            E::Malformed,
        ),
        (
            r#"{"operation":"message","session":"CHAT","text":"a","to":4294967296}"#,
            E::Malformed,
        ),
        (
            r#"{"operation":"notice","session":"CHAT","notice":"wave"}"#,
            E::Malformed,
        ),
    ] {
        assert_eq!(code(json), expected, "{json}");
    }
}

#[test]
fn rejections_have_the_codes_of_the_channel() {
    let forbidden = Rejection::Forbidden("hold is for async chats");
    assert_eq!(ErrorCode::from(&forbidden).as_str(), "forbidden");
    assert_eq!(ErrorCode::from(&Rejection::Left).as_str(), "not-joined");
    let long = Rejection::TooLong { max: 1 };
    assert_eq!(ErrorCode::from(&long).as_str(), "too-large");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_published_gets_more_than_an_error(
        name in "sessions|join|message|notice|release|transcript",
        value in r#"null|true|-?[0-9]{1,25}|"[^"\\\x00-\x1f]{0,9}"|\{"a":\[?1\]?\}|\[\]"#,
        rubbish: String,
    ) {
        let fields = ["requestId", "to", "text", "userData", "eventAttributes", "position", "limit", "watch"];
        for field in fields {
            let _ = parse(&format!(r#"{{"operation":"{name}","session":"CHAT","{field}":{value}}}"#));
        }
        let _ = parse(&rubbish);
    }
}

/// A request whose id could not be given back was done and answered without it, as if nobody had asked.
#[test]
fn a_request_id_that_cannot_be_given_back_is_refused() {
    let with = |id: &str| parse(&format!(r#"{{"operation":"sessions","requestId":{id}}}"#));
    let of = |length: usize| format!("\"{}\"", "x".repeat(length));
    for id in [&of(255), "[1]", "{}", "[]"] {
        let malformed = with(id).unwrap_err();
        assert_eq!(malformed.code, ErrorCode::Malformed, "{id}");
        assert!(malformed.advice.contains("requestId"), "{id}");
    }
    for id in [&of(254), "\"\"", "7", "-1.5e9", "null"] {
        assert!(with(id).is_ok(), "{id}");
    }
    assert!(parse(r#"{"operation":"sessions"}"#).is_ok());
}
