//! The index over the log: a redb file.
//!
//! It is derived: losing it costs a scan of the log, and the snapshots and deadlines of sleeping sessions, which their
//! owners make again. Every write to it is durable before anything leaves memory on its account, and none is waited for by
//! a command.

mod backend;
mod layout;
mod sums;
mod write;

use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata as _, Table, TableDefinition, WriteTransaction,
};

use super::disk::{self, Disk};
use super::frame::Reader;
use super::hot::{Entry, Kept};
use super::letters::{Bundle, has_letters, write_letters};
use super::row::{Row, seal, unseal};
use crate::clock::Instant;
use crate::id::SessionId;
use write::{has_entries, write_entries};

type Key = [u8; 12];

const FILE: &str = "index.redb";
/// A checksum for each page of the other file.
const SUMS: &str = "index.sums";
const CACHE_BYTES: usize = 16 << 20;

const SESSIONS: TableDefinition<Key, &[u8]> = TableDefinition::new("sessions");
const SNAPSHOTS: TableDefinition<Key, &[u8]> = TableDefinition::new("snapshots");
const DEADLINES: TableDefinition<(u64, Key), ()> = TableDefinition::new("deadlines");
const OPEN: TableDefinition<Key, ()> = TableDefinition::new("open");
const AWAKE: TableDefinition<Key, ()> = TableDefinition::new("awake");
/// Bytes of each segment that some session still needs.
const SEGMENTS: TableDefinition<u32, u64> = TableDefinition::new("segments");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const POSITION: &str = "position";

/// How far the log has been written, or indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The segment that is written to; 0: none yet.
    pub segment: u32,
    /// Where the next frame goes.
    pub offset: u32,
    /// The number that the next frame gets.
    pub sequence: u64,
    /// The last durable group.
    pub group: u64,
}

/// The index file.
#[derive(Debug)]
pub struct Index {
    disk: Arc<dyn Disk>,
    slot: RwLock<Slot>,
}

/// After any failure the database answers nothing more: it is opened again, as it was at the last successful write.
#[derive(Debug)]
struct Slot {
    database: Option<Database>,
    opened: u64,
}

/// Why the index could not.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The disk is full.
    #[error("no space for the index")]
    Full,
    /// A row is not sound: the index has to be made anew from the log.
    #[error("a row of the index is damaged")]
    Damaged,
    /// A page is not sound: the index has to be made anew from the log.
    #[error("the index is damaged: {0}")]
    Rotten(io::Error),
    /// It failed before, and has to be opened again.
    #[error("the index is closed")]
    Closed,
    /// The file cannot be used.
    #[error("the index cannot be used: {0}")]
    Redb(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Io(error) if disk::is_full(&error) => Trouble::Full,
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Trouble::Rotten(error)
            }
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => Trouble::Closed,
            error => Trouble::Redb(Box::new(error)),
        }
    }
}

