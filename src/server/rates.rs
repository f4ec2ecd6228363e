//! `[rate-limit]` for what comes over Bayeux, message by message.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::router;
use crate::clock::Clock;
use crate::http::rate_limit::RateLimits;
use crate::id::SessionId;
use crate::transport::customers::Rates;

/// The buckets that REST uses too.
pub(super) struct Counted {
    pub(super) limits: Arc<RateLimits>,
    pub(super) settings: watch::Receiver<Arc<router::Settings>>,
    pub(super) clock: Clock,
}

impl Rates for Counted {
    fn allow(&self, address: IpAddr) -> bool {
        let rates = &self.settings.borrow().rates;
        let now = self.clock.now().instant;
        self.limits.address(rates, address, now).is_ok()
    }

    fn allow_to(&self, chat: SessionId, address: IpAddr) -> bool {
        let rates = &self.settings.borrow().rates;
        let now = self.clock.now().instant;
        self.limits.chat(rates, chat, address, now).is_ok()
    }
}
