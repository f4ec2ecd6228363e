//! Rows 106–109 and 140: ends, and what an idle session costs.

use super::super::broker::Told;
use super::*;
use crate::bayeux::{Carrier, ConnectionId, ExchangeId, Input, Session};

#[test]
fn row_106_after_a_disconnect_the_client_is_unknown() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let bye = client.message("/meta/disconnect", json!({"id": "9"}));
    let reply = json!({"id": "9", "channel": "/meta/disconnect", "successful": true});
    assert_eq!(broker.ask(1, &bye), [reply]);
    assert_eq!(broker.told, [Told::Gone("disconnected")]);
    assert_eq!(broker.ask(1, &bye)[0]["error"], "402::session_unknown");
}

#[test]
fn row_107_and_108_a_held_connect_is_released() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(client.poll, &client.connect());
    broker.ask(1, &client.message("/meta/disconnect", json!({})));
    let reply = broker.answer(held).expect("an answer");
    assert_eq!(reply[0]["advice"], json!({"reconnect": "none"}));
    assert_eq!(broker.told.len(), 1);
    assert!(broker.sessions.is_empty());

    let client = Client::on_socket(&mut broker, 5, json!({}));
    broker.frame(5, &client.connect());
    let replies = broker.frame(5, &client.message("/meta/disconnect", json!({"id": "9"})));
    let none = |reply: &&Value| reply["advice"] == json!({"reconnect": "none"});
    assert_eq!(replies.iter().filter(none).count(), 1, "{replies:?}");
    assert!(replies.iter().any(|reply| reply["id"] == "9"));
    assert_eq!(broker.told.len(), 2);
    let session = broker.sessions.get(&client.id);
    assert!(session.is_none_or(|session| session.is_done() && !session.has_frame(ConnectionId(5))));
}

#[test]
fn messages_after_a_disconnect_in_the_same_request_are_unknown() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let bye = client.message("/meta/disconnect", json!({}));
    let replies = broker.ask(1, &json!([bye, client.publish("1", "/a", 1)]));
    assert_eq!(replies[1]["error"], "402::session_unknown");
}

