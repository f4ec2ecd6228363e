//! What lies on the disk decays: any bit may be flipped, any file cut or gone. What is hurt is named, and nothing else is
//! lost.

mod cut;
mod refusals;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::life::text;
use super::world::{SECRET, World, alice, numbered};
use crate::clock::Instant;
use crate::id::SessionId;
use crate::store::Error;
use crate::store::embedded::disk::Disk as _;
use crate::store::embedded::engine::Engine;
use crate::store::embedded::folder::OpenError;
use crate::store::embedded::sim::{Dice, SimDisk};

const SESSIONS: u64 = 8;
const STORES: u64 = 4;
const HURTS: u64 = 200;
const INDEX: &str = "index.redb";
/// Where a file system cuts.
const PAGE: usize = 4096;

/// What a session said, and the files it lies in.
#[derive(Debug, Default)]
struct Said {
    texts: Vec<String>,
    files: Vec<String>,
}

/// How a store was left.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// In order, with everything in the index.
    Closed,
    /// In order, with some of the log still to be replayed.
    Dropped,
    /// By a kill after its last group was proven durable: the index is open.
    Killed,
    /// The same, with everything in the index.
    KilledAtRest,
}

const ENDS: [End; 4] = [End::Closed, End::Dropped, End::Killed, End::KilledAtRest];

type All = BTreeMap<SessionId, Said>;

#[derive(Debug)]
enum Hurt {
    Flip(usize, u8),
    Cut(usize),
    Remove,
}

/// A flipped bit in a page of the index ended the process, at every start again. So did an index that a kill had left, and that
/// was cut between two pages. A file of the log that was cut or gone took its sessions with it and no word was said.
#[test]
fn what_is_hurt_is_named_and_nothing_else_is_lost() {
    for store in 1..=STORES {
        let mut dice = Dice(store * 0x9E37_79B9);
        let (disk, said) = store_of(&mut dice, ENDS[store as usize % ENDS.len()]);
        for number in 0..HURTS {
            let (file, hurt) = choose(&disk, &mut dice);
            let hurt_disk = disk.fork();
            inflict(&hurt_disk, &file, &hurt);
            judge(&hurt_disk, &said, &file, &hurt).unwrap_or_else(|what| {
                panic!("store {store}, {number}: {hurt:?} of {file}: {what}")
            });
        }
    }
}

/// A flipped bit in the secret gave another secret: no key opened its chat any more, and every customer was told that the key
/// was wrong. One in the format's number was taken for a later version's.
#[test]
fn no_flipped_bit_passes_in_the_secret_and_the_format() {
    let mut world = World::new();
    world.begin(alice());
    world.drop_engine();
    for file in ["secret", "FORMAT"] {
        for bit in 0..world.disk.contents(file).len() * 8 {
            let hurt_disk = world.disk.fork();
            hurt_disk.flip(file, bit / 8, 1 << (bit % 8));
            let refused = World::try_open(&hurt_disk).map(drop).unwrap_err();
            refusal(&refused, file).unwrap_or_else(|what| panic!("bit {bit} of {file}: {what}"));
        }
    }
}

/// A store that was written for a while.
fn store_of(dice: &mut Dice, end: End) -> (SimDisk, All) {
    let mut world = World::new();
    let mut said = All::new();
    for count in 0..160 {
        let session = numbered(1 + dice.below(SESSIONS));
        let texts = &mut said.entry(session).or_default().texts;
        if texts.is_empty() {
            world.begin(session);
            texts.push(String::new());
        } else {
            let text = format!("{count}{}", "x".repeat(dice.within(600)));
            world.say(session, &text);
            texts.push(text);
        }
        match dice.below(20) {
            0 => world.put_away(session, Some(Instant(count))),
            1 => assert!(world.engine().checkpoint()),
            _ => {}
        }
    }
    // As the threads do it when nothing happens: the last group is proven, and a segment is in reserve.
    world.engine().commit_round(std::time::Duration::ZERO);
    world.engine().make_space();
    if matches!(end, End::Closed | End::KilledAtRest) {
        assert!(world.engine().checkpoint());
    }
    for (session, said) in &mut said {
        let row = world
            .engine()
            .entry(*session)
            .unwrap()
            .unwrap()
            .row
            .unwrap();
        let files = row
            .spread
            .iter()
            .map(|(number, _)| format!("log/{number:010}.seg"));
        said.files = files.collect();
    }
    if matches!(end, End::Closed | End::Dropped) {
        world.drop_engine();
    }
    let disk = world.disk.fork();
    disk.restart();
    (disk, said)
}

