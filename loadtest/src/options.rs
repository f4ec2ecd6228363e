//! What options may be: a mistake is told when the command line is read.

/// A number of things of which there is at least one.
pub fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one is needed".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Bytes of a text, as many as a server may be asked to take.
pub fn size(text: &str) -> Result<usize, String> {
    const MOST: usize = 1 << 20;
    let size = text.parse().map_err(|error| format!("{error}"))?;
    (size <= MOST)
        .then_some(size)
        .ok_or_else(|| format!("at most {MOST}"))
}

/// A length of time; none at all may be meant.
pub fn seconds(text: &str) -> Result<f64, String> {
    between(text, 0.0)
}

/// A rate, or a length of time that may not be nothing.
pub fn positive(text: &str) -> Result<f64, String> {
    between(text, 1e-3)
}

// Ten million is far beyond what any of them means, and far from what does not fit into a duration.
fn between(text: &str, least: f64) -> Result<f64, String> {
    const MOST: f64 = 1e7;
    let number: f64 = text.parse().map_err(|error| format!("{error}"))?;
    (least..=MOST)
        .contains(&number)
        .then_some(number)
        .ok_or_else(|| format!("from {least} to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_in_a_panic_or_never_is_refused() {
        for text in ["-1", "NaN", "inf", "1e300", "x", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(seconds("0"), Ok(0.0));
        assert!(positive("0").is_err());
        assert!(some("0").is_err());
        assert_eq!(some("7"), Ok(7));
        assert!(size("1048577").is_err());
        assert_eq!(size("0"), Ok(0));
    }
}
