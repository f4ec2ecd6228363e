//! How many connections there may be: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

/// The places for connections of one listener.
#[derive(Debug)]
pub struct Slots {
    limits: Limits,
    taken: Mutex<Taken>,
}

/// How many places there are; 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `[limits] connections`: connections of the listener.
    pub connections: usize,
    /// `[limits] connections-per-address`: of them, from one address.
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
    all: usize,
    refused: u64,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    /// Places, all free.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a connection from `address`.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let counted = self.counts(address).then_some(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if reached(taken.all, self.limits.connections) {
            taken.refused += 1;
            return Err(Full::Listener);
        }
        if let Some(address) = counted {
            let here = taken.by_address.get(&address).copied().unwrap_or(0);
            if reached(here, self.limits.per_address) {
                taken.refused += 1;
                return Err(Full::Address);
            }
            taken.by_address.insert(address, here + 1);
        }
        taken.all += 1;
        Ok(Slot {
            slots: Arc::clone(self),
            address: counted,
        })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all
    }

    /// How many connections have found no place since the start.
    pub fn refused(&self) -> u64 {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.refused
    }

    fn counts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.limits.per_address > 0 && !self.limits.exempt.iter().any(|net| net.contains(&address))
    }

    fn free(&self, address: Option<IpAddr>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn slots(connections: usize, per_address: usize, exempt: &[&str]) -> Arc<Slots> {
        Slots::new(Limits {
            connections,
            per_address,
            exempt: exempt.iter().map(|net| net.parse().unwrap()).collect(),
        })
    }
}
