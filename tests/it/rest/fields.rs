//! The fields of each call: what it needs, what may be left out, and what becomes of what is given.

use super::*;

/// The calls in a chat, each with fields that satisfy it.
pub(super) const CALLS: [(&str, &[(&str, &str)]); 10] = [
    ("send", &[("message", "hello")]),
    ("startTyping", &[]),
    ("stopTyping", &[]),
    ("refresh", &[]),
    ("pushUrl", &[("pushUrl", "https://shop.example/")]),
    ("updateNickname", &[("nickname", "Ali")]),
    ("customNotice", &[]),
    ("updateData", &[("userData[basket]", "3 items")]),
    ("readReceipt", &[("transcriptPosition", "1")]),
    ("disconnect", &[]),
];

/// Subject, e-mail address and time zone were given in many stories, and looked for in none.
#[tokio::test]
async fn what_a_chat_is_requested_with_reaches_the_agents() {
    let server = Server::start().await;
    let mut bob = Agent::bob(&server).await;
    let fields = [
        ("firstName", "Alice"),
        ("lastName", "Rossi"),
        ("subject", "Router"),
        ("emailAddress", "alice@shop.example"),
        ("userData[TimeZone]", "-480"),
        ("userData[basket]", "3 items"),
    ];
    let chat = RestChat::request(&server, &fields).await;
    let entry = bob.listed(&chat.id).await;
    assert_eq!(entry["subject"], "Router");
    let expected = json!({"nickname": "Alice Rossi", "userData": {
        "FirstName": "Alice", "LastName": "Rossi", "EmailAddress": "alice@shop.example", "TimeZone": "-480",
        "basket": "3 items", "MediaType": "chat", "IdentifyCreateContact": "3"}});
    assert_eq!(entry["customer"], expected);

    let fields = [
        ("nickname", "Ali"),
        ("firstName", "Alice"),
        ("Subject", "Capital"),
    ];
    let chat = RestChat::request(&server, &fields).await;
    let entry = bob.listed(&chat.id).await;
    let named = &entry["customer"]["nickname"];
    assert_eq!(
        (&entry["subject"], named),
        (&json!("Capital"), &json!("Ali"))
    );
    let given = &entry["customer"]["userData"];
    assert!(
        given.get("EmailAddress").is_none(),
        "nothing is made up: {given}"
    );
}

#[tokio::test]
async fn a_call_without_what_it_needs_is_refused_by_name() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let needs = CALLS.iter().filter(|(_, fields)| !fields.is_empty());
    for (call, fields) in needs {
        let reply = chat.call(call, &[]).await;
        let advice = reply.json()["errors"][0]["advice"].to_string();
        let name = fields[0].0.split('[').next().unwrap();
        assert!(
            reply.status == 400 && advice.contains(name),
            "{call}: {advice}"
        );
    }
    assert_eq!(chat.transcript(2).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_alias_may_be_missing_or_of_another_time() {
    let server = Server::start().await;
    for alias in [None, Some("131")] {
        let chat = RestChat::alice(&server).await;
        for (call, fields) in CALLS {
            let mut all = fields.to_vec();
            all.extend([("userId", &*chat.user), ("secureKey", &*chat.key)]);
            all.extend(alias.map(|alias| ("alias", alias)));
            chat.caller.form(&chat.url(call), &all).await.good();
        }
    }
}

#[tokio::test]
async fn typing_and_notices_come_with_a_text_and_without() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let calls = [
        ("startTyping", "TypingStarted"),
        ("stopTyping", "TypingStopped"),
        ("customNotice", "CustomNotice"),
    ];
    let mut position = 2;
    for (call, kind) in calls {
        for text in [None, Some("my rou")] {
            let field = text.map(|text| ("message", text));
            chat.call(call, field.as_slice()).await.good();
            let events = chat.transcript(position).await;
            assert_eq!(types(&events), [kind], "{call}");
            assert_eq!(events[0]["text"].as_str(), text, "{call}");
            position += 1;
        }
    }
}

/// A preview that was deleted is a preview too; only where none is sent nothing happens.
#[tokio::test]
async fn an_empty_preview_beside_a_refresh_is_one() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.call("refresh", &[]).await.good();
    assert_eq!(chat.transcript(2).await, Vec::<Value>::new());
    chat.call("refresh", &[("message", "")]).await.good();
    let events = chat.transcript(2).await;
    assert_eq!(types(&events), ["TypingStarted"]);
    assert_eq!(events[0]["text"], "");
}

#[tokio::test]
async fn a_call_may_come_as_json() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let call = async |operation: &str, mut body: Value| {
        for (name, value) in chat.credentials() {
            body[name] = json!(value);
        }
        let (url, body) = (chat.url(operation), body.to_string());
        chat.caller
            .post(&url, "application/json", body)
            .await
            .good()
    };
    let said = call("send", json!({"message": "hello", "transcriptPosition": 2})).await;
    assert_eq!(texts(&events(&said)), ["hello"]);
    call("updateData", json!({"userData": {"basket": 3}})).await;
    assert_eq!(customer_data(&server, &chat.id).await["basket"], "3");
}
