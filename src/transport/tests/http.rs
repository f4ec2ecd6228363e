//! Long-polling stories.

use std::time::Duration;

use tokio::time::timeout;

use super::server::header;
use super::*;

/// Long enough for something that must not happen to have happened.
const QUIET: Duration = Duration::from_millis(100);

/// Waits until it is so; for what a peer's kernel brings about.
async fn until(so: impl Fn() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never was so");
}

#[tokio::test]
async fn row_024_a_poll_is_held_and_released_while_others_talk() {
    let server = Server::start().await;
    let (mut poll, client) = server.client().await;
    let mut talk = server.http().await;
    talk.cookie = poll.cookie.clone();
    poll.send(&connect(&client)).await;
    let mut subscribe = publish(&client, "3", "");
    subscribe["channel"] = "/meta/subscribe".into();
    subscribe["subscription"] = "/service/echo".into();
    assert_eq!(talk.post(&subscribe).await.messages()[0]["id"], "3");
    assert!(timeout(QUIET, poll.read()).await.is_err(), "still held");
    let reply = talk.post(&publish(&client, "4", "hi")).await;
    assert_eq!(reply.messages()[0]["id"], "4");
    let released = poll.read().await.messages();
    assert_eq!(data(&released), ["hi"], "its own event comes by it too");
    assert_eq!(released[1]["channel"], "/meta/connect");
}

#[tokio::test]
async fn row_037_and_038_the_cookie_is_set_once_and_only_on_success() {
    let server = Server::start().await;
    let mut http = server.http().await;
    let mut stranger = handshake();
    stranger["ext"] = json!({"stranger": true});
    assert!(header(&http.post(&stranger).await.head, "set-cookie").is_none());
    let first = http.post(&handshake()).await;
    let cookie = header(&first.head, "set-cookie").expect("a cookie");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    assert_eq!(
        header(&first.head, "content-type"),
        Some("application/json")
    );
    assert!(header(&http.post(&handshake()).await.head, "set-cookie").is_none());
}

#[tokio::test]
async fn row_110_another_browser_does_not_know_the_client() {
    let server = Server::start().await;
    let (mut own, client) = server.client().await;
    let (mut other, _) = server.client().await;
    let stolen = other.post(&publish(&client, "1", 1)).await;
    assert_eq!(stolen.messages()[0]["error"], "402::session_unknown");
    let cookie = own.cookie.take();
    let without = own.post(&publish(&client, "1", 1)).await;
    assert_eq!(without.messages()[0]["error"], "402::session_unknown");
    own.cookie = cookie;
    let right = own.post(&publish(&client, "1", 1)).await;
    assert_eq!(right.messages()[0]["successful"], true);

    let trusting = Server::with(|config| config.trust_client_session = true).await;
    let (mut own, client) = trusting.client().await;
    own.cookie = None;
    let trusted = own.post(&publish(&client, "1", 1)).await;
    assert_eq!(trusted.messages()[0]["successful"], true);
}

#[tokio::test]
async fn row_054_and_116_a_client_that_vanishes_while_held_gets_it_later() {
    let server = Server::start().await;
    let (mut poll, client) = server.client().await;
    let mut talk = server.http().await;
    talk.cookie = poll.cookie.clone();
    poll.send(&connect(&client)).await;
    until(|| server.registry.counters().polls == 1).await;
    drop(poll);
    until(|| server.registry.counters().polls == 0).await;
    server.toy.newest().say("7");
    assert_eq!(data(&talk.post(&connect(&client)).await.messages()), [7]);
}

#[tokio::test]
async fn a_reply_that_was_not_read_comes_again() {
    let server = Server::start().await;
    let (mut poll, client) = server.client().await;
    let mut talk = server.http().await;
    talk.cookie = poll.cookie.clone();
    poll.send(&connect(&client)).await;
    until(|| server.registry.counters().polls == 1).await;
    let party = server.toy.newest();
    party.say("7");
    until(|| server.registry.counters().polls == 0).await;
    // The reply stands unread in the client's kernel: closing now resets the connection.
    drop(poll);
    until(|| party.rewinds() == 1).await;
    assert_eq!(data(&talk.post(&connect(&client)).await.messages()), [7]);
    talk.send(&connect(&client)).await;
    until(|| party.confirmed() == 1).await;
}

#[tokio::test]
async fn row_051_the_older_of_two_polls_ends_with_an_error_status() {
    let server = Server::start().await;
    let (mut older, client) = server.client().await;
    let mut newer = server.http().await;
    newer.cookie = older.cookie.clone();
    older.send(&connect(&client)).await;
    until(|| server.registry.counters().polls == 1).await;
    newer.send(&connect(&client)).await;
    assert_eq!(older.read().await.status, 409);
    server.toy.newest().say("1");
    assert_eq!(data(&newer.read().await.messages()), [1]);
}

#[tokio::test]
async fn row_061_the_third_tab_is_slowed_down() {
    let server = Server::start().await;
    let (mut first, one) = server.client().await;
    let mut tabs = vec![(server.http().await, one)];
    tabs[0].0.cookie = first.cookie.clone();
    for _ in 0..2 {
        let mut http = server.http().await;
        http.cookie = first.cookie.clone();
        let reply = first.post(&handshake()).await.messages();
        let client = reply[0]["clientId"]
            .as_str()
            .expect("a client id")
            .to_owned();
        http.post(&connect(&client)).await;
        tabs.push((http, client));
    }
    for (http, client) in &mut tabs[..2] {
        http.send(&connect(client)).await;
    }
    until(|| server.registry.counters().polls == 2).await;
    let (third, client) = &mut tabs[2];
    let reply = third.post(&connect(client)).await.messages();
    assert_eq!(reply[0]["advice"]["multiple-clients"], true);
    tabs.remove(0);
    until(|| server.registry.counters().polls == 1).await;
    let (third, client) = &mut tabs[1];
    third.send(&connect(client)).await;
    assert!(
        timeout(QUIET, third.read()).await.is_err(),
        "held like any other"
    );
}

