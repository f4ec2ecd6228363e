//! How a record lies in the log.
//!
//! A frame is a header of 96 bytes and a payload, padded to 8 bytes. The header has a checksum of its own, so that a
//! flipped bit in the payload still leaves known whose it is and where the next frame begins. The magic number holds bytes that
//! no UTF-8 text has: what a customer writes is never taken for a frame.

use crate::id::SessionId;

/// Where a frame begins. Segment 0 does not exist: it is *nowhere*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the segment.
    pub segment: u32,
    /// Bytes from its beginning.
    pub offset: u32,
}

impl Place {
    /// Before the first frame of a session.
    pub const NOWHERE: Place = Place {
        segment: 0,
        offset: 0,
    };
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "log/{:010}.seg at {}", self.segment, self.offset)
    }
}

/// What a frame is, beside an ordinary record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The record begins its session.
    pub const CREATED: Flags = Flags(1);
    /// The record closes its session.
    pub const CLOSED: Flags = Flags(2);
    /// A copy that compaction made of an older frame.
    pub const COPY: Flags = Flags(4);
    /// The last frame of such a copy: from here on the copy counts, if nothing was written in between.
    pub const COPY_LAST: Flags = Flags(8);
    /// No record: only says that what was written before it is durable.
    pub const SEAL: Flags = Flags(16);

    /// Whether all of `other` is set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Without `other`.
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

/// Everything about a record but its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload.
    pub payload_bytes: u32,
    /// Checksum of the payload.
    pub payload_crc: u32,
    /// What it is.
    pub flags: Flags,
    /// The segment it was written to: a recycled file's older content is never taken for this one's.
    pub segment: u32,
    /// Its number in the log; none is left out.
    pub sequence: u64,
    /// The group that it was synced with.
    pub group: u64,
    /// Its place in the group, from 0.
    pub ordinal: u32,
    /// The last group that was known to be durable when this was written.
    pub durable_group: u64,
    /// Whose it is.
    pub session: SessionId,
    /// Its number among the records of the session, from 1.
    pub number: u32,
    /// The record of the same session before it.
    pub before: Place,
    /// The index of its first event, or that the next event will have.
    pub first: u64,
    /// How many indexes it takes.
    pub events: u32,
    /// The writer's ownership.
    pub epoch: u64,
}

/// Bytes of a header.
pub const HEADER_BYTES: usize = 96;
/// Frames begin at multiples of this.
pub const ALIGN: usize = 8;
const MAGIC: [u8; 4] = [0xF8, b'P', b'L', 0xFF];
const VERSION: u8 = 1;
/// Nobody counts so far: a million a second would take 292,000 years.
const COUNT_MAX: u64 = u64::MAX >> 1;
const CRC_AT: usize = HEADER_BYTES - 4;

impl Header {
    /// The index after its last event.
    pub fn next(&self) -> u64 {
        self.first + u64::from(self.events)
    }

    /// Bytes of the whole frame with its padding.
    pub fn frame_bytes(&self) -> usize {
        frame_bytes(self.payload_bytes as usize)
    }

