//! After a start: from the last checkpoint to the end of the log.

use std::collections::BTreeSet;
use std::io;

use super::chain::{self, Fault};
use super::frame::{Flags, Place};
use super::hot::{Brief, Hot};
use super::index::{Index, Position, Trouble};
use super::scan::{Found, Scanner};
use super::segments::{Segment, Segments};
use super::verdict::{End, Judged, Verdict};
use crate::id::SessionId;

/// What replaying found.
#[derive(Debug)]
pub struct Replayed {
    /// Where the log goes on.
    pub head: Position,
    /// The segment there.
    pub segment: Option<Segment>,
    /// Sessions that the log says more of than the index.
    pub touched: BTreeSet<SessionId>,
    /// What was durable and is not sound any more.
    pub damages: Vec<Damage>,
    /// How many frames were read.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Where the log is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A record of a session.
    Record(SessionId, Place),
    /// Records before this place, nobody knows whose.
    Before(Place),
    /// A segment ends here, before its time.
    Cut(Place),
    /// The segment that begins here is missing.
    Missing(Place),
}

/// Why the log could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] Trouble),
}

/// Folds the log from `from` on into `hot`. `whole`: the index knows nothing, everything comes from the log.
pub fn replay(
    segments: &Segments,
    hot: &Hot,
    index: &Index,
    from: Position,
    whole: bool,
) -> Result<Replayed, Broken> {
    let mut replay = Replay {
        segments,
        hot,
        index,
        whole,
        touched: BTreeSet::new(),
        damages: Vec::new(),
        frames: 0,
        bytes: 0,
    };
    let (end, soiled) = replay.scan(from)?;
    let head = end.head;
    if let Some(place) = end.unproven {
        write_again(segments, place, head)?;
    }
    let segment = settle(segments, head, &soiled)?;
    Ok(Replayed {
        head,
        segment,
        touched: replay.touched,
        damages: replay.damages,
        frames: replay.frames,
        bytes: replay.bytes,
    })
}

struct Replay<'a> {
    segments: &'a Segments,
    hot: &'a Hot,
    index: &'a Index,
    whole: bool,
    touched: BTreeSet<SessionId>,
    damages: Vec<Damage>,
    frames: u64,
    bytes: u64,
}

