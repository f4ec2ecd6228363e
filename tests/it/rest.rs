//! REST v2: every call, what it answers, and what it says to whoever asks wrongly.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{
    Agent, Bayeux, Caller, Customer, Door, RestChat, Server, events, eventually, multipart, texts,
    types,
};

const CHAT: &str = "/genesys/2/chat/customer-support";

#[tokio::test]
async fn requesting_a_chat_answers_with_identifiers_and_the_first_event() {
    let server = Server::start().await;
    let fields = [
        ("firstName", "Alice"),
        ("lastName", "Rossi"),
        ("subject", "Router"),
        ("userData[TimeZone]", "60"),
    ];
    let body = Caller::new()
        .form(&server.public(CHAT), &fields)
        .await
        .good();

    assert_eq!(body["chatId"].as_str().unwrap().len(), 16);
    let user = body["userId"].as_str().unwrap();
    assert!(
        user.len() == 16 && user.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{user}"
    );
    let key = body["secureKey"].as_str().unwrap();
    assert!(
        key.len() >= 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "at least 128 bits, in hex"
    );
    assert_eq!(
        (&body["alias"], &body["nextPosition"]),
        (&json!("1"), &json!(2))
    );
    let joined = &body["messages"][0];
    assert_eq!(
        joined["from"],
        json!({"nickname": "Alice Rossi", "participantId": 1, "type": "Client"})
    );
    assert_eq!(
        (&joined["index"], &joined["type"]),
        (&json!(1), &json!("ParticipantJoined"))
    );
    assert!(
        joined["utcTime"].as_u64().unwrap() > 1_600_000_000_000,
        "milliseconds"
    );
}

