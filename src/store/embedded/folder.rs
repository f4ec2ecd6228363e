//! The data folder: its lock, its format, its secret; opening the engine in it.

mod contents;
mod small;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex};

use super::commit::Committer;
use super::disk::{self, Disk, Named};
use super::engine::{Engine, Held};
use super::keeper::Keeper;
use super::letters::Letters;
use super::queue::Queue;
use super::replay::{Damage, Replayed};
use super::segments::{Segments, Sizes};
use super::stats::{Stats, add};
use contents::Contents;
use small::{check_format, secret};

/// Why the data folder cannot be used. The process ends with 74.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data folder {0} is locked by another process; stop that one, or give this one another folder with --data-dir"
    )]
    Locked(PathBuf),
    /// It cannot be read or written.
    #[error("the data folder {path} cannot be used: {error}; check who owns it and its mode")]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file in it is not what it should be.
    #[error("{file} in the data folder is damaged: {what}; restore it from a backup")]
    Corrupt {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A newer version wrote it.
    #[error(
        "the data folder has format {version}, this version knows up to {FORMAT}; use the newer version"
    )]
    TooNew {
        /// The format's number.
        version: u32,
    },
    /// Something failed while it was opened.
    #[error("the store could not be opened: {0}; {advice}, then start again", advice = advice(.0))]
    Io(io::Error),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "check who owns it and its mode",
        _ => "see that the disk is sound and has room",
    }
}

/// A file of this name asks for a new index at the next start.
pub const REBUILD: &str = "index.rebuild";
/// The number of the folder's layout.
pub const FORMAT: u32 = 1;

/// Opens the engine on a disk. `random`: what the secret of a new folder is made of.
pub fn open(
    disk: Arc<dyn Disk>,
    path: &Path,
    sizes: Sizes,
    inline: bool,
    random: &dyn Fn() -> io::Result<[u8; 32]>,
) -> Result<Engine, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(Named(disk));
    let unreadable = |error| OpenError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let lock = disk.lock().map_err(unreadable)?;
    let lock = Held(lock.ok_or_else(|| OpenError::Locked(path.to_owned()))?);
    // What a process left that was killed before it could sync it: seen, but not yet there for good.
    disk.sync_folder("").map_err(unreadable)?;
    check_format(&*disk)?;
    let secret = secret(&*disk, random)?;
    let Contents {
        segments,
        hot,
        index,
        from,
        whole,
        replayed,
        awake,
    } = Contents::open(&disk, sizes)?;
    let full = !reserve(&segments)?;
    let stats = Arc::new(Stats::default());
    report(&replayed, whole, &stats);
    let engine = Engine {
        awake_at_start: awake,
        segments,
        hot,
        index,
        letters: Letters::default(),
        queue: Queue::default(),
        stats,
        inline,
        keeper: Mutex::new(Keeper::after_replay(from, replayed.bytes)),
        head: Mutex::new(replayed.head),
        committer: Mutex::new(Committer::new(replayed.segment, replayed.head)),
        condition: AtomicU8::default(),
        secret,
        _lock: lock,
        disk,
    };
    if full {
        engine.fill_up();
    }
    if whole && !engine.checkpoint() {
        return Err(OpenError::Io(io::Error::other(
            "index.redb: it could not be made anew",
        )));
    }
    if whole {
        withdraw_request(&*engine.disk);
    }
    Ok(engine)
}

/// Sees that a segment is ready. `false`: there is no room for one; what is there can be read all the same, and the space
/// thread makes one when there is.
fn reserve(segments: &Segments) -> Result<bool, OpenError> {
    if !segments.is_short() {
        return Ok(true);
    }
    match segments.prepare(false) {
        Ok(()) => Ok(true),
        Err(error) if disk::is_full(&error) && segments.count() > 0 => Ok(false),
        Err(error) => Err(OpenError::Io(error)),
    }
}

/// The index is new: nobody needs to ask for that any more. Synced, because a power loss would bring the request back. Best
/// effort: where it stays, the index is made anew once more.
fn withdraw_request(disk: &dyn Disk) {
    if disk.remove(REBUILD).is_ok() {
        let _ = disk.sync_folder("");
    }
}

fn report(replayed: &Replayed, whole: bool, stats: &Stats) {
    for damage in &replayed.damages {
        add(&stats.damaged, 1);
        match damage {
            Damage::Record(session, place) => {
                tracing::error!(%session, %place, "a stored record is damaged; other sessions are not affected");
            }
            Damage::Before(place) => {
                tracing::error!(%place, "stored records before this place are damaged");
            }
            Damage::Cut(place) => {
                tracing::error!(%place, "a file of the log was cut: records after this place are lost");
            }
            Damage::Missing(place) => {
                tracing::error!(%place, "a file of the log is missing, with every record in it");
            }
        }
    }
    tracing::info!(
        frames = replayed.frames,
        sessions = replayed.touched.len(),
        rebuilt = whole,
        "the log was replayed"
    );
}
