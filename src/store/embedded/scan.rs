//! Reading a segment from one end to the other, over whatever is damaged in it.

use std::io;

use super::frame::{ALIGN, HEADER_BYTES, Header, Place};
use super::segments::Segment;

const WINDOW_BYTES: usize = 1 << 20;

/// A frame that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// Its header, which is sound.
    pub header: Header,
    /// Whether its payload is sound too.
    pub sound: bool,
}

/// Goes through a segment.
#[derive(Debug)]
pub struct Scanner<'a> {
    segment: &'a Segment,
    offset: usize,
    window: Vec<u8>,
    window_at: usize,
    /// Behind this, as far as was looked, are only zeros.
    pub written: u32,
}

impl<'a> Scanner<'a> {
    /// Begins at `offset`.
    pub fn new(segment: &'a Segment, offset: u32) -> Self {
        Self {
            segment,
            offset: offset as usize,
            window: Vec::new(),
            window_at: 0,
            written: offset,
        }
    }

    /// The next frame.
    pub fn find(&mut self) -> io::Result<Option<Found>> {
        while self.offset + HEADER_BYTES <= self.segment.capacity as usize {
            if let Some(header) = self.header()? {
                return self.found(header).map(Some);
            }
            self.advance()?;
        }
        Ok(None)
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let number = self.segment.number;
        let left = self.segment.capacity as usize - self.offset;
        let bytes = self.bytes(HEADER_BYTES)?;
        Ok(Header::decode(bytes)
            .filter(|header| header.segment == number && header.frame_bytes() <= left))
    }

    fn found(&mut self, header: Header) -> io::Result<Found> {
        let bytes = self.bytes(header.frame_bytes())?;
        let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize);
        let sound = payload.is_some_and(|payload| header.is_sound(payload));
        let place = Place {
            segment: self.segment.number,
            offset: u32::try_from(self.offset).unwrap_or(u32::MAX),
        };
        self.offset += header.frame_bytes();
        self.mark();
        Ok(Found {
            place,
            header,
            sound,
        })
    }

    /// Goes on to where the next frame could begin: over zeros quickly, over anything else step by step.
    fn advance(&mut self) -> io::Result<()> {
        let bytes = self.bytes(HEADER_BYTES)?;
        let (here, rest) = bytes.split_at(ALIGN.min(bytes.len()));
        let empty = here.iter().all(|byte| *byte == 0);
        let zeros = leading_zeros(rest) / ALIGN * ALIGN;
        self.offset += ALIGN;
        if !empty {
            self.mark();
        }
        self.offset += zeros;
        Ok(())
    }

    fn mark(&mut self) {
        self.written = u32::try_from(self.offset).unwrap_or(u32::MAX);
    }

    /// What lies from the offset on: at least `count` bytes, unless the segment ends before; as many as are at hand.
    fn bytes(&mut self, count: usize) -> io::Result<&[u8]> {
        let until = (self.offset + count).min(self.segment.capacity as usize);
        if self.offset < self.window_at || until > self.window_at + self.window.len() {
            self.window.resize(count.max(WINDOW_BYTES), 0);
            self.window_at = self.offset;
            let read = self
                .segment
                .file
                .read_at(&mut self.window, self.offset as u64)?;
            self.window.truncate(read);
        }
        Ok(&self.window[(self.offset - self.window_at).min(self.window.len())..])
    }
}

/// How many zeros these bytes begin with; whole blocks are compared at once.
fn leading_zeros(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let blocks = bytes.chunks(ZEROS.len());
    let empty = |block: &&[u8]| **block == ZEROS[..block.len()];
    let zeros: usize = blocks.take_while(empty).map(<[u8]>::len).sum();
    let rest = bytes[zeros..].iter().position(|byte| *byte != 0);
    rest.map_or(bytes.len(), |rest| zeros + rest)
}
