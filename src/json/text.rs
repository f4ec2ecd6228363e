//! Texts: copied whole where nothing in them has to be escaped.

pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    match is_plain(bytes) {
        true => out.extend_from_slice(bytes),
        false => escaped(out, bytes),
    }
    out.push(b'"');
}

/// A name that stands in our source: nothing in it has to be escaped.
pub(super) fn name(out: &mut Vec<u8>, name: &'static str) {
    debug_assert!(is_plain(name.as_bytes()), "{name}");
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

pub(super) fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match is_special(byte) {
            true => escape(out, byte),
            false => out.push(byte),
        }
    }
}

/// Whether all bytes stand in a JSON string as they are.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let rest_is_plain = match bytes.last_chunk() {
        // The last eight, some of them for the second time, are faster than those that are left over one by one.
        Some(last) if !rest.is_empty() => !has_special(*last),
        _ => !rest.iter().any(|byte| is_special(*byte)),
    };
    rest_is_plain && !words.iter().any(|word| has_special(*word))
}

/// Whether one of eight bytes is special, by the arithmetic of *Hacker's Delight* (6-1): a byte below `n` makes a borrow
/// into its highest bit, unless that bit was set before; and what is XORed with a byte is zero where it is that byte.
fn has_special(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(bytes);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | is(b'"') | is(b'\\') != 0
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x09 => b't',
        0x0A => b'n',
        0x0C => b'f',
        0x0D => b'r',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digit = |nibble: u8| DIGITS[usize::from(nibble)];
            return out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                digit(byte >> 4),
                digit(byte & 15),
            ]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
