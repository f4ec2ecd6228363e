use super::request_chat::is_email;
use super::*;
use crate::chat::{Create, Policy};
use crate::wire::v2::Publish;

const KEY: &str = r#""secureKey":"k""#;

fn publish(fields: &str) -> Result<Operation, FieldError> {
    Publish::parse(&format!("{{{KEY},{fields}}}")).operation
}

fn operation(fields: &str) -> Operation {
    publish(fields).unwrap()
}

fn begin(json: &str) -> Result<Create, FieldError> {
    let operation = Operation::named("requestChat", Fields::from_json(json)?)?;
    let Operation::RequestChat(fields) = operation else {
        panic!("{operation:?}");
    };
    request_chat("customer-support", fields, &Policy::default())
}

#[test]
fn the_operations_of_a_channel_are_understood() {
    let text = Some("hi".to_owned());
    assert!(matches!(
        operation(r#""operation":"sendMessage","message":"hi","messageType":"text""#),
        Operation::Send { text, message_type: Some(_), position: None, .. } if text == "hi"
    ));
    assert_eq!(
        operation(r#""operation":"startTyping","message":"hi""#),
        Operation::Typing {
            started: true,
            text
        }
    );
    assert_eq!(
        operation(r#""operation":"stopTyping""#),
        Operation::Typing {
            started: false,
            text: None
        }
    );
    assert_eq!(
        operation(r#""operation":"disconnect""#),
        Operation::Disconnect
    );
    assert_eq!(
        operation(r#""operation":"customNotice""#),
        Operation::CustomNotice { text: None }
    );
    assert_eq!(
        operation(r#""operation":"readReceipt","transcriptPosition":"5""#),
        Operation::ReadReceipt { position: 5 }
    );
}

#[test]
fn notifications_are_asked_for_from_a_position_of_either_kind() {
    for given in [r#","transcriptPosition":7"#, r#","transcriptPosition":"7""#] {
        let fields = format!(r#""operation":"requestNotifications"{given}"#);
        assert!(matches!(
            operation(&fields),
            Operation::RequestNotifications {
                position: Some(7),
                ..
            }
        ));
    }
    let fields = r#""operation":"requestNotifications","auth":{"encoded":"x"}"#;
    assert!(matches!(
        operation(fields),
        Operation::RequestNotifications { position: None, .. }
    ));
}

#[test]
fn what_is_missing_is_named() {
    for (fields, name) in [
        (r#""operation":"sendMessage""#, "message"),
        (r#""operation":"pushUrl""#, "pushUrl"),
        (r#""operation":"updateNickname""#, "nickname"),
        (r#""operation":"updateData","userData":{}"#, "userData"),
        (r#""operation":"readReceipt""#, "transcriptPosition"),
        (r#""message":"hi""#, "operation"),
    ] {
        let error = publish(fields).unwrap_err();
        assert_eq!(error.code, 400);
        assert_eq!(error.advice, format!("{name} is missing"));
    }
    let keyless = Publish::parse(r#"{"operation":"disconnect"}"#).operation;
    assert_eq!(keyless.unwrap_err().advice, "secureKey is missing");
}

#[test]
fn what_is_blank_is_missing_where_something_has_to_be_seen() {
    for (fields, name) in [
        (r#""operation":"pushUrl","pushUrl":"""#, "pushUrl"),
        (r#""operation":"updateNickname","nickname":" ""#, "nickname"),
    ] {
        let error = publish(fields).unwrap_err();
        assert_eq!(error.advice, format!("{name} is missing"));
    }
}

#[test]
fn the_key_of_a_publish_is_known_whatever_else_is_wrong() {
    for fields in [
        r#""operation":"sendMessage""#,
        r#""operation":"erase""#,
        r#""message":"hi""#,
    ] {
        let publish = Publish::parse(&format!("{{{KEY},{fields}}}"));
        assert!(publish.operation.is_err());
        assert_eq!(publish.secure_key, "k");
    }
    let new = Publish::parse(&format!(
        r#"{{{KEY},"operation":"requestChat","nickname":"Ana"}}"#
    ));
    assert_eq!(new.secure_key, "", "of a chat that is only begun");
}

#[test]
fn the_calls_of_rest_are_no_operations_of_a_channel() {
    for name in ["send", "refresh", "erase"] {
        let error = publish(&format!(r#""operation":"{name}","message":"m""#)).unwrap_err();
        assert_eq!(error.advice, "the operation is unknown");
    }
}

#[test]
fn a_refresh_is_from_the_start_and_may_preview_an_empty_text() {
    let refresh = |json| Operation::named("refresh", Fields::from_json(json).unwrap()).unwrap();
    let plain = refresh("{}");
    assert_eq!(
        plain,
        Operation::Refresh {
            position: 1,
            typing: None
        }
    );
    assert_eq!(plain.into_command(), None);
    let preview = refresh(r#"{"message":"","transcriptPosition":0}"#).into_command();
    assert!(matches!(
        preview,
        Some(Command::Typing { started: true, text: Some(text), .. }) if text.is_empty()
    ));
}

#[test]
fn what_is_asked_becomes_a_command() {
    let command = operation(
        r#""operation":"sendMessage","message":"hi",
           "eventAttributes":{"general-properties":{"related-event-id":"4"}}"#,
    )
    .into_command();
    let Some(Command::Message { text, speech, .. }) = command else {
        panic!("{command:?}");
    };
    assert_eq!(text, "hi");
    let path = ["general-properties", "related-event-id"];
    assert_eq!(speech.attributes.text(&path), Some("4"));
    assert!(matches!(
        operation(r#""operation":"disconnect""#).into_command(),
        Some(Command::Release {
            participant: None,
            after: AfterAction::KeepAlive,
            reason: None
        })
    ));
}

#[test]
fn a_chat_begins_with_a_nickname_or_a_whole_name() {
    for (json, code) in [
        (r"{}", 161),
        (r#"{"nickname":"  "}"#, 161),
        (r#"{"firstName":"Ana"}"#, 103),
        (r#"{"lastName":"Rossi"}"#, 102),
        (r#"{"nickname":"Ana","emailAddress":"ana"}"#, 364),
    ] {
        assert_eq!(begin(json).unwrap_err().code, code, "{json}");
    }
    assert_eq!(begin(r#"{"nickname":"Ana"}"#).unwrap().nickname, "Ana");
}

#[test]
fn the_gateway_adds_user_data() {
    let create = begin(
        r#"{"firstName":"Ana","lastName":"Rossi","emailAddress":"ana@example.org",
            "userData":{"GCTI_Chat_AsyncMode":true,"TimeZone":60}}"#,
    )
    .unwrap();
    assert_eq!(create.nickname, "Ana Rossi");
    assert!(create.async_mode);
    let expected = crate::wire::testing::texts(&[
        ("EmailAddress", "ana@example.org"),
        ("FirstName", "Ana"),
        ("GCTI_Chat_AsyncMode", "true"),
        ("IdentifyCreateContact", "3"),
        ("LastName", "Rossi"),
        ("MediaType", "chat"),
        ("TimeZone", "60"),
    ]);
    assert_eq!(create.user_data, expected);
}

#[test]
fn names_and_subjects_have_their_limits() {
    let long = "é".repeat(257);
    let error = begin(&format!(r#"{{"nickname":"{long}"}}"#)).unwrap_err();
    assert_eq!(error.code, 161);
    assert_eq!(error.advice, "limit reached: [limits] nickname = 256");
    let json = format!(r#"{{"firstName":"{long}","lastName":"Rossi"}}"#);
    assert_eq!(begin(&json).unwrap_err().code, 102);
    let subject = "x".repeat(1001);
    let json = format!(r#"{{"nickname":"Ana","subject":"{subject}"}}"#);
    assert_eq!(begin(&json).unwrap_err().code, 400);
}

#[test]
fn e_mail_addresses_are_told_from_other_texts() {
    for good in [
        "a@b.c",
        "ana.rossi+chat@mail.example.org",
        "ana@bücher.example",
    ] {
        assert!(is_email(good), "{good}");
    }
    let long = format!("{}@b.c", "a".repeat(254));
    for bad in [
        "a", "@b.c", "a@", "a@b", "a@b..c", "a b@c.d", "a@-b.c", "a@b@c.d", &long,
    ] {
        assert!(!is_email(bad), "{bad}");
    }
}

#[test]
fn a_publish_shows_nothing_in_debug_output() {
    let publish = Publish::parse(r#"{"operation":"sendMessage","message":"secret"}"#);
    assert_eq!(format!("{publish:?}"), "Publish");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_published_gets_more_than_an_error(
        name in "[a-zA-Z]{0,12}|sendMessage|readReceipt|requestChat",
        value in r#"null|true|-?[0-9]{1,25}|"[^"\\\x00-\x1f]{0,9}"|\{"a":\[?1\]?\}|\[\]"#,
        rubbish: String,
    ) {
        let fields = ["secureKey", "message", "userData", "eventAttributes", "transcriptPosition"];
        for field in fields {
            let _ = Publish::parse(&format!(r#"{{"operation":"{name}",{KEY},"{field}":{value}}}"#));
        }
        let _ = Publish::parse(&rubbish);
    }
}
