//! A checksum for every page of the index.
//!
//! redb believes what it reads: a flipped bit in a page of its trees ends the process. So each page is compared with its sum,
//! kept in a file beside it, before redb sees it. Pages of a durable write are never written over, and are synced before
//! the page that names them, the first. That one is written over, and a power loss may tear it: so the file of sums has the
//! last two states of it whole, and where the page is neither, it was to become the newer one.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::layout::bytes_min;
use crate::store::embedded::disk::File;
use crate::store::embedded::frame::Reader;
use crate::store::embedded::row::{seal, unseal};

const PAGE: usize = 4096;
const MAGIC: [u8; 8] = *b"parsums2";
/// A copy of the first page: its number, the page, and the sum of both.
const COPY: usize = 8 + PAGE + 4;
/// Magic and the two copies of the first page.
const HEAD: usize = MAGIC.len() + 2 * COPY;
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
    /// Which of the two copies is the first page on the disk.
    slot: usize,
    /// The number of the newest copy.
    number: u64,
    /// What was found in the file is there for good.
    settled: bool,
    zeros: u32,
}

impl Guarded {
    /// An empty file, with no sums.
    pub(super) fn create(data: Arc<dyn File>, sums: Arc<dyn File>) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(HEAD, 0);
        let created = Self::of(data, sums, bytes, vec![0; PAGE]);
        {
            let mut state = created.state();
            state.dirty = (0..HEAD.div_ceil(BLOCK)).collect();
            state.settled = true;
        }
        created
    }

    /// A file with its sums; fails where the first page or the sums are damaged, or the file was cut.
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
        guarded.state().find_first().ok_or_else(|| damaged(0))?;
        guarded.check_length()?;
        Ok(guarded)
    }

    fn of(data: Arc<dyn File>, sums: Arc<dyn File>, bytes: Vec<u8>, first: Vec<u8>) -> Self {
        let state = State {
            bytes,
            dirty: BTreeSet::new(),
            first,
            first_changed: false,
            slot: 0,
            number: 0,
            settled: false,
            zeros: crc32fast::hash(&[0; PAGE]),
        };
        Self {
            data,
            sums,
            state: Mutex::new(state),
        }
    }

    fn check_length(&self) -> io::Result<()> {
        let held = self.data.size()?;
        match bytes_min(&self.state().first) {
            Some(needed) if needed <= held => Ok(()),
            _ => Err(cut(held)),
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

    /// Before the first change: what a process left that was killed before it could sync it is seen, but not yet there for
    /// good, and a power loss in the middle of the next write would take it away from under that. So is a first page that was
    /// mended.
    fn settle(&self, state: &mut State) -> io::Result<()> {
        if !state.settled {
            if state.first_changed {
                self.data.write_at(&state.first, 0)?;
                state.first_changed = false;
            }
            self.data.sync()?;
            self.sums.sync()?;
            state.settled = true;
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
    /// Compares the first page with its copies, and mends it by them if it is torn; `None` where that cannot be.
    fn find_first(&mut self) -> Option<()> {
        let copies = [self.copy(0), self.copy(1)];
        let newest = usize::from(copies[1].map(|one| one.0) > copies[0].map(|one| one.0));
        let (number, mended) = copies[newest]?;
        let same = |slot: &usize| copies[*slot].is_some_and(|(_, page)| page == self.first);
        let (slot, mended) = match [newest, 1 - newest].into_iter().find(same) {
            Some(slot) => (slot, None),
            // Where a copy is damaged, the page may be that one, and the other too old: its pages were written over.
            None if copies.contains(&None) => return None,
            None => (newest, Some(mended.to_vec())),
        };
        self.slot = slot;
        self.number = number;
        if let Some(page) = mended {
            self.first = page;
            self.first_changed = true;
        }
        Some(())
    }

    /// A sound copy of the first page, and its number.
    fn copy(&self, slot: usize) -> Option<(u64, &[u8])> {
        let start = MAGIC.len() + slot * COPY;
        let (number, page) = unseal(&self.bytes[start..start + COPY])?.split_at(8);
        // An empty one was never written.
        let number = Reader(number).u64();
        (number > 0).then_some((number, page))
    }

    /// Puts the first page in place of the copy that is not on the disk.
    fn put_copy(&mut self) -> usize {
        let slot = 1 - self.slot;
        self.number += 1;
        let mut copy = self.number.to_le_bytes().to_vec();
        copy.extend_from_slice(&self.first);
        self.put(MAGIC.len() + slot * COPY, &seal(copy));
        slot
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
        self.put(HEAD + 4 * page, &sum.to_le_bytes());
    }

    fn lengthen(&mut self, pages: usize) {
        let zeros = self.zeros;
        while self.bytes.len() < HEAD + 4 * pages {
            let at = self.bytes.len();
            self.bytes.extend_from_slice(&[0; 4]);
            self.put(at, &zeros.to_le_bytes());
        }
    }

    fn read(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        self.bytes[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / BLOCK..=(end - 1) / BLOCK);
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
        let mut state = self.state();
        self.settle(&mut state)?;
        self.data.resize(len)?;
        let pages = usize::try_from(len)
            .map_err(io::Error::other)?
            .div_ceil(PAGE);
        if state.bytes.len() > HEAD + 4 * pages {
            state.bytes.truncate(HEAD + 4 * pages);
            self.sums.resize(state.bytes.len() as u64)?;
        }
        state.lengthen(pages);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        self.settle(&mut state)?;
        let copy = state.first_changed.then(|| state.put_copy());
        self.write_sums(&mut state)?;
        if copy.is_some() {
            self.data.write_at(&state.first, 0)?;
        }
        self.data.sync()?;
        if let Some(slot) = copy {
            state.first_changed = false;
            state.slot = slot;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let mut state = self.state();
        self.settle(&mut state)?;
        self.note(&mut state, data, start)?;
        let skipped = PAGE.saturating_sub(start).min(data.len());
        self.data
            .write_at(&data[skipped..], offset + skipped as u64)
    }
}

/// Something is missing behind so many bytes.
fn cut(bytes: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the index was cut after {bytes} bytes"),
    )
}

/// A page is not what was written.
fn damaged(page: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("page {page} of the index is damaged"),
    )
}
