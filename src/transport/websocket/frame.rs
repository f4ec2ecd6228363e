//! Frames of a WebSocket (RFC 6455, section 5), as a server reads and writes them. No IO.
//!
//! Nothing is kept between two messages, so that a socket on which nothing moves costs nothing here, and none has to be
//! told to rest. Of a message that is under way only what has come is kept, whatever its head promises.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::bayeux;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// What control frames may carry, and the longest length that stands in the second byte.
const SHORT_MAX: usize = 125;
/// The longest head that a server writes.
const HEAD_MAX: usize = 10;
/// The code in a close.
const CODE_BYTES: usize = 2;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole message. Bytes that are text are taken for text.
    Message(Cow<'a, str>),
    /// To be answered with the same.
    Ping(&'a [u8]),
    Pong,
    /// The code is missing where the client gave none.
    Close(Option<u16>),
}

/// Why no more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These are no frames of a client.
    Protocol,
    /// A message, or the reason of a close, is not UTF-8.
    NotUtf8,
    /// A message is longer than any may be.
    TooLarge,
}

/// Takes bytes as they come, and gives frames.
#[derive(Debug)]
pub struct Reader {
    message_max: usize,
    /// What no frame has been made of, from `taken` on.
    bytes: Vec<u8>,
    taken: usize,
    /// What has come of a message in several frames.
    begun: Option<Vec<u8>>,
    given_up: bool,
}

/// What stands next in the bytes. Ranges are of `bytes`, and unmasked.
enum Found {
    Nothing,
    Part,
    Text(Range<usize>),
    Joined(Vec<u8>),
    Ping(Range<usize>),
    Pong,
    Close(Range<usize>),
}

impl Reader {
    /// Of messages of at most `message_max` bytes.
    pub fn new(message_max: usize) -> Self {
        Self {
            message_max,
            bytes: Vec::new(),
            taken: 0,
            begun: None,
            given_up: false,
        }
    }

    /// Takes what has come.
    pub fn extend(&mut self, bytes: &[u8]) {
        if !self.given_up {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// After a [`Fault`]: whatever comes is dropped.
    pub fn give_up(&mut self) {
        *self = Self {
            given_up: true,
            ..Self::new(self.message_max)
        };
    }

    /// Whether it has been told to.
    pub fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// The next frame, once it is whole; a message, once all of it is.
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Fault> {
        let found = loop {
            match self.find()? {
                Found::Part => {}
                found => break found,
            }
        };
        let bytes = &self.bytes;
        Ok(Some(match found {
            Found::Nothing | Found::Part => return Ok(None),
            Found::Text(range) => Frame::Message(utf8(&bytes[range])?.into()),
            Found::Joined(whole) => {
                let text = String::from_utf8(whole).map_err(|_| Fault::NotUtf8)?;
                Frame::Message(text.into())
            }
            Found::Ping(range) => Frame::Ping(&bytes[range]),
            Found::Pong => Frame::Pong,
            Found::Close(range) => Frame::Close(close_code(&bytes[range])?),
        }))
    }

    fn find(&mut self) -> Result<Found, Fault> {
        let Some(head) = self.head()? else {
            self.tidy();
            return Ok(Found::Nothing);
        };
        let start = self.taken + head.bytes;
        let range = start..start + head.payload;
        self.taken = range.end;
        let payload = &mut self.bytes[range.clone()];
        unmask(payload, head.mask);
        Ok(match (head.opcode, &mut self.begun) {
            (CLOSE, _) => Found::Close(range),
            (PING, _) => Found::Ping(range),
            (PONG, _) => Found::Pong,
            (_, None) if head.last => Found::Text(range),
            (_, begun) => {
                begun.get_or_insert_default().extend_from_slice(payload);
                match begun.take_if(|_| head.last) {
                    Some(whole) => Found::Joined(whole),
                    None => Found::Part,
                }
            }
        })
    }

    /// The head of the next frame, if all of the frame is there.
    fn head(&self) -> Result<Option<Head>, Fault> {
        let bytes = &self.bytes[self.taken..];
        let Some(head) = Head::parse(bytes)? else {
            return Ok(None);
        };
        let is_data = head.opcode < CLOSE;
        if is_data {
            let begun = self.begun.as_ref().map(Vec::len);
            if (head.opcode == CONTINUATION) != begun.is_some() {
                return Err(Fault::Protocol);
            }
            if head.payload > self.message_max - begun.unwrap_or(0) {
                return Err(Fault::TooLarge);
            }
        }
        Ok(Some(head).filter(|head| bytes.len() - head.bytes >= head.payload))
    }

    /// Keeps nothing that has been given out, nor its room.
    fn tidy(&mut self) {
        if self.taken > 0 {
            self.bytes = self.bytes.split_off(self.taken);
            self.taken = 0;
        }
    }
}

/// What stands before a payload.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    payload: usize,
    /// Its own length.
    bytes: usize,
}

impl Head {
    /// `None`: it is not all there. A length may be written longer than it needs to be.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let (opcode, last) = (first & 0x0f, first & FIN != 0);
        let short = usize::from(second & !MASKED);
        let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        let whole_control = opcode < CLOSE || (last && short <= SHORT_MAX);
        if first & RESERVED != 0 || second & MASKED == 0 || !known || !whole_control {
            return Err(Fault::Protocol);
        }
        let (payload, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => {
                    // Beyond what any message may be, on any machine.
                    let length = usize::try_from(u64::from_be_bytes(*length));
                    (length.unwrap_or(usize::MAX), rest)
                }
                None => return Ok(None),
            },
            short => (short, rest),
        };
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Self {
            last,
            opcode,
            mask,
            payload,
            bytes: bytes.len() - rest.len(),
        }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (fours, rest) = payload.as_chunks_mut();
    for four in fours {
        *four = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)
}

/// The code of a close, where it has one (section 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return payload.is_empty().then_some(None).ok_or(Fault::Protocol);
    };
    utf8(reason)?;
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
        _ => Err(Fault::Protocol),
    }
}

/// Bayeux messages as one frame of text.
pub fn text(messages: &[Bytes]) -> Vec<u8> {
    let length = bayeux::array_length(messages);
    let mut frame = Vec::with_capacity(HEAD_MAX + length);
    put_head(&mut frame, TEXT, length);
    bayeux::put_array(&mut frame, messages);
    frame
}

/// The answer to a ping.
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put_head(out, PONG, payload.len());
    out.extend_from_slice(payload);
}

/// A close; the reason is cut to what it may take.
pub fn put_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else {
        return put_head(out, CLOSE, 0);
    };
    let reason = &reason[..reason.floor_char_boundary(SHORT_MAX - CODE_BYTES)];
    put_head(out, CLOSE, CODE_BYTES + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn put_head(out: &mut Vec<u8>, opcode: u8, length: usize) {
    out.push(FIN | opcode);
    if let Ok(short) = u8::try_from(length)
        && length <= SHORT_MAX
    {
        out.push(short);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
