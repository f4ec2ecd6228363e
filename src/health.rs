//! Starting, ready, draining.
use std::sync::atomic::{AtomicU8, Ordering};
/// Where the process is in its life.
#[derive(Debug, Default)]
pub struct State(AtomicU8);
impl State {
    /// Whether the process is ending.
    pub fn is_draining(&self) -> bool { self.0.load(Ordering::Relaxed) == 2 }
}
