//! The world around the server: the process itself, and the people and programs that talk to it.

mod agent;
mod bayeux;
mod customer;
mod http;
mod receiver;
mod server;

use std::future::Future;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

pub use agent::Agent;
pub use bayeux::{Bayeux, Door};
pub use customer::Customer;
pub use http::{Caller, Reply, RestChat, multipart};
pub use receiver::{Answer, Post, Receiver};
pub use server::{BOB, CAROL, ROBBIE, Server, Start, sha256_hex};

/// How long a story waits for what must come. Generous: two cores may be busy with a browser.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The thing waited for, or a failure that says what it was.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_time(PATIENCE, what, future).await
}

/// As [`within`], with a patience of one's own.
pub async fn within_time<T>(patience: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(patience, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {patience:?} in vain for {what}"),
    }
}

/// Asks again and again, a few times a second, until the answer is there.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// Runs a script of `tests/node` and returns what it printed; it fails with everything the script said.
pub async fn node(script: &str, arguments: &[&str]) -> String {
    let folder = tests().join("node");
    assert!(
        folder.join("node_modules").is_dir(),
        "tests/node is not installed: run tests/run, or `npm ci` there"
    );
    let mut command = patiently("node");
    command
        .arg(folder.join(script))
        .args(arguments)
        .env("NODE_EXTRA_CA_CERTS", certificate("localhost", "crt"))
        .current_dir(&folder);
    finished(script, command).await
}

/// A file of a certificate for tests, that of `crt` or its `key`.
pub fn certificate(name: &str, kind: &str) -> PathBuf {
    tests().join(format!("fixtures/tls/{name}.{kind}"))
}

/// Runs a script of `tests/python` with the packages that `tests/run` installed for it.
pub async fn python(script: &str, arguments: &[&str]) -> String {
    let folder = tests().join("python");
    let packages = target().join("python");
    assert!(
        packages.is_dir(),
        "the Python packages are not installed: run tests/run"
    );
    let mut command = patiently("python3");
    command
        .arg(folder.join(script))
        .args(arguments)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    finished(script, command).await
}

// A script that hangs is ended by the system, so that none outlives the tests.
fn patiently(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "180", program]);
    command
}

async fn finished(script: &str, mut command: Command) -> String {
    command.stdin(Stdio::null());
    let output = blocking(move || command.output().unwrap()).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script} failed: {}\n{said}\n{complained}",
        output.status
    );
    said
}

/// What waits for another process waits on a thread of its own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Where scripts leave what somebody may want to look at.
pub fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target")
}

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The events of a reply or a data message, none where there are none.
pub fn events(reply: &Value) -> Vec<Value> {
    reply["messages"].as_array().cloned().unwrap_or_default()
}

/// The texts of the messages among some events, in order.
pub fn texts(events: &[Value]) -> Vec<String> {
    let messages = events.iter().filter(|event| event["type"] == "Message");
    messages
        .map(|event| event["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The types of some events, in order.
pub fn types(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
        .collect()
}
