//! Bayeux as hostile and clumsy clients speak it: each gets its answer, nobody else suffers, and nothing is lost.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Agent, BOB, Bayeux, Caller, Customer, Door, Server, events, texts, within};

const PATH: &str = "/genesys/cometd";
const CHANNEL: &str = "/service/chatV2/customer-support";

/// A WebSocket that says exactly what the story wants.
struct Raw(WebSocketStream<TcpStream>);

impl Raw {
    async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.public).await.unwrap();
        let url = format!("ws://{}{PATH}", server.public);
        Self(
            tokio_tungstenite::client_async(url, stream)
                .await
                .unwrap()
                .0,
        )
    }

    /// Shakes hands, with whatever else in the handshake; the client's id.
    async fn greet(&mut self, more: &Value) -> String {
        let mut hello = json!({"id": "hi", "channel": "/meta/handshake", "version": "1.0"});
        for (name, value) in more.as_object().unwrap() {
            hello[name] = value.clone();
        }
        self.say(&hello.to_string()).await;
        let reply = self.until("hi").await.pop().unwrap();
        reply["clientId"].as_str().unwrap().to_owned()
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Everything said up to the reply to `id`, which is the last.
    async fn until(&mut self, id: &str) -> Vec<Value> {
        let mut said = Vec::new();
        loop {
            let frame = within("a frame", self.0.next()).await.unwrap().unwrap();
            if let Message::Text(text) = frame {
                for message in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
                    let last = message["id"] == id;
                    said.push(message);
                    if last {
                        return said;
                    }
                }
            } else if let Message::Close(close) = frame {
                panic!("closed: {close:?} after {said:?}");
            }
        }
    }

    /// Sends, and gives back the reply to `id`.
    async fn ask(&mut self, id: &str, text: &str) -> Value {
        self.say(text).await;
        self.until(id).await.pop().unwrap()
    }

    /// The code of the server's close.
    async fn closed(&mut self) -> Option<u16> {
        loop {
            match within("the end of the WebSocket", self.0.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// One HTTP client with its cookie, as a browser has it.
struct Poller {
    caller: Caller,
    url: String,
    cookie: String,
    client: String,
}

impl Poller {
    async fn greet(server: &Server) -> Self {
        let (caller, url) = (Caller::new(), server.public(PATH));
        let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0"}]);
        let reply = caller
            .post(&url, "application/json", hello.to_string())
            .await;
        let cookie = reply
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let client = reply.json()[0]["clientId"].as_str().unwrap().to_owned();
        let poller = Self {
            caller,
            url,
            cookie,
            client,
        };
        let first = poller.ask(&poller.connect("2")).await;
        assert_eq!(first[0]["successful"], true, "{first}");
        poller
    }

    fn connect(&self, id: &str) -> Value {
        json!({"id": id, "channel": "/meta/connect", "clientId": self.client})
    }

    async fn post(&self, body: &str) -> (u16, Value) {
        let request = self
            .caller
            .request(reqwest::Method::POST, &self.url)
            .header("cookie", &self.cookie)
            .body(body.to_owned());
        let reply = self.caller.send(request).await;
        (reply.status, reply.json())
    }

    async fn ask(&self, body: &Value) -> Value {
        let (status, reply) = self.post(&body.to_string()).await;
        assert_eq!(status, 200, "{body}");
        reply
    }
}

fn reply<'a>(messages: &'a Value, id: &str) -> &'a Value {
    let all = messages.as_array().unwrap();
    let found = all.iter().find(|message| message["id"] == id);
    found.unwrap_or_else(|| panic!("no reply to {id}: {messages}"))
}

// The client was forgotten with its goodbye, and whoever it had asked something of in the same request found nobody to
// answer: neither the publish nor the disconnect was ever answered.
#[tokio::test]
async fn who_asks_and_leaves_in_one_request_is_answered_both() {
    let server = Server::start().await;
    for door in Door::BOTH {
        let mut customer = Bayeux::connect(door, server.public, PATH, None).await;
        let publish = json!({"id": "p", "channel": CHANNEL, "clientId": customer.client_id,
            "data": {"operation": "requestChat", "nickname": "Alice"}});
        both_are_answered(&mut customer, publish).await;

        let alice = Customer::alice(&server, door).await;
        let token = json!({"authentication": {"token": BOB}});
        let mut bob = Bayeux::connect(door, server.internal, "/cometd", Some(token)).await;
        let publish = json!({"id": "p", "channel": "/service/agent", "clientId": bob.client_id,
            "data": {"operation": "join", "requestId": "1", "session": alice.chat}});
        both_are_answered(&mut bob, publish).await;
    }
}

async fn both_are_answered(client: &mut Bayeux, publish: Value) {
    let bye = json!({"id": "d", "channel": "/meta/disconnect", "clientId": client.client_id});
    let replies = within("both answers", client.exchange(json!([publish, bye]), "d")).await;
    let replies = Value::from(replies);
    assert_eq!(reply(&replies, "p")["successful"], true, "{replies}");
    assert_eq!(reply(&replies, "d")["successful"], true, "{replies}");
    let late = client.meta_connect(None).await;
    assert_eq!(late["error"], "402::session_unknown", "{late}");
    assert_eq!(late["advice"]["reconnect"], "handshake");
}

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
async fn of_two_connects_the_newer_hears_what_happens() {
    let server = Server::start().await;
    let mut bob = Agent::bob(&server).await;
    let poller = Poller::greet(&server).await;
    let request = json!({"id": "r", "channel": CHANNEL, "clientId": poller.client,
        "data": {"operation": "requestChat", "nickname": "Alice"}});
    let mut seen = poller.ask(&request).await.as_array().unwrap().clone();
    while !seen
        .iter()
        .any(|message| message["data"]["chatId"].is_string())
    {
        let more = poller.ask(&poller.connect("e")).await;
        seen.extend(more.as_array().unwrap().clone());
    }
    let chat = seen
        .iter()
        .find_map(|message| message["data"]["chatId"].as_str());
    let chat = chat.unwrap().to_owned();
    let (older, newer) = (poller.connect("5"), poller.connect("6"));
    let (older, newer) = (older.to_string(), newer.to_string());
    let talk = async {
        bob.join(&chat).await;
        bob.say(&chat, "to whom?").await;
    };
    let ((first, second), ()) = tokio::join!(
        async { tokio::join!(poller.post(&older), poller.post(&newer)) },
        talk
    );
    let statuses = [first.0, second.0];
    assert!(
        statuses.contains(&409) && statuses.contains(&200),
        "{statuses:?}"
    );
    let mut heard = [first.1, second.1].concat_arrays();
    while !heard
        .iter()
        .any(|message| message["data"].to_string().contains("to whom?"))
    {
        let more = poller.ask(&poller.connect("7")).await;
        heard.extend(more.as_array().unwrap().clone());
    }
    let indexes: Vec<u64> = heard
        .iter()
        .flat_map(|message| events(&message["data"]))
        .filter_map(|event| event["index"].as_u64())
        .collect();
    assert_eq!(indexes, [2, 3], "each once, in order");
}

trait Concat {
    fn concat_arrays(self) -> Vec<Value>;
}

impl Concat for [Value; 2] {
    fn concat_arrays(self) -> Vec<Value> {
        let arrays = self.iter().filter_map(Value::as_array);
        arrays.flatten().cloned().collect()
    }
}

#[tokio::test]
async fn a_goodbye_releases_the_connect_that_is_held() {
    let server = Server::start().await;
    let poller = Poller::greet(&server).await;
    let held = poller.connect("5").to_string();
    let bye = json!({"id": "d", "channel": "/meta/disconnect", "clientId": poller.client});
    let farewell = async {
        // Until the poll is there the goodbye would find nothing to release.
        let url = server.internal("/metrics");
        within("the poll is held", async {
            while !poller
                .caller
                .get(&url)
                .await
                .text()
                .contains("parlor_long_polls{listener=\"public\"} 1")
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        poller.ask(&bye).await
    };
    let ((status, released), said) = tokio::join!(poller.post(&held), farewell);
    assert_eq!(status, 200);
    assert_eq!(reply(&released, "5")["advice"]["reconnect"], "none");
    assert_eq!(reply(&said, "d")["successful"], true);
    let late = poller.ask(&poller.connect("9")).await;
    assert_eq!(late[0]["error"], "402::session_unknown");

    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({})).await;
    let message =
        |id: &str, channel: &str| json!({"id": id, "channel": channel, "clientId": client});
    raw.ask("1", &message("1", "/meta/connect").to_string())
        .await;
    let batch = json!([
        message("2", "/meta/connect"),
        message("3", "/meta/connect"),
        message("4", "/meta/disconnect"),
        message("5", "/meta/connect"),
        {"id": "6", "channel": CHANNEL, "clientId": client, "data": {"operation": "requestChat", "nickname": "M"}}
    ]);
    raw.say(&batch.to_string()).await;
    let said = Value::from(raw.until("6").await);
    assert!(
        !said
            .as_array()
            .unwrap()
            .iter()
            .any(|message| message["id"] == "2"),
        "overtaken"
    );
    assert_eq!(reply(&said, "3")["advice"]["reconnect"], "none");
    assert_eq!(reply(&said, "4")["successful"], true);
    for late in ["5", "6"] {
        assert_eq!(reply(&said, late)["error"], "402::session_unknown");
    }
}

#[tokio::test]
async fn acknowledgements_out_of_order_lose_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    let client = raw.greet(&json!({"ext": {"ack": true}})).await;
    let connect = |id: &str, ack: Value| {
        json!({"id": id, "channel": "/meta/connect", "clientId": client, "ext": {"ack": ack}, "advice": {"timeout": 0}}).to_string()
    };
    raw.ask("1", &connect("1", json!(0))).await;
    let request = json!({"id": "r", "channel": CHANNEL, "clientId": client,
        "data": {"operation": "requestChat", "nickname": "Alice"}});
    assert_eq!(raw.ask("r", &request.to_string()).await["successful"], true);
    let mut seen: Vec<u64> = Vec::new();
    let mut key = String::new();
    let odd = [
        json!(99_999),
        json!(-1),
        json!("x"),
        json!(null),
        json!(0),
        json!(1),
        json!([1]),
        json!(2),
    ];
    for (place, ack) in odd.iter().cycle().take(24).enumerate() {
        let id = format!("c{place}");
        raw.say(&connect(&id, ack.clone())).await;
        for message in raw.until(&id).await {
            if let Some(known) = message["data"]["secureKey"].as_str() {
                known.clone_into(&mut key);
            }
            seen.extend(
                events(&message["data"])
                    .iter()
                    .filter_map(|event| event["index"].as_u64()),
            );
        }
        if !key.is_empty() && place < 16 {
            let say = json!({"id": format!("s{place}"), "channel": CHANNEL, "clientId": client,
                "data": {"operation": "sendMessage", "secureKey": key, "message": place.to_string()}});
            let said = raw.ask(&format!("s{place}"), &say.to_string()).await;
            assert_eq!(said["successful"], true, "{said}");
        }
    }
    let mut known = seen.clone();
    known.sort_unstable();
    known.dedup();
    let last = known.last().copied().unwrap();
    assert!(last > 10, "{seen:?}");
    assert_eq!(known, (1..=last).collect::<Vec<_>>(), "{seen:?}");
    let mut next = 1;
    for index in seen {
        assert!(index <= next, "{index} came before {next}");
        next = next.max(index + 1);
    }
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
