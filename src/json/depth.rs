//! How deep a text of JSON is nested, without reading it.

/// Levels of nesting in what comes from outside, at most.
pub const DEPTH_MAX: usize = 128;

/// Whether lists and objects are nested in each other more than `max` times. What is no JSON may be taken for either.
pub fn deeper_than(json: &str, max: usize) -> bool {
    // Hardly any body has as many brackets as it would need, and counting them is fast.
    if openings(json.as_bytes()) <= max {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

/// Opening brackets. Counted in bytes, which the compiler does many at a time; no more than one can count at once.
fn openings(json: &[u8]) -> usize {
    let opens = |byte: &u8| u8::from(matches!(byte, b'[' | b'{'));
    json.chunks(usize::from(u8::MAX))
        .map(|chunk| usize::from(chunk.iter().map(opens).sum::<u8>()))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_do_not_count() {
        assert!(!deeper_than(r#"[[{"[[[\"[[[":1}]]"#, 3));
        assert!(deeper_than(r#"[[{"x":1}]]"#, 2));
        assert!(!deeper_than("[][][]{}", 1));
    }
}
