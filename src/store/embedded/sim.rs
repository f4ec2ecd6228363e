//! A disk in memory that can lose power, and that lies.
//!
//! It keeps, beside what a reader sees, what is certain to survive: the content at the last sync of each file, and the
//! names at the last sync of each folder. At a power loss each sector written since then is there, is not, or is torn, as a
//! seed decides, whatever the order of the writes was; of the names in a folder the first few changes are there. A sync
//! that fails leaves its sectors unwritten *and clean*, as Linux does: the next one succeeds and still does not write them.

mod fault;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, File};
pub use fault::{Fault, Kind, Times};
use state::{Content, Naming, State, lock, within};

/// The smallest part of a write that a disk promises to do as a whole; this one tears even that at times.
const SECTOR: usize = 512;

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct SimFile {
    id: u64,
    state: Arc<Mutex<State>>,
}

struct Unlock(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk with endless room.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only so many more bytes fit.
    pub fn set_free(&self, bytes: u64) {
        self.lock_state().free = Some(bytes);
    }

    /// From now on some writes and reads are done only in part, and say so.
    pub fn chop(&self, seed: u64) {
        self.lock_state().chopping = Some(Dice(seed | 1));
    }

    /// Every operation that changes something fails from the `count`-th from now on: the machine is gone.
    pub fn die_after(&self, count: u64) {
        let mut state = self.lock_state();
        state.fail_at = Some(state.operations + count);
    }

    /// Something goes wrong, now or later.
    pub fn fail(&self, fault: Fault) {
        self.lock_state().fault = Some(fault);
    }

    /// Nothing goes wrong any more; whether anything had.
    pub fn heal(&self) -> bool {
        let fault = self.lock_state().fault.take();
        fault.is_some_and(|fault| fault.struck > 0)
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// The process was killed: what it wrote is there.
    pub fn restart(&self) {
        let mut state = self.lock_state();
        state.fail_at = None;
        state.fault = None;
        state.locked = false;
    }

    /// Power was lost: of what was not synced, `seed` decides what is there.
    pub fn lose_power(&self, seed: u64) {
        self.restart();
        let mut state = self.lock_state();
        let mut dice = Dice(seed | 1);
        state.lose_names(&mut dice);
        let kept: Vec<u64> = state.names.values().copied().collect();
        state.files.retain(|id, _| kept.contains(id));
        let mut ids = kept;
        ids.sort_unstable();
        for id in ids {
            if let Some(content) = state.files.get_mut(&id) {
                content.lose(&mut dice);
            }
        }
    }

    /// Turns over some bits of a byte of a file, as decay does.
    pub fn flip(&self, name: &str, offset: usize, bits: u8) {
        self.decay(name, |bytes| {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= bits;
            }
        });
    }

    /// Cuts a file, as a repair of its file system may.
    pub fn truncate(&self, name: &str, size: usize) {
        self.decay(name, |bytes| bytes.truncate(size));
    }

    /// What is in a file.
    pub fn contents(&self, name: &str) -> Vec<u8> {
        let state = self.lock_state();
        let content = state.names.get(name).and_then(|id| state.files.get(id));
        content.map_or_else(Vec::new, |content| content.seen.clone())
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.lock_state().names.keys().cloned().collect()
    }

    /// A copy of the disk as it is, to be hurt on its own.
    pub fn fork(&self) -> Self {
        let state = self.lock_state().clone();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn decay(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock_state();
        let Some(id) = state.names.get(name).copied() else {
            return;
        };
        if let Some(content) = state.files.get_mut(&id) {
            change(&mut content.seen);
            content.durable.clone_from(&content.seen);
            content.unsure.clear();
            content.forsaken.clear();
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn file(&self, id: u64) -> Arc<dyn File> {
        Arc::new(SimFile {
            id,
            state: self.state.clone(),
        })
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let id = self.lock_state().id(name)?;
        Ok(self.file(id))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock_state();
        state.step()?;
        state.last_id += 1;
        let id = state.last_id;
        state.files.insert(id, Content::default());
        state.change_name(Naming::Put(name.to_owned(), id));
        drop(state);
        Ok(self.file(id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        state.id(from)?;
        state.change_name(Naming::Move(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        let id = state.id(name)?;
        state.change_name(Naming::Drop(name.to_owned()));
        if let Some(free) = state.free {
            let held = state
                .files
                .get(&id)
                .map_or(0, |content| content.seen.len() as u64);
            state.free = Some(free + held);
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.lock_state();
        let names = state.names.keys().filter_map(|name| within(folder, name));
        Ok(names.map(str::to_owned).collect())
    }

    fn make_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        state.strike(Kind::Sync)?;
        state.settle_names(folder, usize::MAX);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.lock_state().free.unwrap_or(u64::MAX))
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut state = self.lock_state();
        if state.locked {
            return Ok(None);
        }
        state.locked = true;
        drop(state);
        Ok(Some(Box::new(Unlock(self.state.clone()))))
    }
}

impl Drop for Unlock {
    fn drop(&mut self) {
        lock(&self.0).locked = false;
    }
}

impl File for SimFile {
    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let result = state.step();
        if state.is_dead_for_long() {
            return result.map(|()| 0);
        }
        if let Err(gone) = result {
            // A machine that dies in a write may have done the first part of it.
            let part = state.part_of(bytes.len());
            state.write(self.id, &bytes[..part], offset)?;
            return Err(gone);
        }
        let count = state.write_bound(bytes.len())?;
        state.write(self.id, &bytes[..count], offset)?;
        Ok(count)
    }

    fn read_some(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        state.strike(Kind::Read)?;
        let asked = state.chopped(bytes.len());
        let content = state.content(self.id)?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(content.seen.len());
        let count = asked.min(content.seen.len() - start);
        bytes[..count].copy_from_slice(&content.seen[start..start + count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step()?;
        let struck = state.strike(Kind::Sync);
        if let Some(content) = state.files.get_mut(&self.id) {
            match struck {
                Ok(()) => content.sync(),
                Err(_) => content.forsake(),
            }
        }
        struck
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.state).content(self.id)?.seen.len() as u64)
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step()?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let held = state.content(self.id)?.seen.len();
        state.take_room(size.saturating_sub(held) as u64)?;
        if let Some(content) = state.files.get_mut(&self.id) {
            let (from, until) = (held.min(size), held.max(size));
            content.seen.resize(size, 0);
            content.touch(from, until - from);
        }
        Ok(())
    }
}

/// A small source of repeatable chance (xorshift).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of `sides`, from 0.
    pub fn below(&mut self, sides: u64) -> u64 {
        (self.roll() >> 11) % sides
    }

    /// The same for lengths.
    pub fn within(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length.max(1) as u64)).unwrap_or(0)
    }

    fn heads(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[cfg(test)]
mod tests;
