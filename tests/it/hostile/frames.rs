//! Messages and frames that nobody should send.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::raw::{CHANNEL, Poller, Raw};
use crate::world::{Agent, Customer, Door, Server, texts, within};

#[tokio::test]
async fn odd_messages_on_a_socket_get_their_answers_and_leave_it_open() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    let client = raw
        .greet(&json!({"ext": null, "advice": null, "clientId": 7}))
        .await;
    raw.say("[]").await;
    raw.say(" [ ] ").await;
    let many = json!([CHANNEL, "/service/chatV2/other"]);
    for (message, expected) in [
        (
            json!({"id": 7, "channel": "/meta/subscribe", "subscription": CHANNEL}),
            Value::Null,
        ),
        (
            json!({"id": "7", "channel": "/meta/subscribe", "subscription": [CHANNEL]}),
            Value::Null,
        ),
        (
            json!({"id": "7", "channel": "/meta/subscribe", "subscription": []}),
            Value::Null,
        ),
        (
            json!({"id": "7", "channel": "/meta/unsubscribe", "subscription": many}),
            Value::Null,
        ),
        (
            json!({"id": "7", "channel": "/meta/unsubscribe"}),
            json!("403::subscription_missing"),
        ),
        (
            json!({"id": "7", "channel": "/meta/subscribe", "subscription": null}),
            json!("403::subscription_missing"),
        ),
        (
            json!({"id": "7", "channel": "/meta/subscribe", "subscription": {"a": 1}}),
            json!("403::subscription_invalid"),
        ),
        (
            json!({"id": "7", "channel": "/meta/subscribe", "subscription": [CHANNEL, 1]}),
            json!("403::subscription_invalid"),
        ),
        (
            json!({"id": "7", "channel": "/meta/subscribe", "subscription": "/a/*/b"}),
            json!("403::subscription_invalid"),
        ),
        (
            json!({"id": "7", "channel": CHANNEL}),
            json!("400::data_missing"),
        ),
        (
            json!({"id": "7", "channel": "/service/*", "data": 1}),
            json!("405::channel_invalid"),
        ),
        (
            json!({"id": "7", "channel": 7, "data": 1}),
            json!("400::channel_missing"),
        ),
        (json!({"id": "7"}), json!("400::channel_missing")),
        (
            json!({"id": "7", "channel": "/meta/handshake/x"}),
            json!("403:/meta/handshake/x:publish_denied"),
        ),
        (
            json!({"id": "7", "channel": "/meta/connect", "clientId": "a\u{0}b"}),
            json!("402::session_unknown"),
        ),
        (
            json!({"id": "7", "channel": "/meta/connect", "clientId": {"a": []}}),
            json!("402::session_unknown"),
        ),
        (
            json!({"id": "7", "channel": "/meta/connect", "clientId": client.to_uppercase() + "0"}),
            json!("402::session_unknown"),
        ),
        (
            json!({"id": "7", "channel": "/meta/connect", "connectionType": 5, "advice": {"timeout": 0}, "ext": null}),
            Value::Null,
        ),
        (
            json!({"id": "7", "channel": "/meta/connect", "advice": {"timeout": "0", "interval": -1}, "ext": {"ack": 1e300}, "clientId": "x"}),
            json!("402::session_unknown"),
        ),
    ] {
        let mut message = message;
        if message.get("clientId").is_none() {
            message["clientId"] = json!(client);
        }
        let answer = raw.ask("7", &message.to_string()).await;
        assert_eq!(
            answer.get("error").unwrap_or(&Value::Null),
            &expected,
            "{message}"
        );
        assert_eq!(answer["successful"], expected.is_null(), "{message}");
    }
    for wildcard in [
        "/service/chatV2/*",
        "/service/**",
        "/**",
        "/meta/*",
        "/a",
        "/service/chatV2",
    ] {
        let message = json!({"id": "w", "channel": "/meta/subscribe", "clientId": client, "subscription": wildcard});
        let answer = raw.ask("w", &message.to_string()).await;
        assert!(
            answer["error"].as_str().unwrap().starts_with("403:"),
            "{answer}"
        );
    }
    let answer = raw.ask("n", &format!(r#"[{{"id":"n","channel":"/meta/connect","clientId":"{client}","data":[[[[]]]],"advice":{{"timeout":0}}}}]"#)).await;
    assert_eq!(answer["successful"], true);
}

#[tokio::test]
async fn frames_that_are_no_messages_close_their_socket_and_no_other() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let large = format!("[{}]", " ".repeat(5_000_000));
    let many = json!(vec![json!({"channel": "/meta/connect"}); 101]).to_string();
    let deep = "[".repeat(60_000);
    for (text, code) in [
        ("[[]]", 1002),
        ("[{},[{}]]", 1002),
        ("null", 1002),
        ("\"x\"", 1002),
        ("", 1007),
        ("{}{}", 1007),
        (r#"{"id":"1","id":"2","channel":"/meta/connect"}"#, 1007),
        ("{\"channel\":\"/meta/connect\u{0}\"}", 1007),
        (&deep, 1007),
        (&many, 1008),
        (&large, 1009),
    ] {
        let mut raw = Raw::open(&server).await;
        // The server may have closed before it was all sent.
        let _ = raw.0.send(Message::text(text)).await;
        let closed = raw.closed().await;
        let shown: String = text.chars().take(60).collect();
        // A close that met unread bytes may be seen as a reset.
        assert!(
            closed == Some(code) || (code == 1009 && closed.is_none()),
            "{shown}: {closed:?}"
        );
    }
    let mut raw = Raw::open(&server).await;
    raw.0.send(Message::binary(vec![0xff, 0xfe])).await.unwrap();
    assert_eq!(raw.closed().await, Some(1007));
    alice.say("still here").await;
}

#[tokio::test]
async fn a_bare_object_and_a_batch_with_a_handshake_are_answered() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    raw.say("{}").await;
    let frame = within("a frame", raw.0.next()).await.unwrap().unwrap();
    let said: Vec<Value> = serde_json::from_str(frame.to_text().unwrap()).unwrap();
    assert_eq!(said[0]["error"], "400::channel_missing", "{said:?}");
    let connect = json!({"id": "c", "channel": "/meta/connect"});
    let hello = json!({"id": "h", "channel": "/meta/handshake", "version": "1.0"});
    raw.say(&json!([connect, hello, hello, connect]).to_string())
        .await;
    let said = raw.until("h").await;
    assert_eq!((said.len(), &said[0]["successful"]), (1, &json!(true)));
    let client = said[0]["clientId"].as_str().unwrap().to_owned();
    let one = json!({"id": "c", "channel": "/meta/connect", "clientId": client});
    assert_eq!(raw.ask("c", &one.to_string()).await["successful"], true);

    let poller = Poller::greet(&server).await;
    let said = poller.ask(&json!([poller.connect("c"), hello])).await;
    assert_eq!(said.as_array().unwrap().len(), 1);
    assert_ne!(said[0]["clientId"], poller.client.as_str());
    let mut connect = poller.connect("c");
    connect["advice"] = json!({"timeout": 0});
    assert_eq!(poller.ask(&connect).await[0]["successful"], true);
    let (status, said) = poller.post("{}").await;
    assert_eq!(
        (status, &said[0]["error"]),
        (200, &json!("400::channel_missing"))
    );
}

