//! Rows 83–105: publishes and services.

use super::super::broker::Told;
use super::*;
use crate::bayeux::Input;

fn reply_to(message: impl FnOnce(&Client) -> Value) -> Value {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    broker.ask(1, &message(&client)).remove(0)
}

#[test]
fn row_083_the_reply_says_no_more_than_it_must() {
    let reply = reply_to(|client| client.publish("5", "/a", 1));
    assert_eq!(
        reply,
        json!({"id": "5", "channel": "/a", "successful": true})
    );
}

#[test]
fn row_090_and_118_strangers_are_told_to_shake_hands() {
    let mut broker = Broker::new();
    let gone = "0123456789abcdefghijkl";
    let mut messages = vec![json!({"channel": "/a", "data": 1})];
    for channel in [
        "/a",
        "/service/echo",
        "/meta/connect",
        "/meta/subscribe",
        "/meta/unsubscribe",
        "/meta/disconnect",
    ] {
        for client in ["x", gone] {
            let fields =
                json!({"channel": channel, "clientId": client, "data": 1, "subscription": "/a"});
            messages.push(fields);
        }
    }
    let count = messages.len();
    let body = Value::from(messages);
    let mut replies = broker.ask(1, &body);
    replies.extend(broker.frame(5, &body));
    assert_eq!(replies.len(), 2 * count);
    for reply in replies {
        assert_eq!(reply["error"], "402::session_unknown");
        assert_eq!(reply["successful"], false);
        assert_eq!(
            reply["advice"],
            json!({"reconnect": "handshake", "interval": 0})
        );
    }
    assert!(broker.told.is_empty());
}

#[test]
fn row_091_and_092_channels_that_are_none() {
    let on = |channel: Value| {
        reply_to(|client| client.message("", json!({"channel": channel, "data": 1})))
    };
    assert_eq!(
        on(json!("/meta/foo"))["error"],
        "403:/meta/foo:publish_denied"
    );
    assert_eq!(on(json!("xy"))["error"], "405::channel_invalid");
    assert_eq!(on(json!("/é"))["error"], "405::channel_invalid");
    assert_eq!(on(json!("/x/*"))["error"], "405::channel_invalid");
    assert_eq!(on(Value::Null)["error"], "400::channel_missing");
    assert_eq!(on(json!("/x y/.+#{z}"))["successful"], true);
}

#[test]
fn row_092_the_others_of_the_batch_are_done() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let body = json!([client.publish("1", "bad", 1), client.publish("2", "/a", 2)]);
    let replies = broker.ask(1, &body);
    assert_eq!(replies[0]["error"], "405::channel_invalid");
    assert_eq!(replies[1]["successful"], true);
    let body = json!([
        client.message("", json!({"channel": null, "data": 1})),
        client.publish("3", "/meta/foo", 1),
        client.publish("4", "/a", 3)
    ]);
    let replies = broker.ask(1, &body);
    assert_eq!(replies[0]["error"], "400::channel_missing");
    assert_eq!(replies[1]["error"], "403:/meta/foo:publish_denied");
    assert_eq!(replies[2]["successful"], true);
    let told = ["2", "3"].map(|data| Told::Published("/a".to_owned(), data.to_owned()));
    assert_eq!(broker.told, told, "and nothing else is delivered");
}

#[test]
fn row_093_and_094_ids() {
    let with = |id: Value| reply_to(|client| client.message("/a", json!({"id": id, "data": 1})));
    assert_eq!(with(json!(9))["id"], "9");
    assert_eq!(with(json!("8-a"))["error"], "405::message_id_invalid");
    let without = reply_to(|client| client.message("/a", json!({"data": 1})));
    assert!(without.get("id").is_none());
}

#[test]
fn row_095_replies_keep_the_order_of_requests() {
    let mut broker = Broker::new();
    broker.later = true;
    let client = Client::new(&mut broker, 1);
    let body = json!([
        client.publish("1", "/service/a", 1),
        client.publish("2", "/service/a", 2),
        client.subscribe("/a")
    ]);
    let waiting = broker.post(1, &body);
    let told = ["1", "2"].map(|data| Told::Published("/service/a".to_owned(), data.to_owned()));
    assert_eq!(broker.told[..2], told, "done in order");
    for (id, publish) in std::mem::take(&mut broker.unanswered).into_iter().rev() {
        assert_eq!(broker.answer(waiting), None);
        let result = Ok(());
        broker.handle(id, Input::Published { publish, result });
    }
    let replies = broker.answer(waiting).expect("an answer");
    let ids: Vec<_> = replies.iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, [json!("1"), json!("2"), Value::Null]);
}

