//! Group commit: one write, one sync, many records.

mod tell;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::disk;
use super::engine::Engine;
use super::frame::{Flags, Header, Place, frame_bytes};
use super::hot::Brief;
use super::index::Position;
use super::queue::{Draft, Job, LaneState, Signal};
use super::row::Row;
use super::segments::Segment;
use crate::clock::Wall;
use crate::id::{ById, SessionId};
use crate::store::{Completion, Condition, Error};
use tell::{Outcome, refuse, tell};

/// How long the commit thread waits for a segment to be made ready before it fails the batch.
const SEGMENT_PATIENCE: Duration = Duration::from_secs(30);
/// A buffer that is kept for the next group takes at most so many bytes.
const SPARE_MAX: usize = 512 << 10;

/// The only writer of the log.
#[derive(Debug)]
pub struct Committer {
    segment: Option<Segment>,
    head: Position,
    /// Whether the last group is followed by something that proves it durable.
    sealed: bool,
    /// Zeros are owed from the head on: a failed write may have left something there.
    soiled: u32,
    copies: ById<SessionId, Row>,
    /// The buffer of the group before: where each has a new one, megabytes of them wait to be given back.
    spare: Vec<u8>,
}

/// What becomes of the jobs of one round.
#[derive(Default)]
struct Group {
    buffer: Vec<u8>,
    frames: Vec<(Header, Place)>,
    briefs: ById<SessionId, Brief>,
    outcomes: Vec<Outcome>,
}

impl Committer {
    /// A writer that goes on at `head`.
    pub fn new(segment: Option<Segment>, head: Position) -> Self {
        Self {
            segment,
            head,
            sealed: true,
            soiled: 0,
            copies: ById::default(),
            spare: Vec::new(),
        }
    }

