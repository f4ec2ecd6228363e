//! The clock of the server's process is set forward and back by a day (`libfaketime`; the machine's clock is left alone).

use std::path::{Path, PathBuf};

use crate::world::{Agent, Receiver, RestChat, Server, texts};

const SUBSCRIBED: [(&str, &str); 6] = [
    ("nickname", "Alice"),
    ("userData[GCTI_Chat_PushSubscribe]", "true"),
    ("userData[GCTI_GMS_PushDeviceId]", "device"),
    ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
    ("userData[GCTI_GMS_PushIncludePayload]", "true"),
    ("userData[GCTI_GMS_PushResend]", "true"),
];

/// Deadlines were stored by a clock that began anew with each process: after a start under an earlier time, pushes that were
/// due soon came a day late.
#[tokio::test]
async fn chats_and_pushes_go_on_when_the_clock_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let time = folder.path().join("time");
    set(&time, "+0");
    let mut receiver = Receiver::start().await;
    let mut server = Server::with()
        .set(&format!("push.customhttp.url={}", receiver.url()))
        .set("settings.flex-push-resend-delay=1")
        .set("settings.flex-push-resend-attempts=100")
        .environment("LD_PRELOAD", faketime().to_str().unwrap())
        .environment("FAKETIME_TIMESTAMP_FILE", time.to_str().unwrap())
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start()
        .await;
    let chat = RestChat::request(&server, &SUBSCRIBED).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    receiver.next().await;
    let mut said = Vec::new();
    for offset in ["+1d", "-1d", "+0"] {
        set(&time, offset);
        said.push(format!("by the clock of {offset}"));
        bob.say(&chat.id, said.last().unwrap()).await;
        said.push(format!("seen at {offset}"));
        chat.say(said.last().unwrap()).await;
        for _ in 0..2 {
            receiver.next().await;
        }
    }
    for offset in ["+1d", "-1d", "+0"] {
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
        assert_eq!(texts(&chat.transcript(0).await), said);
    }
}

/// `+1d` from the real time, for instance.
fn set(file: &Path, offset: &str) {
    std::fs::write(file, offset).unwrap();
}

fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let candidates =
        folders.map(|folder| folder.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    candidates
        .into_iter()
        .find(|path| path.exists())
        .expect("libfaketime is not installed: run tests/run")
}