    /// Appends header, payload and padding to `buffer`.
    pub fn write(&self, payload: &[u8], buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&self.encode());
        buffer.extend_from_slice(payload);
        buffer.resize(start + frame_bytes(payload.len()), 0);
    }

    /// The header as it is written.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut writer = Writer(&mut bytes, 0);
        writer.put(&MAGIC);
        writer.put(&[VERSION, self.flags.0, 0, 0]);
        writer.put(&self.payload_bytes.to_le_bytes());
        writer.put(&self.payload_crc.to_le_bytes());
        writer.put(&self.segment.to_le_bytes());
        writer.put(&self.before.segment.to_le_bytes());
        writer.put(&self.before.offset.to_le_bytes());
        writer.put(&self.session.to_bytes());
        writer.put(&self.sequence.to_le_bytes());
        writer.put(&self.group.to_le_bytes());
        writer.put(&self.durable_group.to_le_bytes());
        writer.put(&self.first.to_le_bytes());
        writer.put(&self.epoch.to_le_bytes());
        writer.put(&self.ordinal.to_le_bytes());
        writer.put(&self.number.to_le_bytes());
        writer.put(&self.events.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if these bytes are none, or not a sound one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if bytes[..4] != MAGIC || bytes[4] != VERSION {
            return None;
        }
        let mut crc = Reader(&bytes[CRC_AT..]);
        if crc.u32() != crc32fast::hash(&bytes[..CRC_AT]) {
            return None;
        }
        let flags = Flags(bytes[5]);
        let mut reader = Reader(&bytes[8..]);
        let header = Self {
            flags,
            payload_bytes: reader.u32(),
            payload_crc: reader.u32(),
            segment: reader.u32(),
            before: Place {
                segment: reader.u32(),
                offset: reader.u32(),
            },
            session: SessionId::from_bytes(reader.take()),
            sequence: reader.u64(),
            group: reader.u64(),
            durable_group: reader.u64(),
            first: reader.u64(),
            epoch: reader.u64(),
            ordinal: reader.u32(),
            number: reader.u32(),
            events: reader.u32(),
        };
        header.can_go_on().then_some(header)
    }

    /// Whether its numbers can be counted with, on and back to the first of its group, as those of every frame ever written.
    fn can_go_on(&self) -> bool {
        let counted = [
            self.sequence,
            self.group,
            self.durable_group,
            self.first,
            self.epoch,
        ];
        counted.iter().all(|count| *count <= COUNT_MAX)
            && self.number < u32::MAX
            && u64::from(self.ordinal) <= self.sequence
    }

    /// Whether `payload` is what was written with this header.
    pub fn is_sound(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes as usize && crc32fast::hash(payload) == self.payload_crc
    }
}

/// Bytes of a frame with so much payload.
pub fn frame_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN)
}

struct Writer<'a>(&'a mut [u8], usize);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.0[self.1..self.1 + bytes.len()].copy_from_slice(bytes);
        self.1 += bytes.len();
    }
}

/// Takes little-endian numbers off the front; what is missing reads as zeros.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let count = N.min(self.0.len());
        bytes[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        bytes
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    #[test]
    fn a_header_reads_back() {
        let header = header();
        assert_eq!(Header::decode(&header.encode()), Some(header));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let bytes = header().encode();
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), None, "bit {bit}");
        }
    }

    // The start counted on from the last frame, and back to the first of its group: a frame with the last of all numbers, or
    // with more before it in its group than in the whole log, was more than it could count with.
    #[test]
    fn a_frame_after_which_nothing_could_be_counted_is_none() {
        let changes: [fn(&mut Header); 7] = [
            |header| header.sequence = u64::MAX,
            |header| header.group = u64::MAX,
            |header| header.durable_group = u64::MAX,
            |header| header.first = u64::MAX,
            |header| header.epoch = u64::MAX,
            |header| header.number = u32::MAX,
            |header| header.sequence = u64::from(header.ordinal) - 1,
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let mut last = header();
            change(&mut last);
            assert_eq!(Header::decode(&last.encode()), None, "{place}");
        }
    }

    #[test]
    fn frames_are_aligned_and_know_their_payload() {
        let mut buffer = Vec::new();
        header().write(b"hello", &mut buffer);
        assert_eq!(buffer.len(), 104);
        assert!(header().is_sound(b"hello"));
        assert!(!header().is_sound(b"hallo") && !header().is_sound(b"hell"));
    }

    fn header() -> Header {
        Header {
            payload_bytes: 5,
            payload_crc: crc32fast::hash(b"hello"),
            flags: Flags::CREATED.with(Flags::CLOSED),
            segment: 3,
            sequence: 1 << 40,
            group: 77,
            ordinal: 4,
            durable_group: 76,
            session: SessionId::new(Wall(1_700_000_000_000), 42),
            number: 9,
            before: Place {
                segment: 2,
                offset: 4096,
            },
            first: 11,
            events: 2,
            epoch: 5,
        }
    }
}
