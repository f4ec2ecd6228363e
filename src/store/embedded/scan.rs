//! Reading a segment from one end to the other, over whatever is damaged in it.

use std::io;

use super::frame::{ALIGN, HEADER_BYTES, Header, Place, begins};
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
    /// Something was passed over that is no frame.
    pub soiled: bool,
}

impl<'a> Scanner<'a> {
    /// Begins at `offset`.
    pub fn new(segment: &'a Segment, offset: u32) -> Self {
        Self {
            segment,
            offset: offset as usize,
            window: Vec::new(),
            window_at: 0,
            soiled: false,
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
        Ok(Found {
            place,
            header,
            sound,
        })
    }

    /// Goes on to where the next frame could begin.
    fn advance(&mut self) -> io::Result<()> {
        let bytes = self.bytes(HEADER_BYTES)?;
        let mut soiled = bytes.iter().take(ALIGN).any(|byte| *byte != 0);
        let mut step = ALIGN;
        while step + ALIGN <= bytes.len() && !begins(&bytes[step..]) {
            soiled |= bytes[step..step + ALIGN] != [0; ALIGN];
            step += ALIGN;
        }
        self.offset += step;
        self.soiled |= soiled;
        Ok(())
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
