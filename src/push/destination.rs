//! Where pushes go. Destinations come from configuration only, never from a customer.

use std::fmt;
use std::time::Duration;

use super::{RetrySchedule, Secret};

/// One configured receiver: `[push] customhttp.…`, its `debug.` twin, or that of a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// `customhttp.url`. May hold credentials, so it is not shown.
    pub url: String,
    /// `customhttp.message`: replaces the content.
    pub message: Option<String>,
    /// `customhttp.secret`: none, one, or two while one is rotated.
    pub secrets: Vec<Secret>,
    /// `customhttp.transport-retry`.
    pub retry: RetrySchedule,
    /// `customhttp.timeout`: for one attempt, connect and answer together.
    pub timeout: Duration,
    /// `customhttp.concurrency`: attempts under way at once. As many again wait for their turn.
    pub concurrency: usize,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("secrets", &self.secrets.len())
            .field("retry", &self.retry)
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
