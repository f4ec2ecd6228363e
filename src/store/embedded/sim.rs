//! A disk in memory that can lose power.
//!
//! It keeps, beside what a reader sees, what is certain to survive: the content at the last sync of each file, and the
//! names at the last sync of each folder. At a power loss each sector written since then is there or not, as a seed decides.

mod state;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, File};
use state::{Content, State, lock, surviving_names, within};

/// The smallest part of a write that is there or not as a whole.
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

    /// Every operation that changes something fails from the `count`-th from now on: the machine is gone.
    pub fn die_after(&self, count: u64) {
        let mut state = self.lock_state();
        state.fail_at = Some(state.operations + count);
    }

    /// Syncs fail from now on.
    pub fn fail_syncs(&self) {
        self.lock_state().fail_syncs = true;
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// The process was killed: what it wrote is there.
    pub fn restart(&self) {
        let mut state = self.lock_state();
        state.fail_at = None;
        state.fail_syncs = false;
        state.locked = false;
    }

    /// Power was lost: of what was not synced, `seed` decides what is there.
    pub fn lose_power(&self, seed: u64) {
        self.restart();
        let mut state = self.lock_state();
        let mut dice = Dice(seed | 1);
        state.names = surviving_names(&state, &mut dice);
        state.durable_names = state.names.clone();
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

    /// Turns over one bit of a file, as decay does.
    pub fn flip(&self, name: &str, offset: usize) {
        let mut state = self.lock_state();
        let Some(id) = state.names.get(name).copied() else {
            return;
        };
        if let Some(content) = state.files.get_mut(&id) {
            content.seen[offset] ^= 1;
            content.durable = content.seen.clone();
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
        state.names.insert(name.to_owned(), id);
        drop(state);
        Ok(self.file(id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        let id = state.id(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), id);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        let id = state.id(name)?;
        state.names.remove(name);
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
        state.step_sync()?;
        let names = std::mem::take(&mut state.durable_names);
        let elsewhere = names
            .into_iter()
            .filter(|(name, _)| within(folder, name).is_none());
        let mut durable: BTreeMap<_, _> = elsewhere.collect();
        for (name, id) in &state.names {
            if within(folder, name).is_some() {
                durable.insert(name.clone(), *id);
            }
        }
        state.durable_names = durable;
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
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        // A machine that dies in a write may have done the first part of it.
        let result = state.step();
        let bytes = if result.is_err() {
            &bytes[..bytes.len() / 2]
        } else {
            bytes
        };
        let dead = state.is_dead_for_long();
        if !dead {
            state.write(self.id, bytes, offset)?;
        }
        result
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = lock(&self.state);
        let content = state.content(self.id)?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(content.seen.len());
        let count = bytes.len().min(content.seen.len() - start);
        bytes[..count].copy_from_slice(&content.seen[start..start + count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step()?;
        state.step_sync()?;
        if let Some(content) = state.files.get_mut(&self.id) {
            content.sync();
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.state).content(self.id)?.seen.len() as u64)
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step()?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if let Some(content) = state.files.get_mut(&self.id) {
            let from = content.seen.len().min(size);
            let until = content.seen.len().max(size);
            content.seen.resize(size, 0);
            content.touch(from, until - from);
        }
        Ok(())
    }
}

/// A small source of repeatable chance (xorshift).
#[derive(Debug)]
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

    fn heads(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[cfg(test)]
mod tests;
