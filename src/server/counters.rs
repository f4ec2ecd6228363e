//! What the listeners count, under names and units that Prometheus expects.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::route::Door;
use crate::http::rate_limit::RateLimits;
use crate::http::slots::Slots;

/// What the listeners count; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    requests: Family<Request, Counter>,
    connections: Family<Listener, Gauge>,
    connections_refused: Family<Listener, Counter>,
    rate_limited: Counter<u64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    listener: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

impl Counters {
    /// Makes them known.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "parlor_http_requests",
            "Requests that were answered",
            self.requests.clone(),
        );
        registry.register(
            "parlor_connections",
            "Connections open, WebSockets included",
            self.connections.clone(),
        );
        registry.register(
            "parlor_connections_refused",
            "Connections closed at once because of [limits] connections or connections-per-address",
            self.connections_refused.clone(),
        );
        registry.register(
            "parlor_rate_limited",
            "Requests and messages refused because of [rate-limit]",
            self.rate_limited.clone(),
        );
    }

    /// A request was answered.
    pub fn answered(&self, door: Door, route: &'static str, status: u16) {
        let labels = Request {
            listener: door.name(),
            route,
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Takes over what is counted elsewhere; before the metrics are read.
    pub fn refresh(&self, listeners: &[(Door, Arc<Slots>)], limits: &RateLimits) {
        for (door, slots) in listeners {
            let listener = Listener {
                listener: door.name(),
            };
            let open = i64::try_from(slots.taken()).unwrap_or(i64::MAX);
            self.connections.get_or_create(&listener).set(open);
            let refused = self.connections_refused.get_or_create(&listener);
            catch_up(&refused, slots.refused());
        }
        catch_up(&self.rate_limited, limits.refused());
    }
}

/// A counter only goes up: by what has come since.
fn catch_up(counter: &Counter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::slots::Limits;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn what_happened_can_be_read() {
        let counters = Counters::default();
        let mut registry = Registry::default();
        counters.register(&mut registry);
        let slots = Slots::new(Limits {
            connections: 1,
            ..Limits::default()
        });
        let _taken = slots.take([127, 0, 0, 1].into());
        assert!(slots.take([127, 0, 0, 1].into()).is_err());
        counters.answered(Door::Public, "cometd", 200);
        for _ in 0..2 {
            counters.refresh(
                &[(Door::Public, Arc::clone(&slots))],
                &RateLimits::default(),
            );
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"parlor_http_requests_total{listener="public",route="cometd",status="200"} 1"#,
            r#"parlor_connections{listener="public"} 1"#,
            r#"parlor_connections_refused_total{listener="public"} 1"#,
            "parlor_rate_limited_total 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
