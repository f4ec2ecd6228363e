//! What the simulated disk holds, synced and not.

use super::*;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) files: HashMap<u64, Content>,
    pub(super) names: BTreeMap<String, u64>,
    pub(super) durable_names: BTreeMap<String, u64>,
    pub(super) last_id: u64,
    pub(super) free: Option<u64>,
    pub(super) operations: u64,
    pub(super) fail_at: Option<u64>,
    pub(super) fail_syncs: bool,
    pub(super) locked: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Sectors written since the last sync.
    pub(super) unsure: std::collections::BTreeSet<usize>,
}

impl State {
    pub(super) fn id(&self, name: &str) -> io::Result<u64> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn content(&self, id: u64) -> io::Result<&Content> {
        self.files
            .get(&id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fail_at {
            Some(at) if self.operations >= at => Err(io::Error::other("the machine is gone")),
            _ => Ok(()),
        }
    }

    pub(super) fn step_sync(&self) -> io::Result<()> {
        if self.fail_syncs {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(())
    }

    pub(super) fn is_dead_for_long(&self) -> bool {
        self.fail_at.is_some_and(|at| self.operations > at)
    }

    pub(super) fn write(&mut self, id: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(content) = self.files.get_mut(&id) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let end = offset + bytes.len();
        let growth = end.saturating_sub(content.seen.len()) as u64;
        if let Some(free) = &mut self.free {
            *free = free.checked_sub(growth).ok_or(io::ErrorKind::StorageFull)?;
        }
        if growth > 0 {
            content.seen.resize(end, 0);
        }
        content.seen[offset..end].copy_from_slice(bytes);
        content.touch(offset, bytes.len());
        Ok(())
    }
}

impl Content {
    pub(super) fn touch(&mut self, offset: usize, count: usize) {
        if count > 0 {
            self.unsure
                .extend(offset / SECTOR..=(offset + count - 1) / SECTOR);
        }
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.unsure) {
            let start = (sector * SECTOR).min(self.seen.len());
            let end = (start + SECTOR).min(self.seen.len());
            self.durable[start..end].copy_from_slice(&self.seen[start..end]);
        }
    }

    pub(super) fn lose(&mut self, dice: &mut Dice) {
        let mut kept = self.durable.clone();
        if self.seen.len() != kept.len() && dice.heads() {
            kept.resize(self.seen.len(), 0);
        }
        for sector in std::mem::take(&mut self.unsure) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.seen.len()).min(kept.len());
            if start < end && dice.heads() {
                kept[start..end].copy_from_slice(&self.seen[start..end]);
            }
        }
        self.seen.clone_from(&kept);
        self.durable = kept;
    }
}

/// Each change of a name is there or not; a file that lost its old name without getting the new one keeps the old.
pub(super) fn surviving_names(state: &State, dice: &mut Dice) -> BTreeMap<String, u64> {
    if dice.heads() {
        state.names.clone()
    } else {
        state.durable_names.clone()
    }
}

pub(super) fn within<'a>(folder: &str, name: &'a str) -> Option<&'a str> {
    match name.rsplit_once('/') {
        Some((parent, name)) if parent == folder => Some(name),
        None if folder.is_empty() => Some(name),
        _ => None,
    }
}

pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
