//! What the index knows about a session.

use super::frame::{Flags, Header, Place, Reader};
use crate::clock::Instant;

/// Where a session's records are, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its last record; each record points to the one before.
    pub tail: Place,
    /// How many records it has.
    pub records: u32,
    /// The index that its next event will have.
    pub next: u64,
    /// The newest ownership known.
    pub epoch: u64,
    /// It has not been closed.
    pub open: bool,
    /// It has not been put away since its last record or loading.
    pub awake: bool,
    /// When it is to be woken, if it sleeps.
    pub deadline: Option<Instant>,
    /// A record is missing: the session cannot be read.
    pub damaged: Option<Place>,
    /// Every 64th record: its first event index and its place.
    pub sparse: Vec<(u64, Place)>,
    /// How many bytes of it lie in which segment.
    pub spread: Vec<(u32, u64)>,
}

/// One in so many records is remembered in [`Row::sparse`].
pub const SPARSE: u32 = 64;
const VERSION: u8 = 1;
/// What a row takes at most beside its lists, with its checksum.
const FIXED_BYTES: usize = 64;
const SPARSE_BYTES: usize = 16;
const SPREAD_BYTES: usize = 12;

impl Row {
    /// The session has another record.
    pub fn append(&mut self, header: &Header, place: Place) {
        self.tail = place;
        self.records = header.number;
        self.next = header.next();
        self.epoch = self.epoch.max(header.epoch);
        self.note(header.number, header.first, place);
        self.occupy(place.segment, header.frame_bytes() as u64);
        if header.flags.has(Flags::CREATED) {
            self.open = true;
        }
        if header.flags.has(Flags::CLOSED) {
            self.open = false;
        }
    }

    /// The records now lie elsewhere: takes tail, sparse index and spread of `copy`, which describes the same records.
    pub fn relocate(&mut self, copy: Row) {
        self.tail = copy.tail;
        self.sparse = copy.sparse;
        self.spread = copy.spread;
    }

    /// Bytes in `segment`.
    pub fn bytes_in(&self, segment: u32) -> u64 {
        self.spread
            .iter()
            .find(|(number, _)| *number == segment)
            .map_or(0, |(_, bytes)| *bytes)
    }

    fn note(&mut self, number: u32, first: u64, place: Place) {
        if number.is_multiple_of(SPARSE) {
            self.sparse.push((first, place));
        }
    }

    fn occupy(&mut self, segment: u32, bytes: u64) {
        match self
            .spread
            .iter_mut()
            .find(|(number, _)| *number == segment)
        {
            Some((_, held)) => *held += bytes,
            None => self.spread.push((segment, bytes)),
        }
    }

    /// The row as the index keeps it, with a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let flags = u8::from(self.open)
            | u8::from(self.awake) << 1
            | u8::from(self.deadline.is_some()) << 2
            | u8::from(self.damaged.is_some()) << 3;
        let lists = self.sparse.len() * SPARSE_BYTES + self.spread.len() * SPREAD_BYTES;
        let mut bytes = Vec::with_capacity(FIXED_BYTES + lists);
        bytes.extend([VERSION, flags]);
        put_place(&mut bytes, self.tail);
        bytes.extend(self.records.to_le_bytes());
        bytes.extend(self.next.to_le_bytes());
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(self.deadline.unwrap_or_default().0.to_le_bytes());
        put_place(&mut bytes, self.damaged.unwrap_or_default());
        put_count(&mut bytes, self.sparse.len());
        for (first, place) in &self.sparse {
            bytes.extend(first.to_le_bytes());
            put_place(&mut bytes, *place);
        }
        put_count(&mut bytes, self.spread.len());
        for (segment, held) in &self.spread {
            bytes.extend(segment.to_le_bytes());
            bytes.extend(held.to_le_bytes());
        }
        seal(bytes)
    }

    /// Reads a row; `None` if it is not sound.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = unseal(bytes)?;
        if bytes.first() != Some(&VERSION) {
            return None;
        }
        let flags = *bytes.get(1)?;
        let mut reader = Reader(&bytes[2..]);
        let mut row = Row {
            tail: place(&mut reader),
            records: reader.u32(),
            next: reader.u64(),
            epoch: reader.u64(),
            open: flags & 1 != 0,
            awake: flags & 2 != 0,
            deadline: Some(Instant(reader.u64())).filter(|_| flags & 4 != 0),
            damaged: Some(place(&mut reader)).filter(|_| flags & 8 != 0),
            sparse: Vec::new(),
            spread: Vec::new(),
        };
        for _ in 0..count(&mut reader, SPARSE_BYTES)? {
            row.sparse.push((reader.u64(), place(&mut reader)));
        }
        for _ in 0..count(&mut reader, SPREAD_BYTES)? {
            row.spread.push((reader.u32(), reader.u64()));
        }
        Some(row)
    }
}

/// Appends a checksum.
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// Takes the checksum off; `None` if it does not fit.
pub fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (content, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    (Reader(crc).u32() == crc32fast::hash(content)).then_some(content)
}

fn put_place(bytes: &mut Vec<u8>, place: Place) {
    bytes.extend(place.segment.to_le_bytes());
    bytes.extend(place.offset.to_le_bytes());
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// A number of things of `bytes` each, if they can be there.
fn count(reader: &mut Reader<'_>, bytes: usize) -> Option<u32> {
    let count = reader.u32();
    let all = (count as usize).checked_mul(bytes)?;
    (all <= reader.0.len()).then_some(count)
}

fn place(reader: &mut Reader<'_>) -> Place {
    Place {
        segment: reader.u32(),
        offset: reader.u32(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_and_a_flipped_bit_is_noticed() {
        let row = Row {
            tail: at(2, 96),
            records: 130,
            next: 12,
            epoch: 3,
            open: true,
            awake: false,
            deadline: Some(Instant(5)),
            damaged: Some(at(1, 8)),
            sparse: vec![(4, at(1, 0)), (9, at(2, 8))],
            spread: vec![(1, 400), (2, 800)],
        };
        let mut bytes = row.encode();
        assert_eq!(Row::decode(&bytes), Some(row));
        bytes[7] ^= 1;
        assert_eq!(Row::decode(&bytes), None);
    }

    // A count was believed whatever followed it: a row of a hundred bytes could ask for four thousand million places.
    #[test]
    fn a_row_that_promises_more_than_there_is_is_not_sound() {
        let row = Row::default().encode();
        let counts = row.len() - 12;
        for place in [counts, counts + 4] {
            let mut content = row[..row.len() - 4].to_vec();
            content[place..place + 4].fill(0xff);
            assert_eq!(Row::decode(&seal(content)), None, "{place}");
        }
    }

    fn at(segment: u32, offset: u32) -> Place {
        Place { segment, offset }
    }
}
