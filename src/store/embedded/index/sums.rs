//! A checksum for every page of the index.
//!
//! redb believes what it reads: a flipped bit in a page of its trees ends the process. So each page is compared with its sum,
//! kept in a file beside it, before redb sees it. Pages of a durable write are never written over, and are synced before
//! the page that names them, the first: for that one the sum from before the write counts as well as the one after it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::store::embedded::disk::File;

const PAGE: usize = 4096;
const MAGIC: [u8; 8] = *b"parsums1";
/// Magic and the two sums of the first page.
const HEAD: usize = 16;
/// So many bytes of sums are written at once.
const BLOCK: usize = 4096;

/// A file whose pages are compared with their sums.
#[derive(Debug)]
pub(super) struct Guarded {
    data: Arc<dyn File>,
    sums: Arc<dyn File>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The file of sums, as it is to be.
    bytes: Vec<u8>,
    /// Blocks of it that are not written.
    dirty: BTreeSet<usize>,
    /// The first page; it is written last.
    first: Vec<u8>,
    first_changed: bool,
    /// Which of the two sums is that of the first page on the disk.
    slot: usize,
    zeros: u32,
}

impl Guarded {
    /// An empty file, with no sums.
    pub(super) fn create(data: Arc<dyn File>, sums: Arc<dyn File>) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(HEAD, 0);
        Self::of(data, sums, bytes, vec![0; PAGE])
    }

    /// A file with its sums; fails where the first page or the sums are damaged.
    pub(super) fn open(data: Arc<dyn File>, sums: Arc<dyn File>) -> io::Result<Self> {
        let size = usize::try_from(sums.size()?).unwrap_or(0);
        let mut bytes = vec![0; size];
        sums.read_at(&mut bytes, 0)?;
        let mut first = vec![0; PAGE];
        data.read_at(&mut first, 0)?;
        if bytes.len() < HEAD || bytes[..8] != MAGIC {
            return Err(damaged(0));
        }
        let guarded = Self::of(data, sums, bytes, first);
        {
            let mut state = guarded.state();
            let sum = crc32fast::hash(&state.first);
            let slot = (0..2).find(|slot| state.slot_sum(*slot) == sum);
            state.slot = slot.ok_or_else(|| damaged(0))?;
            state.dirty.clear();
        }
        Ok(guarded)
    }

    fn of(data: Arc<dyn File>, sums: Arc<dyn File>, bytes: Vec<u8>, first: Vec<u8>) -> Self {
        let state = State {
            bytes,
            dirty: BTreeSet::from([0]),
            first,
            first_changed: false,
            slot: 0,
            zeros: crc32fast::hash(&[0; PAGE]),
        };
        Self {
            data,
            sums,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is to be read; zeros behind the end of the file.
    fn page(&self, state: &State, page: usize, bytes: &mut [u8]) -> io::Result<()> {
        if page == 0 {
            bytes.copy_from_slice(&state.first);
            return Ok(());
        }
        let count = self.data.read_at(bytes, (page * PAGE) as u64)?;
        bytes[count..].fill(0);
        Ok(())
    }

    /// Takes the sums of pages that are going to hold these bytes; of the first page, the bytes themselves.
    fn note(&self, state: &mut State, data: &[u8], offset: usize) -> io::Result<()> {
        let mut done = 0;
        let mut buffer = [0; PAGE];
        while done < data.len() {
            let (page, start) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let count = (PAGE - start).min(data.len() - done);
            if count < PAGE {
                self.page(state, page, &mut buffer)?;
            }
            buffer[start..start + count].copy_from_slice(&data[done..done + count]);
            if page == 0 {
                state.first.copy_from_slice(&buffer);
                state.first_changed = true;
            } else {
                let sum = crc32fast::hash(&buffer);
                state.set(page, sum);
            }
            done += count;
        }
        Ok(())
    }

    fn write_sums(&self, state: &mut State) -> io::Result<()> {
        if state.dirty.is_empty() {
            return Ok(());
        }
        for block in &state.dirty {
            let start = block * BLOCK;
            let end = (start + BLOCK).min(state.bytes.len());
            if start < end {
                self.sums.write_at(&state.bytes[start..end], start as u64)?;
            }
        }
        self.sums.sync()?;
        state.dirty.clear();
        Ok(())
    }
}

impl State {
    fn slot_sum(&self, slot: usize) -> u32 {
        self.read(8 + 4 * slot)
    }

    /// The sum of a page other than the first; a page without one is full of zeros.
    fn sum(&self, page: usize) -> u32 {
        let at = HEAD + 4 * page;
        if at + 4 > self.bytes.len() {
            return self.zeros;
        }
        self.read(at)
    }

    fn set(&mut self, page: usize, sum: u32) {
        self.lengthen(page + 1);
        self.write(HEAD + 4 * page, sum);
    }

    fn lengthen(&mut self, pages: usize) {
        let zeros = self.zeros;
        while self.bytes.len() < HEAD + 4 * pages {
            let at = self.bytes.len();
            self.bytes.extend_from_slice(&[0; 4]);
            self.write(at, zeros);
        }
    }

    fn read(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(bytes)
    }

    fn write(&mut self, at: usize, sum: u32) {
        self.bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        self.dirty.insert(at / BLOCK);
    }
}

impl StorageBackend for Guarded {
    fn len(&self) -> io::Result<u64> {
        self.data.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let first = offset / PAGE;
        let end = offset + out.len();
        let mut bytes = vec![0; end.next_multiple_of(PAGE) - first * PAGE];
        let count = self.data.read_at(&mut bytes, (first * PAGE) as u64)?;
        if first * PAGE + count < end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let state = self.state();
        for (page, bytes) in (first..).zip(bytes.chunks_mut(PAGE)) {
            if page == 0 {
                bytes.copy_from_slice(&state.first);
            } else if crc32fast::hash(bytes) != state.sum(page) {
                return Err(damaged(page));
            }
        }
        let start = offset % PAGE;
        out.copy_from_slice(&bytes[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.data.resize(len)?;
        let pages = usize::try_from(len)
            .map_err(io::Error::other)?
            .div_ceil(PAGE);
        let mut state = self.state();
        if state.bytes.len() > HEAD + 4 * pages {
            state.bytes.truncate(HEAD + 4 * pages);
            self.sums.resize(state.bytes.len() as u64)?;
        }
        state.lengthen(pages);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let changed = state.first_changed;
        if changed {
            let (slot, sum) = (1 - state.slot, crc32fast::hash(&state.first));
            state.write(8 + 4 * slot, sum);
        }
        self.write_sums(&mut state)?;
        if changed {
            self.data.write_at(&state.first, 0)?;
        }
        self.data.sync()?;
        if changed {
            state.first_changed = false;
            state.slot = 1 - state.slot;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let mut state = self.state();
        self.note(&mut state, data, start)?;
        let skipped = PAGE.saturating_sub(start).min(data.len());
        self.data
            .write_at(&data[skipped..], offset + skipped as u64)
    }
}

/// A page is not what was written.
fn damaged(page: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("page {page} of the index is damaged"),
    )
}