impl Index {
    /// Opens the index; `None` if there is none, or none that can be used.
    pub fn open(disk: &Arc<dyn Disk>) -> Option<Self> {
        match backend::open(disk) {
            Ok(database) => Some(Self::of(disk, database)),
            Err(redb::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, "the index cannot be used: it is made anew from the log");
                None
            }
        }
    }

    /// Makes an empty index, instead of one that may be there.
    pub fn create(disk: &Arc<dyn Disk>) -> Result<Self, Trouble> {
        Ok(Self::of(disk, backend::create(disk)?))
    }

    fn of(disk: &Arc<dyn Disk>, database: Database) -> Self {
        Self {
            disk: disk.clone(),
            slot: RwLock::new(Slot {
                database: Some(database),
                opened: 0,
            }),
        }
    }

    /// After a failed write: opens the file again, as it was at the last successful one.
    pub fn reopen(&self) -> Result<(), Trouble> {
        let opened = self.slot().opened;
        self.reopen_after(opened)
    }

    /// Up to where the log is indexed.
    pub fn position(&self) -> Result<Option<Position>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(META)?;
            let Some(bytes) = table.get(POSITION)? else {
                return Ok(None);
            };
            let mut reader = Reader(unseal(bytes.value()).ok_or(Trouble::Damaged)?);
            Ok(Some(Position {
                segment: reader.u32(),
                offset: reader.u32(),
                sequence: reader.u64(),
                group: reader.u64(),
            }))
        })
    }

    /// The row of a session.
    pub fn row(&self, session: SessionId) -> Result<Option<Row>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(SESSIONS)?;
            match table.get(session.to_bytes())? {
                Some(bytes) => Row::decode(bytes.value()).ok_or(Trouble::Damaged).map(Some),
                None => Ok(None),
            }
        })
    }

    /// The snapshot of a session; one that is not sound is none.
    pub fn snapshot(&self, session: SessionId) -> Result<Option<Kept>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(SNAPSHOTS)?;
            let bytes = table.get(session.to_bytes())?;
            Ok(bytes.and_then(|bytes| decode_kept(bytes.value())))
        })
    }

    /// Sleeping sessions whose deadline is not after `now`, the earliest first, as long as `wanted` says so.
    pub fn due(
        &self,
        now: Instant,
        limit: usize,
        wanted: impl Fn(SessionId, Instant) -> bool,
    ) -> Result<Vec<(Instant, SessionId)>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(DEADLINES)?;
            let mut due = Vec::new();
            for row in table.range(..=(now.0, [0xFF; 12]))? {
                let (deadline, session) = row?.0.value();
                let (session, deadline) = (SessionId::from_bytes(session), Instant(deadline));
                if due.len() == limit {
                    break;
                }
                if wanted(session, deadline) {
                    due.push((deadline, session));
                }
            }
            Ok(due)
        })
    }

    /// How many open sessions it has.
    pub fn opened_count(&self) -> Result<u64, Trouble> {
        self.reading(|read| Ok(read.open_table(OPEN)?.len()?))
    }

    /// Open sessions after `after`, in order, as long as `wanted` says so.
    pub fn opened(
        &self,
        after: Option<SessionId>,
        limit: usize,
        wanted: impl Fn(SessionId) -> bool,
    ) -> Result<Vec<SessionId>, Trouble> {
        self.reading(|read| {
            use std::ops::Bound::{Excluded, Unbounded};
            let table = read.open_table(OPEN)?;
            let from = after.map_or(Unbounded, |after| Excluded(after.to_bytes()));
            let mut open = Vec::new();
            for row in table.range::<Key>((from, Unbounded))? {
                let session = SessionId::from_bytes(row?.0.value());
                if open.len() == limit {
                    break;
                }
                if wanted(session) {
                    open.push(session);
                }
            }
            Ok(open)
        })
    }

    /// Sessions marked as awake.
    pub fn awake(&self) -> Result<Vec<SessionId>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(AWAKE)?;
            let mut awake = Vec::new();
            for row in table.iter()? {
                awake.push(SessionId::from_bytes(row?.0.value()));
            }
            Ok(awake)
        })
    }

    /// Bytes of each segment that some session in the index needs.
    pub fn segments(&self) -> Result<Vec<(u32, u64)>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(SEGMENTS)?;
            let mut segments = Vec::new();
            for row in table.iter()? {
                let (number, bytes) = row?;
                segments.push((number.value(), bytes.value()));
            }
            Ok(segments)
        })
    }

    /// Writes rows, snapshots and dead letters, and, if given, up to where the log is indexed by them. Durable when it
    /// returns. Says how many older dead letters had to go.
    pub fn write(
        &self,
        entries: &[(SessionId, Entry)],
        letters: &Bundle,
        position: Option<Position>,
    ) -> Result<u64, Trouble> {
        self.attempt(|database| {
            let mut write = database.begin_write()?;
            write.set_durability(Durability::Immediate)?;
            // Keeps what a reopening after a crash needs, so that it does not read the whole file.
            write.set_quick_repair(true);
            write_entries(&write, entries)?;
            let dropped = write_letters(&write, letters)?;
            if let Some(position) = position {
                let bytes = seal(encode_position(position));
                write.open_table(META)?.insert(POSITION, bytes.as_slice())?;
            }
            write.commit()?;
            Ok(dropped)
        })
    }

    pub(super) fn reading<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.attempt(|database| read(&database.begin_read()?))
    }

    /// Works on the database. One that failed before, perhaps in another's hands, is opened again first.
    fn attempt<T>(&self, work: impl Fn(&Database) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let opened = {
            let slot = self.slot();
            let result = slot.database.as_ref().map_or(Err(Trouble::Closed), &work);
            if !matches!(result, Err(Trouble::Closed)) {
                return result;
            }
            slot.opened
        };
        self.reopen_after(opened)?;
        let slot = self.slot();
        slot.database.as_ref().map_or(Err(Trouble::Closed), work)
    }

    /// Opens the file again, unless somebody has done so since.
    fn reopen_after(&self, opened: u64) -> Result<(), Trouble> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.opened != opened && slot.database.is_some() {
            return Ok(());
        }
        slot.opened += 1;
        slot.database = None;
        slot.database = Some(backend::open(&self.disk)?);
        Ok(())
    }

    fn slot(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode_position(position: Position) -> Vec<u8> {
    let mut bytes = position.segment.to_le_bytes().to_vec();
    bytes.extend(position.offset.to_le_bytes());
    bytes.extend(position.sequence.to_le_bytes());
    bytes.extend(position.group.to_le_bytes());
    bytes
}

fn encode_kept(kept: &Kept) -> Vec<u8> {
    let mut bytes = kept.records.to_le_bytes().to_vec();
    bytes.extend_from_slice(&kept.bytes);
    seal(bytes)
}

fn decode_kept(bytes: &[u8]) -> Option<Kept> {
    let bytes = unseal(bytes)?;
    let (records, bytes) = bytes.split_at_checked(4)?;
    Some(Kept {
        records: Reader(records).u32(),
        bytes: bytes.into(),
    })
}

#[cfg(test)]
mod tests;