fn choose(disk: &SimDisk, dice: &mut Dice) -> (String, Hurt) {
    let names = disk.names();
    let name = match dice.below(2) {
        0 => INDEX,
        _ => &names[dice.within(names.len())],
    };
    let bytes = disk.contents(name);
    let hurt = match dice.below(10) {
        0 => Hurt::Remove,
        1 => Hurt::Cut(dice.within(bytes.len())),
        2 => Hurt::Cut(dice.within(bytes.len().div_ceil(PAGE)) * PAGE),
        _ => {
            let start = dice.within(bytes.len());
            let used = bytes[start..].iter().position(|byte| *byte != 0);
            Hurt::Flip(start + used.unwrap_or(0), 1 << dice.below(8))
        }
    };
    (name.to_owned(), hurt)
}

fn inflict(disk: &SimDisk, file: &str, hurt: &Hurt) {
    match hurt {
        Hurt::Flip(offset, bits) => disk.flip(file, *offset, *bits),
        Hurt::Cut(size) => disk.truncate(file, *size),
        Hurt::Remove => disk.remove(file).unwrap(),
    }
}

/// Opens the store and looks at everything. What a hurt index cannot tell, the next start tells from the log.
fn judge(disk: &SimDisk, said: &All, file: &str, hurt: &Hurt) -> Result<(), String> {
    let (opened, log) = logged(|| World::try_open(disk));
    let engine = match opened {
        Ok(engine) => engine,
        Err(error) => return refusal(&error, file),
    };
    if engine.secret != SECRET {
        return Err("another secret".to_owned());
    }
    match inspect(&engine, said, file, hurt, &log) {
        Err(Trouble::Unavailable) if file == INDEX => {
            drop(engine);
            let engine = World::try_open(disk).map_err(|error| error.to_string())?;
            inspect(&engine, said, file, hurt, "").map_err(|trouble| format!("again {trouble:?}"))
        }
        other => other.map_err(|trouble| format!("{trouble:?}")),
    }
}

/// What is wrong with a store that was opened.
#[derive(Debug)]
enum Trouble {
    /// It says that it cannot say.
    Unavailable,
    /// It is not as it should be.
    Wrong(#[allow(dead_code, reason = "shown where it fails")] String),
}

fn refusal(error: &OpenError, file: &str) -> Result<(), String> {
    let said = error.to_string();
    if said.contains(file) && said.contains("restore it from a backup") {
        return Ok(());
    }
    Err(format!("refused with: {said}"))
}

fn inspect(engine: &Engine, said: &All, file: &str, hurt: &Hurt, log: &str) -> Result<(), Trouble> {
    let mut hurt_sessions = 0;
    for (session, said) in said {
        match inspect_session(engine, *session, said, file, log) {
            Ok(whole) => hurt_sessions += u32::from(!whole),
            Err(trouble) => return Err(trouble),
        }
    }
    if hurt_sessions > 1 && matches!(hurt, Hurt::Flip(..)) {
        return Err(Trouble::Wrong(format!("{hurt_sessions} sessions are hurt")));
    }
    let everything = Instant(u64::MAX);
    let due = engine
        .due(everything, 99)
        .map_err(|_| Trouble::Unavailable)?;
    let open = engine
        .open_sessions(None, 99)
        .map_err(|_| Trouble::Unavailable)?;
    for session in said.keys() {
        let woken = due.contains(session) || engine.awake_at_start.contains(session);
        if !woken || !open.contains(session) {
            return Err(Trouble::Wrong(format!("{session} is forgotten: {log}")));
        }
    }
    Ok(())
}

/// Whether a session is whole. One that is not lies in the hurt file, and it, or at least the file, is named.
fn inspect_session(
    engine: &Engine,
    session: SessionId,
    said: &Said,
    file: &str,
    log: &str,
) -> Result<bool, Trouble> {
    let lies_there = said.files.iter().any(|one| one == file);
    match engine.read(session, 1, usize::MAX) {
        Ok(events) => {
            let texts: Vec<String> = events.iter().map(text).collect();
            if texts == said.texts {
                return Ok(true);
            }
            if lies_there && said.texts.starts_with(&texts) && log.contains(file) {
                return Ok(false);
            }
            Err(Trouble::Wrong(format!("{session} differs: {log}")))
        }
        Err(Error::Damaged {
            session: named,
            place,
        }) => {
            if lies_there && named == session && place.starts_with(file) {
                return Ok(false);
            }
            Err(Trouble::Wrong(format!("{named} is hurt at {place}: {log}")))
        }
        Err(_) => Err(Trouble::Unavailable),
    }
}

/// What is done, and what is logged meanwhile.
fn logged<T>(work: impl FnOnce() -> T) -> (T, String) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || Lines(writer.clone()))
        .finish();
    let done = tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    (done, text)
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
