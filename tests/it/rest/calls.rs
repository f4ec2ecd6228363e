//! The calls in a chat, one by one: what each answers, and what it leaves in the transcript.

use super::*;

#[tokio::test]
async fn send_answers_without_a_transcript_unless_a_position_is_given() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;

    let plain = chat.say("first").await;
    assert_eq!(
        (&plain["messages"], &plain["chatId"], &plain["nextPosition"]),
        (&json!([]), &json!(chat.id), &json!(3))
    );
    let read = chat
        .call(
            "send",
            &[
                ("message", "second"),
                ("messageType", "text"),
                ("transcriptPosition", "2"),
            ],
        )
        .await
        .good();
    assert_eq!(texts(&events(&read)), ["first", "second"]);
    assert_eq!(
        (
            &read["messages"][0]["messageType"],
            &read["messages"][1]["messageType"]
        ),
        (&Value::Null, &json!("text"))
    );
    assert_eq!(read["nextPosition"], 4);
    for body in [plain, read] {
        assert_eq!(
            (&body["secureKey"], &body["userId"]),
            (&json!(chat.key), &json!(chat.user)),
            "the key never changes"
        );
        assert_eq!(
            (&body["alias"], &body["chatEnded"]),
            (&json!("1"), &json!(false))
        );
    }
}

#[tokio::test]
async fn typing_can_be_started_and_stopped() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let started = chat
        .call("startTyping", &[("message", "I wan")])
        .await
        .good();
    let stopped = chat.call("stopTyping", &[]).await.good();
    assert_eq!(
        (&started["messages"], &stopped["messages"]),
        (&Value::Null, &Value::Null)
    );

    let events = chat.transcript(2).await;
    assert_eq!(
        types(&events),
        ["TypingStarted", "TypingStopped"],
        "the customer's own events come back to it"
    );
    assert_eq!(events[0]["text"], "I wan");
}

#[tokio::test]
async fn refresh_carries_the_typing_preview() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.call(
        "refresh",
        &[("transcriptPosition", "0"), ("message", "my rou")],
    )
    .await
    .good();
    let events = chat.transcript(2).await;
    assert_eq!(
        (&events[0]["type"], &events[0]["text"]),
        (&json!("TypingStarted"), &json!("my rou"))
    );

    let server = Server::with()
        .set("chat.typing_preview=false")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    chat.call(
        "refresh",
        &[("transcriptPosition", "0"), ("message", "my rou")],
    )
    .await
    .good();
    assert_eq!(
        chat.transcript(2).await,
        Vec::<Value>::new(),
        "ignored when the option is off"
    );
}

#[tokio::test]
async fn the_smaller_calls_leave_their_events() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let calls = [
        (
            "pushUrl",
            ("pushUrl", "https://shop.example/basket"),
            "PushUrl",
            "https://shop.example/basket",
        ),
        (
            "updateNickname",
            ("nickname", "Ali"),
            "NicknameUpdated",
            "Ali",
        ),
        (
            "customNotice",
            ("message", "scrolled"),
            "CustomNotice",
            "scrolled",
        ),
    ];
    for (position, (call, field, kind, text)) in (2..).zip(calls) {
        let body = chat.call(call, &[field]).await.good();
        assert_eq!(body["messages"], Value::Null, "{call}");
        let events = chat.transcript(position).await;
        assert_eq!(
            (&events[0]["type"], &events[0]["text"]),
            (&json!(kind), &json!(text))
        );
    }
    assert_eq!(
        chat.transcript(3).await[0]["from"]["nickname"],
        "Alice",
        "the name of its time"
    );
    assert_eq!(chat.transcript(4).await[0]["from"]["nickname"], "Ali");
}

#[tokio::test]
async fn user_data_can_be_updated_without_an_event() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    let before = chat
        .call("refresh", &[("transcriptPosition", "0")])
        .await
        .good()["nextPosition"]
        .clone();

    let body = chat
        .call("updateData", &[("userData[basket]", "3 items")])
        .await
        .good();
    assert_eq!(body["messages"], Value::Null);
    let change = bob
        .until("the new data", |message| {
            message["customer"]["userData"]["basket"] == "3 items"
        })
        .await;
    assert_eq!(
        (&change["operation"], &change["session"]),
        (&json!("session"), &json!(chat.id))
    );
    let after = chat
        .call("refresh", &[("transcriptPosition", "0")])
        .await
        .good()["nextPosition"]
        .clone();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_read_receipt_counts_an_index() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    let index = bob.say(&chat.id, "did you see this?").await;
    let body = chat
        .call("readReceipt", &[("transcriptPosition", &index.to_string())])
        .await
        .good();
    assert_eq!(body["messages"], Value::Null);
    let notice = bob.event("Notice").await;
    assert_eq!(
        (&notice["text"], &notice["userData"]["last-event-id"]),
        (&json!("read-confirm"), &json!(index.to_string()))
    );
}

#[tokio::test]
async fn the_same_idempotency_key_says_it_once() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let send = || {
        let fields = chat
            .credentials()
            .map(|(name, value)| format!("{name}={value}"))
            .join("&");
        let request = chat
            .caller
            .request(Method::POST, &chat.url("send"))
            .header("idempotency-key", "attempt-1");
        chat.caller.send(
            request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("{fields}&message=once")),
        )
    };
    let (first, second) = (send().await.good(), send().await.good());
    assert_eq!(first["nextPosition"], second["nextPosition"]);
    assert_eq!(texts(&chat.transcript(1).await), ["once"]);
}
