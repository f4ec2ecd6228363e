//! Many worlds, or one again.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::alarm;
use super::story::{self, Step};
use super::world::World;
use crate::chance;

/// Seeds of an ordinary test run; `tests/worlds` asks for more.
const SEEDS: u64 = 40;
/// How long a story may be played again and again to make it shorter.
const SHORTEN_FOR: Duration = Duration::from_secs(60);

#[test]
fn whatever_happens_the_promises_hold() {
    let (from, seeds) = asked();
    let next = AtomicU64::new(from);
    let survey = std::env::var_os("PARLOR_WORLDS_SURVEY").is_some();
    let failed = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while survey || failed.lock().unwrap().is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    if let Err(why) = play(seed, &story::draw(seed)) {
                        failed.lock().unwrap().insert(seed, why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if survey {
        let lines = failed.iter().map(|(seed, why)| {
            let why: Vec<&str> = why.lines().take(if seeds == 1 { 400 } else { 2 }).collect();
            format!("{seed}: {}\n", why.join(" "))
        });
        let lines: String = lines.collect();
        assert!(failed.is_empty(), "{} of {seeds}:\n{lines}", failed.len());
    }
    if let Some((seed, why)) = failed.into_iter().next() {
        let tried = seed - from + 1;
        let quick = std::env::var_os("PARLOR_WORLDS_QUICK").is_some();
        let patience = if quick { Duration::ZERO } else { SHORTEN_FOR };
        let short = shorten(seed, story::draw(seed), &why, patience);
        panic!("{}", report(seed, tried, &why, &short));
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in [1, 2, 3] {
        let story = story::draw(seed);
        let hash = || play(seed, &story).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(hash(), hash(), "seed {seed}");
    }
}

/// `PARLOR_WORLDS=FROM,COUNT`.
fn asked() -> (u64, u64) {
    let asked = std::env::var("PARLOR_WORLDS").unwrap_or_default();
    match asked.split_once(',') {
        Some((from, count)) => (from.parse().unwrap(), count.parse().unwrap()),
        None => (1, SEEDS),
    }
}

/// Plays a story: a hash of everything that was seen, or what was wrong.
fn play(seed: u64, story: &[Step]) -> Result<u64, String> {
    alarm::watch(true);
    let mut kept = None;
    let played = catch_unwind(AssertUnwindSafe(|| {
        let world = kept.insert(World::new(seed));
        for step in story {
            world.step(*step);
        }
        world.end();
        let life = world.life.take().unwrap();
        world.net.all_gone();
        life.end();
        world.seen.finish()
    }));
    let heard = alarm::heard();
    alarm::watch(false);
    chance::told::seed(None);
    if let (Some(file), Some(trace)) = (
        std::env::var_os("PARLOR_WORLDS_TRACE"),
        kept.and_then(|world| world.trace),
    ) {
        std::fs::write(file, trace.join("\n")).unwrap();
    }
    match (heard, played) {
        (None, Ok(hash)) => Ok(hash),
        (heard, _) => Err(heard.unwrap_or_default()),
    }
}

/// The same failure in fewer steps: parts are left out, ever smaller ones.
fn shorten(seed: u64, mut story: Vec<Step>, why: &str, patience: Duration) -> Vec<Step> {
    let began = Instant::now();
    let mut part = story.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < story.len() {
            if began.elapsed() >= patience {
                return story;
            }
            let mut shorter = story.clone();
            shorter.drain(at..(at + part).min(story.len()));
            match play(seed, &shorter) {
                Err(other) if place(&other) == place(why) => story = shorter,
                _ => at += part,
            }
        }
        part /= 2;
    }
    story
}

/// Where it went wrong: the same line is taken for the same failure.
fn place(why: &str) -> &str {
    why.lines().next().unwrap_or_default()
}

fn report(seed: u64, tried: u64, why: &str, story: &[Step]) -> String {
    let steps: Vec<String> = story
        .iter()
        .enumerate()
        .map(|(place, step)| {
            format!(
                "{place:4}  {:?} (who {}, how {}), then {} ms",
                step.act, step.who, step.how, step.pause
            )
        })
        .collect();
    format!(
        "seed {seed} (number {tried} of this run) breaks a promise:\n{why}\n\nThe story, as short as it could be made:\n{}\n\n\
         To see it again: tests/worlds --seeds 1 --from {seed}",
        steps.join("\n")
    )
}
