//! Calls of customers, good and bad, with chats that remember what they were asked.

mod desk;

use http_body_util::Full;
use hyper::Request;
use hyper::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};

use self::desk::{Desk, NEW, chat, form, keys, path_of};
use super::*;
use crate::clock::Wall;

#[tokio::test]
async fn a_chat_is_begun_with_all_that_is_needed_to_go_on() {
    let desk = Desk::open(|_| {});
    let (status, told) = desk
        .post(NEW, "firstName=First&lastName=Last&userData[k]=v")
        .await;
    assert_eq!(status, 200);
    assert_eq!(told["statusCode"], 0);
    assert_eq!(told["chatId"], chat().to_string());
    assert_eq!(told["secureKey"], keys().rest(chat()));
    assert_eq!(told["userId"], keys().user(chat(), CUSTOMER).to_string());
    assert_eq!(told["messages"][0]["type"], "ParticipantJoined");
    assert_eq!(desk.asked(), ["create First Last", "read from 1"]);
}

#[tokio::test]
async fn what_is_missing_to_begin_a_chat_has_its_code() {
    for (form, code) in [
        ("", 161),
        ("subject=x", 161),
        ("firstName=x", 103),
        ("lastName=x", 102),
        ("nickname=x&emailAddress=x", 364),
        ("nickname=x&userData[GCTI_Chat_PushSubscribe]=true", 0),
    ] {
        let (status, told) = Desk::open(|_| {}).post(NEW, form).await;
        let expected = if code == 0 { json!(null) } else { json!(code) };
        assert_eq!(
            (status, &told["errors"][0]["code"]),
            (200, &expected),
            "{form}"
        );
    }
}

#[tokio::test]
async fn trouble_with_the_protocol_is_a_status() {
    let desk = Desk::open(|_| {});
    let table = [
        ("nowhere", "nickname=x", 404),
        ("nowhere/x/send", "", 404),
        ("customer-support/x/file/limits", "", 404),
        ("customer-support/x/send", "", 400),
        (
            "customer-support/x/send",
            "message=x&transcriptPosition=y",
            400,
        ),
        ("customer-support/x/pushUrl", "", 400),
        ("customer-support/x/updateNickname", "", 400),
        ("customer-support/x/updateData", "", 400),
        ("customer-support/x/readReceipt", "", 400),
        ("customer-support", "nickname=a%00b", 400),
    ];
    for (path, form, expected) in table {
        let (status, told) = desk.post(path, form).await;
        assert_eq!(status, expected, "{path} {form}");
        assert_eq!(told["errors"][0]["code"], expected, "{path} {form}");
        assert_eq!(told["referenceId"], "00000000000000000000000000000007");
    }
    assert!(desk.asked().is_empty());
}

