//! What the listeners count of requests, under the names that Prometheus expects.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::route::Door;

/// What is counted of requests; cheap to clone, and the clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    requests: Family<Labels, Counter>,
    unheard: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    listener: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    listener: &'static str,
    reason: &'static str,
}

impl Counters {
    /// Makes `parlor_http_requests_total` and `parlor_http_heads_refused_total` known.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "parlor_http_requests",
            "Requests that were answered",
            self.requests.clone(),
        );
        registry.register(
            "parlor_http_heads_refused",
            "Connections ended because a request's head was too large or malformed, or the first one did not come in time",
            self.unheard.clone(),
        );
    }

    /// A request was answered.
    pub fn answered(&self, door: Door, route: &'static str, status: u16) {
        let labels = Labels {
            listener: door.name(),
            route,
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// A head was not understood, or did not come.
    pub fn unheard(&self, door: Door, reason: &'static str) {
        let listener = door.name();
        let reason = Reason { listener, reason };
        self.unheard.get_or_create(&reason).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn requests_are_counted_by_listener_route_and_status() {
        let counters = Counters::default();
        let mut registry = Registry::default();
        counters.register(&mut registry);
        counters.answered(Door::Public, "cometd", 200);
        counters.clone().answered(Door::Public, "cometd", 200);
        counters.unheard(Door::Internal, "slow");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = r#"parlor_http_requests_total{listener="public",route="cometd",status="200"} 2"#;
        assert!(text.contains(line), "{text}");
        let line = r#"parlor_http_heads_refused_total{listener="internal",reason="slow"} 1"#;
        assert!(text.contains(line), "{text}");
    }
}
