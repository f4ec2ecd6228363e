//! Publishes that the application puts off until more answers have been read.

use serde_json::json;

use super::super::broker::{Broker, Told};
use super::super::{Carrier, Input};
use super::{Client, data, seconds};

/// A broker whose publishes nobody answers by himself, and with few of them at a time.
fn broker() -> Broker {
    let mut broker = Broker::with(|config| config.publishes_max = 3);
    broker.later = true;
    broker
}

/// Publishes by a WebSocket; its number.
fn publish(broker: &mut Broker, client: &Client, id: &str) -> u64 {
    broker.frame(1, &json!([client.publish(id, "/service/x", id)]));
    broker.unanswered.last().expect("a publish").1
}

fn put_off(broker: &mut Broker, client: &Client, id: &str) -> u64 {
    let publish = publish(broker, client, id);
    broker.handle(client.id, Input::PutOff { publish });
    publish
}

fn answer(broker: &mut Broker, client: &Client, letters: usize) {
    let message = json!({"channel": "/service/x", "data": "x".repeat(letters)}).to_string();
    let now = broker.now;
    let session = broker.sessions.get_mut(&client.id).expect("a session");
    session.answer(message.into(), now);
    broker.handle(client.id, Input::Timeout);
}

fn has_read(broker: &mut Broker, client: &Client, bytes: usize) -> bool {
    let session = broker.sessions.get_mut(&client.id).expect("a session");
    session.has_read(bytes)
}

fn may_read(broker: &Broker, client: &Client) -> bool {
    broker.sessions[&client.id].may_read(super::super::ConnectionId(1))
}

/// The connect that shows what has been read stands behind the requests that wait for it.
#[test]
fn what_is_put_off_does_not_stop_the_reading() {
    let mut broker = broker();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    let waiting: Vec<u64> = (0..5)
        .map(|id| put_off(&mut broker, &client, &id.to_string()))
        .collect();
    assert!(may_read(&broker, &client));
    for publish in &waiting[..3] {
        broker.handle(client.id, Input::Begun { publish: *publish });
    }
    assert!(!may_read(&broker, &client), "three are under way");
    for publish in waiting {
        let result = Ok(());
        broker.handle(client.id, Input::Published { publish, result });
    }
    assert_eq!(broker.read(1).len(), 5);
    assert!(may_read(&broker, &client));
}

/// Or else very many requests could be unanswered.
#[test]
fn repetitions_of_what_is_put_off_count() {
    let mut broker = broker();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    put_off(&mut broker, &client, "a");
    for _ in 0..3 {
        assert!(may_read(&broker, &client));
        broker.frame(1, &json!([client.publish("a", "/service/x", "a")]));
    }
    assert!(!may_read(&broker, &client));
}

/// CometD's client closes a WebSocket on which a publish is not answered for ten seconds.
#[test]
fn it_is_not_put_off_for_long() {
    let mut broker = broker();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    let first = put_off(&mut broker, &client, "a");
    broker.wait(seconds(3));
    let second = put_off(&mut broker, &client, "b");
    broker.handle(client.id, Input::Begun { publish: first });
    broker.told.clear();
    broker.wait(seconds(4));
    assert_eq!(broker.told, [], "the first has been begun in time");
    broker.wait(seconds(1));
    assert_eq!(broker.told, [Told::GivenUp(second)]);
    let result = Err("503::unavailable".to_owned());
    let publish = second;
    broker.handle(client.id, Input::Published { publish, result });
    assert_eq!(broker.read(1)[0]["error"], "503::unavailable");
}

/// A request that was put off held the poll back by which the client would have read its answers.
#[test]
fn over_http_answers_are_read_by_the_held_connect_meanwhile() {
    let mut broker = broker();
    let client = Client::new(&mut broker, 1);
    let poll = broker.post(client.poll, &client.connect());
    let post = broker.post(client.talk, &client.publish("a", "/service/x", "a"));
    let publish = broker.unanswered[0].1;
    broker.handle(client.id, Input::PutOff { publish });
    answer(&mut broker, &client, 5);
    let read = broker.answer(poll).expect("the connect's reply");
    assert_eq!(data(&read), ["xxxxx"]);
    assert_eq!(broker.answer(post), None);
}

#[test]
fn whoever_waits_is_told_when_enough_has_been_read() {
    let mut broker = broker();
    let client = Client::new(&mut broker, 1);
    for _ in 0..4 {
        answer(&mut broker, &client, 40_000);
    }
    assert!(has_read(&mut broker, &client, 200_000));
    assert!(!has_read(&mut broker, &client, 50_000));
    assert!(!has_read(&mut broker, &client, 90_000), "the first to be");
    broker.told.clear();
    broker.ask(client.poll, &client.connect());
    assert_eq!(broker.told, [Told::AnswersRead]);
    assert!(!has_read(&mut broker, &client, 50_000));
    broker.ask(client.poll, &client.connect());
    assert_eq!(broker.told, [Told::AnswersRead, Told::AnswersRead]);
}

#[test]
fn answers_are_not_refused() {
    let mut broker = Broker::with(|config| config.queue_messages_max = 2);
    let client = Client::new(&mut broker, 1);
    for _ in 0..5 {
        answer(&mut broker, &client, 5);
    }
    let read = broker.ask(client.poll, &client.connect());
    assert_eq!(data(&read).len(), 5);
}

/// A frame's worth of requests is one exchange: it is no longer put off when the last of them is not.
#[test]
fn a_batch_waits_for_its_last() {
    let mut broker = broker();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    let batch = json!([
        client.publish("a", "/service/x", "a"),
        client.publish("b", "/service/x", "b")
    ]);
    broker.request(Carrier::Socket, 1, &batch, false);
    let numbers: Vec<u64> = broker
        .unanswered
        .iter()
        .map(|(_, number)| *number)
        .collect();
    broker.handle(
        client.id,
        Input::PutOff {
            publish: numbers[1],
        },
    );
    let result = Ok(());
    broker.handle(
        client.id,
        Input::Published {
            publish: numbers[0],
            result,
        },
    );
    assert_eq!(broker.read(1).len(), 0);
    broker.handle(
        client.id,
        Input::Begun {
            publish: numbers[1],
        },
    );
    let result = Ok(());
    broker.handle(
        client.id,
        Input::Published {
            publish: numbers[1],
            result,
        },
    );
    assert_eq!(broker.read(1).len(), 2);
}
