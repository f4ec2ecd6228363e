//! REST v2: every call, what it answers, and what it says to whoever asks wrongly.

mod calls;
mod fields;
mod limits;
mod reading;
mod trouble;

use reqwest::Method;
use serde_json::{Value, json};

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

async fn customer_data(server: &Server, session: &str) -> Value {
    let entry = Agent::bob(server).await.listed(session).await;
    entry["customer"]["userData"].clone()
}
