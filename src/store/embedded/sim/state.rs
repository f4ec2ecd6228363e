//! What the simulated disk holds, synced and not.

use std::collections::BTreeSet;

use super::*;

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) files: HashMap<u64, Content>,
    pub(super) names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since the last sync of their folder, in order.
    namings: Vec<Naming>,
    pub(super) last_id: u64,
    pub(super) free: Option<u64>,
    pub(super) operations: u64,
    pub(super) fail_at: Option<u64>,
    pub(super) fault: Option<Fault>,
    /// The rest of a write that was done in part fails like this.
    pub(super) refusal: Option<io::ErrorKind>,
    pub(super) chopping: Option<Dice>,
    pub(super) locked: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Naming {
    Put(String, u64),
    Move(String, String),
    Drop(String),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Sectors written since the last sync.
    pub(super) unsure: BTreeSet<usize>,
    /// Sectors whose sync failed: no later one writes them.
    pub(super) forsaken: BTreeSet<usize>,
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

    pub(super) fn is_dead_for_long(&self) -> bool {
        self.fail_at.is_some_and(|at| self.operations > at)
    }

    pub(super) fn write(&mut self, id: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset + bytes.len();
        let held = self.content(id)?.seen.len();
        self.take_room(end.saturating_sub(held) as u64)?;
        if let Some(content) = self.files.get_mut(&id) {
            if end > held {
                content.seen.resize(end, 0);
                content.touch(held, end - held);
            }
            content.seen[offset..end].copy_from_slice(bytes);
            content.touch(offset, bytes.len());
        }
        Ok(())
    }

    pub(super) fn take_room(&mut self, growth: u64) -> io::Result<()> {
        if let Some(free) = &mut self.free {
            *free = free.checked_sub(growth).ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(())
    }

    pub(super) fn change_name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.namings.push(naming);
    }

    /// The first `count` changes in a folder are durable.
    pub(super) fn settle_names(&mut self, folder: &str, count: usize) {
        let mut left = count;
        for naming in std::mem::take(&mut self.namings) {
            if within(folder, naming.name()).is_none() {
                self.namings.push(naming);
            } else if left > 0 {
                left -= 1;
                naming.apply(&mut self.durable_names);
            }
        }
    }

    /// A file system does the changes in a folder in their order: some of the first are there.
    pub(super) fn lose_names(&mut self, dice: &mut Dice) {
        for folder in ["", "log"] {
            let changes = self.namings.iter();
            let here = changes.filter(|naming| within(folder, naming.name()).is_some());
            let count = here.count();
            self.settle_names(folder, dice.within(count + 1));
        }
        self.namings.clear();
        self.names.clone_from(&self.durable_names);
    }
}

impl Naming {
    fn name(&self) -> &str {
        match self {
            Self::Put(name, _) | Self::Move(name, _) | Self::Drop(name) => name,
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Put(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Move(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Drop(name) => {
                names.remove(name);
            }
        }
    }
}

impl Content {
    pub(super) fn touch(&mut self, offset: usize, count: usize) {
        if count > 0 {
            for sector in offset / SECTOR..=(offset + count - 1) / SECTOR {
                self.unsure.insert(sector);
                self.forsaken.remove(&sector);
            }
        }
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.unsure) {
            self.keep(sector, SECTOR);
        }
    }

    pub(super) fn forsake(&mut self) {
        let unsure = std::mem::take(&mut self.unsure);
        self.forsaken.extend(unsure);
    }

    pub(super) fn lose(&mut self, dice: &mut Dice) {
        if self.seen.len() != self.durable.len() && dice.heads() {
            self.durable.resize(self.seen.len(), 0);
        }
        let forsaken = std::mem::take(&mut self.forsaken);
        let unsure = std::mem::take(&mut self.unsure);
        let doubtful: Vec<usize> = unsure.union(&forsaken).copied().collect();
        for sector in &doubtful {
            match dice.below(16) {
                0 => self.keep(*sector, dice.within(SECTOR)),
                1..=8 => self.keep(*sector, SECTOR),
                _ => {}
            }
        }
        self.seen.truncate(self.durable.len());
        let longer = self.seen.len();
        self.seen.extend_from_slice(&self.durable[longer..]);
        for sector in doubtful {
            let range = self.range(sector, SECTOR);
            self.seen[range.clone()].copy_from_slice(&self.durable[range]);
        }
    }

    /// The first bytes of a sector reach the disk.
    fn keep(&mut self, sector: usize, bytes: usize) {
        let range = self.range(sector, bytes);
        self.durable[range.clone()].copy_from_slice(&self.seen[range]);
    }

    fn range(&self, sector: usize, bytes: usize) -> std::ops::Range<usize> {
        let until = self.seen.len().min(self.durable.len());
        let start = (sector * SECTOR).min(until);
        start..(start + bytes).min(until)
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