#[tokio::test]
async fn whatever_becomes_of_sockets_others_hear_everything_once() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&alice.chat).await;
    for round in 0..10 {
        let mut vanish = Raw::open(&server).await;
        let client = vanish.greet(&json!({})).await;
        let steal =
            json!({"id": "1", "channel": "/meta/connect", "clientId": alice.bayeux.client_id});
        assert_eq!(
            vanish.ask("1", &steal.to_string()).await["error"],
            "402::session_unknown"
        );
        let connect = json!({"id": "2", "channel": "/meta/connect", "clientId": client});
        vanish.say(&connect.to_string()).await;
        match round % 3 {
            0 => drop(vanish),
            1 => vanish.0.get_mut().shutdown().await.unwrap(),
            _ => vanish.0.close(None).await.unwrap(),
        }
        // Half a request, and no more.
        let mut half = TcpStream::connect(server.public).await.unwrap();
        half.write_all(
            b"POST /genesys/cometd HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n[{\"chan",
        )
        .await
        .unwrap();
        half.shutdown().await.unwrap();
        let mut rest = Vec::new();
        within("the end of half a request", half.read_to_end(&mut rest))
            .await
            .unwrap();
        let text = format!("round {round}");
        alice.say(&text).await;
        bob.say(&alice.chat, &format!("answer {round}")).await;
    }
    alice.until(|event| event["text"] == "answer 9").await;
    let expected: Vec<String> = (0..10)
        .flat_map(|round| [format!("round {round}"), format!("answer {round}")])
        .collect();
    assert_eq!(texts(&alice.seen), expected);
}

#[tokio::test]
async fn a_repeated_id_is_the_same_message_only_if_all_of_it_is() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        let say = |text: &str| {
            json!({"id": "same", "channel": CHANNEL, "clientId": alice.bayeux.client_id,
                "data": {"operation": "sendMessage", "secureKey": alice.key, "message": text}})
        };
        let batch = json!([say("one"), say("one"), say("two")]);
        let replies = alice.bayeux.exchange(batch, "same").await;
        assert!(
            replies.iter().all(|reply| reply["successful"] == true),
            "{replies:?}"
        );
        alice.say("three").await;
        assert_eq!(texts(&alice.seen), ["one", "two", "three"], "{door:?}");
    }
}
