//! The orderly end: what is still answered, and what is not begun.

use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Caller, Customer, Door, RestChat, Server, eventually, texts};

#[tokio::test]
async fn sigterm_drains_and_loses_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start().await;
        let rest = RestChat::alice(&server).await;
        rest.say("accepted").await;
        let mut comet = Customer::alice(&server, Door::Socket).await;
        comet.bayeux.hold().await;
        server.signal(signal);
        let (said, code) = comet.bayeux.farewell().await;
        let held = said
            .iter()
            .find(|reply| reply["channel"] == "/meta/connect");
        assert_eq!(
            held.unwrap()["advice"]["reconnect"],
            "retry",
            "come back: {said:?}"
        );
        assert_eq!(code, Some(1001));
        assert_eq!(server.ended().await.code(), Some(0), "{signal:?}");
        server.start_again().await;
        let rest = RestChat::of(&server, &rest.id, &rest.user, &rest.key);
        assert_eq!(texts(&rest.transcript(1).await), ["accepted"]);
    }
}

#[tokio::test]
async fn a_held_poll_is_sent_away_with_advice() {
    let mut server = Server::start().await;
    let mut comet = Customer::alice(&server, Door::Polling).await;
    let held = tokio::spawn(async move { comet.bayeux.meta_connect(None).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!held.is_finished(), "it is held");
    server.signal(Signal::TERM);
    let reply = held.await.unwrap();
    assert_eq!(reply["advice"]["reconnect"], "retry", "{reply}");
    assert!(reply["advice"]["interval"].as_u64() > Some(0), "{reply}");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_chat_that_is_begun_during_the_drain_is_sent_elsewhere() {
    let mut server = Server::start().await;
    let (mut request, rest) = half_a_request(&server).await;
    server.signal(Signal::TERM);
    drains(&server).await;
    request.write_all(rest).await.unwrap();
    let mut reply = String::new();
    request.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    assert!(
        reply.to_lowercase().contains("\r\nretry-after: "),
        "{reply}"
    );
    assert_eq!(server.ended().await.code(), Some(0));
}

// The ports were closed with the first signal: whoever watched saw a dead server, and never one that drains.
#[tokio::test]
async fn whoever_comes_during_the_drain_is_told_so() {
    let mut server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let (mut request, rest) = half_a_request(&server).await;
    server.signal(Signal::TERM);
    drains(&server).await;
    let ready = Caller::new().get(&server.internal("/readyz")).await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("draining"), "{}", ready.text());
    assert_eq!(
        Caller::new().get(&server.internal("/livez")).await.status,
        200
    );
    let late = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    let reply = late.call("send", &[("message", "too late")]).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
    assert_eq!(reply.json()["statusCode"], 1);
    request.write_all(rest).await.unwrap();
    let mut reply = String::new();
    request.read_to_string(&mut reply).await.unwrap();
    assert_eq!(server.ended().await.code(), Some(0));
    server.start_again().await;
    let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    assert!(texts(&chat.transcript(1).await).is_empty());
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_loses_nothing() {
    let mut server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.say("accepted").await;
    let (_request, _) = half_a_request(&server).await;
    server.signal(Signal::TERM);
    drains(&server).await;
    let asked = std::time::Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it waited for a request"
    );
    server.start_again().await;
    let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    assert_eq!(texts(&chat.transcript(1).await), ["accepted"]);
}

/// A request for a chat whose last bytes are yet to come.
async fn half_a_request(server: &Server) -> (TcpStream, &'static [u8]) {
    let mut stream = TcpStream::connect(server.public).await.unwrap();
    let head = "POST /genesys/2/chat/customer-support HTTP/1.1\r\nHost: localhost\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n\r\nnick";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Read by the server before anything else that comes now.
    Caller::new().get(&server.public("/")).await;
    (stream, b"name=Alice")
}

async fn drains(server: &Server) {
    eventually("the drain", || {
        std::future::ready(
            server
                .log()
                .contains("no new chats are taken")
                .then_some(()),
        )
    })
    .await;
}
