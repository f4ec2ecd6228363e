//! Loading sessions and reading transcripts.

use super::chain::{self, Fault};
use super::engine::Engine;
use super::frame::Place;
use super::hot::{Entry, Kept};
use super::row::Row;
use super::stats::add;
use crate::chat;
use crate::id::{Epoch, SessionId};
use crate::store::{Error, Record, Snapshot, Stored, codec};

/// Compaction may move a session while it is read: so often it is looked up again.
const TRIES: usize = 4;

/// Frames in the order of their writing. Long ones are not read before they are wanted: a stretch of them would take megabytes.
type Frames = Vec<chain::Glimpse>;

impl Engine {
    /// Loads a session and wins its ownership.
    pub fn load(&self, session: SessionId) -> Result<Option<Stored>, Error> {
        add(&self.stats.reads, 1);
        if self.warm(session)?.is_none() {
            return Ok(None);
        }
        let Some(stored) = self.peek(session)? else {
            return Ok(None);
        };
        Ok(self
            .hot
            .wake(session)
            .map(|epoch| Stored { epoch, ..stored }))
    }

    /// The same without winning it.
    pub fn peek(&self, session: SessionId) -> Result<Option<Stored>, Error> {
        add(&self.stats.reads, 1);
        self.with_entry(session, |entry, row| {
            let kept = self.kept(session, entry);
            let (snapshot, from) = match kept.and_then(|kept| self.decode(session, row, &kept)) {
                Some((snapshot, records)) => (Some(snapshot), records),
                None => (None, 0),
            };
            let mut records = Vec::new();
            for (place, payload) in payloads_after(self, session, row, from)? {
                records.push(decode_record(&payload, place)?);
            }
            Ok(Stored {
                snapshot,
                records,
                epoch: Epoch(row.epoch),
            })
        })
    }

    /// Events from index `from` on, until so many bytes of record are read.
    pub fn read(
        &self,
        session: SessionId,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<chat::Event>, Error> {
        add(&self.stats.reads, 1);
        let events = self.with_entry(session, |_, row| {
            let mut reader = Reader {
                engine: self,
                session,
                from,
                bytes_left: bytes_max,
                events: Vec::new(),
            };
            reader.read(row)?;
            Ok(reader.events)
        })?;
        Ok(events.unwrap_or_default())
    }

    /// Reads by a session's row; where the frames are not where the row says, perhaps the row is newer by now.
    fn with_entry<T>(
        &self,
        session: SessionId,
        read: impl Fn(&Entry, &Row) -> Result<T, Fault>,
    ) -> Result<Option<T>, Error> {
        let mut fault = None;
        for _ in 0..TRIES {
            let Some(entry) = self.entry(session)? else {
                return Ok(None);
            };
            let Some(row) = &entry.row else {
                return Ok(None);
            };
            if let Some(place) = row.damaged {
                return Err(self.damaged(session, place));
            }
            match read(&entry, row) {
                Ok(value) => return Ok(Some(value)),
                Err(Fault::Damaged(place)) => return Err(self.damaged(session, place)),
                Err(other) => fault = Some((other, row.tail)),
            }
        }
        Err(match fault {
            Some((Fault::Missing(place) | Fault::Damaged(place), _)) => {
                self.damaged(session, place)
            }
            Some((Fault::Io(error), tail)) => {
                tracing::error!(%session, %error, "the log cannot be read");
                self.damaged(session, tail)
            }
            None => self.refusal(),
        })
    }

    fn kept(&self, session: SessionId, entry: &Entry) -> Option<Kept> {
        if entry.snapshot.is_some() {
            return entry.snapshot.clone();
        }
        // Without its snapshot a session is folded from its records.
        self.index.snapshot(session).unwrap_or_default()
    }

    fn decode(&self, session: SessionId, row: &Row, kept: &Kept) -> Option<(Snapshot, u32)> {
        if kept.records > row.records {
            return None;
        }
        match codec::decode_snapshot(&kept.bytes) {
            Ok(snapshot) => Some((snapshot, kept.records)),
            Err(error) => {
                tracing::warn!(%session, %error, "a snapshot is not used: the records tell");
                None
            }
        }
    }
}

/// The encoded records of a session after the first `records`.
fn payloads_after(
    engine: &Engine,
    session: SessionId,
    row: &Row,
    records: u32,
) -> Result<Vec<(Place, Vec<u8>)>, Fault> {
    let mut payloads = Vec::new();
    if row.records > records {
        for frame in chain::backwards(&engine.segments, session, row.tail) {
            let (header, place, payload) = frame?;
            let last = header.number == records + 1;
            payloads.push((place, payload));
            if last {
                break;
            }
        }
    }
    payloads.reverse();
    Ok(payloads)
}

struct Reader<'a> {
    engine: &'a Engine,
    session: SessionId,
    from: u64,
    bytes_left: usize,
    events: Vec<chat::Event>,
}

impl Reader<'_> {
    /// Goes from one sparse mark to the next; each stretch is read from its end, as the frames point backwards.
    fn read(&mut self, row: &Row) -> Result<(), Fault> {
        if self.from >= row.next {
            return Ok(());
        }
        let skipped = row.sparse.partition_point(|(first, _)| *first <= self.from);
        let marks = row.sparse[skipped..].iter().map(|(_, place)| *place);
        let mut after = 0;
        for end in marks.chain([row.tail]) {
            let stretch = self.stretch(end, after)?;
            after = stretch.last().map_or(after, |(header, ..)| header.number);
            for (header, place, payload) in stretch {
                if header.events == 0 {
                    continue;
                }
                if self.bytes_left == 0 {
                    return Ok(());
                }
                let payload = match payload {
                    Some(payload) => payload,
                    None => chain::frame(&self.engine.segments, place, self.session)?.1,
                };
                self.take(&payload)?;
            }
        }
        Ok(())
    }

    /// The frames up to `end` that come after record `after` and hold what is wanted.
    fn stretch(&self, end: Place, after: u32) -> Result<Frames, Fault> {
        let mut frames = Vec::new();
        let mut backwards = chain::backwards(&self.engine.segments, self.session, end);
        while let Some(frame) = backwards.glance() {
            let (header, place, payload) = frame?;
            if header.number <= after || header.next() <= self.from {
                break;
            }
            frames.push((header, place, payload));
        }
        frames.reverse();
        Ok(frames)
    }

    /// Takes the events of a record.
    fn take(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let record = decode_record(payload, Place::NOWHERE)?;
        for change in record.changes {
            if let chat::Change::Event(event) = change
                && event.index >= self.from
            {
                self.events.push(event);
            }
        }
        self.bytes_left = self.bytes_left.saturating_sub(payload.len());
        Ok(())
    }
}

fn decode_record(payload: &[u8], place: Place) -> Result<Record, Fault> {
    codec::decode_record(payload).map_err(|error| {
        tracing::error!(%place, %error, "a record cannot be understood");
        Fault::Damaged(place)
    })
}
