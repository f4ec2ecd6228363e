//! The data folder and other users and processes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::world::{RestChat, Server, blocking, within};

/// The note of the last time could be read by everybody. What is in the folder is for its owner only, whatever the umask.
#[tokio::test]
async fn every_file_in_the_data_folder_is_for_its_owner_only() {
    let mut server = Server::start().await;
    RestChat::alice(&server).await.say("mine").await;
    server.stop().await;
    let root = server.data_dir();
    let in_folder = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let mut files = 0;
    for path in in_folder(&root).chain(in_folder(&root.join("log"))) {
        let file = std::fs::metadata(&path).unwrap();
        let wanted = if file.is_dir() { 0o700 } else { 0o600 };
        let mode = file.permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
        files += 1;
    }
    assert!(files >= 8, "{files}");
}

/// A folder that everybody could enter, and a secret that everybody could read, started without a word.
#[tokio::test]
async fn a_start_warns_of_what_others_may_reach() {
    let mut server = Server::start().await;
    assert!(!server.log().contains("others"), "{}", server.log());
    server.stop().await;
    let root = server.data_dir();
    let loose = [(root.clone(), 0o755), (root.join("secret"), 0o644)];
    for (path, mode) in &loose {
        std::fs::set_permissions(path, PermissionsExt::from_mode(*mode)).unwrap();
    }
    server.start_again().await;
    let log = server.log();
    for (path, mode) in loose {
        let path = path.display();
        let advice = format!("chmod go-rwx {path}");
        let line = log.lines().find(|line| line.contains(&advice));
        let line = line.unwrap_or_else(|| panic!("{path}: {log}"));
        assert!(line.contains("WARN"), "{line}");
        assert!(line.contains(&format!("mode={mode:04o}")), "{line}");
    }
}

/// With the lock's file tidied away a second process came in, and what both had acknowledged was lost.
#[tokio::test]
async fn a_second_process_is_refused_whatever_was_tidied_away() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    for tidied in [None, Some("LOCK")] {
        if let Some(name) = tidied {
            std::fs::remove_file(server.data_dir().join(name)).unwrap();
        }
        let mut second = Command::new(env!("CARGO_BIN_EXE_parlor"));
        second.args(["--public", "127.0.0.1:0", "--internal", "127.0.0.1:0"]);
        second.arg("--data-dir").arg(server.data_dir());
        let ended = within("the end", blocking(move || second.output().unwrap())).await;
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(74), "{tidied:?}: {said}");
        assert!(said.contains("is locked by another process"), "{said}");
        chat.say("still here").await;
    }
}
