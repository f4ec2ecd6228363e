//! Whether the server is ready, check by check.

use std::sync::Arc;

use crate::api::admin::Check;
use crate::health::{Health, State};
use crate::hub::Load;
use crate::store;

/// What `/readyz` asks.
pub(super) fn checks(
    health: Arc<Health>,
    store: store::Shared,
    load: Arc<Load>,
) -> impl Fn() -> Vec<Check> + Send + Sync {
    move || {
        let lifecycle = match health.state() {
            State::Ready => None,
            State::Starting => Some("starting".to_owned()),
            State::Draining => Some("draining".to_owned()),
        };
        let writable = match store.condition() {
            store::Condition::Writable => None,
            store::Condition::NoSpace => Some(store::Error::NoSpace.to_string()),
            store::Condition::ReadOnly => Some(store::Error::ReadOnly.to_string()),
        };
        vec![
            Check::new("lifecycle", lifecycle),
            Check::new("store", writable),
            Check::new(
                "limits",
                load.is_reached()
                    .then(|| "limit reached: [settings] limit-for-sessions".to_owned()),
            ),
        ]
    }
}
