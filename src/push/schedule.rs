//! How long to wait.

use std::time::Duration;

/// `flex-push-resend-delay` and `flex-push-resend-attempts`: waits before each resend, the last repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendSchedule {
    /// One wait, or a list of them; never empty.
    pub delays: Vec<Duration>,
    /// Resends after the first push: 0–100.
    pub attempts: u32,
}

/// `customhttp.transport-retry`: waits before each further attempt; empty for `"none"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Waits before the second, third … attempt.
    pub delays: Vec<Duration>,
}

impl Default for ResendSchedule {
    fn default() -> Self {
        Self {
            delays: vec![Duration::from_secs(15)],
            attempts: 5,
        }
    }
}
