//! Rows 73–102: broadcast channels, which the product lets nobody use.

use super::*;

/// Two clients; the first is subscribed and has a connect held.
fn pair(patterns: Value) -> (Broker, Client, Client, u64) {
    let mut broker = Broker::new();
    let reader = Client::new(&mut broker, 1);
    let writer = Client::new(&mut broker, 2);
    assert_eq!(
        broker.ask(1, &reader.subscribe(patterns))[0]["successful"],
        true
    );
    let held = broker.post(reader.poll, &reader.connect());
    (broker, reader, writer, held)
}

#[test]
fn row_073_everything_but_the_protocol_and_services() {
    let (mut broker, _, writer, held) = pair(json!("/**"));
    broker.ask(2, &writer.publish("1", "/service/echo", 1));
    broker.ask(2, &writer.publish("2", "/meta/x", 1));
    assert_eq!(broker.answer(held), None);
    broker.ask(2, &writer.publish("3", "/a/b", 3));
    assert_eq!(data(&broker.answer(held).expect("an answer")), [3]);
}

#[test]
fn row_076_several_matching_patterns_make_one_copy() {
    let (mut broker, _, writer, held) = pair(json!(["/a/*", "/a/**", "/a/b", "/**"]));
    broker.ask(2, &writer.publish("1", "/a/b", 1));
    assert_eq!(data(&broker.answer(held).expect("an answer")), [1]);
}

#[test]
fn row_078_nothing_comes_after_the_unsubscribe_reply() {
    let (mut broker, reader, writer, held) = pair(json!("/a"));
    let unsubscribe = reader.message("/meta/unsubscribe", json!({"subscription": "/a"}));
    broker.ask(1, &unsubscribe);
    broker.ask(2, &writer.publish("1", "/a", 1));
    assert_eq!(broker.answer(held), None);
}

#[test]
fn row_081_before_the_first_connect_too() {
    let mut broker = Broker::new();
    let reader = Client::greet(&mut broker, 1, json!({}));
    let writer = Client::new(&mut broker, 2);
    broker.ask(1, &reader.subscribe("/a"));
    broker.ask(2, &writer.publish("1", "/a", 1));
    assert_eq!(data(&broker.ask(1, &reader.connect_at_once())), [1]);

    let hello = json!({"channel": "/meta/handshake", "version": "1.0"});
    let reader = Client::from_reply(&broker.frame(5, &hello)[0], 5);
    broker.frame(5, &reader.subscribe("/a"));
    broker.ask(2, &writer.publish("2", "/a", 2));
    assert_eq!(data(&broker.read(5)), [2], "on a socket at once");
}

#[test]
fn row_084_to_086_an_event_is_channel_and_data() {
    let (mut broker, _, writer, held) = pair(json!("/a"));
    let mut evil = writer.publish("1", "/a", 1);
    evil["advice"] = json!({"reconnect": "none"});
    evil["ext"] = json!({"x": 1});
    evil["successful"] = json!(false);
    evil["unknown"] = json!(1);
    broker.ask(2, &evil);
    let messages = broker.answer(held).expect("an answer");
    assert_eq!(messages[0], json!({"channel": "/a", "data": 1}));
}

/// An event that rode on the reply to a publish was overtaken by the next, which came with the held connect over another
/// connection: a page that takes a lower index for a repetition lost it.
#[test]
fn row_087_and_088_over_http_ones_own_event_comes_by_the_connect_too() {
    let (mut broker, reader, writer, held) = pair(json!("/a"));
    let reply = broker.ask(1, &reader.publish("1", "/a", 1));
    assert_eq!(reply.len(), 1);
    assert_eq!(reply[0]["id"], "1");
    assert_eq!(data(&broker.answer(held).expect("an answer")), [1]);
    // Between two connects it waits for the next.
    let reply = broker.ask(1, &reader.publish("2", "/a", 2));
    assert_eq!(data(&reply).len(), 0);
    broker.ask(2, &writer.publish("3", "/a", 3));
    assert_eq!(data(&broker.ask(101, &reader.connect())), [2, 3]);
}

#[test]
fn row_089_on_a_socket_it_comes_beside_the_reply() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.subscribe("/a"));
    let messages = broker.frame(1, &client.publish("1", "/a", 1));
    assert_eq!(messages.len(), 2);
    assert_eq!(data(&messages), [1]);
}

#[test]
fn row_096_subscribe_publish_publish_unsubscribe_in_one() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let body = json!([
        client.subscribe("/a"),
        client.publish("1", "/a", 1),
        client.publish("2", "/a", 2),
        client.message("/meta/unsubscribe", json!({"subscription": "/a"})),
    ]);
    let replies = broker.ask(1, &body);
    assert_eq!(data(&replies).len(), 0);
    assert_eq!(replies.len(), 4);
    assert_eq!(client.fetch(&mut broker), [1, 2]);

    let client = Client::on_socket(&mut broker, 5, json!({}));
    let body = json!([client.subscribe("/b"), client.publish("1", "/b", 1)]);
    assert_eq!(data(&broker.frame(5, &body)), [1], "on a socket at once");
}

#[test]
fn row_102_the_order_of_a_publisher_is_kept() {
    let mut broker = Broker::new();
    let reader = Client::on_socket(&mut broker, 1, json!({}));
    let writer = Client::new(&mut broker, 2);
    broker.frame(1, &reader.subscribe("/a"));
    let mut read = Vec::new();
    for number in 0..10_000 {
        broker.ask(2, &writer.publish(&number.to_string(), "/a", number));
        if number % 100 == 0 {
            read.extend(data(&broker.read(1)));
            // The connect confirms what came before it.
            broker.frame(1, &reader.connect_at_once());
        }
    }
    read.extend(data(&broker.read(1)));
    assert_eq!(read, (0..10_000).map(Value::from).collect::<Vec<_>>());
}
