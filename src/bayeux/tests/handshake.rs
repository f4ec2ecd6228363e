//! Rows 26–41: how a client begins.

use super::*;

fn hello(fields: Value) -> Value {
    let mut hello = json!({"id": "1", "channel": "/meta/handshake", "version": "1.0"});
    for (name, value) in fields.as_object().expect("an object") {
        hello[name] = value.clone();
    }
    hello
}

fn greet(fields: Value) -> Value {
    let mut replies = Broker::new().ask(1, &hello(fields));
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

#[test]
fn row_026_a_handshake_is_answered_in_full() {
    let mut reply = greet(json!({}));
    let client = reply["clientId"].take();
    assert!(client.as_str().is_some_and(|id| !id.is_empty()), "{client}");
    let expected = json!({
        "id": "1",
        "channel": "/meta/handshake",
        "clientId": null,
        "version": "1.0",
        "minimumVersion": "1.0",
        "supportedConnectionTypes": ["websocket", "long-polling"],
        "successful": true,
        "advice": {"reconnect": "retry", "interval": 0, "timeout": 30_000},
    });
    assert_eq!(reply, expected);
}

#[test]
fn row_027_every_handshake_makes_another_client() {
    let mut broker = Broker::new();
    let one = broker.ask(1, &hello(json!({})));
    let two = broker.ask(1, &hello(json!({})));
    assert_ne!(one[0]["clientId"], two[0]["clientId"]);
    let id = one[0]["clientId"].as_str().expect("a client id");
    assert!(id.len() >= 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn row_028_no_id_is_answered_with_none() {
    let reply = Broker::new().ask(1, &json!({"channel": "/meta/handshake", "version": "1.0"}));
    assert!(reply[0].get("id").is_none());
}

#[test]
fn row_029_the_reply_advises() {
    let advice = json!({"reconnect": "retry", "interval": 0, "timeout": 30_000});
    assert_eq!(greet(json!({}))["advice"], advice);
}

#[test]
fn row_030_without_a_common_transport_there_is_no_session() {
    let reply = greet(json!({"supportedConnectionTypes": ["flash"]}));
    assert_eq!(reply["successful"], false);
    assert!(reply.get("clientId").is_none());
    let reply = greet(json!({"minimumVersion": "2.0"}));
    assert_eq!(reply["error"], "403:2.0:version_unsupported");
}

#[test]
fn row_031_no_transports_named_means_any() {
    assert_eq!(
        greet(json!({"supportedConnectionTypes": []}))["successful"],
        true
    );
    assert_eq!(greet(json!({}))["successful"], true);
}

#[test]
fn row_032_a_handshake_is_answered_alone() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let others = [client.publish("2", "/x", 1), client.subscribe("/a")];
    for body in [
        json!([hello(json!({})), others[0], others[1]]),
        json!([others[0], others[1], hello(json!({}))]),
    ] {
        let replies = broker.ask(1, &body);
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0]["channel"], "/meta/handshake");
        assert_eq!(broker.frame(9, &body).len(), 1);
    }
    assert_eq!(broker.told, [], "the others are ignored");
}

#[test]
fn row_033_a_client_id_in_a_handshake_is_ignored() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let reply = broker.ask(1, &hello(json!({"clientId": client.name})));
    assert_eq!(reply[0]["successful"], true);
    assert_ne!(reply[0]["clientId"], client.name.as_str());
}

#[test]
fn row_034_the_application_may_refuse() {
    let reply = greet(json!({"ext": {"stranger": true}}));
    assert_eq!(reply["error"], "403::handshake_denied");
    assert_eq!(reply["advice"], json!({"reconnect": "none"}));
}

#[test]
fn row_036_after_a_refusal_nothing_is_known() {
    let mut broker = Broker::new();
    broker.ask(1, &hello(json!({"ext": {"stranger": true}})));
    for channel in ["/meta/connect", "/meta/subscribe", "/a", "/service/x"] {
        let message =
            json!({"channel": channel, "clientId": null, "subscription": "/a", "data": 1});
        let reply = broker.ask(1, &message);
        assert_eq!(reply[0]["error"], "402::session_unknown", "{channel}");
    }
    assert_eq!(broker.told, []);
}

#[test]
fn row_040_a_client_that_never_connects_goes() {
    let mut broker = Broker::new();
    Client::greet(&mut broker, 1, json!({}));
    broker.wait(Duration::from_millis(9_999));
    assert_eq!(broker.sessions.len(), 1);
    broker.wait(Duration::from_millis(1));
    assert_eq!(broker.sessions.len(), 0);
    let client = Client::greet(&mut broker, 1, json!({}));
    broker.ask(1, &client.subscribe("/a"));
    broker.wait(Duration::from_millis(59_999));
    assert_eq!(broker.sessions.len(), 1, "it has said something");
    broker.wait(Duration::from_millis(1));
    assert_eq!(broker.sessions.len(), 0);
}

#[test]
fn row_124_acknowledging_is_agreed() {
    assert_eq!(
        greet(json!({"ext": {"ack": true}}))["ext"],
        json!({"ack": true})
    );
    assert_eq!(
        greet(json!({"ext": {"ack": {"enabled": true}}}))["ext"]["ack"],
        true
    );
    assert!(greet(json!({})).get("ext").is_none());
}

#[test]
fn row_134_clocks_are_compared() {
    let told =
        |timesync: Value| greet(json!({"ext": {"timesync": timesync}}))["ext"]["timesync"].clone();
    let sent = 1_700_000_000_000_i64;
    assert_eq!(
        told(json!({"tc": sent - 5})),
        json!({"tc": sent - 5, "ts": sent, "p": 0, "a": -5})
    );
    assert_eq!(told(json!({"tc": sent - 1, "l": 1, "o": 0})), Value::Null);
    assert_eq!(
        told(json!({"tc": sent - 100_000, "l": 1, "o": 0}))["a"],
        -99_999
    );
}

#[test]
fn row_135_other_extensions_are_not_echoed() {
    let reply = greet(json!({"ext": {"org.example": 1, "ack": "maybe", "timesync": 7}, "x": 1}));
    assert!(reply.get("ext").is_none() && reply.get("x").is_none());
}
