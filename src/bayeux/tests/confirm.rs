//! Rows 114–120: nothing is lost when connections are.

use bytes::Bytes;

use super::super::broker::Told;
use super::*;
use crate::bayeux::{ConnectionId, Event, ExchangeId, Input, Offer};

pub(super) fn closed(connection: u64, clean: bool) -> Input<'static> {
    Input::Closed {
        connection: ConnectionId(connection),
        clean,
    }
}

/// A client whose held connect has just been answered with the positions 1 and 2 of stream 7.
fn delivered() -> (Broker, Client, u64) {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    for position in [1, 2] {
        let _ = broker.send(client.id, 7, position);
    }
    let poll = broker.post(client.poll, &client.connect());
    assert_eq!(data(&broker.answer(poll).expect("an answer")), [1, 2]);
    (broker, client, poll)
}

#[test]
fn the_next_connect_confirms() {
    let (mut broker, client, _) = delivered();
    assert_eq!(broker.told, []);
    broker.post(client.talk, &client.connect());
    assert_eq!(broker.told, [Told::Confirmed(7, 2)]);
}

#[test]
fn row_116_what_was_on_a_broken_connection_comes_again() {
    let (mut broker, client, _) = delivered();
    broker.handle(client.id, closed(client.poll, false));
    assert_eq!(broker.told, [Told::Rewind(7, 0)]);
}

#[test]
fn a_reply_that_nobody_took_comes_again() {
    let (mut broker, client, poll) = delivered();
    let exchange = ExchangeId(poll);
    broker.handle(client.id, Input::Abandoned { exchange });
    assert_eq!(broker.told, [Told::Rewind(7, 0)]);
}

#[test]
fn a_client_that_asks_for_an_answer_at_once_elsewhere_has_lost_the_last() {
    let (mut broker, client, _) = delivered();
    broker.ask(55, &client.connect_at_once());
    assert_eq!(broker.told, [Told::Rewind(7, 0)]);
}

#[test]
fn but_not_where_it_read_it_to_the_end() {
    let (mut broker, client, _) = delivered();
    broker.ask(client.poll, &client.connect_at_once());
    assert_eq!(broker.told, [Told::Confirmed(7, 2)]);
    let (mut broker, client, _) = delivered();
    broker.handle(client.id, closed(client.poll, true));
    broker.ask(55, &client.connect_at_once());
    assert_eq!(broker.told, [Told::Confirmed(7, 2)]);
}

#[test]
fn what_else_the_client_does_confirms_nothing() {
    let (mut broker, client, _) = delivered();
    broker.ask(client.talk, &client.publish("1", "/service/x", 1));
    broker.ask(client.poll, &client.publish("2", "/service/x", 1));
    broker.handle(client.id, closed(client.poll, true));
    assert!(
        !broker
            .told
            .iter()
            .any(|told| matches!(told, Told::Confirmed(..))),
        "{:?}",
        broker.told
    );
}

#[test]
fn a_rewind_takes_queued_events_of_the_stream_along() {
    let (mut broker, client, _) = delivered();
    let _ = broker.send(client.id, 7, 3);
    let _ = broker.send(client.id, 8, 1);
    broker.handle(client.id, closed(client.poll, false));
    for position in [1, 2, 3] {
        assert_eq!(broker.send(client.id, 7, position), Offer::Queued);
    }
    let messages = broker.ask(55, &client.connect());
    assert_eq!(data(&messages), [1, 1, 2, 3], "of stream 8, then of 7");
}

#[test]
fn until_the_application_knows_of_the_rewind_nothing_of_the_stream_is_taken() {
    let (mut broker, client, _) = delivered();
    let now = broker.now;
    let session = broker.sessions.get_mut(&client.id).expect("a session");
    session.handle(closed(client.poll, false), now);
    let event = |stream| Event {
        message: Bytes::from_static(b"{}"),
        source: Some(crate::bayeux::Source {
            stream,
            position: 3,
        }),
    };
    assert_eq!(session.deliver(event(7), now), Offer::Full);
    assert_eq!(session.deliver(event(8), now), Offer::Queued);
    session.handle(Input::Rewound { stream: 7 }, now);
    assert_eq!(session.deliver(event(7), now), Offer::Queued);
}

