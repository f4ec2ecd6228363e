//! The mark in a message's text: which it is, and when it was meant to be sent.
//!
//! Whatever a server wraps around a message, the text comes back as it went in; so the generator looks for the mark and
//! parses nothing else. The time is the *intended* one: a message that leaves late because the server had us waiting
//! is late from then on, which is what corrects for coordinated omission.

use std::time::Duration;

use memchr::memmem;

// Of characters that no server writes in another way: `<` may become `\u003c`.
const START: &[u8] = b"(mark:";

/// Which message of which writer, and when it should have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who wrote it: a number of the run.
    pub writer: u32,
    /// The writer's messages are numbered from 1.
    pub number: u32,
    /// Since the start of the run.
    pub due: Duration,
}

impl Mark {
    /// The text of a message of `size` bytes (more where the mark alone is longer).
    pub fn text(&self, size: usize) -> String {
        let mut text = format!(
            "(mark:{}:{}:{})",
            self.writer,
            self.number,
            self.due.as_nanos()
        );
        while text.len() < size {
            text.push_str(
                &"The quick brown fox jumps over the lazy dog. "[..45.min(size - text.len())],
            );
        }
        text
    }

    /// Every mark in what was received, in order. What looks like one and is none ends the search.
    pub fn all(bytes: &[u8]) -> impl Iterator<Item = Mark> + '_ {
        memmem::find_iter(bytes, START).map_while(|at| Self::parse(&bytes[at + START.len()..]))
    }

    /// Whether such a message was written, where each writer has written so many.
    pub fn was_written(&self, written: &[u32]) -> bool {
        let most = written.get(self.writer as usize);
        most.is_some_and(|most| (1..=*most).contains(&self.number))
    }

    fn parse(bytes: &[u8]) -> Option<Mark> {
        let (writer, rest) = number(bytes, b':')?;
        let (number_of, rest) = number(rest, b':')?;
        let (nanos, _) = number(rest, b')')?;
        Some(Mark {
            writer: u32::try_from(writer).ok()?,
            number: u32::try_from(number_of).ok()?,
            due: Duration::from_nanos(nanos),
        })
    }
}

fn number(bytes: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            _ if *byte == end && at > 0 => return Some((value, &bytes[at + 1..])),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        writer: 7,
        number: 42,
        due: Duration::from_nanos(1_234_567_890),
    };

    #[test]
    fn a_mark_is_read_back_from_whatever_stands_around_it() {
        let text = format!(
            "[{{\"text\":\"{}\"}},{{\"text\":\"{}\"}}]",
            MARK.text(200),
            MARK.text(0)
        );
        assert_eq!(Mark::all(text.as_bytes()).collect::<Vec<_>>(), [MARK, MARK]);
    }

    #[test]
    fn what_nobody_wrote_is_told_from_what_somebody_did() {
        let written = |number, most| {
            let mark = Mark {
                writer: 1,
                number,
                ..MARK
            };
            mark.was_written(&[9, most])
        };
        assert!(written(1, 2) && written(2, 2));
        assert!(!written(0, 2) && !written(3, 2));
        assert!(!MARK.was_written(&[99]));
    }

    #[test]
    fn a_text_is_as_long_as_was_asked() {
        assert_eq!(MARK.text(200).len(), 200);
        assert_eq!(MARK.text(16_384).len(), 16_384);
    }

    #[test]
    fn what_is_cut_off_is_no_mark() {
        assert_eq!(Mark::all(b"(mark:7:42:12").count(), 0);
        assert_eq!(Mark::all(b"(mark::42:12)").count(), 0);
    }
}
