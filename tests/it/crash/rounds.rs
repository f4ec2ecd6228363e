//! Round after round on one data folder: load over every door and pushes, SIGKILL at any instant, a restart, and a look at
//! what is there beside the journal of what was acknowledged.
//!
//! `tests/crash --rounds N` runs it. Each chat says 1, 2, 3…, so that what is stored shows by itself whether anything
//! is lost, stands twice, or has changed places.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{Bayeux, Door, Post, Receiver, RestChat, Server, events, texts};

const CHANNEL: &str = "/service/chatV2/customer-support";
const WRITERS: u64 = 12;
/// A chat of so many messages is ended, and another is begun: the log holds more and more that nobody needs.
const MESSAGES: usize = 60;
/// Of a text: the log is to grow through several files.
const PADDING: usize = 2500;

const SUBSCRIBED: [(&str, &str); 6] = [
    ("nickname", "Alice"),
    ("userData[GCTI_Chat_PushSubscribe]", "true"),
    ("userData[GCTI_GMS_PushDeviceId]", "device"),
    ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
    ("userData[GCTI_GMS_PushIncludePayload]", "true"),
    ("userData[GCTI_GMS_NotifyRequestor]", "true"),
];

/// The way by which a writer writes.
#[derive(Clone, Copy, Debug)]
enum By {
    /// Its chats are subscribed to pushes.
    Rest,
    Comet(Door),
}

/// What one writer knows of its chat.
struct Journal {
    by: By,
    chat: Option<RestChat>,
    /// What it calls the chat in its texts.
    name: String,
    chats: u64,
    /// Texts up to this one are promised; the next may be there or not.
    acknowledged: usize,
    /// Texts that were found already.
    checked: usize,
    /// Texts that are to be pushed, or were.
    owed: usize,
    /// How many events the chat had, as its last answer said.
    position: u64,
}

#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    chats: u64,
    lost: usize,
    twice: usize,
    displaced: usize,
    unpushed: usize,
    pushes: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(
    clippy::print_stdout,
    reason = "what a run by hand found is shown to whoever runs it"
)]
#[ignore = "`tests/crash --rounds N` runs it"]
async fn nothing_acknowledged_is_lost_in_any_round() {
    let rounds = variable("PARLOR_CRASH_ROUNDS").unwrap_or(50);
    let seed = variable("PARLOR_CRASH_SEED").unwrap_or(1);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let began = Instant::now();
    let mut receiver = Receiver::start().await;
    let mut server = start(&receiver).await;
    let mut journals: Vec<Journal> = (0..WRITERS).map(Journal::new).collect();
    let mut tally = Tally::default();
    let mut owed = HashSet::new();
    for round in 1..=rounds {
        journals = one_round(&mut server, journals, &mut dice).await;
        for journal in &mut journals {
            journal.check(&server, &mut tally).await;
            journal.owe(&mut owed);
        }
        while let Some(post) = receiver.next_within(Duration::ZERO).await {
            tally.note(&post, &mut owed);
        }
        assert!(
            tally.is_clean(),
            "seed {seed}, round {round}: {tally:?}\n{}",
            server.log()
        );
    }
    settle(&mut receiver, &mut owed, &mut tally).await;
    tally.unpushed = owed.len();
    tally.chats = journals.iter().map(|journal| journal.chats).sum();
    let log = folder_size(&server);
    println!(
        "{rounds} rounds in {:.0?}, the log {log} MiB: {tally:?}",
        began.elapsed()
    );
    assert!(
        tally.is_clean(),
        "seed {seed}: {tally:?}, e.g. {:?}",
        owed.iter().next()
    );
    assert!(tally.acknowledged as u64 > rounds * 20, "load: {tally:?}");
}

async fn start(receiver: &Receiver) -> Server {
    Server::with()
        .config(
            "[rate-limit]\nper-chat = 0\nper-address = 0\n[settings]\nclosed-session-readable = 1",
        )
        .set(&format!("push.customhttp.url={}", receiver.url()))
        .set("push.customhttp.transport-retry=[1,1,1,1,1,1,1,1]")
        .start()
        .await
}

/// Load, the end at some instant, and a start, which may be cut as well.
async fn one_round(server: &mut Server, journals: Vec<Journal>, dice: &mut Dice) -> Vec<Journal> {
    let mut writers = JoinSet::new();
    for journal in journals {
        let comet = match journal.by {
            By::Rest => None,
            By::Comet(door) => Some(comet(server.public, door).await),
        };
        writers.spawn(journal.write(server.public, comet));
    }
    tokio::time::sleep(Duration::from_millis(150 + dice.below(600))).await;
    server.kill9().await;
    let journals = writers.join_all().await;
    while dice.below(4) == 0 {
        let after = Duration::from_millis(dice.below(150));
        server.start_and_kill(after).await;
    }
    server.start_again().await;
    journals
}

/// Waits for the pushes that are still owed, as long as any come.
async fn settle(receiver: &mut Receiver, owed: &mut HashSet<String>, tally: &mut Tally) {
    while !owed.is_empty() {
        let Some(post) = receiver.next_within(Duration::from_secs(20)).await else {
            return;
        };
        tally.note(&post, owed);
    }
}

