//! What is done without being asked: woken by a timer or a nudge, without input, allowed to run twice.

pub mod push;
mod quiet;
pub mod shards;
pub mod wake;