#[test]
fn row_115_and_116_a_socket_that_breaks_loses_nothing() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.subscribe("/service/x"));
    broker.frame(1, &client.connect());
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.read(1)), [1]);
    broker.told.clear();
    broker.handle(client.id, closed(1, false));
    assert_eq!(broker.told, [Told::Rewind(7, 0)]);
    let _ = broker.send(client.id, 7, 1);
    broker.wait(seconds(45));
    let _ = broker.send(client.id, 7, 2);
    assert_eq!(data(&broker.frame(2, &client.connect_at_once())), [1, 2]);
    assert_eq!(broker.sessions[&client.id].subscriptions().count(), 1);
}

#[test]
fn on_a_socket_a_connect_confirms_what_was_before_the_last_connect_reply() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.connect());
    let _ = broker.send(client.id, 7, 1);
    broker.read(1);
    broker.wait(seconds(30));
    assert_eq!(broker.read(1)[0]["channel"], "/meta/connect");
    let _ = broker.send(client.id, 7, 2);
    broker.read(1);
    assert_eq!(broker.told, []);
    broker.frame(1, &client.connect());
    assert_eq!(broker.told, [Told::Confirmed(7, 1)]);
}

#[test]
fn row_114_a_newer_socket_takes_over() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.connect());
    let _ = broker.send(client.id, 7, 1);
    broker.read(1);
    broker.frame(2, &client.connect());
    assert_eq!(broker.closed, [ConnectionId(1)]);
    assert_eq!(broker.told, [Told::Rewind(7, 0)]);
    let _ = broker.send(client.id, 7, 1);
    assert_eq!(data(&broker.read(1)).len(), 0);
    assert_eq!(data(&broker.read(2)), [1]);
}

#[test]
fn messages_without_a_source_are_kept_and_put_back() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    broker.ask(client.talk, &client.publish("1", "/service/echo", 1));
    broker.ask(client.talk, &client.publish("2", "/service/echo", 2));
    assert_eq!(client.fetch(&mut broker), [1, 2]);
    broker.handle(client.id, closed(client.poll, false));
    assert_eq!(data(&broker.ask(55, &client.connect())), [1, 2]);
}

#[test]
fn many_messages_without_a_source_make_a_socket_ask_for_confirmation() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.connect());
    let mut read = Vec::new();
    for number in 0..10_u64 {
        let message = json!({"channel": "/x", "data": number, "pad": "x".repeat(20_000)});
        let event = Event {
            message: Bytes::from(message.to_string()),
            source: None,
        };
        assert_eq!(broker.deliver(client.id, event), Offer::Queued);
        let messages = broker.read(1);
        read.extend(data(&messages));
        if messages
            .iter()
            .any(|message| message["channel"] == "/meta/connect")
        {
            read.extend(data(&broker.frame(1, &client.connect())));
        }
    }
    read.extend(data(&broker.read(1)));
    assert_eq!(read, (0..10).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn row_119_the_queue_is_bounded_and_says_when_it_is_not_full() {
    let mut broker = Broker::with(|config| config.queue_messages_max = 4);
    let client = Client::new(&mut broker, 1);
    for position in 1..=4 {
        assert_eq!(broker.send(client.id, 7, position), Offer::Queued);
    }
    assert_eq!(broker.send(client.id, 7, 5), Offer::Full);
    assert_eq!(broker.told, []);
    broker.ask(client.poll, &client.connect());
    assert_eq!(broker.told, [Told::Drained]);
    assert_eq!(broker.send(client.id, 7, 5), Offer::Queued);
}

#[test]
fn row_120_replies_overtake_the_backlog() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    for position in 0..900 {
        let _ = broker.send(client.id, 7, position);
    }
    let exchange = json!([client.publish("1", "/service/x", 1)]);
    broker.request(crate::bayeux::Carrier::Socket, 1, &exchange, false);
    let frame = broker.read_frame(1).expect("a frame");
    assert_eq!(frame[0]["id"], "1");
}
