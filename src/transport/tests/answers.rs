//! What every request is answered with, whatever it is about; and what very many clients leave behind.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::server::header;
use super::*;
use crate::id::ClientId;

#[tokio::test]
async fn row_001_to_003_an_array_is_answered_by_an_array_with_a_reply_to_each() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    let subscribe = json!({"id": "3", "channel": "/meta/subscribe", "clientId": client, "subscription": "/service/echo"});
    let unknown = json!({"id": "4", "channel": "/meta/nothing", "clientId": client});
    let body = json!([subscribe, unknown, publish(&client, "5", 1)]);
    let reply = http.post(&body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        header(&reply.head, "content-type"),
        Some("application/json")
    );
    assert!(reply.body.starts_with('[') && reply.body.ends_with(']'));
    let replies: Vec<Value> = reply.messages();
    let replies: Vec<_> = replies
        .iter()
        .filter(|reply| reply["id"].is_string())
        .map(|reply| (reply["id"].as_str(), reply["successful"].as_bool()))
        .collect();
    let expected = [("3", true), ("4", false), ("5", true)];
    assert_eq!(
        replies,
        expected.map(|(id, well)| (Some(id), Some(well))),
        "one each, in order"
    );

    let bare = http.post(&subscribe).await;
    let array = http.post(&json!([subscribe])).await;
    assert_eq!((bare.status, bare.body), (array.status, array.body));
}

#[tokio::test]
async fn row_004_and_013_data_comes_back_as_it_was_written() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let written = [
        r#""é € 😀 \ud83d\ude00 \u00e9""#,
        "1e400",
        "-0",
        "9223372036854775808",
        "0.1000000000000000055511151231257827",
        &deep,
    ];
    for (id, data) in written.into_iter().enumerate() {
        let body = format!(
            r#"{{"id":"{id}","channel":"/service/echo","clientId":"{client}","data":{data}}}"#
        );
        http.raw("POST", "application/json", &body).await;
        http.read().await;
        let reply = http.post(&connect_at_once(&client)).await;
        let event = format!(r#"{{"channel":"/service/echo","data":{data}}}"#);
        assert!(reply.body.contains(&event), "{}", reply.body);
    }
    let deeper = format!(r#"{{"channel":"/service/echo","clientId":"{client}","data":[{deep}]}}"#);
    http.raw("POST", "application/json", &deeper).await;
    assert_eq!(http.read().await.status, 400);

    let mut socket = server.websocket().await;
    for (id, data) in written.into_iter().enumerate() {
        // Under another id: it is another message.
        let body = format!(
            r#"{{"id":"s{id}","channel":"/service/echo","clientId":"{client}","data":{data}}}"#
        );
        socket.send(Frame::text(body)).await.expect("a connection");
        let connect = connect_at_once(&client).to_string();
        socket
            .send(Frame::text(connect))
            .await
            .expect("a connection");
        let event = format!(r#"{{"channel":"/service/echo","data":{data}}}"#);
        let mut said = String::new();
        while !said.contains(&event) {
            let frame = socket.next().await.expect("a frame").expect("a connection");
            said.push_str(frame.to_text().expect("text"));
        }
    }
}

#[tokio::test]
async fn row_006_several_messages_of_a_form_are_one_request() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    let kind = "application/x-www-form-urlencoded";
    let encoded = |body: &Value| {
        let escape = |byte: u8| format!("%{byte:02x}");
        body.to_string().bytes().map(escape).collect::<String>()
    };
    let object = publish(&client, "3", "+ &");
    let array = json!([publish(&client, "4", 2), publish(&client, "5", 3)]);
    let body = format!("message={}&message={}", encoded(&object), encoded(&array));
    http.raw("POST", kind, &body).await;
    let replies = http.read().await.messages();
    let said = http.post(&connect_at_once(&client)).await.messages();
    assert_eq!(data(&said), [json!("+ &"), json!(2), json!(3)]);
    let ids = replies.iter().filter_map(|message| message["id"].as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["3", "4", "5"]);
    for bad in ["", "other=1", "message=", "message=%5B%5D&message=x"] {
        http.raw("POST", kind, bad).await;
        assert_eq!(http.read().await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn row_027_ids_are_random_in_every_bit() {
    let server = Server::start().await;
    let mut http = server.http().await;
    let mut ids = HashSet::new();
    for _ in 0..64 {
        let reply = http.post(&handshake()).await.messages();
        let id = reply[0]["clientId"].as_str().expect("a client").to_owned();
        assert!(id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(ids.insert(id), "twice");
    }
    let digits: Vec<u8> = (0..62)
        .map(|digit| ClientId::new(digit).to_string().into_bytes()[21])
        .collect();
    let number = |id: &String| {
        id.bytes().fold(0_u128, |number, letter| {
            let digit = digits.iter().position(|digit| *digit == letter);
            number * 62 + digit.expect("a digit") as u128
        })
    };
    let (ones, zeros) = ids
        .iter()
        .map(number)
        .fold((0, 0), |(ones, zeros), id| (ones | id, zeros | !id));
    assert_eq!((ones, zeros), (u128::MAX, u128::MAX), "a bit never changes");
}

#[tokio::test]
async fn row_108_a_connect_and_a_goodbye_at_once_leave_nothing() {
    let server = Server::start().await;
    let mut outcomes = HashSet::new();
    for round in 0..60 {
        let (mut poll, client) = server.client().await;
        let mut talk = server.http().await;
        talk.cookie = poll.cookie.clone();
        let bye = json!({"id": "3", "channel": "/meta/disconnect", "clientId": client});
        let both = async {
            poll.send(&connect(&client)).await;
            // Every third is held for certain; of the others either may be read first.
            while round % 3 == 0 && server.registry.counters().polls == 0 {
                tokio::task::yield_now().await;
            }
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let said = talk.post(&bye).await;
            (poll.read().await.messages(), said.messages())
        };
        let both = tokio::time::timeout(Duration::from_secs(10), both).await;
        let (polled, said) = both.expect("both are answered");
        assert_eq!(said[0]["successful"], true);
        let reconnect = polled[0]["advice"]["reconnect"].as_str();
        outcomes.insert(reconnect.map(str::to_owned));
        // It is told once: the toy would not bear it twice.
        assert_eq!(
            server.toy.newest().gone(),
            Some("Disconnected { ext: None }")
        );
    }
    let (released, too_late) = (Some("none".to_owned()), Some("handshake".to_owned()));
    assert!(outcomes.remove(&released));
    outcomes.remove(&too_late);
    assert!(outcomes.is_empty(), "{outcomes:?}");
    let counters = server.registry.counters();
    assert_eq!((counters.sessions, counters.polls), (0, 0));
}

#[tokio::test]
async fn row_122_ten_thousand_that_shake_hands_and_vanish_leave_nothing() {
    const EACH: usize = 5_000;
    let server = Server::with(|config| config.max_interval = Duration::from_millis(200)).await;
    let hello = handshake().to_string();
    for number in 0..EACH {
        let mut http = server.http().await;
        http.raw("POST", "application/json", &hello).await;
        let mut socket = server.websocket().await;
        socket
            .send(Frame::text(hello.as_str()))
            .await
            .expect("a connection");
        if number % 2 == 0 {
            http.read().await;
            socket.next().await.expect("a frame").expect("a connection");
        }
    }
    let left = || {
        let counters = server.registry.counters();
        (counters.sessions, counters.websockets, counters.polls)
    };
    let emptied = async {
        while left() != (0, 0, 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let emptied = tokio::time::timeout(Duration::from_secs(20), emptied).await;
    assert!(emptied.is_ok(), "{:?} are left", left());
}
