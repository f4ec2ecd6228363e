//! The timestamp extension: asked for message by message.

use super::*;

const THEN: &str = "Tue Nov 14 22:13:20 GMT 2023";

fn stamped(mut message: Value) -> Value {
    message["timestamp"] = json!("Tue, 14 Nov 2023 22:13:19 GMT");
    message
}

#[test]
fn a_reply_is_stamped_where_the_request_was() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let messages = [
        json!({"channel": "/meta/handshake", "version": "1.0"}),
        json!({"channel": "/meta/handshake", "minimumVersion": "9"}),
        json!({"channel": "/meta/handshake", "ext": {"stranger": true}}),
        json!({"channel": "/meta/connect", "clientId": "nobody"}),
        client.connect_at_once(),
        client.subscribe("/a"),
        client.subscribe("/a"),
        client.subscribe("nope"),
        client.message("/meta/unsubscribe", json!({"subscription": "/a"})),
        client.publish("1", "/b", 1),
        client.publish("1", "/b", 1),
        client.publish("-", "/b", 1),
        client.message("/meta/disconnect", json!({})),
    ];
    for message in messages {
        // The goodbye ends the client: it comes once.
        let is_last = message["channel"] == "/meta/disconnect";
        if !is_last {
            let reply = broker.ask(1, &message);
            assert!(reply[0].get("timestamp").is_none(), "{message}");
        }
        let reply = broker.ask(1, &stamped(message.clone()));
        assert_eq!(reply[0]["timestamp"], THEN, "{message}");
    }
}

#[test]
fn what_is_answered_later_is_stamped_then() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(client.poll, &stamped(client.connect()));
    broker.now.wall.0 += 1_000;
    let _ = broker.send(client.id, 7, 1);
    let reply = broker.answer(held).expect("an answer");
    assert!(reply[0].get("timestamp").is_none(), "events are not");
    assert_eq!(reply[1]["timestamp"], "Tue Nov 14 22:13:21 GMT 2023");
}

#[test]
fn any_timestamp_will_do() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    for odd in [json!(null), json!(1e300), json!({}), json!("\u{0}")] {
        let mut message = client.subscribe("/a");
        message["timestamp"] = odd;
        assert_eq!(broker.ask(1, &message)[0]["timestamp"], THEN);
    }
}
