//! Gives back the space of sessions that are gone.
//!
//! A segment that nobody needs is emptied at once. One that is needed for less than half has the sessions in it copied to
//! the head of the log, each with all its records; the next checkpoint finds it needed by nobody. At every step the old
//! records are there until the index that points to the new ones is durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::chain;
use super::engine::Engine;
use super::frame::{Header, Place};
use super::queue::{Job, Signal};
use super::scan::Scanner;
use super::stats::add;
use crate::id::SessionId;
use crate::store::Condition;

/// So much is copied at once: commits wait no longer behind it.
const STRETCH_BYTES: usize = 256 << 10;

impl Engine {
    /// After a checkpoint: empties what nobody needs, and copies out of the emptiest segment. Whether it did: the next
    /// checkpoint finds that one empty then, and there may be another.
    pub fn tidy(&self) -> bool {
        let Ok(live) = self.index.segments() else {
            return false;
        };
        let Ok(Some(indexed)) = self.index.position() else {
            return false;
        };
        let held = |number| {
            live.iter()
                .find(|(segment, _)| *segment == number)
                .map_or(0, |(_, bytes)| *bytes)
        };
        let mut emptiest = None;
        for number in self.segments.numbers() {
            if number >= indexed.segment {
                break;
            }
            match held(number) {
                0 => self.retire(number),
                bytes if self.is_sparse(number, bytes) => {
                    emptiest = emptiest
                        .min(Some((bytes, number)))
                        .or(Some((bytes, number)));
                }
                _ => {}
            }
        }
        if let Some((_, number)) = emptiest {
            self.evacuate(number);
        }
        emptiest.is_some()
    }

    fn retire(&self, number: u32) {
        match self.segments.retire(number) {
            Ok(()) => add(&self.stats.segments_retired, 1),
            Err(error) => tracing::warn!(%error, number, "a segment could not be removed"),
        }
    }

    fn is_sparse(&self, number: u32, held: u64) -> bool {
        self.segments
            .segment(number)
            .is_ok_and(|segment| held * 2 < u64::from(segment.capacity))
    }

    /// Copies every session that needs this segment.
    fn evacuate(&self, number: u32) {
        for session in self.inhabitants(number) {
            if self.condition() != Condition::Writable || !self.copy(session, number) {
                return;
            }
        }
    }

    fn inhabitants(&self, number: u32) -> BTreeSet<SessionId> {
        let mut sessions = BTreeSet::new();
        let Ok(segment) = self.segments.segment(number) else {
            return sessions;
        };
        let mut scanner = Scanner::new(&segment, 0);
        while let Ok(Some(found)) = scanner.find() {
            sessions.insert(found.header.session);
        }
        sessions
    }

    /// Copies a session, if it needs the segment; false: no use to go on. One that is written to meanwhile, or is
    /// damaged, stays where it is.
    fn copy(&self, session: SessionId, number: u32) -> bool {
        let Ok(entry) = self.entry(session) else {
            return true;
        };
        let Some(row) = entry.and_then(|entry| entry.row) else {
            return true;
        };
        if row.bytes_in(number) == 0 || row.damaged.is_some() {
            return true;
        }
        let Some(places) = self.places(session, row.tail) else {
            return true;
        };
        self.copy_frames(session, &places).is_none_or(|done| done)
    }

    /// Copies frames in stretches; whether the commit thread took them. `None`: one cannot be read.
    fn copy_frames(&self, session: SessionId, places: &[Place]) -> Option<bool> {
        let bytes_max = STRETCH_BYTES.min(self.segments.frame_bytes_max());
        let mut stretch: Vec<(Header, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        for place in places {
            let (header, payload) = chain::frame(&self.segments, *place, session).ok()?;
            if !stretch.is_empty() && bytes + header.frame_bytes() > bytes_max {
                bytes = 0;
                if !self.commit_copy(std::mem::take(&mut stretch), false) {
                    return Some(false);
                }
            }
            bytes += header.frame_bytes();
            stretch.push((header, payload));
        }
        // Refused where the session was written to in the meantime: it is tried again after the next checkpoint.
        self.commit_copy(stretch, true);
        Some(true)
    }

    fn places(&self, session: SessionId, tail: Place) -> Option<Vec<Place>> {
        let mut places = Vec::new();
        for frame in chain::backwards(&self.segments, session, tail) {
            places.push(frame.ok()?.1);
        }
        places.reverse();
        Some(places)
    }

    fn commit_copy(&self, frames: Vec<(Header, Vec<u8>)>, last: bool) -> bool {
        let signal = Arc::new(Signal::default());
        self.push(Job::Copy {
            frames,
            last,
            signal: signal.clone(),
        });
        self.wait(&signal)
    }
}