impl Journal {
    fn new(number: u64) -> Self {
        let by = match number % 3 {
            0 => By::Rest,
            1 => By::Comet(Door::Polling),
            _ => By::Comet(Door::Socket),
        };
        Self {
            by,
            chat: None,
            name: number.to_string(),
            chats: 0,
            acknowledged: 0,
            checked: 0,
            owed: 0,
            position: 0,
        }
    }

    /// Writes until the server is gone.
    async fn write(mut self, server: SocketAddr, mut comet: Option<Bayeux>) -> Self {
        while self.step(server, comet.as_mut()).await.is_some() {}
        self
    }

    /// One command; nothing: its outcome is not known, the server is gone.
    async fn step(&mut self, server: SocketAddr, comet: Option<&mut Bayeux>) -> Option<()> {
        if self.acknowledged >= MESSAGES {
            // What an answer does not tell is whether the chat has ended; it is not asked for any more.
            if let Some(chat) = self.chat.take() {
                chat.try_call("disconnect", &[]).await?;
            }
        }
        let Some(chat) = self.chat.clone() else {
            return self.begin(server).await;
        };
        let text = self.text(self.acknowledged + 1);
        match comet {
            None => {
                let position = self.position.to_string();
                let fields = [
                    ("message", text.as_str()),
                    ("transcriptPosition", &position),
                ];
                let answer = chat.try_call("send", &fields).await?.good();
                self.position = answer["nextPosition"].as_u64().unwrap();
            }
            Some(comet) => {
                // The key of the REST door opens these too.
                let data =
                    json!({"operation": "sendMessage", "secureKey": chat.key, "message": text});
                let reply = comet.try_publish(CHANNEL, data).await?;
                assert_eq!(reply["successful"], true, "{reply}");
            }
        }
        self.acknowledged += 1;
        Some(())
    }

    async fn begin(&mut self, server: SocketAddr) -> Option<()> {
        let fields = match self.by {
            By::Rest => &SUBSCRIBED[..],
            By::Comet(_) => &SUBSCRIBED[..1],
        };
        self.chat = Some(RestChat::try_request(server, fields).await?);
        self.chats += 1;
        self.acknowledged = 0;
        self.checked = 0;
        self.owed = 0;
        self.position = 2;
        Some(())
    }

    fn text(&self, number: usize) -> String {
        let Self { name, chats, .. } = self;
        format!("{name}/{chats}/{number} {}", "x".repeat(PADDING))
    }

    /// Compares what is stored with what was promised, and goes on from there.
    async fn check(&mut self, server: &Server, tally: &mut Tally) {
        let Some(chat) = &self.chat else {
            return;
        };
        let chat = RestChat::of(server, &chat.id, &chat.user, &chat.key);
        let events = chat.transcript(1).await;
        let indexes: Vec<u64> = events
            .iter()
            .filter_map(|event| event["index"].as_u64())
            .collect();
        assert!(indexes.is_sorted(), "{indexes:?}");
        let stored = texts(&events);
        let headings: Vec<&str> = stored.iter().map(|text| heading(text)).collect();
        let numbered = |number: usize| heading(&self.text(number)).to_owned();
        let mut times: HashMap<&str, usize> = HashMap::new();
        for heading in &headings {
            *times.entry(heading).or_default() += 1;
        }
        let promised: Vec<String> = (1..=self.acknowledged).map(numbered).collect();
        let missing = promised
            .iter()
            .filter(|one| !times.contains_key(one.as_str()));
        tally.lost += missing.count();
        tally.twice += times.values().filter(|count| **count > 1).count();
        let expected: Vec<String> = (1..=headings.len()).map(numbered).collect();
        tally.displaced +=
            usize::from(headings != expected || headings.len() > self.acknowledged + 1);
        tally.acknowledged += headings.len().saturating_sub(self.checked);
        self.checked = headings.len();
        self.acknowledged = headings.len();
        self.position = indexes.last().copied().unwrap_or(0) + 1;
        self.chat = Some(chat);
    }

    /// What is stored for a subscriber is pushed, whoever else knows it by now.
    fn owe(&mut self, owed: &mut HashSet<String>) {
        if matches!(self.by, By::Rest) {
            let new = self.owed + 1..=self.acknowledged;
            owed.extend(new.map(|number| heading(&self.text(number)).to_owned()));
            self.owed = self.acknowledged;
        }
    }
}

impl Tally {
    fn note(&mut self, post: &Post, owed: &mut HashSet<String>) {
        self.pushes += 1;
        for text in texts(&events(&post.json()["message"])) {
            owed.remove(heading(&text));
        }
    }

    fn is_clean(&self) -> bool {
        self.lost + self.twice + self.displaced + self.unpushed == 0
    }
}

async fn comet(server: SocketAddr, door: Door) -> Bayeux {
    let mut bayeux = Bayeux::connect(door, server, "/genesys/cometd", None).await;
    bayeux.subscribe(CHANNEL).await;
    bayeux
}

/// A text without its padding.
fn heading(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

fn folder_size(server: &Server) -> u64 {
    let files = std::fs::read_dir(server.data_dir().join("log")).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    bytes >> 20
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}

/// A small source of repeatable chance.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}
