//! What goes wrong with a disk that still has power.

use super::*;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Syncing a file or a folder.
    Sync,
}

/// How often it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Once; then it works as if nothing had been.
    Once,
    /// From then on.
    Forever,
}

/// A kind of operation that fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    kind: Kind,
    times: Times,
    error: io::ErrorKind,
    spared: u64,
    pub(super) struck: u64,
}

impl Fault {
    /// After `spared` operations of this kind that succeed, the disk is broken (`EIO`).
    pub fn broken(kind: Kind, times: Times, spared: u64) -> Self {
        Self {
            kind,
            times,
            error: io::ErrorKind::Other,
            spared,
            struck: 0,
        }
    }

    /// After `spared` writes that succeed, there is no room (`ENOSPC`), also for what lies on the disk already: so it is
    /// where a file system copies what is written over.
    pub fn full(times: Times, spared: u64) -> Self {
        Self {
            error: io::ErrorKind::StorageFull,
            ..Self::broken(Kind::Write, times, spared)
        }
    }

    /// Whether an operation fails.
    fn strike(&mut self, kind: Kind) -> io::Result<()> {
        if kind != self.kind || (self.struck > 0 && self.times == Times::Once) {
            return Ok(());
        }
        if self.spared > 0 {
            self.spared -= 1;
            return Ok(());
        }
        self.struck += 1;
        Err(io::Error::new(self.error, "as the story wants it"))
    }
}

impl State {
    /// Whether an operation of this kind fails.
    pub(super) fn strike(&mut self, kind: Kind) -> io::Result<()> {
        self.fault
            .as_mut()
            .map_or(Ok(()), |fault| fault.strike(kind))
    }

    /// How many of so many bytes are written: a write that is going to fail may do a part first.
    pub(super) fn write_bound(&mut self, length: usize) -> io::Result<usize> {
        if let Some(error) = self.refusal.take() {
            return Err(error.into());
        }
        if let Err(error) = self.strike(Kind::Write) {
            let part = self.part_of(length);
            if part == 0 {
                return Err(error);
            }
            self.refusal = Some(error.kind());
            return Ok(part);
        }
        Ok(self.chopped(length))
    }

    /// What comes of a write of so many bytes that ends before its time; it does not repeat itself.
    pub(super) fn part_of(&mut self, length: usize) -> usize {
        Dice(self.operations.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1).within(length)
    }

    /// Seldom less than what was asked for.
    pub(super) fn chopped(&mut self, length: usize) -> usize {
        let Some(dice) = &mut self.chopping else {
            return length;
        };
        if length > 1 && dice.below(16) == 0 {
            return 1 + dice.within(length - 1);
        }
        length
    }
}