    /// Deals with these jobs: whatever does not fit into the segment is put back.
    pub fn round(&mut self, engine: &Engine, jobs: Vec<Job>) {
        if engine.condition() != Condition::Writable {
            return refuse(engine, jobs);
        }
        if let Err(error) = self.make_room(engine, &jobs) {
            engine.fail_write(&error);
            return refuse(engine, jobs);
        }
        let bytes: usize = jobs.iter().filter_map(needed_bytes).sum();
        let mut group = Group {
            buffer: std::mem::take(&mut self.spare),
            ..Group::default()
        };
        group.buffer.reserve(bytes.min(self.room()));
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            if let Some(job) = self.stage(engine, &mut group, job) {
                let rest = std::iter::once(job).chain(jobs).collect();
                engine.queue.put_back(rest);
                break;
            }
        }
        let written = self.write(engine, &group);
        self.finish(engine, group, written);
    }

    /// Proves the last group durable, so that damage to it can be told from a torn write.
    pub fn seal(&mut self, engine: &Engine) {
        if self.sealed || engine.condition() != Condition::Writable {
            return;
        }
        let room = frame_bytes(0);
        if self.room() < room {
            return;
        }
        let mut group = Group::default();
        self.put(&mut group, self.seal_header(), &[]);
        let written = self.write(engine, &group);
        self.finish(engine, group, written);
        self.sealed = true;
    }

    /// Takes the next segment where the first of these jobs does not fit.
    fn make_room(&mut self, engine: &Engine, jobs: &[Job]) -> io::Result<()> {
        let needed = jobs.iter().find_map(needed_bytes).unwrap_or(0);
        if needed == 0 || self.room() >= needed {
            return Ok(());
        }
        // What was refused must not stand before what will be accepted.
        self.erase_soil(engine)?;
        let next = engine.next_segment(SEGMENT_PATIENCE)?;
        self.head.segment = next.number;
        self.head.offset = 0;
        self.segment = Some(next);
        Ok(())
    }

    fn room(&self) -> usize {
        let capacity = self.segment.as_ref().map_or(0, |segment| segment.capacity);
        capacity.saturating_sub(self.head.offset) as usize
    }

    /// Gives a job its place in the group; hands it back where there is no room.
    fn stage(&mut self, engine: &Engine, group: &mut Group, job: Job) -> Option<Job> {
        if needed_bytes(&job).is_some_and(|needed| group.buffer.len() + needed > self.room()) {
            return Some(job);
        }
        let outcome = match job {
            Job::Commit {
                lane,
                generation,
                ticket,
                draft,
                queued,
            } => {
                let result = if lane.has_failed(generation) {
                    Err(Error::Abandoned)
                } else {
                    draft.and_then(|draft| self.stage_draft(engine, group, &draft))
                };
                if result.is_err() {
                    lane.fail(generation);
                }
                Outcome::Commit {
                    lane,
                    generation,
                    ticket,
                    result,
                    queued,
                }
            }
            Job::Copy {
                frames,
                last,
                signal,
            } => Outcome::Copy {
                moved: self.stage_copy(group, &frames, last),
                signal,
            },
            Job::Barrier(signal) => Outcome::Barrier(signal),
        };
        group.outcomes.push(outcome);
        None
    }

    fn stage_draft(
        &mut self,
        engine: &Engine,
        group: &mut Group,
        draft: &Draft,
    ) -> Result<(), Error> {
        let brief = match group.briefs.get(&draft.session) {
            Some(brief) => *brief,
            None => engine.brief(draft.session, draft.flags)?,
        };
        if draft.epoch < brief.epoch {
            return Err(Error::Fenced);
        }
        let (first, events) = draft.events.unwrap_or((brief.next.max(1), 0));
        let header = Header {
            flags: draft.flags,
            session: draft.session,
            number: brief.records + 1,
            before: brief.tail,
            first,
            events,
            epoch: draft.epoch,
            ..self.seal_header()
        };
        let place = self.put(group, header, &draft.payload);
        let brief = Brief {
            tail: place,
            records: header.number,
            next: header.next(),
            epoch: header.epoch,
        };
        group.briefs.insert(draft.session, brief);
        Ok(())
    }

    /// Continues the copy of a session; its new row when that was the last stretch.
    fn stage_copy(
        &mut self,
        group: &mut Group,
        frames: &[(Header, Vec<u8>)],
        last: bool,
    ) -> Option<(SessionId, Row)> {
        let session = frames.first()?.0.session;
        let mut row = self.copies.remove(&session).unwrap_or_default();
        for (number, (old, payload)) in frames.iter().enumerate() {
            if old.number == 1 {
                row = Row::default();
            }
            let ends = last && number + 1 == frames.len();
            let mut flags = old.flags.without(Flags::COPY_LAST).with(Flags::COPY);
            if ends {
                flags = flags.with(Flags::COPY_LAST);
            }
            let header = Header {
                flags,
                before: row.tail,
                ..*old
            };
            let place = self.put(group, header, payload);
            row.append(&header, place);
        }
        if last {
            return Some((session, row));
        }
        self.copies.insert(session, row);
        None
    }

    /// Appends a frame to the group; what depends on the place is filled in here.
    fn put(&self, group: &mut Group, header: Header, payload: &[u8]) -> Place {
        let ordinal = u32::try_from(group.frames.len()).unwrap_or(u32::MAX);
        let header = Header {
            payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload_crc: crc32fast::hash(payload),
            segment: self.head.segment,
            sequence: self.head.sequence + u64::from(ordinal),
            group: self.head.group + 1,
            ordinal,
            durable_group: self.head.group,
            ..header
        };
        let before = u32::try_from(group.buffer.len()).unwrap_or(u32::MAX);
        let place = Place {
            segment: self.head.segment,
            offset: self.head.offset + before,
        };
        header.write(payload, &mut group.buffer);
        group.frames.push((header, place));
        place
    }

    fn seal_header(&self) -> Header {
        Header {
            payload_bytes: 0,
            payload_crc: 0,
            flags: Flags::SEAL,
            segment: 0,
            sequence: 0,
            group: 0,
            ordinal: 0,
            durable_group: 0,
            session: SessionId::new(Wall(0), 0),
            number: 0,
            before: Place::NOWHERE,
            first: 0,
            events: 0,
            epoch: 0,
        }
    }

    fn write(&mut self, engine: &Engine, group: &Group) -> io::Result<()> {
        if group.buffer.is_empty() {
            return Ok(());
        }
        self.erase_soil(engine)?;
        let Some(segment) = &self.segment else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let offset = u64::from(self.head.offset);
        if let Err(error) = segment.file.write_at(&group.buffer, offset) {
            let written = u32::try_from(group.buffer.len()).unwrap_or(u32::MAX);
            self.soiled = self.soiled.max(written);
            return Err(error);
        }
        sync(engine, segment)?;
        let bytes = u32::try_from(group.buffer.len()).unwrap_or(u32::MAX);
        self.head.offset += bytes;
        self.head.sequence += group.frames.len() as u64;
        self.head.group += 1;
        self.sealed = false;
        engine.stats.group(group.frames.len(), group.buffer.len());
        Ok(())
    }

    /// Writes zeros over what a failed write may have left.
    fn erase_soil(&mut self, engine: &Engine) -> io::Result<()> {
        let Some(segment) = self.segment.as_ref().filter(|_| self.soiled > 0) else {
            return Ok(());
        };
        let zeros = vec![0; self.soiled as usize];
        segment.file.write_at(&zeros, u64::from(self.head.offset))?;
        sync(engine, segment)?;
        self.soiled = 0;
        Ok(())
    }

    /// Makes the group known, or its failure; then tells whoever waits.
    fn finish(&mut self, engine: &Engine, mut group: Group, written: io::Result<()>) {
        if group.buffer.capacity() <= SPARE_MAX {
            group.buffer.clear();
            self.spare = std::mem::take(&mut group.buffer);
        }
        let failure = written.as_ref().err().map(|error| engine.fail_write(error));
        if failure.is_none() {
            for (header, place) in &group.frames {
                if !header.flags.has(Flags::COPY) && !header.flags.has(Flags::SEAL) {
                    engine.hot.append(header, *place);
                }
            }
            engine.set_head(self.head);
        } else {
            self.copies.clear();
        }
        tell(engine, group.outcomes, failure.as_ref());
    }
}

/// After a failed sync nobody knows what is on the disk: it is never tried again.
fn sync(engine: &Engine, segment: &Segment) -> io::Result<()> {
    segment
        .file
        .sync()
        .inspect_err(|error| engine.fail_for_good("sync of the log", error))
}

/// The room that a job needs at least to be begun.
fn needed_bytes(job: &Job) -> Option<usize> {
    match job {
        Job::Commit { draft, .. } => draft
            .as_ref()
            .ok()
            .map(|draft| frame_bytes(draft.payload.len())),
        Job::Copy { frames, .. } => {
            Some(frames.iter().map(|(header, _)| header.frame_bytes()).sum())
        }
        Job::Barrier(_) => None,
    }
}

/// What a failed write means for whoever waits.
pub fn error_of(error: &io::Error) -> Error {
    if disk::is_full(error) {
        Error::NoSpace
    } else {
        Error::ReadOnly
    }
}
