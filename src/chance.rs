//! The only reader of the machine's randomness.
//!
//! Identifiers, secrets and jitter begin here; the edges read it and hand it to what is pure. In a test a thread can be
//! told what comes ([`told::seed`]), so that a whole server does the same again.

use std::cell::RefCell;

pub use getrandom::Error;

/// Names that are drawn at once.
const NAMES: usize = 64;

thread_local!(static NAMES_LEFT: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) });

/// Fills `bytes` with randomness that nobody can guess.
///
/// # Errors
///
/// The machine has none to give.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    #[cfg(test)]
    if told::fill(bytes) {
        return Ok(());
    }
    getrandom::fill(bytes)
}

/// 64 random bits; errors as [`fill`].
pub fn bits64() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    fill(&mut bytes).map(|()| u64::from_be_bytes(bytes))
}

/// 128 random bits; errors as [`fill`].
pub fn bits128() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    fill(&mut bytes).map(|()| u128::from_be_bytes(bytes))
}

/// 128 random bits for a name that is like no other, and no secret: many are drawn at once, because each request has one; errors
/// as [`fill`].
pub fn name128() -> Result<u128, Error> {
    #[cfg(test)]
    if told::is_told() {
        return bits128();
    }
    NAMES_LEFT.with_borrow_mut(|left| {
        if left.is_empty() {
            let mut bytes = [0; 16 * NAMES];
            fill(&mut bytes)?;
            let (names, _) = bytes.as_chunks::<16>();
            left.extend(names.iter().copied().map(u128::from_be_bytes));
        }
        Ok(left.pop().unwrap_or_default())
    })
}

/// Randomness that is no surprise to this thread.
#[cfg(test)]
pub mod told {
    use std::cell::Cell;

    thread_local!(static STATE: Cell<Option<u64>> = const { Cell::new(None) });

    /// From now on this thread gets what follows from `seed`; `None`: what the machine gives.
    pub fn seed(seed: Option<u64>) {
        STATE.set(seed);
    }

    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        for chunk in bytes.chunks_mut(8) {
            let Some(word) = next() else { return false };
            chunk.copy_from_slice(&word.to_be_bytes()[..chunk.len()]);
        }
        is_told()
    }

    pub(super) fn is_told() -> bool {
        STATE.get().is_some()
    }

    /// SplitMix64.
    fn next() -> Option<u64> {
        let state = STATE.get()?.wrapping_add(0x9E37_79B9_7F4A_7C15);
        STATE.set(Some(state));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some(mixed ^ (mixed >> 31))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_told_comes_again() {
        let draw = || {
            told::seed(Some(7));
            [bits64().unwrap(), bits64().unwrap()]
        };
        let (first, again) = (draw(), draw());
        assert_eq!(first, again);
        assert_ne!(first[0], first[1]);
        told::seed(None);
        assert_ne!(bits128().unwrap(), bits128().unwrap());
    }

    #[test]
    fn no_name_comes_twice() {
        let names: HashSet<u128> = (0..3 * NAMES).map(|_| name128().unwrap()).collect();
        assert_eq!(names.len(), 3 * NAMES);
    }
}