// A page left its chat and said good-bye in one request: it was never told that the chat had ended.
#[test]
fn a_good_bye_waits_for_what_was_published_before_it() {
    for socket in [false, true] {
        let mut broker = Broker::new();
        broker.later = true;
        let client = match socket {
            true => Client::on_socket(&mut broker, 1, json!({})),
            false => Client::new(&mut broker, 1),
        };
        let body = json!([
            client.publish("1", "/service/echo", "over"),
            client.message("/meta/disconnect", json!({"id": "2"})),
            client.publish("3", "/service/echo", "too late"),
        ]);
        let carrier = if socket {
            Carrier::Socket
        } else {
            Carrier::Http
        };
        let waiting = broker.request(carrier, 1, &body, false);
        let mut replies = broker.read(1);
        assert!(!broker.told.contains(&Told::Gone("disconnected")));
        let (id, publish) = broker.unanswered.pop().expect("a publish");
        let result = Ok(());
        broker.handle(id, Input::Published { publish, result });
        replies.extend(broker.answer(waiting).unwrap_or_default());
        replies.extend(broker.read(1));
        assert_eq!(data(&replies), ["over"]);
        let of = |id: &str| {
            replies
                .iter()
                .find(|reply| reply["id"] == id)
                .expect("a reply")
        };
        assert_eq!(
            (&of("1")["successful"], &of("2")["successful"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(of("3")["error"], "402::session_unknown");
        assert!(broker.told.contains(&Told::Gone("disconnected")));
    }
}

// One event went with the held connect and the next with the reply to the good-bye: nothing says which comes first.
#[test]
fn all_that_comes_for_one_who_is_leaving_goes_with_its_good_bye() {
    let mut broker = Broker::new();
    broker.later = true;
    let client = Client::new(&mut broker, 1);
    let held = broker.post(client.poll, &client.connect());
    let body = json!([
        client.publish("1", "/service/echo", "one"),
        client.publish("2", "/service/echo", "two"),
        client.message("/meta/disconnect", json!({"id": "3"})),
    ]);
    let bye = broker.request(Carrier::Http, 1, &body, false);
    for (id, publish) in std::mem::take(&mut broker.unanswered) {
        let result = Ok(());
        broker.handle(id, Input::Published { publish, result });
    }
    let replies = broker.answer(bye).expect("the good-bye");
    assert_eq!(data(&replies), ["one", "two"]);
    let poll = broker.answer(held).expect("the end of the poll");
    assert!(data(&poll).is_empty(), "{poll:?}");
}

// A page that closes does not wait for the answer: its good-bye counts all the same.
#[test]
fn a_good_bye_counts_though_nobody_waits_for_its_answer() {
    for socket in [false, true] {
        let mut broker = Broker::new();
        broker.later = true;
        let (client, carrier) = match socket {
            true => (
                Client::on_socket(&mut broker, 1, json!({})),
                Carrier::Socket,
            ),
            false => (Client::new(&mut broker, 1), Carrier::Http),
        };
        let bye = client.message("/meta/disconnect", json!({"id": "2"}));
        let body = json!([client.publish("1", "/service/echo", "over"), bye]);
        let exchange = broker.request(carrier, 1, &body, false);
        let gone = match socket {
            true => Input::Closed {
                connection: ConnectionId(1),
                clean: false,
            },
            false => Input::Abandoned {
                exchange: ExchangeId(exchange),
            },
        };
        broker.handle(client.id, gone);
        let (id, publish) = broker.unanswered.pop().expect("a publish");
        let result = Ok(());
        broker.handle(id, Input::Published { publish, result });
        let gone = broker
            .told
            .iter()
            .filter(|told| **told == Told::Gone("disconnected"));
        assert_eq!(gone.count(), 1, "{:?}", broker.told);
    }
}

// A socket that broke while a publish was under way left its reply behind in the session, for as long as that lived.
#[test]
fn nobody_is_answered_on_a_socket_that_has_ended() {
    let mut broker = Broker::new();
    broker.later = true;
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.publish("1", "/service/a", 1));
    let (connection, clean) = (ConnectionId(1), false);
    broker.handle(client.id, Input::Closed { connection, clean });
    let (id, publish) = broker.unanswered.pop().expect("a publish");
    let result = Ok(());
    broker.handle(id, Input::Published { publish, result });
    assert_eq!(broker.read(1), [] as [Value; 0]);
}

#[test]
fn row_109_the_server_may_end_it() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(client.poll, &client.connect());
    broker.handle(client.id, Input::Disconnect);
    let reply = broker.answer(held).expect("an answer");
    assert_eq!(
        reply[0],
        json!({"channel": "/meta/disconnect", "successful": true})
    );
    assert_eq!(reply[1]["advice"], json!({"reconnect": "none"}));
    assert_eq!(broker.told, [Told::Gone("kicked")]);
}

/// Clients stop at `/meta/disconnect`, and at `none`; at a session that is unknown they begin anew.
#[test]
fn row_109_the_server_may_have_it_begin_anew() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let held = broker.post(client.poll, &client.connect());
    broker.handle(client.id, Input::BeginAnew);
    let reply = broker.answer(held).expect("an answer");
    assert_eq!(reply[0]["channel"], "/meta/connect");
    assert_eq!(reply[0]["successful"], false);
    assert!(reply[0]["error"].as_str().unwrap().starts_with("402:"));
    let advice = json!({"reconnect": "handshake", "interval": 0});
    assert_eq!(reply[0]["advice"], advice);
    assert_eq!(broker.told, [Told::Gone("kicked")]);
    assert!(broker.sessions.is_empty());
}

#[test]
fn row_109_on_a_socket_after_what_still_waits() {
    let mut broker = Broker::new();
    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.connect());
    let _ = broker.send(client.id, 7, 1);
    broker.handle(client.id, Input::Disconnect);
    let read = broker.read(1);
    assert_eq!(read[0]["data"], 1);
    assert_eq!(read[1]["channel"], "/meta/disconnect");
    assert_eq!(read[2]["advice"], json!({"reconnect": "none"}));
}

#[test]
fn row_122_many_that_vanish_leave_nothing() {
    let mut broker = Broker::new();
    let hello = json!({"channel": "/meta/handshake", "version": "1.0"});
    for number in 0..250 {
        Client::greet(&mut broker, number, json!({}));
        broker.frame(1_000 + number, &hello);
        let (connection, clean) = (ConnectionId(1_000 + number), number % 2 == 0);
        for id in broker.sessions.keys().copied().collect::<Vec<_>>() {
            broker.handle(id, Input::Closed { connection, clean });
        }
    }
    broker.wait(seconds(60));
    assert!(broker.sessions.is_empty());
    assert_eq!(broker.told.len(), 500);
}

#[test]
fn row_140_a_client_that_only_connects_can_be_ended() {
    let mut broker = Broker::with(|config| config.activity_timeout = Some(seconds(10)));
    let client = Client::new(&mut broker, 1);
    broker.wait(seconds(9));
    broker.ask(1, &client.publish("1", "/service/x", 1));
    broker.told.clear();
    let held = broker.post(client.poll, &client.connect());
    broker.wait(seconds(9));
    assert_eq!(broker.told, []);
    broker.wait(seconds(1));
    assert_eq!(broker.told, [Told::Gone("inactive")]);
    let reply = broker.answer(held).expect("an answer");
    assert_eq!(reply[0]["channel"], "/meta/disconnect", "it is told");
    assert_eq!(reply[1]["advice"], json!({"reconnect": "none"}));
    assert!(broker.sessions.is_empty());
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() < 512, "{}", size_of::<Session>());
}
