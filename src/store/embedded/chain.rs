//! Reading a session's records: each points to the one before.

use std::io;
use std::sync::Arc;

use super::disk::File;
use super::frame::{HEADER_BYTES, Header, Place};
use super::row::Row;
use super::segments::Segments;
use crate::id::SessionId;

/// Most records are shorter than this, and are read at once.
const GUESS_BYTES: usize = 1024;

/// Why a chain could not be followed.
#[derive(Debug)]
pub enum Fault {
    /// The file could not be read.
    Io(io::Error),
    /// There is no sound frame of this session: damaged, or moved by compaction in the meantime.
    Missing(Place),
    /// The payload is not what was written.
    Damaged(Place),
}

/// The frames of a session from one on backwards.
#[derive(Debug)]
pub struct Backwards<'a> {
    segments: &'a Segments,
    session: SessionId,
    at: Place,
    number: Option<u32>,
}

/// A frame, and its payload where that came with the header, as most do. [`frame`] reads the others.
pub type Glimpse = (Header, Place, Option<Vec<u8>>);

/// The frames of a session from the one at `last` on backwards.
pub fn backwards(segments: &Segments, session: SessionId, last: Place) -> Backwards<'_> {
    Backwards {
        segments,
        session,
        at: last,
        number: None,
    }
}

impl Iterator for Backwards<'_> {
    type Item = Result<(Header, Place, Vec<u8>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(frame)
    }
}

impl Backwards<'_> {
    /// The next of them, at a glance.
    pub fn glance(&mut self) -> Option<Result<Glimpse, Fault>> {
        self.step(|segments, place, session| {
            let (header, bytes) = begin(segments, place, session)?;
            if bytes.len() < frame_length(&header) {
                return Ok((header, None));
            }
            Ok((header, Some(payload(&header, place, bytes)?)))
        })
    }

    fn step<T>(
        &mut self,
        read: impl FnOnce(&Segments, Place, SessionId) -> Result<(Header, T), Fault>,
    ) -> Option<Result<(Header, Place, T), Fault>> {
        if self.at == Place::NOWHERE || self.number == Some(0) {
            return None;
        }
        let place = self.at;
        let result = read(self.segments, place, self.session).and_then(|(header, payload)| {
            if self.number.is_some_and(|number| number != header.number) {
                return Err(Fault::Missing(place));
            }
            self.number = Some(header.number.saturating_sub(1));
            self.at = header.before;
            Ok((header, place, payload))
        });
        if result.is_err() {
            self.at = Place::NOWHERE;
        }
        Some(result)
    }
}

/// The row of a session whose last record lies at `last`, made from its whole chain.
pub fn row(segments: &Segments, session: SessionId, last: Place) -> Result<Row, Fault> {
    let mut headers = Vec::new();
    for frame in backwards(segments, session, last) {
        let (header, place, _) = match frame {
            Err(Fault::Damaged(place)) => return damaged_row(segments, session, last, place),
            other => other?,
        };
        headers.push((header, place));
    }
    complete(headers, last)
}

/// The same where a payload is damaged: the headers are enough for the row.
fn damaged_row(
    segments: &Segments,
    session: SessionId,
    last: Place,
    damaged: Place,
) -> Result<Row, Fault> {
    let mut headers = Vec::new();
    let mut at = last;
    while at != Place::NOWHERE {
        let header = header(segments, at, session)?;
        headers.push((header, at));
        at = header.before;
    }
    let mut row = complete(headers, last)?;
    row.damaged = Some(damaged);
    Ok(row)
}

fn complete(headers: Vec<(Header, Place)>, last: Place) -> Result<Row, Fault> {
    if headers.last().is_none_or(|(first, _)| first.number != 1) {
        return Err(Fault::Missing(last));
    }
    let mut row = Row::default();
    for (header, place) in headers.iter().rev() {
        row.append(header, *place);
    }
    Ok(row)
}

/// The frame of a session at a place.
pub fn frame(
    segments: &Segments,
    place: Place,
    session: SessionId,
) -> Result<(Header, Vec<u8>), Fault> {
    let (header, mut bytes) = begin(segments, place, session)?;
    let (read, wanted) = (bytes.len(), frame_length(&header));
    if read < wanted {
        bytes.resize(wanted, 0);
        open(segments, place)?
            .read_at(&mut bytes[read..], u64::from(place.offset) + read as u64)
            .map_err(Fault::Io)?;
    }
    Ok((header, payload(&header, place, bytes)?))
}

// The header, and what is read with it.
fn begin(
    segments: &Segments,
    place: Place,
    session: SessionId,
) -> Result<(Header, Vec<u8>), Fault> {
    let mut bytes = vec![0; GUESS_BYTES];
    let count = open(segments, place)?
        .read_at(&mut bytes, u64::from(place.offset))
        .map_err(Fault::Io)?;
    bytes.truncate(count);
    let header = check(Header::decode(&bytes), place, session)?;
    Ok((header, bytes))
}

fn frame_length(header: &Header) -> usize {
    HEADER_BYTES + header.payload_bytes as usize
}

// Of all bytes of a frame, and perhaps more.
fn payload(header: &Header, place: Place, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    bytes.truncate(frame_length(header));
    let payload = bytes.split_off(HEADER_BYTES);
    if !header.is_sound(&payload) {
        return Err(Fault::Damaged(place));
    }
    Ok(payload)
}

/// The header of a frame of a session at a place.
pub fn header(segments: &Segments, place: Place, session: SessionId) -> Result<Header, Fault> {
    let mut bytes = [0; HEADER_BYTES];
    open(segments, place)?
        .read_at(&mut bytes, u64::from(place.offset))
        .map_err(Fault::Io)?;
    check(Header::decode(&bytes), place, session)
}

fn open(segments: &Segments, place: Place) -> Result<Arc<dyn File>, Fault> {
    segments.file(place.segment).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Fault::Missing(place)
        } else {
            Fault::Io(error)
        }
    })
}

fn check(header: Option<Header>, place: Place, session: SessionId) -> Result<Header, Fault> {
    header
        .filter(|header| header.segment == place.segment && header.session == session)
        .ok_or(Fault::Missing(place))
}
