//! Assembly.

use crate::health::State;
use crate::lifecycle::{Exit, Start};

/// Serves until told to go down.
pub async fn run(start: Start) -> Result<(), Exit> {
    start.health.advance(State::Ready);
    start.shutdown.draining().await;
    start.health.advance(State::Draining);
    Ok(())
}
