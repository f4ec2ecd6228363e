//! What is said to whoever asks wrongly.

use super::*;

#[tokio::test]
async fn missing_and_invalid_fields_have_their_codes() {
    let server = Server::start().await;
    let cases: [(&[(&str, &str)], u64); 5] = [
        (&[("lastName", "Rossi")], 102),
        (&[("firstName", "Alice")], 103),
        (&[], 161),
        (&[("subject", "no name")], 161),
        (
            &[("nickname", "Alice"), ("emailAddress", "not an address")],
            364,
        ),
    ];
    for (fields, code) in cases {
        let reply = Caller::new().form(&server.public(CHAT), fields).await;
        let body = reply.json();
        assert_eq!(
            (reply.status, &body["statusCode"]),
            (200, &json!(2)),
            "{fields:?}: {body}"
        );
        assert_eq!(body["errors"][0]["code"], code, "{fields:?}");
        assert!(!body["errors"][0]["advice"].as_str().unwrap().is_empty());
        assert_eq!(
            body["referenceId"],
            reply.header("x-request-id"),
            "the same value"
        );
    }
}

#[tokio::test]
async fn a_wrong_key_cannot_be_told_from_a_wrong_chat() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let nothing = |body: Value| {
        assert_eq!(
            (&body["statusCode"], &body["chatEnded"]),
            (&json!(2), &json!(true)),
            "{body}"
        );
        assert_eq!(body["errors"][0]["code"], 249);
        assert!(
            body.get("secureKey").is_none_or(Value::is_null)
                && body.get("userId").is_none_or(Value::is_null)
        );
        let mut body = body;
        for name in ["referenceId", "chatId"] {
            body.as_object_mut().unwrap().remove(name);
        }
        let advice = body["errors"][0]["advice"]
            .as_str()
            .unwrap()
            .split("referenceId")
            .next()
            .unwrap()
            .to_owned();
        body["errors"][0]["advice"] = json!(advice);
        body
    };
    let mallory = |id: &str, user: &str, key: &str| RestChat::of(&server, id, user, key);
    let wrong_key = mallory(&chat.id, &chat.user, &"0".repeat(chat.key.len()));
    let attempts = [
        wrong_key.clone(),
        mallory("0000000000000000", &chat.user, &chat.key),
        mallory(&chat.id, "0000000000000000", &chat.key),
        mallory(&chat.id, "", &chat.key),
        mallory(&chat.id, &chat.user, ""),
    ];
    let expected = nothing(wrong_key.call("refresh", &[]).await.json());
    for attempt in attempts {
        for (call, fields) in super::fields::CALLS {
            let reply = attempt.call(call, fields).await;
            assert_eq!(
                (reply.status, nothing(reply.json())),
                (200, expected.clone()),
                "{call}"
            );
        }
    }
    assert_eq!(chat.transcript(1).await.len(), 1, "and nothing happened");
    assert_eq!(
        customer_data(&server, &chat.id).await["basket"],
        Value::Null
    );
}

#[tokio::test]
async fn protocol_trouble_is_an_http_status() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let caller = Caller::new();
    let form = "application/x-www-form-urlencoded";
    let large = format!("nickname={}", "x".repeat(2 << 20));

    let unknown = caller
        .form(
            &server.public("/genesys/2/chat/nobody"),
            &[("nickname", "Alice")],
        )
        .await;
    let too_large = caller.post(&server.public(CHAT), form, large).await;
    let wrong_type = caller
        .post(&server.public(CHAT), "text/plain", "nickname=Alice")
        .await;
    let broken = caller
        .post(&server.public(CHAT), "application/json", "{")
        .await;
    let nul = caller
        .form(&server.public(CHAT), &[("nickname", "Al\0ice")])
        .await;
    let no_message = chat.call("send", &[]).await;
    let no_url = chat.call("pushUrl", &[]).await;
    let no_name = chat.call("updateNickname", &[]).await;
    let bad_position = chat
        .call("refresh", &[("transcriptPosition", "soon")])
        .await;

    let cases = [
        (404, unknown),
        (413, too_large),
        (415, wrong_type),
        (400, broken),
        (400, nul),
        (400, no_message),
        (400, no_url),
        (400, no_name),
        (400, bad_position),
    ];
    for (status, reply) in cases {
        let body = reply.json();
        assert_eq!(
            (u64::from(reply.status), &body["errors"][0]["code"]),
            (status, &json!(status)),
            "{body}"
        );
        assert!(!body["referenceId"].as_str().unwrap().is_empty());
    }
    let got = caller.get(&server.public(CHAT)).await;
    assert_eq!(
        (got.status, got.header("allow").contains("POST")),
        (405, true)
    );
}

#[tokio::test]
async fn no_trouble_below_the_chat_is_taken_for_its_end() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 1\nexempt = []")
        .start()
        .await;
    let caller = Caller::new();
    let stranger = caller
        .request(Method::POST, &server.public(CHAT))
        .header("origin", "https://evil.example");
    let refused = caller.send(stranger).await;
    let mut replies = vec![(403, refused)];
    for _ in 0..9 {
        replies.push((429, caller.form(&server.public(CHAT), &[]).await));
    }
    replies.retain(|(status, reply)| *status == reply.status);
    assert!(replies.len() > 2, "{replies:?}");
    for (status, reply) in replies {
        let body = reply.json();
        assert_eq!(
            (
                &body["chatEnded"],
                &body["messages"],
                &body["errors"][0]["code"]
            ),
            (&json!(false), &json!([]), &json!(status)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_blank_is_missing_where_something_has_to_be_seen() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    for (call, field) in [
        ("pushUrl", ("pushUrl", "")),
        ("updateNickname", ("nickname", " ")),
    ] {
        let reply = chat.call(call, &[field]).await;
        assert_eq!(reply.status, 400, "{call}: {}", reply.text());
    }
    assert_eq!(chat.transcript(2).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_chat_is_unknown_under_another_services_name() {
    let server = Server::with().config("[chat.sales]").start().await;
    let chat = RestChat::alice(&server).await;
    let url = server.public(&format!("/genesys/2/chat/sales/{}/refresh", chat.id));
    let body = chat.caller.form(&url, &chat.credentials()).await.json();
    assert_eq!(
        (
            &body["statusCode"],
            &body["errors"][0]["code"],
            &body["chatEnded"]
        ),
        (&json!(2), &json!(249), &json!(true))
    );
    let channel = "/service/chatV2/sales";
    let mut comet = Bayeux::connect(Door::Socket, server.public, "/genesys/cometd", None).await;
    let resume = json!({"operation": "requestNotifications", "secureKey": chat.key});
    comet.publish(channel, resume).await;
    assert_eq!(comet.data().await["data"]["errors"][0]["code"], 249);
}
