//! Rows 42–62: connects.

use std::sync::Arc;

use super::*;
use crate::bayeux::{Carrier, Config, ConnectionId, Input};

#[test]
fn row_042_and_043_the_first_connect_is_answered_at_once() {
    let mut broker = Broker::new();
    let client = Client::greet(&mut broker, 1, json!({}));
    let reply = broker.ask(1, &client.connect_at_once());
    let advice = json!({"reconnect": "retry", "interval": 0, "timeout": 30_000});
    assert_eq!(
        reply,
        [json!({"id": "c", "channel": "/meta/connect", "successful": true, "advice": advice})]
    );
}

#[test]
fn row_044_also_without_advice() {
    let mut broker = Broker::new();
    let client = Client::greet(&mut broker, 1, json!({}));
    assert_eq!(broker.ask(1, &client.connect()).len(), 1);
    let held = broker.post(1, &client.connect());
    assert_eq!(broker.answer(held), None);
}

#[test]
fn row_045_the_next_is_held_for_the_timeout() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(1, &client.connect());
    broker.wait(Duration::from_millis(29_999));
    assert_eq!(broker.answer(held), None);
    broker.wait(Duration::from_millis(1));
    let reply = json!({"id": "c", "channel": "/meta/connect", "successful": true});
    assert_eq!(broker.answer(held), Some(vec![reply.clone()]));

    let client = Client::on_socket(&mut broker, 5, json!({}));
    assert_eq!(broker.frame(5, &client.connect()), [] as [Value; 0]);
    broker.wait(Duration::from_millis(29_999));
    assert_eq!(broker.read(5), [] as [Value; 0]);
    broker.wait(Duration::from_millis(1));
    assert_eq!(broker.read(5), [reply]);
}

#[test]
fn row_046_and_047_the_client_may_ask_for_less() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let mut connect = client.connect();
    connect["advice"] = json!({"timeout": 1_500});
    let held = broker.post(1, &connect);
    broker.wait(Duration::from_millis(1_499));
    assert_eq!(broker.answer(held), None);
    broker.wait(Duration::from_millis(1));
    assert!(broker.answer(held).is_some());
    let held = broker.post(1, &client.connect());
    broker.wait(Duration::from_millis(29_999));
    assert_eq!(broker.answer(held), None, "the wish held for one connect");
    broker.wait(Duration::from_millis(1));
    assert!(broker.answer(held).is_some());
    assert_eq!(
        broker.ask(1, &client.connect_at_once())[0]["successful"],
        true
    );
    connect["advice"] = json!({"timeout": 3_600_000});
    let held = broker.post(1, &connect);
    broker.wait(seconds(30));
    assert!(
        broker.answer(held).is_some(),
        "no longer than the server's own"
    );
}

#[test]
fn row_048_an_event_releases_it() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(1, &client.connect());
    let _ = broker.send(client.id, 7, 1);
    let messages = broker.answer(held).expect("an answer");
    assert_eq!(messages[0], json!({"channel": "/service/x", "data": 1}));
    assert_eq!(messages[1]["channel"], "/meta/connect");
}

#[test]
fn row_049_an_unknown_client_shall_shake_hands() {
    let reply = Broker::new().ask(
        1,
        &json!({"id": 9, "channel": "/meta/connect", "clientId": "nobody"}),
    );
    let advice = json!({"reconnect": "handshake", "interval": 0});
    assert_eq!(reply[0]["error"], "402::session_unknown");
    assert_eq!(reply[0]["advice"], advice);
    assert_eq!(reply[0]["id"], "9");
}

#[test]
fn row_050_and_055_silence_ends_a_session() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    broker.wait(Duration::from_millis(59_999));
    assert_eq!(broker.told, []);
    broker.wait(Duration::from_millis(1));
    assert_eq!(broker.told, [Told::Gone("expired")]);
    let reply = broker.ask(1, &client.connect());
    assert_eq!(reply[0]["error"], "402::session_unknown");
    assert_eq!(reply[0]["advice"]["reconnect"], "handshake");
}

#[test]
fn row_051_a_newer_connect_takes_the_place() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let older = broker.post(1, &client.connect());
    let newer = broker.post(2, &client.connect());
    assert_eq!(broker.responses.get(&older), Some(&None), "an error status");
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.answer(newer).expect("an answer")), [1]);
}

#[test]
fn row_052_on_a_socket_only_the_newer_is_answered() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.connect());
    let mut newer = client.connect();
    newer["id"] = json!("newer");
    broker.frame(1, &newer);
    broker.wait(seconds(30));
    let replies = broker.read(1);
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["id"], "newer");
}

#[test]
fn row_053_a_connect_among_others_is_not_held() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let body = json!([client.connect(), client.publish("1", "/service/x", 1)]);
    let replies = broker.ask(1, &body);
    assert_eq!(replies[0]["channel"], "/meta/connect");
    assert_eq!(replies[1]["channel"], "/service/x");
}

