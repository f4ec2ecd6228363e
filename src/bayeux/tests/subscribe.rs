//! Rows 64–82: subscriptions.

use super::super::broker::Told;
use super::*;

fn subscribe(to: impl Into<Value>) -> Value {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    broker.ask(1, &client.subscribe(to)).remove(0)
}

#[test]
fn row_064_and_065_the_shape_is_echoed() {
    assert_eq!(
        subscribe("/a/b"),
        json!({"channel": "/meta/subscribe", "subscription": "/a/b", "successful": true})
    );
    let several = subscribe(json!(["/a", "/b/*"]));
    assert_eq!(several["subscription"], json!(["/a", "/b/*"]));
    assert_eq!(several["successful"], true);

    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let replies = broker.ask(1, &client.subscribe(json!(["/a", "/b/*"])));
    assert_eq!(replies.len(), 1);
    let told = ["/a", "/b/*"].map(|name| Told::Subscribed(name.to_owned()));
    assert_eq!(broker.told, told);
    let session = &broker.sessions[&client.id];
    assert_eq!(session.subscriptions().collect::<Vec<_>>(), ["/a", "/b/*"]);
}

#[test]
fn row_066_all_or_none() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let reply = broker.ask(1, &client.subscribe(json!(["/ok", "/secret", "/ok2"])));
    assert_eq!(reply[0]["error"], "403:/secret:subscribe_denied");
    let reply = broker.ask(1, &client.subscribe(json!(["/ok", "/meta/x"])));
    assert_eq!(reply[0]["error"], "403:/meta/x:subscribe_denied");
    assert_eq!(broker.sessions[&client.id].subscriptions().count(), 0);
}

#[test]
fn row_067_to_070_what_is_no_subscription() {
    assert_eq!(subscribe(Value::Null)["error"], "403::subscription_missing");
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let missing = broker.ask(1, &client.message("/meta/subscribe", json!({})));
    assert_eq!(missing[0]["error"], "403::subscription_missing");
    for bad in [
        json!("nope"),
        json!("/"),
        json!("/bad%chan"),
        json!(42),
        json!("/a/*/b"),
        json!("/a/**/b"),
        json!("/a//b"),
        json!(["/a", 1]),
    ] {
        let reply = subscribe(bad.clone());
        assert_eq!(reply["error"], "403::subscription_invalid", "{bad}");
        assert_eq!(reply["successful"], false);
    }
    assert_eq!(subscribe(json!([]))["successful"], true);
}

#[test]
fn row_071_nobody_listens_to_the_protocol() {
    for name in ["/meta/x", "/meta/*", "/meta/**"] {
        let error = format!("403:{name}:subscribe_denied");
        assert_eq!(subscribe(name)["error"], error.as_str());
    }
}

#[test]
fn row_072_a_service_can_be_subscribed_to() {
    assert_eq!(subscribe("/service/x")["successful"], true);
    // It changes nothing: a service speaks to its caller, once, and to nobody else.
    let mut broker = Broker::new();
    let listener = Client::new(&mut broker, 1);
    let caller = Client::new(&mut broker, 2);
    for client in [&listener, &caller] {
        broker.ask(client.talk, &client.subscribe("/service/echo"));
    }
    broker.ask(2, &caller.publish("1", "/service/echo", 1));
    broker.ask(1, &listener.publish("1", "/service/x", 1));
    assert_eq!(caller.fetch(&mut broker), [1]);
    assert_eq!(listener.fetch(&mut broker).len(), 0);
}

#[test]
fn row_077_twice_is_once() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    for name in ["/a", "/a/"] {
        assert_eq!(
            broker.ask(1, &client.subscribe(name))[0]["successful"],
            true
        );
    }
    broker.ask(1, &client.publish("1", "/a", 1));
    assert_eq!(client.fetch(&mut broker), [1], "one copy");
    broker
        .told
        .retain(|told| !matches!(told, Told::Published(..)));
    let unsubscribe = client.message("/meta/unsubscribe", json!({"subscription": "/a"}));
    assert_eq!(broker.ask(1, &unsubscribe)[0]["successful"], true);
    let told = [
        Told::Subscribed("/a".to_owned()),
        Told::Unsubscribed("/a".to_owned()),
    ];
    assert_eq!(broker.told, told);
    assert_eq!(broker.sessions[&client.id].subscriptions().count(), 0);
}

#[test]
fn row_079_unsubscribing_is_idempotent() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let never = client.message("/meta/unsubscribe", json!({"subscription": "/never"}));
    assert_eq!(broker.ask(1, &never)[0]["successful"], true);
    let missing = client.message("/meta/unsubscribe", json!({}));
    assert_eq!(
        broker.ask(1, &missing)[0]["error"],
        "403::subscription_missing"
    );
}

#[test]
fn row_082_a_refusal_leaves_the_others_alone() {
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    let body = json!([client.subscribe("/secret"), client.subscribe("/a")]);
    let replies = broker.ask(1, &body);
    assert_eq!(replies[0]["error"], "403:/secret:subscribe_denied");
    assert_eq!(replies[1]["successful"], true);
    let session = &broker.sessions[&client.id];
    assert_eq!(session.subscriptions().collect::<Vec<_>>(), ["/a"]);
}

#[test]
fn subscriptions_are_bounded() {
    let mut broker = Broker::with(|config| config.subscriptions_max = 2);
    let client = Client::new(&mut broker, 1);
    let reply = broker.ask(1, &client.subscribe(json!(["/a", "/b", "/c"])));
    assert_eq!(
        reply[0]["error"],
        "403:[limits] subscriptions-per-client = 2:subscription_limit_reached"
    );
    assert_eq!(
        broker.ask(1, &client.subscribe(json!(["/a", "/b"])))[0]["successful"],
        true
    );
}