#[tokio::test]
async fn row_008_to_014_bad_requests_get_a_client_error() {
    let server = Server::with(|config| config.max_message_size = 100).await;
    let mut http = server.http().await;
    let exact = format!("[{}]", " ".repeat(98));
    let large = format!("[{}]", " ".repeat(99));
    for (method, body, status) in [
        ("POST", "[]", 200),
        ("POST", "{bad", 400),
        ("POST", "", 400),
        ("POST", "null", 400),
        ("POST", "[1]", 400),
        ("GET", "", 400),
        ("PUT", "[]", 405),
        ("DELETE", "", 405),
        ("POST", exact.as_str(), 200),
    ] {
        http.raw(method, "application/json", body).await;
        let reply = http.read().await;
        assert_eq!(reply.status, status, "{method} {body}");
        if status == 405 {
            assert_eq!(header(&reply.head, "allow"), Some("POST"));
        }
    }
    http.raw("POST", "application/json", &large).await;
    assert_eq!(http.read().await.status, 413);
}

#[tokio::test]
async fn row_006_a_form_is_taken_too() {
    let server = Server::start().await;
    let mut http = server.http().await;
    let body = "message=%5B%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%7D%5D";
    http.raw(
        "POST",
        "application/x-www-form-urlencoded; charset=UTF-8",
        body,
    )
    .await;
    assert_eq!(http.read().await.messages()[0]["successful"], true);
}

#[tokio::test]
async fn row_025_callbacks_where_they_are_configured() {
    let message = "message=%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%7D";
    let callbacks = crate::bayeux::ConnectionType::CallbackPolling;
    let server = Server::with(|config| config.transports.push(callbacks)).await;
    let mut http = server.http().await;
    http.to("GET", &format!("/cometd?jsonp=cb&{message}"), "", "")
        .await;
    let reply = http.read().await;
    assert!(reply.body.starts_with("cb([{") && reply.body.ends_with("}])"));
    let kind = header(&reply.head, "content-type");
    assert!(kind.is_some_and(|kind| kind.starts_with("text/javascript")));
    // An id is said back as it came: old browsers end a line of script at this character.
    let separated = "message=%7B%22channel%22%3A%22%2Fa%22%2C%22id%22%3A%22a%E2%80%A8b%22%7D";
    http.to("GET", &format!("/cometd?jsonp=cb&{separated}"), "", "")
        .await;
    let reply = http.read().await;
    assert!(!reply.body.contains('\u{2028}'), "{}", reply.body);
    assert!(reply.body.contains("a\\u2028b"), "{}", reply.body);
    let longest = "aZ0._-".repeat(11)[..64].to_owned();
    http.to("GET", &format!("/cometd?jsonp={longest}&{message}"), "", "")
        .await;
    assert_eq!(http.read().await.status, 200);
    for name in ["alert(1)", "", &"x".repeat(65)] {
        http.to("GET", &format!("/cometd?jsonp={name}&{message}"), "", "")
            .await;
        assert_eq!(http.read().await.status, 400, "{name}");
    }
}

#[tokio::test]
async fn a_forgotten_publish_fails() {
    let server = Server::start().await;
    let (mut http, client) = server.client().await;
    let reply = http.post(&publish(&client, "1", "forget")).await.messages();
    assert_eq!(reply[0]["error"], "500::publish_failed");
}

#[tokio::test]
async fn row_055_and_122_vanished_clients_are_forgotten() {
    let server = Server::with(|config| config.max_interval = Duration::from_millis(500)).await;
    let (_http, _) = server.client().await;
    assert_eq!(server.registry.counters().sessions, 1);
    until(|| server.registry.counters().sessions == 0).await;
    assert_eq!(server.toy.newest().gone(), Some("Expired"));
}

#[tokio::test]
async fn a_server_that_ends_releases_polls_and_greets_nobody() {
    let server = Server::start().await;
    let (mut poll, client) = server.client().await;
    poll.send(&connect(&client)).await;
    until(|| server.registry.counters().polls == 1).await;
    server.registry.drain();
    let advice = poll.read().await.messages()[0]["advice"].clone();
    assert_eq!(advice["reconnect"], "retry");
    assert!(
        advice["interval"]
            .as_u64()
            .is_some_and(|pause| pause >= 1_000)
    );
    let reply = poll.post(&handshake()).await.messages();
    assert_eq!(reply[0]["error"], "503::server_draining");
    assert_eq!(reply[0]["advice"]["reconnect"], "retry");
}

#[tokio::test]
async fn row_109_the_application_ends_a_client() {
    let server = Server::start().await;
    let (mut poll, client) = server.client().await;
    poll.send(&connect(&client)).await;
    until(|| server.registry.counters().polls == 1).await;
    server.toy.newest().client.disconnect();
    let reply = poll.read().await.messages();
    assert_eq!(reply[0]["channel"], "/meta/disconnect");
    assert_eq!(reply[1]["advice"]["reconnect"], "none");
    assert_eq!(server.registry.counters().sessions, 0);
}
