//! The files of the log.
//!
//! A segment is written over zeros that are on the disk already: a sync then writes the data and no file-system journal, which
//! halves its time. So each is filled ahead of time under the name `NUMBER.new`, synced, and only then named `NUMBER.seg`.
//! One is always kept in reserve. The first segments are small, so that a fresh folder is made at once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::{Disk, File};

/// The sub-folder of the log.
pub const FOLDER: &str = "log";
const OPEN_MAX: usize = 128;
/// Bytes of zeros that are synced at once.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes of zeros that are written at once: what they take in memory.
const ZEROS_BYTES: usize = 64 << 10;
/// Between two pieces of zeros, unless somebody waits for the segment: so that commits do not wait behind all of them. A
/// piece in this time is several times what the fastest of loads fills.
const PAUSE: Duration = Duration::from_millis(10);
/// Emptied files that are kept to be filled again; more are removed.
const RECYCLED_MAX: usize = 2;

/// How large segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the first; each next one is twice as large.
    pub first_bytes: u32,
    /// Of the largest.
    pub most_bytes: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            first_bytes: 4 << 20,
            most_bytes: 64 << 20,
        }
    }
}

impl Sizes {
    fn of(self, number: u32) -> u32 {
        self.first_bytes
            .checked_shl(number.saturating_sub(1).min(31))
            .filter(|bytes| *bytes >= self.first_bytes)
            .unwrap_or(self.most_bytes)
            .min(self.most_bytes)
    }
}

/// The segments there are, and the ones made ready.
#[derive(Debug)]
pub struct Segments {
    disk: Arc<dyn Disk>,
    sizes: Sizes,
    files: Mutex<Files>,
    stock: Mutex<Stock>,
    stocked: Condvar,
}

/// An open segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its number, from 1.
    pub number: u32,
    /// The file.
    pub file: Arc<dyn File>,
    /// Bytes that it holds.
    pub capacity: u32,
}

#[derive(Debug, Default)]
struct Files {
    open: HashMap<u32, Arc<dyn File>>,
    opened: VecDeque<u32>,
}

#[derive(Debug, Default)]
struct Stock {
    /// All that bear the name of a segment, in use or ready.
    numbers: BTreeSet<u32>,
    ready: VecDeque<Segment>,
    emptied: VecDeque<u32>,
    next: u32,
    wanted: bool,
    /// How many wait for a segment: the present one is full.
    waiting: usize,
    trouble: Option<io::ErrorKind>,
}

impl Segments {
    /// Looks at what there is; removes what was not finished.
    pub fn open(disk: Arc<dyn Disk>, sizes: Sizes) -> io::Result<Self> {
        disk.make_folder(FOLDER)?;
        // A process that was killed may have named a segment and not synced that: what is seen is not yet there for good.
        disk.sync_folder(FOLDER)?;
        let mut stock = Stock::default();
        for name in disk.list(FOLDER)? {
            match name.split_once('.') {
                Some((number, "seg")) => stock.numbers.extend(number.parse::<u32>().ok()),
                Some((_, "new")) => disk.remove(&format!("{FOLDER}/{name}"))?,
                _ => {}
            }
        }
        stock.next = stock.numbers.last().map_or(1, |last| last + 1);
        Ok(Self {
            disk,
            sizes,
            files: Mutex::default(),
            stock: Mutex::new(stock),
            stocked: Condvar::new(),
        })
    }

    /// The numbers of all segments, in order.
    pub fn numbers(&self) -> Vec<u32> {
        self.stock().numbers.iter().copied().collect()
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        self.stock().numbers.len()
    }

    /// Whether there is a segment of this number.
    pub fn exists(&self, number: u32) -> bool {
        self.stock().numbers.contains(&number)
    }

    /// The most that a frame may have to fit into any segment.
    pub fn frame_bytes_max(&self) -> usize {
        self.sizes.first_bytes as usize
    }

    /// Opens a segment for reading; a few stay open.
    pub fn segment(&self, number: u32) -> io::Result<Segment> {
        let file = self.file(number)?;
        let capacity = u32::try_from(file.size()?).unwrap_or(u32::MAX);
        Ok(Segment {
            number,
            file,
            capacity,
        })
    }

    /// Whether the file is shorter than it was made.
    pub fn is_cut(&self, segment: &Segment) -> bool {
        segment.capacity < self.sizes.of(segment.number)
    }

    /// The file of a segment.
    pub fn file(&self, number: u32) -> io::Result<Arc<dyn File>> {
        let mut files = self.files();
        if let Some(file) = files.open.get(&number) {
            return Ok(file.clone());
        }
        let file = self.disk.open(&name(number, "seg"))?;
        files.keep(number, file.clone());
        Ok(file)
    }

    /// These, found empty at the start, are ready to be written.
    pub fn adopt(&self, segment: Segment) {
        self.stock().ready.push_back(segment);
    }

    /// The next segment to write to, if one is ready; another is wanted then.
    pub fn take(&self) -> Option<Segment> {
        let mut stock = self.stock();
        stock.wanted = true;
        let taken = stock.ready.pop_front();
        drop(stock);
        self.stocked.notify_all();
        let taken = taken?;
        self.files().keep(taken.number, taken.file.clone());
        Some(taken)
    }