#[test]
fn row_097_others_messages_are_unknown_here() {
    let mut broker = Broker::new();
    let one = Client::new(&mut broker, 1);
    let two = Client::new(&mut broker, 2);
    let body = json!([one.publish("1", "/a", 1), two.publish("2", "/a", 2)]);
    let replies = broker.ask(1, &body);
    assert_eq!(replies[0]["successful"], true);
    assert_eq!(replies[1]["error"], "402::session_unknown");
    assert_eq!(
        broker.told,
        [Told::Published("/a".to_owned(), "1".to_owned())]
    );
}

#[test]
fn row_098_and_099_services_answer_their_caller_only() {
    let mut broker = Broker::new();
    let caller = Client::new(&mut broker, 1);
    let other = Client::new(&mut broker, 2);
    let held = broker.post(other.poll, &other.connect());
    broker.ask(1, &caller.publish("1", "/service/echo", "hi"));
    assert_eq!(caller.fetch(&mut broker), ["hi"]);
    assert_eq!(broker.answer(held), None);
    let silent = broker.ask(1, &caller.publish("2", "/service/silent", 1));
    assert_eq!(
        silent,
        [json!({"id": "2", "channel": "/service/silent", "successful": true})]
    );
}

#[test]
fn row_103_what_looks_like_nothing_is_delivered() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    for value in [json!(""), json!(false), json!(0), Value::Null, json!([])] {
        broker.ask(1, &client.message("/service/echo", json!({"data": value})));
        assert_eq!(
            broker.ask(client.poll, &client.connect_at_once())[0],
            json!({"channel": "/service/echo", "data": value})
        );
    }
    let none = broker.ask(1, &client.message("/service/echo", json!({})));
    assert_eq!(none[0]["error"], "400::data_missing");
}

#[test]
fn row_104_and_105_the_application_may_refuse() {
    let denied = reply_to(|client| client.publish("1", "/secret", 1));
    assert_eq!(denied["error"], "403:/secret:publish_denied");
    let vetoed = reply_to(|client| client.publish("1", "/vetoed", 1));
    assert_eq!(vetoed["error"], "404::message_deleted");
}

#[test]
fn a_repetition_happens_once_and_gets_the_first_reply() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    for body in [
        client.publish("1", "/a", 1),
        client.publish("2", "/secret", 1),
    ] {
        let first = broker.ask(1, &body);
        assert_eq!(broker.ask(1, &body), first);
    }
    broker.ask(1, &client.publish("1", "/a", 2));
    assert_eq!(broker.told.len(), 3);
}

#[test]
fn a_repetition_of_what_is_under_way_waits_for_it() {
    let mut broker = Broker::new();
    broker.later = true;
    let client = Client::new(&mut broker, 1);
    let first = broker.post(1, &client.publish("1", "/a", 1));
    let again = broker.post(2, &client.publish("1", "/a", 1));
    let (id, publish) = broker.unanswered.remove(0);
    assert!(broker.unanswered.is_empty());
    let result = Err("403:/a:publish_denied".to_owned());
    broker.handle(id, Input::Published { publish, result });
    let reply = broker.answer(first).expect("an answer");
    assert_eq!(reply[0]["error"], "403:/a:publish_denied");
    assert_eq!(broker.answer(again), Some(reply));
}

#[test]
fn a_publish_the_application_forgets_fails_in_time() {
    let mut broker = Broker::new();
    broker.later = true;
    let client = Client::new(&mut broker, 1);
    let waiting = broker.post(1, &client.publish("1", "/a", 1));
    broker.wait(seconds(30));
    let reply = broker.answer(waiting).expect("an answer");
    assert_eq!(reply[0]["error"], "500::publish_timeout");
}