#[tokio::test]
async fn only_posts_of_known_types_and_sizes_are_taken() {
    let desk = Desk::open(|settings| settings.body_bytes_max = 20);
    let get = Request::get("/").body(Full::default()).unwrap();
    let response = desk.send(NEW, get).await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()[ALLOW], "POST, OPTIONS");
    let untyped = Request::post("/").body(Full::from("nickname=Ann")).unwrap();
    assert_eq!(desk.send(NEW, untyped).await.status(), 415);
    let empty = Request::post("/").body(Full::default()).unwrap();
    assert_eq!(
        desk.send(NEW, empty).await.status(),
        200,
        "what is missing is told by its code"
    );
    assert_eq!(desk.post(NEW, "nickname=0123456789ab").await.0, 413);
    let json = Request::post("/").header(CONTENT_TYPE, "application/json");
    let json = json.body(Full::from(r#"{"nickname":"Ann"}"#)).unwrap();
    assert_eq!(desk.send(NEW, json).await.status(), 200);
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_costs_nothing() {
    let desk = Desk::open(|_| {});
    let user = keys().user(chat(), CUSTOMER);
    let key = keys().rest(chat());
    let other = SessionId::new(Wall(5), 5);
    let tries = [
        (chat(), format!("userId={user}&secureKey=wrong")),
        (chat(), format!("userId=0000000000000001&secureKey={key}")),
        (chat(), format!("secureKey={key}")),
        (chat(), String::new()),
        (other, format!("userId={user}&secureKey={key}")),
    ];
    for (chat, proof) in tries {
        let (status, told) = desk
            .post(&path_of(chat, "send"), &format!("message=x&{proof}"))
            .await;
        let expected = json!({
            "messages": [], "chatEnded": true, "statusCode": 2, "alias": "1", "chatId": chat.to_string(),
            "errors": [{"code": 249, "advice": "the chat session is unknown or has ended"}],
            "referenceId": "00000000000000000000000000000007",
        });
        assert_eq!((status, told), (200, expected), "{proof}");
    }
    let (_, told) = desk.post("customer-support/nonsense/refresh", "").await;
    assert_eq!(told["errors"][0]["code"], 249);
    assert!(desk.asked().is_empty());
}

#[tokio::test]
async fn sending_answers_with_a_transcript_only_where_it_was_asked_for() {
    let desk = Desk::open(|_| {});
    let (_, told) = desk.say("send", "message=hello").await;
    assert_eq!(
        (&told["messages"], &told["nextPosition"]),
        (&json!([]), &json!(3))
    );
    assert_eq!(told["chatId"], chat().to_string());
    let (_, told) = desk.say("send", "message=hello&transcriptPosition=2").await;
    assert_eq!(told["messages"][0]["type"], "ParticipantJoined");
    assert_eq!(desk.asked(), ["Message", "Message", "read from 2"]);
}

#[tokio::test]
async fn refreshing_tells_what_is_being_typed_only_where_that_is_wanted() {
    let desk = Desk::open(|_| {});
    let (_, told) = desk
        .say("refresh", "message=hel&transcriptPosition=0")
        .await;
    assert_eq!(
        (&told["tenantName"], &told["monitored"]),
        (&json!("Resources"), &json!(false))
    );
    assert_eq!(desk.asked(), ["Typing", "read from 0"]);
    let desk = Desk::open(|settings| {
        settings.services.insert(NEW.into(), Service::default());
    });
    desk.say("refresh", "message=hel").await;
    assert_eq!(desk.asked(), ["read from 1"]);
}

#[tokio::test]
async fn who_types_on_after_the_end_still_reads_the_transcript() {
    let desk = Desk::refusing(Refusal::Rejected(Rejection::Closed));
    let (_, told) = desk.say("refresh", "message=hel").await;
    assert_eq!(told["statusCode"], 0);
    let (_, told) = desk.say("send", "message=hel").await;
    assert_eq!(
        (&told["statusCode"], &told["chatEnded"]),
        (&json!(2), &json!(true))
    );
}

#[tokio::test]
async fn the_other_calls_answer_as_the_samples_do() {
    let desk = Desk::open(|_| {});
    for (operation, form) in [
        ("startTyping", ""),
        ("stopTyping", "message=x"),
        ("pushUrl", "pushUrl=x"),
        ("updateNickname", "nickname=x"),
        ("customNotice", ""),
        ("updateData", "userData[k]=v"),
        ("readReceipt", "transcriptPosition=5"),
    ] {
        let (_, told) = desk.say(operation, form).await;
        assert_eq!(
            (&told["statusCode"], &told["messages"]),
            (&json!(0), &Value::Null),
            "{operation}"
        );
        assert_eq!(told["secureKey"], keys().rest(chat()), "{operation}");
    }
    let (_, told) = desk.say("disconnect", "").await;
    assert_eq!(told["alias"], Value::Null);
}

#[tokio::test]
async fn a_server_that_is_ending_says_when_to_come_again() {
    let desk = Desk::refusing(Refusal::Draining);
    let response = desk.send(NEW, form("nickname=x")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[RETRY_AFTER], "5");
}

#[tokio::test]
async fn one_chat_may_not_ask_without_end() {
    let mut desk = Desk::open(|_| {});
    desk.per_chat = 1;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(desk.say("startTyping", "").await.0);
    }
    assert_eq!(statuses, [200, 200, 429, 429, 429]);
}
