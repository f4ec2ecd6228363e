//! How many connections there may be: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::rate_limit::network;

/// The places for connections of one listener.
#[derive(Debug)]
pub struct Slots {
    taken: Mutex<Taken>,
}

/// How many places there are; 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `[limits] connections`: connections of the listener.
    pub connections: usize,
    /// `[limits] connections-per-address`: of them, from one address; of IPv6 the /64 counts.
    pub per_address: usize,
    /// Networks that may share one address among many: trusted proxies, and those exempt from rate limits.
    pub exempt: Vec<IpNet>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The listener has as many connections as it may have.
    #[error("limit reached: [limits] connections")]
    Listener,
    /// This address has.
    #[error("limit reached: [limits] connections-per-address")]
    Address,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    address: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct Taken {
    limits: Limits,
    all: usize,
    refused: u64,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    /// Places, all free.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::new(Taken {
                limits,
                ..Taken::default()
            }),
        })
    }

    /// Other limits from now on. Who has a place keeps it.
    pub fn configure(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    /// Takes a place for a connection from `address`.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let mut taken = self.lock();
        let counted = taken.limits.count(address).then_some(network(address));
        if let Err(full) = taken.room(counted) {
            taken.refused += 1;
            return Err(full);
        }
        if let Some(address) = counted {
            *taken.by_address.entry(address).or_default() += 1;
        }
        taken.all += 1;
        Ok(Slot {
            slots: Arc::clone(self),
            address: counted,
        })
    }

    /// Counts a connection that is turned away for another reason than these limits.
    pub fn turn_away(&self) {
        self.lock().refused += 1;
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    /// How many connections have found no place since the start.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    fn free(&self, address: Option<IpAddr>) {
        let mut taken = self.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(address) = address
            && let Some(count) = taken.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    /// Whether connections of this address are counted by it.
    fn count(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.per_address > 0 && !self.exempt.iter().any(|net| net.contains(&address))
    }
}

impl Taken {
    fn room(&self, counted: Option<IpAddr>) -> Result<(), Full> {
        if reached(self.all, self.limits.connections) {
            return Err(Full::Listener);
        }
        let here = counted.and_then(|address| self.by_address.get(&address));
        match here {
            Some(here) if reached(*here, self.limits.per_address) => Err(Full::Address),
            _ => Ok(()),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.free(self.address);
    }
}

fn reached(count: usize, limit: usize) -> bool {
    limit > 0 && count >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const MALLORY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66));

    #[test]
    fn one_address_cannot_take_every_place() {
        let slots = slots(10, 2, &[]);
        let _first = slots.take(MALLORY).unwrap();
        let second = slots.take(MALLORY).unwrap();
        assert_eq!(slots.take(MALLORY).unwrap_err(), Full::Address);
        assert!(slots.take(ALICE).is_ok());
        drop(second);
        assert!(slots.take(MALLORY).is_ok());
    }

    #[test]
    fn the_listener_is_full_for_everybody_and_free_again_when_somebody_goes() {
        let slots = slots(1, 0, &[]);
        let only = slots.take(ALICE).unwrap();
        assert_eq!(slots.take(MALLORY).unwrap_err(), Full::Listener);
        drop(only);
        assert_eq!(slots.taken(), 0);
        assert!(slots.take(MALLORY).is_ok());
    }

    #[test]
    fn a_trusted_proxy_brings_as_many_as_it_likes() {
        let slots = slots(0, 1, &["192.0.2.0/28"]);
        let _one = slots.take(ALICE).unwrap();
        assert!(slots.take(ALICE).is_ok());
    }

    #[test]
    fn other_limits_hold_for_whoever_comes_next() {
        let slots = slots(1, 0, &[]);
        let _one = slots.take(ALICE).unwrap();
        slots.configure(Limits {
            connections: 3,
            per_address: 1,
            exempt: Vec::new(),
        });
        let two = slots.take(ALICE).unwrap();
        assert_eq!(slots.take(ALICE).unwrap_err(), Full::Address);
        drop(two);
        assert!(slots.take(ALICE).is_ok());
        assert_eq!(slots.refused(), 1);
    }

    fn slots(connections: usize, per_address: usize, exempt: &[&str]) -> Arc<Slots> {
        Slots::new(Limits {
            connections,
            per_address,
            exempt: exempt.iter().map(|net| net.parse().unwrap()).collect(),
        })
    }
}
