//! So many lines a second, and a count of those that were left out.

use crate::clock::Instant;

/// Bounds the lines of one source in the log.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    second: u64,
    lines: u32,
    unlogged: u64,
}

impl Quiet {
    /// Whether to write a line now, and how many were left out since the last.
    pub(super) fn line(&mut self, now: Instant) -> Option<u64> {
        let second = now.0 / 1000;
        if second != self.second {
            self.second = second;
            self.lines = 0;
        }
        if self.lines >= LINES_PER_SECOND {
            self.unlogged += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.unlogged))
    }
}

const LINES_PER_SECOND: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_and_then_how_many_were_left_out() {
        let mut quiet = Quiet::default();
        let written = (0..25).filter(|_| quiet.line(Instant(5_000)).is_some());
        assert_eq!(written.count(), 10);
        assert_eq!(quiet.line(Instant(6_000)), Some(15));
        assert_eq!(quiet.line(Instant(6_001)), Some(0));
    }
}
