//! Rows 124–136: the acknowledgement extension.

use bytes::Bytes;

use super::super::broker::Told;
use super::*;
use crate::bayeux::{Event, Offer};

fn acknowledged(client: &Client, number: u64) -> Value {
    let mut connect = client.connect();
    connect["ext"] = json!({"ack": number});
    connect
}

fn with_ack() -> (Broker, Client) {
    let mut broker = Broker::new();
    let client = Client::greet(&mut broker, 1, json!({"ack": true}));
    let first = broker.ask(client.poll, &acknowledged(&client, 0));
    assert_eq!(first[0]["ext"], json!({"ack": 1}));
    (broker, client)
}

#[test]
fn row_125_and_127_connect_replies_are_counted() {
    let (mut broker, client) = with_ack();
    let _ = broker.send(client.id, 7, 1);
    let second = broker.ask(client.poll, &acknowledged(&client, 1));
    assert_eq!(data(&second), [1]);
    assert_eq!(second[1]["ext"], json!({"ack": 2}));
    let third = broker.post(client.poll, &acknowledged(&client, 2));
    assert_eq!(broker.told, [Told::Confirmed(7, 1)]);
    broker.wait(seconds(30));
    let third = broker.answer(third).expect("an answer");
    assert_eq!(data(&third).len(), 0);
    assert_eq!(third[0]["ext"], json!({"ack": 3}));
}

#[test]
fn row_126_and_129_a_stale_number_or_none_rewinds() {
    for connect in [json!({"ack": 1}), json!({})] {
        let (mut broker, client) = with_ack();
        let _ = broker.send(client.id, 7, 1);
        broker.ask(client.poll, &acknowledged(&client, 1));
        let mut again = client.connect();
        again["ext"] = connect;
        let again = broker.post(client.poll, &again);
        assert_eq!(broker.told, [Told::Rewind(7, 0)]);
        let _ = broker.send(client.id, 7, 1);
        assert_eq!(data(&broker.answer(again).expect("an answer")), [1]);
    }
}

// Of messages that cannot be fetched again the session itself has to know which of them are newer, and in which order.
#[test]
fn row_126_and_129_what_was_not_acknowledged_comes_before_what_is_new() {
    for (stale, expected) in [
        (json!({"ack": 1}), vec![1, 2, 3]),
        (json!({"ack": 2}), vec![2, 3]),
        (json!({}), vec![1, 2, 3]),
    ] {
        let (mut broker, client) = with_ack();
        for number in [1, 2] {
            broker.ask(
                client.talk,
                &client.publish(&number.to_string(), "/service/echo", number),
            );
            let mut connect = acknowledged(
                &client,
                if expected[0] == 1 {
                    1
                } else {
                    u64::from(number == 2) + 1
                },
            );
            connect["advice"] = json!({"timeout": 0});
            assert!(data(&broker.ask(client.poll, &connect)).contains(&json!(number)));
        }
        broker.ask(client.talk, &client.publish("3", "/service/echo", 3));
        let mut again = client.connect();
        again["ext"] = stale;
        assert_eq!(data(&broker.ask(client.poll, &again)), expected);
    }
}

#[test]
fn row_128_with_acknowledgement_events_come_with_connects_only() {
    let (mut broker, client) = with_ack();
    let held = broker.post(client.poll, &acknowledged(&client, 1));
    let reply = broker.ask(client.talk, &client.publish("1", "/service/echo", 1));
    assert_eq!(data(&reply).len(), 0);
    assert_eq!(data(&broker.answer(held).expect("an answer")), [1]);

    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({"ack": true}));
    let reply = broker.frame(1, &client.publish("1", "/service/echo", 1));
    assert_eq!(data(&reply).len(), 0);
    let messages = broker.frame(1, &acknowledged(&client, 1));
    assert_eq!(messages[0]["data"], 1, "its events first");
    assert_eq!(messages[1]["ext"], json!({"ack": 2}));
}

#[test]
fn row_130_a_cut_while_held_loses_nothing() {
    let (mut broker, client) = with_ack();
    broker.post(client.poll, &acknowledged(&client, 1));
    broker.handle(client.id, super::confirm::closed(client.poll, false));
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.ask(9, &acknowledged(&client, 1))), [1]);
}

#[test]
fn row_132_no_agreement_no_numbers() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let mut connect = client.connect_at_once();
    connect["ext"] = json!({"ack": 3});
    assert!(broker.ask(1, &connect)[0].get("ext").is_none());
}

#[test]
fn row_136_delivery_by_connects_only_can_be_configured() {
    let mut broker = Broker::with(|config| config.meta_connect_deliver_only = true);
    let client = Client::on_socket(&mut broker, 1, json!({}));
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(broker.read(1).len(), 0);
    assert_eq!(data(&broker.frame(1, &client.connect())), [1]);

    let client = Client::new(&mut broker, 2);
    let reply = broker.ask(client.talk, &client.publish("1", "/service/echo", 1));
    assert_eq!(data(&reply).len(), 0);
    assert_eq!(data(&broker.ask(client.poll, &client.connect())), [1]);
}

#[test]
fn row_131_an_overtaken_connect_takes_nothing_with_it() {
    let (mut broker, client) = with_ack();
    let older = broker.post(client.poll, &acknowledged(&client, 1));
    let said = Event {
        message: Bytes::from_static(br#"{"channel":"/service/x","data":5}"#),
        source: None,
    };
    // Answered, but the answer is lost: the newer connect was sent before it came.
    assert_eq!(broker.deliver(client.id, said), Offer::Queued);
    assert_eq!(data(&broker.answer(older).expect("an answer")), [5]);
    let newer = broker.ask(client.talk, &acknowledged(&client, 1));
    assert_eq!(data(&newer), [5]);
    // Overtaken while held: what happens next comes by the newer.
    let older = broker.post(client.poll, &acknowledged(&client, 3));
    let newer = broker.post(client.talk, &acknowledged(&client, 3));
    assert_eq!(broker.answer(older), None);
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.answer(newer).expect("an answer")), [1]);
    assert_eq!(broker.told, []);
}

#[test]
fn acknowledging_what_was_never_sent_confirms_no_more_than_was() {
    let (mut broker, client) = with_ack();
    let future = broker.post(client.poll, &acknowledged(&client, u64::MAX));
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.answer(future).expect("an answer")), [1]);
    assert_eq!(broker.told, [], "it is not confirmed in advance");
    broker.post(client.poll, &acknowledged(&client, 1));
    assert_eq!(broker.told, [Told::Rewind(7, 0)]);
}
