//! One line of text with a checksum, for the small files of the data folder that people may look into.

/// The line with its sum behind it, as it is written to a file.
pub fn line(text: &str) -> String {
    format!("{text} {:08x}\n", crc32fast::hash(text.as_bytes()))
}

/// The text of a file that holds such a line and nothing else; `None` if it is not as it was written.
pub fn text(file: &[u8]) -> Option<&str> {
    let written = std::str::from_utf8(file).ok()?;
    let (text, _) = written.rsplit_once(' ')?;
    (line(text) == written).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_no_flipped_bit_passes() {
        let file = line("1790000000000").into_bytes();
        assert_eq!(text(&file), Some("1790000000000"));
        for bit in 0..file.len() * 8 {
            let mut hurt = file.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(text(&hurt), None, "bit {bit}");
        }
        for length in 0..file.len() {
            assert_eq!(text(&file[..length]), None, "cut at {length}");
        }
    }
}