#[tokio::test]
async fn a_chat_can_be_requested_by_form_multipart_and_json() {
    let server = Server::start().await;
    let (caller, url) = (Caller::new(), server.public(CHAT));
    let (multipart_type, multipart_body) =
        multipart(&[("nickname", "Alice"), ("userData[k]", "v")]);
    let bodies = [
        (
            "application/x-www-form-urlencoded".to_owned(),
            "nickname=Alice&userData%5Bk%5D=v".to_owned(),
        ),
        (multipart_type, multipart_body),
        (
            "application/json".to_owned(),
            json!({"nickname": "Alice", "userData": {"k": "v"}}).to_string(),
        ),
    ];
    for (content_type, body) in bodies {
        let chat = caller.post(&url, &content_type, body).await.good();
        let seen = customer_data(&server, chat["chatId"].as_str().unwrap()).await;
        assert_eq!(seen["k"], "v", "{content_type}");
    }
}

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
async fn refresh_reads_from_a_position() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.say("one").await;
    chat.say("two").await;

    for (position, indexes) in [
        ("0", vec![]),
        ("1", vec![1, 2, 3]),
        ("3", vec![3]),
        ("4", vec![]),
        ("900", vec![]),
    ] {
        let body = chat
            .call("refresh", &[("transcriptPosition", position)])
            .await
            .good();
        let got: Vec<u64> = events(&body)
            .iter()
            .map(|event| event["index"].as_u64().unwrap())
            .collect();
        assert_eq!(got, indexes, "from {position}");
        assert_eq!(
            (&body["nextPosition"], &body["tenantName"]),
            (&json!(4), &json!("Environment"))
        );
    }
    let all = chat.call("refresh", &[]).await.good();
    assert_eq!(events(&all).len(), 3, "no position: everything");
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
async fn disconnect_ends_the_chat_and_leaves_it_readable() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.say("bye").await;
    let body = chat.call("disconnect", &[]).await.good();
    assert!(
        body["messages"].is_null() && body["chatId"].is_null() && body["secureKey"].is_null(),
        "{body}"
    );

    let last = chat
        .call("refresh", &[("transcriptPosition", "1")])
        .await
        .good();
    assert_eq!(last["chatEnded"], true);
    assert_eq!(
        types(&events(&last)),
        ["ParticipantJoined", "Message", "ParticipantLeft"]
    );
    let late = chat.call("send", &[("message", "one more")]).await.json();
    assert_eq!(
        (&late["statusCode"], &late["chatEnded"]),
        (&json!(2), &json!(true))
    );
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
        for call in ["refresh", "send", "disconnect", "updateData"] {
            let reply = attempt
                .call(call, &[("message", "let me in"), ("userData[a]", "b")])
                .await;
            assert_eq!(
                (reply.status, nothing(reply.json())),
                (200, expected.clone()),
                "{call}"
            );
        }
    }
    assert_eq!(chat.transcript(1).await.len(), 1, "and nothing happened");
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
async fn nothing_is_cut_a_text_that_is_too_long_is_refused() {
    let server = Server::with()
        .set("settings.max-message-size=10")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    chat.say("0123456789").await;
    let reply = chat.call("send", &[("message", "0123456789a")]).await;
    let body = reply.json();
    assert_eq!(
        (
            reply.status,
            &body["statusCode"],
            &body["errors"][0]["code"]
        ),
        (200, &json!(2), &json!(204))
    );
    assert_eq!(texts(&chat.transcript(1).await), ["0123456789"]);
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

#[tokio::test]
async fn a_load_limit_asks_to_come_back() {
    let server = Server::with()
        .set("settings.limit-for-sessions=1")
        .start()
        .await;
    RestChat::alice(&server).await;
    let reply = Caller::new()
        .form(&server.public(CHAT), &[("nickname", "Late")])
        .await;
    let body = reply.json();
    assert_eq!(
        (
            reply.status,
            &body["statusCode"],
            &body["errors"][0]["code"]
        ),
        (200, &json!(1), &json!(240)),
        "{body}"
    );
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 2\nexempt = []")
        .start()
        .await;
    let caller = Caller::new();
    for _ in 0..40 {
        let reply = caller.form(&server.public(CHAT), &[]).await;
        if reply.status == 429 {
            assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
            assert_eq!(reply.json()["errors"][0]["code"], 429);
            return;
        }
    }
    panic!("forty requests at once were all served");
}

#[tokio::test]
async fn pages_of_other_origins_are_let_in_by_configuration_only() {
    let server = Server::with()
        .config("[server]\nallowed-origins = [\"https://shop.example\"]")
        .start()
        .await;
    let caller = Caller::new();
    let url = server.public(CHAT);
    let ask = |origin: &str| {
        let request = caller
            .request(Method::OPTIONS, &url)
            .header("origin", origin);
        caller.send(
            request
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "apikey"),
        )
    };
    let friend = ask("https://shop.example").await;
    assert_eq!(
        friend.header("access-control-allow-origin"),
        "https://shop.example"
    );
    assert!(
        friend
            .header("access-control-allow-headers")
            .to_lowercase()
            .contains("apikey")
    );
    for origin in ["https://evil.example", "null"] {
        assert_eq!(
            ask(origin).await.header("access-control-allow-origin"),
            "",
            "{origin}"
        );
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let server = Server::start().await;
    let caller = Caller::new();
    let ask = |id: &str| {
        caller.send(
            caller
                .request(Method::POST, &server.public(CHAT))
                .header("x-request-id", id),
        )
    };
    let own = ask("order-66").await;
    assert_eq!(
        (own.header("x-request-id"), &own.json()["referenceId"]),
        ("order-66", &json!("order-66"))
    );
    let replaced = ask(&"x".repeat(129)).await;
    assert!(
        !replaced.header("x-request-id").is_empty() && replaced.header("x-request-id").len() <= 128
    );
}

#[tokio::test]
async fn a_chat_has_many_doors() {
    let server = Server::start().await;
    let rest = RestChat::alice(&server).await;
    rest.say("over REST").await;
    let mut comet = Customer::resume(&server, Door::Socket, &rest.key, 1).await;
    comet.until(|event| event["text"] == "over REST").await;
    comet.say("over CometD").await;
    assert_eq!(
        texts(&rest.transcript(1).await),
        ["over REST", "over CometD"]
    );

    let begun = Customer::alice(&server, Door::Polling).await;
    let rest = RestChat::of(&server, &begun.chat, "deprecated", &begun.key);
    rest.say("by the key of the other door").await;
}

/// What the gateway adds to user data counted too: 63 keys were refused where 64 are allowed.
#[tokio::test]
async fn a_chat_may_have_as_many_keys_as_the_limit_says() {
    let server = Server::start().await;
    for (keys, status) in [(64, 0), (65, 2)] {
        let mut user_data = serde_json::Map::new();
        user_data.extend((0..keys).map(|key| (format!("key-{key}"), json!("v"))));
        let body = json!({"firstName": "Ana", "lastName": "Lima", "emailAddress": "ana@example.com",
            "userData": user_data});
        let reply = Caller::new()
            .post(&server.public(CHAT), "application/json", body.to_string())
            .await;
        assert_eq!(reply.json()["statusCode"], status, "{}", reply.text());
    }
}

/// Of members that repeat each other in another case, the last in the order of the alphabet counted.
#[tokio::test]
async fn of_a_repeated_member_the_last_counts() {
    let server = Server::start().await;
    let body = r#"{"nickname": "First", "Nickname": "Last"}"#;
    let reply = Caller::new()
        .post(&server.public(CHAT), "application/json", body)
        .await
        .good();
    assert_eq!(reply["messages"][0]["from"]["nickname"], "Last", "{reply}");
}

#[tokio::test]
async fn each_limit_is_refused_by_its_name() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let caller = Caller::new();
    let (long, longer) = ("x".repeat(257), "x".repeat(16_385));
    let keys: Vec<String> = (0..65).map(|key| format!("userData[{key}]")).collect();
    let keys: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    let many = ["a=b"; 201].join("&");
    let url = server.public(CHAT);
    let form = "application/x-www-form-urlencoded";
    let replies = [
        (
            "nickname = 256",
            caller.form(&url, &[("nickname", &long)]).await,
        ),
        (
            "nickname = 256",
            chat.call("updateNickname", &[("nickname", &long)]).await,
        ),
        (
            "subject = 1000",
            caller
                .form(&url, &[("nickname", "A"), ("subject", &longer)])
                .await,
        ),
        ("user-data-keys = 64", chat.call("updateData", &keys).await),
        (
            "user-data-size = 16384",
            chat.call("updateData", &[("userData[k]", &longer)]).await,
        ),
        ("fields = 200", caller.post(&url, form, many).await),
        (
            "request-body = 1048576",
            caller.post(&url, form, "x".repeat(1 << 21)).await,
        ),
    ];
    for (option, reply) in replies {
        let body = reply.json();
        let advice = body["errors"][0]["advice"].as_str().unwrap();
        assert!(advice.contains(&format!("[limits] {option}")), "{body}");
        assert_eq!(body["chatEnded"], false, "{body}");
    }
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
async fn user_data_comes_in_every_shape_of_json() {
    let server = Server::start().await;
    let (caller, url) = (Caller::new(), server.public(CHAT));
    let good = [
        json!({"nickname": "A", "userData": null}),
        json!({"nickname": "A", "userData": {"k": 7}}),
        json!({"nickname": "A", "userData[k]": 7}),
    ];
    for (fields, expected) in good.into_iter().zip([Value::Null, json!("7"), json!("7")]) {
        let chat = caller
            .post(&url, "application/json", fields.to_string())
            .await
            .good();
        let seen = customer_data(&server, chat["chatId"].as_str().unwrap()).await;
        assert_eq!(seen["k"], expected, "{fields}");
    }
    for bad in [
        json!("k=v"),
        json!([1]),
        json!({"k": {}}),
        json!({"k": [1]}),
    ] {
        let fields = json!({"nickname": "A", "userData": bad}).to_string();
        let reply = caller.post(&url, "application/json", fields).await;
        let advice = reply.json()["errors"][0]["advice"].to_string();
        assert!(
            reply.status == 400 && advice.contains("userData"),
            "{bad}: {advice}"
        );
    }
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

#[tokio::test]
async fn a_long_transcript_comes_in_parts() {
    let server = Server::with()
        .set("settings.max-reply-size=1024")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    for _ in 0..5 {
        chat.say(&"x".repeat(600)).await;
    }
    let (mut position, mut indexes, mut replies) = (1, Vec::new(), 0);
    while position < 7 {
        let body = chat
            .call("refresh", &[("transcriptPosition", &position.to_string())])
            .await
            .good();
        indexes.extend(
            events(&body)
                .iter()
                .map(|event| event["index"].as_u64().unwrap()),
        );
        position = body["nextPosition"].as_u64().unwrap();
        replies += 1;
    }
    assert_eq!(indexes, [1, 2, 3, 4, 5, 6]);
    assert!(replies > 2, "in {replies} parts");
}

#[tokio::test]
async fn a_customer_who_was_removed_reads_up_to_its_own_leaving() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let mut carol = Agent::carol(&server).await;
    carol.join(&chat.id).await;
    carol
        .ask("release", json!({"session": chat.id, "participantId": 1}))
        .await
        .unwrap();
    carol.say(&chat.id, "among ourselves").await;

    let last = chat.call("refresh", &[]).await.good();
    assert_eq!(last["chatEnded"], true);
    assert_eq!(
        types(&events(&last)),
        ["ParticipantJoined", "ParticipantJoined", "ParticipantLeft"]
    );
    for call in ["send", "startTyping", "disconnect"] {
        let body = chat.call(call, &[("message", "hello?")]).await.json();
        assert_eq!(
            (&body["statusCode"], &body["chatEnded"]),
            (&json!(2), &json!(true)),
            "{call}"
        );
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_readable_for_a_while() {
    let server = Server::with()
        .set("settings.closed-session-readable=1")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    chat.call("disconnect", &[]).await.good();
    let gone = || async {
        let body = chat.call("refresh", &[]).await.json();
        (body["errors"][0]["code"] == 249).then_some(())
    };
    eventually("the chat is forgotten", gone).await;
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let server = Server::with()
        .config("[limits]\nconnections-per-address = 2\n[rate-limit]\nexempt = []")
        .start()
        .await;
    let held = [connect(&server).await, connect(&server).await];
    let asked = |mut stream: TcpStream| async move {
        let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = Vec::new();
        let _ = stream.write_all(head).await;
        let _ = stream.read_to_end(&mut answer).await;
        answer.starts_with(b"HTTP/1.1 200")
    };
    assert!(!asked(connect(&server).await).await, "one too many");
    for stream in held {
        assert!(asked(stream).await);
    }
    let free = || async { asked(connect(&server).await).await.then_some(()) };
    eventually("there is room again", free).await;
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.public).await.unwrap()
}

async fn customer_data(server: &Server, session: &str) -> Value {
    let mut bob = Agent::bob(server).await;
    let list = bob.ask("sessions", json!({})).await.unwrap();
    let found = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["session"] == session)
        .cloned();
    found.unwrap()["customer"]["userData"].clone()
}
