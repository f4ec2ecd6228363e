//! WebSocket frames as measuring needs them: whole text messages out, whole messages in.
//!
//! The mask is four zero bytes: the protocol allows it, a server unmasks it like any other, and the generator saves a
//! pass over every byte that it sends.

use anyhow::{Result, bail};

const MASK: [u8; 4] = [0; 4];

/// What the front of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message: where its payload stands, and how many bytes to take away.
    Text { start: usize, end: usize },
    /// A ping, to be answered with the same payload.
    Ping { start: usize, end: usize },
    /// A pong: nothing to do.
    Pong { end: usize },
    /// The server says goodbye, with this code.
    Close { code: u16 },
    /// More bytes are needed.
    Partial,
}

/// Appends one text message of a client.
pub fn push_text(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, 0x1, Some(MASK), payload);
}

/// Appends one text message of a server.
pub fn push_server_text(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, 0x1, None, payload);
}

/// Appends the answer to a ping.
pub fn push_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, 0xA, Some(MASK), payload);
}

fn push(out: &mut Vec<u8>, opcode: u8, mask: Option<[u8; 4]>, payload: &[u8]) {
    let masked = u8::from(mask.is_some()) << 7;
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(masked | short as u8),
        medium @ 126..=65_535 => {
            out.push(masked | 126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(masked | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend(mask.into_iter().flatten());
    out.extend_from_slice(payload);
}

/// Looks at the front of `bytes`. Servers that are measured here send each message in one frame; others are refused. A
/// mask is that of [`push_text`]: the payload stands as it is.
pub fn parse(bytes: &[u8]) -> Result<Frame> {
    let &[first, second, ..] = bytes else {
        return Ok(Frame::Partial);
    };
    let Some((start, length)) = extent(bytes, second & 0x7F) else {
        return Ok(Frame::Partial);
    };
    let start = start + usize::from(second >> 7) * MASK.len();
    let end = start + length;
    if bytes.len() < end {
        return Ok(Frame::Partial);
    }
    Ok(match first {
        0x81 | 0x82 => Frame::Text { start, end },
        0x88 => Frame::Close {
            code: close_code(&bytes[start..end]),
        },
        0x89 => Frame::Ping { start, end },
        0x8A => Frame::Pong { end },
        other => bail!(
            "the server sent a WebSocket frame that begins with {other:#04x}: fragments are not measured"
        ),
    })
}

fn extent(bytes: &[u8], short: u8) -> Option<(usize, usize)> {
    Some(match short {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        _ => (2, usize::from(short)),
    })
}

fn close_code(payload: &[u8]) -> u16 {
    payload
        .first_chunk()
        .map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_each_length_is_read_whole() {
        for (length, mask) in [0, 125, 126, 65_535, 65_536]
            .into_iter()
            .flat_map(|length| [(length, None), (length, Some(MASK))])
        {
            let payload = vec![b'x'; length];
            let mut bytes = Vec::new();
            push(&mut bytes, 0x1, mask, &payload);
            let Frame::Text { start, end } = parse(&bytes).unwrap() else {
                panic!("no text of {length}")
            };
            assert_eq!(&bytes[start..end], payload);
            assert_eq!(
                parse(&bytes[..bytes.len() - 1]).unwrap(),
                Frame::Partial,
                "cut at {length}"
            );
        }
    }

    #[test]
    fn a_goodbye_says_its_code() {
        let mut bytes = Vec::new();
        push(&mut bytes, 0x8, None, &1001u16.to_be_bytes());
        assert_eq!(parse(&bytes).unwrap(), Frame::Close { code: 1001 });
    }
}