    /// Waits until a segment is ready, or cannot be made: then why.
    pub fn wait(&self, patience: Duration) -> Result<(), io::ErrorKind> {
        let mut stock = self.stock();
        stock.waiting += 1;
        let (mut stock, _) = self
            .stocked
            .wait_timeout_while(stock, patience, |stock| {
                stock.ready.is_empty() && stock.trouble.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        stock.waiting -= 1;
        match stock.trouble {
            Some(kind) if stock.ready.is_empty() => Err(kind),
            _ => Ok(()),
        }
    }

    /// Whether no segment is ready.
    pub fn is_short(&self) -> bool {
        self.stock().ready.is_empty()
    }

    /// Waits until a segment was taken, or so long.
    pub fn wait_for_demand(&self, patience: Duration) {
        let stock = self.stock();
        let mut stock = self
            .stocked
            .wait_timeout_while(stock, patience, |stock| !stock.wanted)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        stock.wanted = false;
    }

    /// Wakes whoever waits for demand.
    pub fn nudge(&self) {
        self.stock().wanted = true;
        self.stocked.notify_all();
    }

    /// Fills one more segment with zeros. `gently`: with pauses.
    pub fn prepare(&self, gently: bool) -> io::Result<()> {
        let made = self.fill(gently);
        let mut stock = self.stock();
        stock.trouble = made.as_ref().err().map(io::Error::kind);
        let made = made.map(|segment| {
            // Only now: numbers without a segment would look like segments that are missing.
            stock.next = segment.number + 1;
            stock.numbers.insert(segment.number);
            stock.ready.push_back(segment);
        });
        drop(stock);
        self.stocked.notify_all();
        made
    }

    /// There is no room for another segment.
    pub fn report_full(&self) {
        self.stock().trouble = Some(io::ErrorKind::StorageFull);
        self.stocked.notify_all();
    }

    /// Nothing in this segment is needed any more.
    pub fn retire(&self, number: u32) -> io::Result<()> {
        self.files().forget(number);
        let mut stock = self.stock();
        if !stock.numbers.remove(&number) {
            return Ok(());
        }
        if stock.emptied.len() < RECYCLED_MAX && self.sizes.of(number) == self.sizes.of(stock.next)
        {
            stock.emptied.push_back(number);
            return Ok(());
        }
        drop(stock);
        self.disk.remove(&name(number, "seg"))?;
        self.disk.sync_folder(FOLDER)
    }

    /// How many more bytes of the disk the next segment will take: none where an emptied one is filled again.
    pub fn next_bytes(&self) -> u64 {
        let stock = self.stock();
        if stock.emptied.is_empty() {
            u64::from(self.sizes.of(stock.next))
        } else {
            0
        }
    }

    fn fill(&self, gently: bool) -> io::Result<Segment> {
        let (number, emptied) = {
            let mut stock = self.stock();
            (stock.next, stock.emptied.pop_front())
        };
        let (draft, capacity) = (name(number, "new"), self.sizes.of(number));
        let file = match emptied {
            Some(old) => {
                self.disk.rename(&name(old, "seg"), &draft)?;
                // Otherwise a power loss may leave it under its old name, half erased.
                self.disk.sync_folder(FOLDER)?;
                self.disk.open(&draft)?
            }
            None => self.disk.create(&draft)?,
        };
        self.zero(&*file, 0, capacity, gently)
            .and_then(|()| self.disk.rename(&draft, &name(number, "seg")))
            .and_then(|()| self.disk.sync_folder(FOLDER))
            .inspect_err(|_| {
                // Best effort: at the next start drafts are removed anyway.
                let _ = self.disk.remove(&draft);
            })?;
        // Under its new name, which is the one that errors are to say.
        let file = self.disk.open(&name(number, "seg"))?;
        Ok(Segment {
            number,
            file,
            capacity,
        })
    }

    /// Fills a segment with zeros from `from` on.
    pub fn erase(&self, segment: &Segment, from: u32) -> io::Result<()> {
        self.zero(&*segment.file, from, segment.capacity, false)
    }

    fn zero(&self, file: &dyn File, from: u32, capacity: u32, gently: bool) -> io::Result<()> {
        let capacity_bytes = capacity as usize;
        let zeros = vec![0; ZEROS_BYTES.min(capacity_bytes)];
        let mut offset = from as usize;
        while offset < capacity_bytes {
            let end = capacity_bytes.min(offset + PIECE_BYTES);
            while offset < end {
                let part = zeros.len().min(end - offset);
                file.write_at(&zeros[..part], offset as u64)?;
                offset += part;
            }
            file.sync()?;
            if gently && self.stock().waiting == 0 {
                std::thread::sleep(PAUSE);
            }
        }
        file.resize(u64::from(capacity))?;
        file.sync()
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn keep(&mut self, number: u32, file: Arc<dyn File>) {
        if self.open.insert(number, file).is_none() {
            self.opened.push_back(number);
        }
        if self.opened.len() > OPEN_MAX
            && let Some(oldest) = self.opened.pop_front()
        {
            self.open.remove(&oldest);
        }
    }

    fn forget(&mut self, number: u32) {
        self.open.remove(&number);
        self.opened.retain(|opened| *opened != number);
    }
}

fn name(number: u32, ending: &str) -> String {
    format!("{FOLDER}/{number:010}.{ending}")
}

#[cfg(test)]
mod tests;
