//! Killed at any instant: everything that was acknowledged is there, in order, and nothing twice.

mod clock;
mod rounds;
mod strain;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{Agent, Bayeux, Caller, Customer, Door, RestChat, Server, eventually, texts};

const WRITERS: usize = 12;
const ROUNDS: usize = 3;
const ACKNOWLEDGED_PER_ROUND: usize = 300;

/// What one writer knows: the numbers up to `acknowledged` are promised, the next may be there or not.
struct Journal {
    chat: RestChat,
    acknowledged: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_survives_kill_9_under_load() {
    let mut server = Server::with()
        .config("[rate-limit]\nper-chat = 0\nper-address = 0")
        .start()
        .await;
    let mut journals = Vec::new();
    for _ in 0..WRITERS {
        journals.push(Journal {
            chat: RestChat::alice(&server).await,
            acknowledged: 0,
        });
    }
    for round in 1..=ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for (number, journal) in journals.drain(..).enumerate() {
            let count = Arc::clone(&acknowledged);
            let (public, over_socket) = (server.public, number % 2 == 1);
            writers.spawn(async move {
                match over_socket {
                    true => write_over_socket(public, journal, &count).await,
                    false => write_over_rest(journal, &count).await,
                }
            });
        }
        eventually("load", || {
            std::future::ready(
                (acknowledged.load(Ordering::Relaxed) >= ACKNOWLEDGED_PER_ROUND).then_some(()),
            )
        })
        .await;
        server.kill9().await;
        journals = writers.join_all().await;
        server.start_again().await;
        for journal in &mut journals {
            check(&server, journal, round).await;
        }
    }
}

#[tokio::test]
async fn a_chat_that_was_begun_is_there_after_a_kill() {
    let mut server = Server::start().await;
    let rest = RestChat::request(
        &server,
        &[
            ("nickname", "Alice"),
            ("userData[GCTI_Chat_AsyncMode]", "true"),
        ],
    )
    .await;
    let comet = Customer::alice(&server, Door::Socket).await;
    server.kill9().await;
    server.start_again().await;
    RestChat::of(&server, &rest.id, &rest.user, &rest.key)
        .say("still here")
        .await;
    Customer::resume(&server, Door::Polling, &comet.key, 1)
        .await
        .say("me too")
        .await;
}

/// Each text once, in order, up to what was acknowledged and at most one further.
async fn check(server: &Server, journal: &mut Journal, round: usize) {
    journal.chat = RestChat::of(
        server,
        &journal.chat.id,
        &journal.chat.user,
        &journal.chat.key,
    );
    let stored = texts(&journal.chat.transcript(1).await);
    let expected: Vec<String> = (1..=stored.len())
        .map(|number| number.to_string())
        .collect();
    assert_eq!(stored, expected, "round {round}");
    let promised = journal.acknowledged;
    assert!(
        stored.len() == promised || stored.len() == promised + 1,
        "round {round}: {promised} promised, {} stored",
        stored.len()
    );
    journal.acknowledged = stored.len();
}

async fn write_over_rest(mut journal: Journal, count: &AtomicUsize) -> Journal {
    let caller = Caller::new();
    loop {
        let text = (journal.acknowledged + 1).to_string();
        let fields: Vec<String> = journal
            .chat
            .credentials()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = caller.request(reqwest::Method::POST, &journal.chat.url("send"));
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("{}&message={text}", fields.join("&")));
        let Ok(Ok(reply)) = tokio::time::timeout(Duration::from_secs(10), request.send()).await
        else {
            return journal;
        };
        let Ok(body) = reply.bytes().await else {
            return journal;
        };
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["statusCode"], 0, "{answer}");
        journal.acknowledged += 1;
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn write_over_socket(
    public: std::net::SocketAddr,
    journal: Journal,
    count: &AtomicUsize,
) -> Journal {
    let mut bayeux = Bayeux::connect(Door::Socket, public, "/genesys/cometd", None).await;
    let channel = "/service/chatV2/customer-support";
    bayeux.subscribe(channel).await;
    let mut journal = journal;
    loop {
        let text = (journal.acknowledged + 1).to_string();
        // The key of the REST door opens this one too.
        let data =
            json!({"operation": "sendMessage", "secureKey": journal.chat.key, "message": text});
        let Some(reply) = bayeux.try_publish(channel, data).await else {
            return journal;
        };
        assert_eq!(reply["successful"], true, "{reply}");
        journal.acknowledged += 1;
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One chat whose record is damaged made the whole list of sessions unavailable.
#[tokio::test]
async fn a_damaged_chat_is_missing_in_the_list_and_no_other() {
    let mut server = Server::start().await;
    RestChat::request(&server, &[("nickname", "Alice"), ("subject", "flip this")]).await;
    let other = RestChat::request(&server, &[("nickname", "Ben")]).await;
    other.say("after it").await;
    server.kill9().await;
    flip(&server.data_dir().join("log"), b"flip this");
    server.start_again().await;
    let mut bob = Agent::bob(&server).await;
    let listed = bob.ask("sessions", json!({})).await.unwrap();
    let sessions: Vec<&Value> = listed["sessions"].as_array().unwrap().iter().collect();
    assert_eq!(sessions.len(), 1, "{listed}");
    assert_eq!(sessions[0]["session"], other.id.as_str());
    assert!(server.log().contains("damaged"), "and is named in the log");
}

/// Flips a bit of this text wherever it is in the files of a folder.
fn flip(folder: &Path, text: &[u8]) {
    let mut flipped = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let place = bytes.windows(text.len()).position(|window| window == text);
        if let Some(place) = place {
            bytes[place] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            flipped += 1;
        }
    }
    assert_eq!(flipped, 1);
}
