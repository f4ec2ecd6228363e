//! Under load: told to end, on a full disk, without descriptors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::{Caller, Customer, Door, RestChat, Server, eventually, texts, within};

const UNLIMITED: &str = "[rate-limit]\nper-chat = 0\nper-address = 0";
/// As long as a message may be.
const LONG: usize = 32_000;

/// What a writer got for its commands.
#[derive(Debug, Default)]
struct Answers {
    acknowledged: usize,
    /// Without any answer: when they were begun.
    unanswered: Vec<Instant>,
    /// Answered after this or that instant.
    last: Option<Instant>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_end_under_load_every_accepted_request_is_answered() {
    let mut server = Server::with().config(UNLIMITED).start().await;
    let mut chats = Vec::new();
    for _ in 0..30 {
        chats.push(RestChat::alice(&server).await);
    }
    let count = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for chat in chats {
        let count = Arc::clone(&count);
        writers.spawn(async move { (write(&chat, &count).await, chat) });
    }
    eventually("load", || {
        std::future::ready((count.load(Relaxed) > 300).then_some(()))
    })
    .await;
    let told = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
    let written = writers.join_all().await;
    server.start_again().await;
    let mut late = 0;
    for (answers, chat) in written {
        // One that was sent in the moment of the signal may have met a connection that was being closed.
        let accepted = told.checked_sub(Duration::from_millis(5)).unwrap();
        let broken = answers.unanswered.iter().filter(|begun| **begun < accepted);
        assert_eq!(broken.count(), 0, "{answers:?}, told at {told:?}");
        late += usize::from(answers.last > Some(told));
        let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
        let stored = texts(&chat.transcript(1).await).len();
        let most = answers.acknowledged + answers.unanswered.len();
        assert!(
            (answers.acknowledged..=most).contains(&stored),
            "{answers:?}, {stored}"
        );
    }
    assert!(late > 0, "some were under way");
}

/// The process was ended by the signal that comes with the first write beyond the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_commands_are_refused_and_accepted_again_when_there_is_room() {
    let mut server = Server::with().config(UNLIMITED).start().await;
    let chat = RestChat::alice(&server).await;
    let other = RestChat::alice(&server).await;
    other.say("before").await;
    server.limit_files(Some(4 << 20));
    let long = "x".repeat(LONG);
    let mut acknowledged = 0;
    let refusal = loop {
        let answer = chat.call("send", &[("message", &long)]).await;
        if answer.json()["statusCode"] != 0 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 3000, "it never becomes full");
    };
    assert_eq!(
        (refusal.status, &refusal.json()["statusCode"]),
        (503, &1.into())
    );
    let caller = Caller::new();
    eventually("not to be ready", || async {
        (caller.get(&server.internal("/readyz")).await.status == 503).then_some(())
    })
    .await;
    assert_eq!(texts(&other.transcript(1).await), ["before"], "can be read");

    server.limit_files(None);
    eventually("commands to be accepted", || async {
        let answer = chat.call("send", &[("message", "again")]).await;
        (answer.json()["statusCode"] == 0).then_some(())
    })
    .await;
    other.say("after").await;
    server.kill9().await;
    server.start_again().await;
    let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    let mut position = 1;
    let mut stored = Vec::new();
    while stored.last().is_none_or(|text| text != "again") {
        let events = chat.transcript(position).await;
        position = events.last().unwrap()["index"].as_u64().unwrap() + 1;
        stored.extend(texts(&events));
    }
    assert_eq!(
        stored.len(),
        acknowledged + 1,
        "what was refused is not there"
    );
    let other = RestChat::of(&server, &other.id, &other.user, &other.key);
    assert_eq!(texts(&other.transcript(1).await), ["before", "after"]);
}

/// Connections took every descriptor: new ones hung without an answer, and the store could open no file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_chats_go_on_and_new_connections_are_closed() {
    let server = Server::with()
        .config(UNLIMITED)
        .open_files(160)
        .start()
        .await;
    let mut chat = Customer::alice(&server, Door::Socket).await;
    let mut held = Vec::new();
    let refused = loop {
        let stream = TcpStream::connect(server.public).await.unwrap();
        match closed(stream).await {
            Ok(()) => break held.len(),
            Err(stream) => held.push(stream),
        }
        assert!(held.len() < 160, "all are accepted");
    };
    assert!(
        refused > 40,
        "most descriptors are for connections: {refused}"
    );

    chat.say("goes on").await;
    let metrics = Caller::new().get(&server.internal("/metrics")).await;
    let counted = metrics
        .text()
        .lines()
        .any(|line| line.starts_with("parlor_connections_refused_total") && !line.ends_with(" 0"));
    assert!(counted, "{}", metrics.text());
    assert_eq!(server.log().matches("limit reached: open files").count(), 1);
    // What is written for a while goes to other files of the log.
    let long = "x".repeat(LONG);
    for _ in 0..300 {
        chat.say(&long).await;
    }

    drop(held);
    eventually("a place for somebody new", || begins(server.public)).await;
    chat.say("still").await;
}

async fn begins(server: SocketAddr) -> Option<RestChat> {
    RestChat::try_request(server, &[("nickname", "Ben")]).await
}

/// Whether the server closes a connection at once.
async fn closed(mut stream: TcpStream) -> Result<(), TcpStream> {
    let mut byte = [0];
    match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut byte)).await {
        Ok(_) => Ok(()),
        Err(_) => Err(stream),
    }
}

/// Writes until the server takes no more.
async fn write(chat: &RestChat, count: &AtomicUsize) -> Answers {
    let mut answers = Answers::default();
    loop {
        let begun = Instant::now();
        let answer = within("an answer", chat.try_call("send", &[("message", "m")])).await;
        let Some(answer) = answer else {
            answers.unanswered.push(begun);
            return answers;
        };
        answers.last = Some(Instant::now());
        if answer.json()["statusCode"] != 0 {
            return answers;
        }
        answers.acknowledged += 1;
        count.fetch_add(1, Relaxed);
    }
}
