//! How often one address, and one chat, may ask: `[rate-limit]`.
//!
//! A token bucket that fills at `rate` per second and holds twice that much, kept as one number: the moment at which it
//! would be full again. A bucket that is full is the same as one that was never heard of, and every bucket is full two
//! seconds after its last use; so two generations of a map, exchanged every two seconds, remember all that matters, and
//! forget without ever being searched.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::clock::Instant;
use crate::id::SessionId;
use crate::limit;

/// The options of `[rate-limit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// `per-address`: requests or messages per second of one address; 0: as many as it likes. Of IPv6 the /64 counts, which
    /// is what one customer has.
    pub per_address: u32,
    /// `per-chat`: the same of one chat.
    pub per_chat: u32,
    /// `exempt`: networks to which neither applies.
    pub exempt: Vec<IpNet>,
}

/// Too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests ([rate-limit] {option}); come again in {retry_after} s")]
pub struct TooOften {
    /// The option whose limit was passed.
    pub option: &'static str,
    /// Whole seconds after which one request will be allowed, at least 1.
    pub retry_after: u64,
}

/// The buckets of all callers.
#[derive(Debug, Default)]
pub struct RateLimits {
    addresses: Buckets<IpAddr>,
    chats: Buckets<SessionId>,
    refused: AtomicU64,
}

/// Buckets by key.
#[derive(Debug)]
struct Buckets<K>(Mutex<Generations<K>>);

#[derive(Debug)]
struct Generations<K> {
    young: HashMap<K, u64>,
    old: HashMap<K, u64>,
    /// When the generations were exchanged, in microseconds.
    exchanged: u64,
}

const SECOND: u64 = 1_000_000;

/// A bucket holds twice its rate, so it fills in two seconds, whatever the rate.
const FILLS_IN: u64 = 2 * SECOND;

/// Keys of one generation at most, about 16 MiB. Those beyond pass unlimited for up to two seconds: whoever commands so
/// many addresses is not slowed by a limit on each of them.
const KEYS_MAX: usize = 262_144;

impl Default for Rates {
    fn default() -> Self {
        Self {
            per_address: 50,
            per_chat: 20,
            exempt: vec![
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
        }
    }
}

impl Rates {
    /// Whether the limits do not apply to this address.
    pub fn exempts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|net| net.contains(&address))
    }
}

impl RateLimits {
    /// One request or message of this address.
    pub fn address(&self, rates: &Rates, address: IpAddr, now: Instant) -> Result<(), TooOften> {
        if rates.exempts(address) {
            return Ok(());
        }
        let taken = self
            .addresses
            .take(network(address), rates.per_address, now);
        self.judge(taken, "per-address")
    }

    /// One request or message in this chat, from this address.
    pub fn chat(
        &self,
        rates: &Rates,
        chat: SessionId,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), TooOften> {
        if rates.exempts(address) {
            return Ok(());
        }
        self.judge(self.chats.take(chat, rates.per_chat, now), "per-chat")
    }

    /// How many requests and messages were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn judge(&self, taken: Result<(), u64>, option: &'static str) -> Result<(), TooOften> {
        taken.map_err(|micros| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            TooOften {
                option,
                retry_after: micros.div_ceil(SECOND).max(1),
            }
        })
    }
}

impl<K: Hash + Eq + Copy> Buckets<K> {
    /// Takes one token, or says in how many microseconds there will be one.
    fn take(&self, key: K, rate: u32, now: Instant) -> Result<(), u64> {
        let now = now.0.saturating_mul(1000);
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.exchange(now);
        let full_at = take(generations.full_at(&key), rate, now)?;
        generations.keep(key, full_at);
        Ok(())
    }
}

impl<K: Hash + Eq + Copy> Generations<K> {
    fn exchange(&mut self, now: u64) {
        let age = now.saturating_sub(self.exchanged);
        if age < FILLS_IN {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= 2 * FILLS_IN {
            self.old = HashMap::new();
        }
        self.exchanged = now;
    }

    fn full_at(&self, key: &K) -> u64 {
        let found = self.young.get(key).or_else(|| self.old.get(key));
        found.copied().unwrap_or(0)
    }

    fn keep(&mut self, key: K, full_at: u64) {
        if self.young.len() < KEYS_MAX || self.young.contains_key(&key) {
            self.young.insert(key, full_at);
        } else {
            limit::reached("addresses and chats with a rate");
        }
    }
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::new(Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            exchanged: 0,
        }))
    }
}