impl Replay<'_> {
    /// Goes through the segments; where the log ends, and which segments hold something behind that.
    fn scan(&mut self, from: Position) -> Result<(End, BTreeSet<u32>), Broken> {
        let mut verdict = Verdict::new(from, !self.whole);
        let mut last_number = None;
        let mut ends = Vec::new();
        for number in self.segments.numbers() {
            if number < from.segment {
                continue;
            }
            if let Some(next) = last_number.map(|last: u32| last + 1)
                && next != number
            {
                if self.whole {
                    verdict.skip();
                } else {
                    // None is emptied that is not yet in the index.
                    self.damages.push(Damage::Missing(start_of(next)));
                }
            }
            last_number = Some(number);
            let start = start_in(number, from);
            ends.push((number, self.scan_segment(number, start, &mut verdict)?));
        }
        let end = verdict.end();
        let behind = |(number, written): &(u32, u32)| *written > start_in(*number, end.head);
        let soiled = ends.into_iter().filter(behind);
        Ok((end, soiled.map(|(number, _)| number).collect()))
    }

    /// Goes through one segment; where the last thing in it ends that is no zeros.
    fn scan_segment(
        &mut self,
        number: u32,
        start: u32,
        verdict: &mut Verdict,
    ) -> Result<u32, Broken> {
        let segment = self.segments.segment(number)?;
        if self.segments.is_cut(&segment) {
            self.damages.push(Damage::Cut(Place {
                segment: number,
                offset: segment.capacity,
            }));
        }
        let mut scanner = Scanner::new(&segment, start);
        let mut judged = Vec::new();
        while let Some(found) = scanner.find()? {
            self.frames += 1;
            self.bytes += found.header.frame_bytes() as u64;
            verdict.look(found, &mut |one| judged.push(one));
            for one in judged.drain(..) {
                self.judge(one)?;
            }
        }
        Ok(scanner.written)
    }

    fn judge(&mut self, judged: Judged) -> Result<(), Trouble> {
        match judged {
            Judged::Sound(found) => self.apply(found),
            Judged::Damaged(found) => {
                self.damages
                    .push(Damage::Record(found.header.session, found.place));
                self.apply(found)
            }
            Judged::Lost(place) => {
                self.damages.push(Damage::Before(place));
                Ok(())
            }
        }
    }

    fn apply(&mut self, found: Found) -> Result<(), Trouble> {
        let header = &found.header;
        if header.flags.has(Flags::SEAL) {
            return Ok(());
        }
        let known = self.brief(header.session)?;
        if header.flags.has(Flags::COPY) {
            if header.flags.has(Flags::COPY_LAST) {
                self.apply_copy(found, known)?;
            }
            return Ok(());
        }
        match known {
            None if header.number == 1 => self.append(found),
            None if self.whole => self.remains(found),
            None => {}
            Some(known) if header.number <= known.records => {}
            Some(known) => {
                self.adopt(header.session)?;
                if header.number == known.records + 1 && header.before == known.tail {
                    self.append(found);
                } else {
                    self.relink(found);
                }
            }
        }
        Ok(())
    }

    /// All records of a session have been copied here. Fewer may be known: of those that were copied some lie in files that
    /// are still there, and others in one that was emptied since.
    fn apply_copy(&mut self, found: Found, known: Option<Brief>) -> Result<(), Trouble> {
        let header = &found.header;
        let outdated = known.is_some_and(|known| known.records > header.number);
        if outdated || (known.is_none() && !self.whole) {
            return Ok(());
        }
        let Ok(row) = chain::row(self.segments, header.session, found.place) else {
            return Ok(());
        };
        if known.is_some() {
            self.adopt(header.session)?;
        }
        if known.is_some_and(|known| known.records == header.number) {
            self.hot.relocate(header.session, row);
        } else {
            self.hot.replace(header.session, row);
            self.touched.insert(header.session);
        }
        Ok(())
    }

    /// The record does not follow the ones that are known: its own chain tells.
    fn relink(&mut self, found: Found) {
        let session = found.header.session;
        match chain::row(self.segments, session, found.place) {
            Ok(row) => self.hot.replace(session, row),
            Err(Fault::Missing(place)) if self.whole && !self.segments.exists(place.segment) => {
                // A segment was emptied that it would need: it was forgotten before.
                self.hot.forget(session);
                self.touched.remove(&session);
                return;
            }
            Err(_) => self.condemn(found),
        }
        self.touched.insert(session);
    }

    /// A record without its beginning: the rest of a session that was forgotten, unless the one before it is damaged.
    fn remains(&mut self, found: Found) {
        let header = &found.header;
        let before = header.before;
        let gone = !self.segments.exists(before.segment)
            || chain::header(self.segments, before, header.session).is_ok();
        if !gone {
            self.condemn(found);
        }
    }

    fn condemn(&mut self, found: Found) {
        let session = found.header.session;
        self.hot.append(&found.header, found.place);
        self.hot.damage(session, found.header.before);
        self.touched.insert(session);
        self.damages
            .push(Damage::Record(session, found.header.before));
    }

    fn append(&mut self, found: Found) {
        self.hot.append(&found.header, found.place);
        self.touched.insert(found.header.session);
    }

    fn brief(&self, session: SessionId) -> Result<Option<Brief>, Trouble> {
        match self.hot.brief(session) {
            Some(known) => Ok(known),
            None if self.whole => Ok(None),
            None => Ok(self.index.row(session)?.as_ref().map(super::hot::brief)),
        }
    }

    fn adopt(&self, session: SessionId) -> Result<(), Trouble> {
        if !self.hot.has(session) {
            let row = self.index.row(session)?;
            self.hot.adopt(session, row, self.hot.evictions(session));
        }
        Ok(())
    }
}

fn start_of(segment: u32) -> Place {
    Place { segment, offset: 0 }
}

/// Where what comes after `position` begins in a segment.
fn start_in(number: u32, position: Position) -> u32 {
    if number == position.segment {
        position.offset
    } else {
        0
    }
}

/// Writes the last group as it is read, so that the next sync writes it to the disk: one that failed before did not, and
/// left nothing behind that a sync would find to write.
fn write_again(segments: &Segments, from: Place, head: Position) -> io::Result<()> {
    let file = segments.file(from.segment)?;
    let mut bytes = vec![0; head.offset.saturating_sub(from.offset) as usize];
    let offset = u64::from(from.offset);
    let count = file.read_at(&mut bytes, offset)?;
    file.write_at(&bytes[..count], offset)
}

/// Erases what lies behind the head, makes what lies before it durable, and readies the segments after it.
fn settle(
    segments: &Segments,
    head: Position,
    soiled: &BTreeSet<u32>,
) -> io::Result<Option<Segment>> {
    let mut current = None;
    for number in segments.numbers() {
        if number < head.segment {
            continue;
        }
        let segment = segments.segment(number)?;
        if soiled.contains(&number) {
            segments.erase(&segment, start_in(number, head))?;
        }
        if number == head.segment {
            segment.file.sync()?;
            current = Some(segment);
        } else {
            segments.adopt(segment);
        }
    }
    Ok(current)
}
