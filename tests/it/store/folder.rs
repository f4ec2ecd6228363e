//! The embedded store's folder: what a restart and a flipped bit do to it, and who may use it.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parlor::clock::Instant;
use parlor::store::embedded::{Embedded, OpenError};
use parlor::store::{Error, summed};

use super::writer::{Writer, ask, open, options, peek, snapshot, try_ask};
use super::{dead_letter, times};

#[test]
fn a_restart_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let mut alice = Writer::new(&store, 1);
    let mut bob = Writer::new(&store, 2);
    alice.begin();
    bob.begin();
    (2..=100).for_each(|index| alice.say(index));
    alice.settle();
    bob.settle();
    store.put_away(bob.session, snapshot(), Some(Instant(5)));
    ask(store.close());
    let secret = store.secret();
    let sessions = (alice.session, bob.session);
    drop((alice, bob, store));

    let store = open(root.path());
    assert_eq!(store.secret(), secret);
    assert_eq!(store.awake_at_start(), [sessions.0]);
    assert_eq!(ask(store.read(sessions.0, 1, usize::MAX)).len(), 100);
    assert_eq!(ask(store.due(Instant(5), 9)), [sessions.1]);
    assert_eq!(peek(&store, sessions.1).unwrap().snapshot, Some(snapshot()));
    assert_eq!(ask(store.open_sessions(None, 9)), [sessions.0, sessions.1]);
}

#[test]
fn a_flipped_bit_hurts_the_session_it_belongs_to_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let mut alice = Writer::new(&store, 1);
    let mut bob = Writer::new(&store, 2);
    for writer in [&mut alice, &mut bob] {
        writer.begin();
        (2..=9).for_each(|index| writer.say(index));
        writer.settle();
    }
    let sessions = (alice.session, bob.session);
    drop((alice, bob, store));

    let (file, offset) = find(&root.path().join("log"), b"alice says 5").unwrap();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.write_at(b"m", offset).unwrap();
    let store = open(root.path());
    let damaged = |error| matches!(error, Error::Damaged { session, .. } if session == sessions.0);
    assert!(damaged(
        try_ask(store.read(sessions.0, 1, usize::MAX)).unwrap_err()
    ));
    assert!(damaged(try_ask(store.load(sessions.0)).unwrap_err()));
    assert_eq!(ask(store.read(sessions.1, 1, usize::MAX)).len(), 9);
}

#[test]
fn a_folder_in_use_is_refused_and_free_again_after_the_end() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let second = Embedded::open(&options(root.path()));
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(store);
    open(root.path());
}

/// Whoever tidied the lock's file away let a second process in: both wrote, and chats that had been acknowledged were lost.
#[test]
fn a_folder_in_use_is_refused_whatever_was_tidied_away() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let names = ["LOCK", "index.redb", "index.sums", "FORMAT", "secret"];
    for name in names {
        fs::remove_file(root.path().join(name)).unwrap();
        let second = Embedded::open(&options(root.path()));
        assert!(matches!(second, Err(OpenError::Locked(_))), "{name}");
    }
    drop(store);
}

#[test]
fn a_folder_of_a_later_format_is_refused() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("FORMAT"), summed::line("parlor store 2")).unwrap();
    let refused = Embedded::open(&options(root.path()));
    assert!(matches!(refused, Err(OpenError::TooNew { version: 2 })));
}

/// With a flipped bit in its secret the server started, and told every customer that the key was wrong.
#[test]
fn a_hurt_secret_ends_the_start_with_74_and_names_the_file() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    let file = root.path().join("secret");
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, bytes).unwrap();
    let started = std::process::Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["--public", "127.0.0.1:0", "--internal", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(root.path())
        .output()
        .unwrap();
    let said = String::from_utf8(started.stderr).unwrap();
    assert_eq!(started.status.code(), Some(74), "{said}");
    assert!(
        said.contains("secret in the data folder is damaged"),
        "{said}"
    );
    assert!(said.contains("restore it from a backup"), "{said}");
}

#[test]
fn nobody_else_may_look_into_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    drop(open(&folder));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("log")), 0o700);
    assert_eq!(mode(&folder.join("secret")), 0o600);
}

#[test]
fn dead_letters_outlive_a_restart_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (1..=5).for_each(|at| store.keep_dead_letter(dead_letter(at, 1)));
    ask(store.close());
    (6..=12).for_each(|at| store.keep_dead_letter(dead_letter(at, 1)));
    store.keep_dead_letter(dead_letter(5, 1));
    let before: Vec<u64> = times(&store);
    assert_eq!(before, (1..=12).collect::<Vec<_>>(), "written or not");
    ask(store.close());
    drop(store);
    assert_eq!(times(&open(folder.path())), (3..=12).collect::<Vec<_>>());
}

fn find(folder: &Path, text: &[u8]) -> Option<(PathBuf, u64)> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.into_iter().find_map(|file| {
        let bytes = fs::read(&file).unwrap();
        let offset = bytes
            .windows(text.len())
            .position(|window| window == text)?;
        Some((file, offset as u64))
    })
}
