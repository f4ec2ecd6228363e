//! Limits that were reached: each refusal is counted by the limit's name, and said in the log now and then.
//!
//! One ledger for the whole process, as the log is one: whatever checks a limit would else have to be handed it. Limits whose
//! counters of their own say more (connections, Bayeux clients, rates, queues) are counted there and not here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

static REACHED: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// Notes that something was refused because `limit` is reached; named as everywhere: its section in brackets, and the
/// option; in words where it is fixed. The log is told the first, second, fourth, eighth time and so on: whoever floods fills no log.
pub fn reached(limit: &'static str) {
    let mut ledger = ledger();
    let times = ledger.entry(limit).or_default();
    *times += 1;
    let times = *times;
    drop(ledger);
    if times.is_power_of_two() {
        tracing::warn!(times, "limit reached: {limit}");
    }
}

/// How often each limit was reached since the start, by name.
pub fn counts() -> Vec<(&'static str, u64)> {
    let ledger = ledger();
    ledger.iter().map(|(name, times)| (*name, *times)).collect()
}

fn ledger() -> MutexGuard<'static, BTreeMap<&'static str, u64>> {
    REACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_counted_by_its_name() {
        const NAME: &str = "[limits] of-this-test";
        (0..3).for_each(|_| reached(NAME));
        assert!(counts().contains(&(NAME, 3)));
    }
}
