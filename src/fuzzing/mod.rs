//! Hostile bytes: what must be true of every parser that faces a network or a disk, whatever it is given.
//!
//! Each function here takes any bytes and panics where a promise is broken. `tests/fuzz` feeds them by libFuzzer; the small
//! corpus in `tests/fuzz/corpus` is an ordinary test besides. That they do not crash is the least of it: what is accepted
//! reads back the same after it was written, nothing grows beyond what was sent, and two ways to read the same bytes agree.

mod disk;
mod head;
mod http;
mod options;
mod socket;
mod wire;

pub use disk::{frame, record, store};
pub use head::head;
pub use http::{body, urls};
pub use options::{answer, config};
pub use socket::websocket;
pub use wire::{bayeux, json, keys, publish};

/// Takes any bytes, and panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 13] = [
    ("answer", answer),
    ("bayeux", bayeux),
    ("body", body),
    ("config", config),
    ("frame", frame),
    ("head", head),
    ("json", json),
    ("keys", keys),
    ("publish", publish),
    ("record", record),
    ("store", store),
    ("urls", urls),
    ("websocket", websocket),
];

/// Bytes as text, where they are.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use super::TARGETS;

    /// How long a target may take over one small input, on a busy machine and without optimisation.
    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn the_corpus_keeps_every_promise() {
        let mut broken = Vec::new();
        for (name, target) in TARGETS {
            let seeds = seeds(name);
            assert!(seeds.len() > 2, "{name} has a corpus");
            for (seed, bytes) in seeds {
                let began = Instant::now();
                let kept = std::panic::catch_unwind(|| target(&bytes)).is_ok();
                if !kept || began.elapsed() > PATIENCE {
                    broken.push(seed);
                }
            }
        }
        assert!(broken.is_empty(), "{broken:?}");
    }

    #[test]
    fn what_is_cut_or_changed_keeps_every_promise_too() {
        let mut broken = BTreeSet::new();
        for (name, target) in TARGETS {
            for (seed, bytes) in seeds(name) {
                for step in 1..8 {
                    let place = bytes.len() * step / 8;
                    let mut changed = bytes.clone();
                    if let Some(byte) = changed.get_mut(place) {
                        *byte ^= 1 << step;
                    }
                    for bytes in [&bytes[..place], &changed] {
                        if std::panic::catch_unwind(|| target(bytes)).is_err() {
                            broken.insert((seed.clone(), step));
                        }
                    }
                }
            }
        }
        assert!(broken.is_empty(), "{broken:?}");
    }

    fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let seeds = std::fs::read_dir(corpus.join(name)).unwrap();
        let seeds = seeds.map(|seed| seed.unwrap().path());
        seeds
            .map(|seed| (seed.clone(), std::fs::read(&seed).unwrap()))
            .collect()
    }
}