#[test]
fn row_054_a_client_that_vanishes_keeps_its_events() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(1, &client.connect());
    let exchange = crate::bayeux::ExchangeId(held);
    broker.handle(client.id, Input::Abandoned { exchange });
    let _ = broker.send(client.id, 7, 1);
    broker.wait(seconds(59));
    assert_eq!(data(&broker.ask(2, &client.connect())), [1]);

    let held = broker.post(1, &client.connect());
    broker.wait(seconds(20));
    let exchange = crate::bayeux::ExchangeId(held);
    broker.handle(client.id, Input::Abandoned { exchange });
    broker.wait(Duration::from_millis(59_999));
    assert_eq!(broker.sessions.len(), 1, "counted from the cut");
    broker.wait(Duration::from_millis(1));
    assert!(broker.sessions.is_empty());
}

#[test]
fn row_056_while_held_it_never_expires() {
    let mut broker = Broker::with(|config| config.timeout = seconds(3_600));
    let client = Client::new(&mut broker, 1);
    broker.post(1, &client.connect());
    broker.wait(seconds(3_599));
    assert_eq!(broker.sessions.len(), 1);
}

#[test]
fn row_057_any_message_is_a_sign_of_life() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let unsubscribe = client.message("/meta/unsubscribe", json!({"subscription": "/a"}));
    for message in [
        client.publish("1", "/service/x", 1),
        client.subscribe("/a"),
        unsubscribe,
    ] {
        broker.wait(seconds(50));
        broker.ask(1, &message);
    }
    broker.wait(Duration::from_millis(59_999));
    assert_eq!(broker.sessions.len(), 1);
    broker.wait(Duration::from_millis(1));
    assert_eq!(broker.sessions.len(), 0);
}

#[test]
fn row_058_other_options_are_told() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let config = Config {
        timeout: seconds(5),
        interval: seconds(1),
        ..Config::default()
    };
    broker.handle(client.id, Input::Configured(Arc::new(config)));
    let held = broker.post(1, &client.connect());
    broker.wait(seconds(5));
    let reply = broker.answer(held).expect("an answer");
    let advice = json!({"reconnect": "retry", "interval": 1_000, "timeout": 5_000});
    assert_eq!(reply[0]["advice"], advice);
    let held = broker.post(1, &client.connect());
    broker.wait(seconds(5));
    let reply = broker.answer(held).expect("an answer");
    assert!(reply[0].get("advice").is_none(), "it is told once");
}

#[test]
fn row_059_an_announced_pause_counts() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let mut connect = client.connect();
    connect["advice"] = json!({"timeout": 0, "interval": 30_000});
    broker.ask(1, &connect);
    broker.wait(seconds(89));
    assert_eq!(broker.sessions.len(), 1);
    broker.wait(seconds(1));
    assert_eq!(broker.sessions.len(), 0);

    let mut broker = Broker::with(|config| config.interval = seconds(30));
    let client = Client::new(&mut broker, 1);
    let reply = broker.ask(1, &client.connect_at_once());
    assert_eq!(reply[0]["advice"]["interval"], 30_000);
    broker.wait(Duration::from_millis(89_999));
    assert_eq!(broker.sessions.len(), 1, "it does as it is advised");
    broker.wait(Duration::from_millis(1));
    assert_eq!(broker.sessions.len(), 0);
}

#[test]
fn row_060_a_session_may_change_its_transport() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    broker.frame(5, &client.connect());
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.read(5)), [1]);
    let held = broker.post(1, &client.connect());
    assert_eq!(broker.closed, [ConnectionId(5)]);
    let _ = broker.send(client.id, 7, 2);
    assert_eq!(data(&broker.answer(held).expect("an answer")), [2]);
}

#[test]
fn row_061_too_many_of_one_browser_are_slowed_down() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let crowded = broker.request(Carrier::Http, 1, &client.connect(), true);
    let reply = broker.answer(crowded).expect("an answer");
    let advice = json!({"reconnect": "retry", "interval": 2_000, "multiple-clients": true});
    assert_eq!(reply[0]["advice"], advice);

    let mut broker = Broker::with(|config| config.multi_session_interval = Duration::ZERO);
    let client = Client::new(&mut broker, 1);
    let crowded = broker.request(Carrier::Http, 1, &client.connect(), true);
    let reply = broker.answer(crowded).expect("an answer");
    assert_eq!(reply[0]["successful"], false);
    assert_eq!(reply[0]["advice"], json!({"reconnect": "none"}));
}

#[test]
fn a_server_that_ends_says_when_to_come_back() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(1, &client.connect());
    let pause = seconds(2);
    broker.handle(client.id, Input::Drain { pause });
    let advice = json!({"reconnect": "retry", "interval": 2_000});
    assert_eq!(broker.answer(held).expect("an answer")[0]["advice"], advice);
    assert_eq!(broker.ask(1, &client.connect())[0]["advice"], advice);
}

use super::super::broker::Told;
