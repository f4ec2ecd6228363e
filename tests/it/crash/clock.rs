//! The clock of the server's process is set forward and back by a day (`tests/fixtures/clock.c`, preloaded; the machine's
//! clock is left alone).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{Agent, Post, Receiver, RestChat, Server, texts};

const SUBSCRIBED: [(&str, &str); 6] = [
    ("nickname", "Alice"),
    ("userData[GCTI_Chat_PushSubscribe]", "true"),
    ("userData[GCTI_GMS_PushDeviceId]", "device"),
    ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
    ("userData[GCTI_GMS_PushIncludePayload]", "true"),
    ("userData[GCTI_GMS_PushResend]", "true"),
];

const DAY: i64 = 86_400;

/// Deadlines were stored by a clock that began anew with each process: after a start under an earlier time, pushes that were
/// due soon came a day late.
#[tokio::test]
async fn chats_and_pushes_go_on_when_the_clock_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let time = folder.path().join("time");
    set(&time, 0);
    let mut receiver = Receiver::start().await;
    let mut server = Server::with()
        .set(&format!("push.customhttp.url={}", receiver.url()))
        .set("settings.flex-push-resend-delay=1")
        .set("settings.flex-push-resend-attempts=100")
        .environment("LD_PRELOAD", library(folder.path()).to_str().unwrap())
        .environment("CLOCK_OFFSET_FILE", time.to_str().unwrap())
        .start()
        .await;
    let chat = RestChat::request(&server, &SUBSCRIBED).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    receiver.next().await;
    let mut said = Vec::new();
    for offset in [DAY, -DAY, 0] {
        set(&time, offset);
        said.push(format!("by the clock of {offset}"));
        bob.say(&chat.id, said.last().unwrap()).await;
        said.push(format!("seen at {offset}"));
        chat.say(said.last().unwrap()).await;
        // One may have been under way when the clock was set.
        receiver.next().await;
        assert_eq!(days_from_now(&receiver.next().await), offset / DAY);
    }
    for offset in [DAY, -DAY, 0] {
        server.stop().await;
        set(&time, offset);
        server.start_again().await;
        // The resend was due by the clock of the process before.
        for _ in 0..2 {
            receiver.next().await;
        }
        let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
        said.push(format!("started at {offset}"));
        chat.say(said.last().unwrap()).await;
    }
    let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    assert_eq!(texts(&chat.transcript(1).await), said);
}

/// How many days from the real time a push says that it is.
fn days_from_now(post: &Post) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    let at: i64 = post.header("webhook-timestamp").parse().unwrap();
    (at - now + DAY / 2).div_euclid(DAY)
}

/// So many seconds from the real time. Never half written.
fn set(file: &Path, offset: i64) {
    let draft = file.with_extension("new");
    std::fs::write(&draft, offset.to_string()).unwrap();
    std::fs::rename(&draft, file).unwrap();
}

fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clock.c");
    let library = folder.join("clock.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .status();
    assert!(
        built.unwrap().success(),
        "a C compiler is needed: run tests/run"
    );
    library
}
