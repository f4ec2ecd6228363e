//! Protocol inactivity: when a customer of whom nothing is heard is taken out. Seed *Chat session participant disconnect
//! and removal*.
//!
//! Without push, `flex-disconnect-timeout` after the last request, in async chats too. With a push subscription,
//! `flex-push-timeout`, granted once more. While a live connection vouches for the customer nothing runs; when it ends,
//! that is a touch.

use std::time::Duration;

use super::Policy;
use crate::clock::Instant;

/// The signs of life of one customer. Touches are not stored: after a restart the time starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// The last sign of life, or when the time was granted again.
    pub touched: Instant,
    /// `flex-push-timeout` has already been granted a second time.
    pub granted_once: bool,
}

/// What becomes of the customer at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its time is not up.
    Nothing,
    /// Its time is up and begins once more: see [`Liveness::grant`].
    GrantOnceMore,
    /// It is taken out, with [`QuitReason::Inactive`](super::QuitReason::Inactive).
    Remove,
}

impl Liveness {
    /// Alive at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            touched: now,
            granted_once: false,
        }
    }

    /// A request, or the end of a connection that vouched.
    pub fn touch(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// The time begins once more.
    pub fn grant(&mut self, now: Instant) {
        self.touched = now;
        self.granted_once = true;
    }

    /// When to ask [`expired`](Self::expired) next; `None`: not before something changes.
    pub fn next(&self, subscribed: bool, vouched: bool, policy: &Policy) -> Option<Instant> {
        (!vouched).then(|| self.touched + allowed(subscribed, policy))
    }

    /// What becomes of the customer now.
    pub fn expired(
        &self,
        subscribed: bool,
        vouched: bool,
        policy: &Policy,
        now: Instant,
    ) -> Verdict {
        match self.next(subscribed, vouched, policy) {
            Some(deadline) if deadline <= now => match subscribed && !self.granted_once {
                true => Verdict::GrantOnceMore,
                false => Verdict::Remove,
            },
            _ => Verdict::Nothing,
        }
    }
}

fn allowed(subscribed: bool, policy: &Policy) -> Duration {
    match subscribed {
        true => policy.flex_push_timeout,
        false => policy.flex_disconnect_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant(1_000_000);

    #[test]
    fn without_push_the_customer_is_removed_after_the_disconnect_timeout() {
        let policy = Policy::default();
        let customer = Liveness::new(START);
        let end = START + policy.flex_disconnect_timeout;
        assert_eq!(customer.next(false, false, &policy), Some(end));
        let before = Instant(end.0 - 1);
        assert_eq!(
            customer.expired(false, false, &policy, before),
            Verdict::Nothing
        );
        assert_eq!(
            customer.expired(false, false, &policy, end),
            Verdict::Remove
        );
    }

    #[test]
    fn with_push_the_time_is_granted_once_more() {
        let policy = Policy::default();
        let mut customer = Liveness::new(START);
        let first = START + policy.flex_push_timeout;
        assert_eq!(
            customer.expired(true, false, &policy, first),
            Verdict::GrantOnceMore
        );
        customer.grant(first);
        let second = first + policy.flex_push_timeout;
        assert_eq!(customer.next(true, false, &policy), Some(second));
        assert_eq!(
            customer.expired(true, false, &policy, second),
            Verdict::Remove
        );
    }

    #[test]
    fn a_touch_makes_the_grant_good_again() {
        let policy = Policy::default();
        let mut customer = Liveness::new(START);
        customer.grant(START);
        customer.touch(START);
        let end = START + policy.flex_push_timeout;
        assert_eq!(
            customer.expired(true, false, &policy, end),
            Verdict::GrantOnceMore
        );
    }

    #[test]
    fn nothing_runs_while_a_connection_vouches() {
        let policy = Policy::default();
        let customer = Liveness::new(START);
        assert_eq!(customer.next(true, true, &policy), None);
        let late = Instant(u64::MAX);
        assert_eq!(
            customer.expired(false, true, &policy, late),
            Verdict::Nothing
        );
    }
}