/// Takes one token at `now` from a bucket that will be full at `full_at`: when it will be full then, or how long to wait.
fn take(full_at: u64, rate: u32, now: u64) -> Result<u64, u64> {
    if rate == 0 {
        return Ok(now);
    }
    let one_token = SECOND / u64::from(rate);
    let full_at = full_at.max(now) + one_token;
    match full_at.saturating_sub(now + FILLS_IN) {
        0 => Ok(full_at),
        wait => Err(wait),
    }
}

/// What one customer has: an address, of IPv6 the /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut bytes = address.octets();
            bytes[8..].fill(0);
            IpAddr::from(bytes)
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "192.0.2.1";

    #[test]
    fn a_burst_of_twice_the_rate_passes_and_then_the_rate() {
        let limits = RateLimits::default();
        let rates = rates(5, 0);
        assert_eq!(passed(&limits, &rates, ALICE, 0, 20), 10);
        assert_eq!(passed(&limits, &rates, ALICE, 1000, 20), 5);
        assert_eq!(passed(&limits, &rates, ALICE, 1200, 20), 1);
        assert_eq!(passed(&limits, &rates, ALICE, 60_000, 20), 10);
    }

    #[test]
    fn refused_requests_cost_nothing_and_are_told_when_to_come_again() {
        let limits = RateLimits::default();
        let rates = rates(1, 0);
        assert_eq!(passed(&limits, &rates, ALICE, 0, 100), 2);
        let refused = limits.address(&rates, ip(ALICE), at(0)).unwrap_err();
        assert_eq!(
            refused,
            TooOften {
                option: "per-address",
                retry_after: 1
            }
        );
        assert_eq!(passed(&limits, &rates, ALICE, 1000, 1), 1);
        assert_eq!(limits.refused(), 99);
    }

    #[test]
    fn everybody_has_an_own_bucket() {
        let limits = RateLimits::default();
        let rates = rates(1, 0);
        assert_eq!(passed(&limits, &rates, ALICE, 0, 9), 2);
        assert_eq!(passed(&limits, &rates, "192.0.2.2", 0, 9), 2);
        assert_eq!(passed(&limits, &rates, "2001:db8::1", 0, 9), 2);
        assert_eq!(
            passed(&limits, &rates, "2001:db8::2", 0, 9),
            0,
            "the same customer"
        );
        assert_eq!(
            passed(&limits, &rates, "::ffff:192.0.2.1", 0, 9),
            0,
            "Alice again"
        );
    }

    #[test]
    fn zero_is_no_limit_and_the_exempt_are_exempt() {
        let limits = RateLimits::default();
        assert_eq!(passed(&limits, &rates(0, 0), ALICE, 0, 1000), 1000);
        assert_eq!(
            passed(&limits, &Rates::default(), "127.1.2.3", 0, 1000),
            1000
        );
        assert_eq!(passed(&limits, &Rates::default(), "::1", 0, 1000), 1000);
        assert_eq!(passed(&limits, &Rates::default(), ALICE, 0, 1000), 100);
    }

    #[test]
    fn a_chat_has_its_own_limit() {
        let limits = RateLimits::default();
        let chat = SessionId::from_bytes([7; 12]);
        let sent = (0..100).filter(|_| limits.chat(&rates(0, 20), chat, ip(ALICE), at(0)).is_ok());
        assert_eq!(sent.count(), 40);
    }

    #[test]
    fn who_is_not_heard_of_any_more_is_forgotten() {
        let limits = RateLimits::default();
        for caller in 0..100 {
            assert_eq!(
                passed(&limits, &rates(1, 0), &format!("192.0.2.{caller}"), 0, 1),
                1
            );
        }
        passed(&limits, &rates(1, 0), ALICE, 4000, 1);
        let generations = limits.addresses.0.lock().unwrap();
        assert_eq!(generations.young.len() + generations.old.len(), 1);
    }

    fn passed(limits: &RateLimits, rates: &Rates, address: &str, now: u64, requests: u32) -> usize {
        let ask = |_: &u32| limits.address(rates, ip(address), at(now)).is_ok();
        (0..requests).filter(ask).count()
    }

    fn rates(per_address: u32, per_chat: u32) -> Rates {
        Rates {
            per_address,
            per_chat,
            exempt: Vec::new(),
        }
    }

    fn at(millis: u64) -> Instant {
        Instant(1_700_000_000_000 + millis)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
