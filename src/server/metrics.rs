//! What an operator sees at `/metrics`. It is counted where it happens, and looked up here when somebody asks.

mod process;

use std::fmt::{Debug, Error, Formatter};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;

use crate::http::rate_limit::RateLimits;
use crate::http::slots::Slots;
use crate::hub::Load;
use crate::limit;
use crate::store::embedded::{GROUP_BOUNDS, Histogram, LATENCY_BOUNDS_MICROS, Stats};
use crate::tasks::shards::Gauges;
use crate::transport::agents::Agents;
use crate::transport::{Counters, Registry};

/// What is looked up.
pub(super) struct Watched {
    pub(super) stats: Arc<Stats>,
    pub(super) customers: Arc<Registry>,
    pub(super) agents: Arc<Registry>,
    pub(super) desks: Arc<Agents>,
    pub(super) load: Arc<Load>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) limits: Arc<RateLimits>,
    pub(super) slots: [Arc<Slots>; 2],
}

/// Adds everything to `metrics`.
pub(super) fn register(metrics: &mut Metrics, watched: Watched, subscriptions_ignored: Counter) {
    metrics.register(
        "parlor_push_subscriptions_ignored",
        "Chats begun without the pushes they wished for, because configuration does not allow them",
        subscriptions_ignored,
    );
    metrics.register_collector(Box::new(watched));
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.encode_connections(&mut encoder)?;
        self.encode_sessions(&mut encoder)?;
        self.encode_events(&mut encoder)?;
        self.encode_store(&mut encoder)?;
        encode_limits(&mut encoder)?;
        process::encode(&mut encoder)
    }
}

impl Watched {
    fn encode_connections(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let each = [
            ("public", self.customers.counters(), self.slots[0].taken()),
            ("internal", self.agents.counters(), self.slots[1].taken()),
        ];
        by_listener(
            encoder,
            "parlor_connections",
            "Connections",
            &each,
            |_, connections| connections as u64,
        )?;
        by_listener(
            encoder,
            "parlor_websockets",
            "WebSockets",
            &each,
            |counters, _| counters.websockets,
        )?;
        by_listener(
            encoder,
            "parlor_long_polls",
            "Long-polls that are held",
            &each,
            |counters, _| counters.polls,
        )?;
        by_listener(
            encoder,
            "parlor_bayeux_sessions",
            "Bayeux sessions",
            &each,
            |counters, _| counters.sessions,
        )?;
        let full = each
            .iter()
            .map(|(_, counters, _)| counters.queue_full)
            .sum();
        counter(
            encoder,
            "parlor_queue_full",
            "Times a viewer's queue was full: it reads on from the store when there is room",
            full,
        )?;
        counter(
            encoder,
            "parlor_rate_limited",
            "Requests and messages refused by [rate-limit]",
            self.limits.refused(),
        )?;
        counter(
            encoder,
            "parlor_connections_refused",
            "Connections closed at once by [limits] connections and connections-per-address",
            self.slots.iter().map(|slots| slots.refused()).sum(),
        )?;
        counter(
            encoder,
            "parlor_bayeux_clients_refused",
            "Handshakes refused by [limits] clients",
            each.iter()
                .map(|(_, counters, _)| counters.clients_refused)
                .sum(),
        )?;
        counter(
            encoder,
            "parlor_websockets_stalled",
            "WebSockets that were closed because what was written to them found no taker for 30 s",
            each.iter().map(|(_, counters, _)| counters.stalled).sum(),
        )?;
        let desks = self.desks.counters();
        counter(
            encoder,
            "parlor_agent_requests_waited",
            "Requests of agents that waited until more answers were read: [limits] answers-size",
            desks.waited,
        )?;
        counter(
            encoder,
            "parlor_agent_requests_refused",
            "Requests of agents refused because too many waited: [limits] requests-waiting",
            desks.refused,
        )
    }

    fn encode_sessions(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let awake = self.gauges.awake.load(Relaxed) as u64;
        gauge(
            encoder,
            "parlor_sessions_live",
            "Chat sessions in memory",
            awake,
        )?;
        let open = self.load.open();
        gauge(
            encoder,
            "parlor_sessions_open",
            "Chat sessions that are not closed",
            open,
        )?;
        gauge(
            encoder,
            "parlor_sessions_dormant",
            "Chat sessions that are not closed and not in memory",
            open.saturating_sub(self.gauges.awake_and_open.load(Relaxed) as u64),
        )
    }

    fn encode_events(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let tally = self.load.tally();
        let help = "Events that became durable, by type";
        let mut metric =
            encoder.encode_descriptor("parlor_events", help, None, MetricType::Counter)?;
        for (kind, count) in tally.events() {
            ConstCounter::new(count).encode(metric.encode_family(&[("type", kind)])?)?;
        }
        counter(
            encoder,
            "parlor_shard_queue_full",
            "Requests refused as busy because the queue of their shard was full",
            tally.shard_queue_full(),
        )
    }

    fn encode_store(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let stats = &self.stats;
        counter(
            encoder,
            "parlor_store_records",
            "Records that became durable, one for each command",
            stats.records.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_store_commits",
            "Groups of records that were synced together",
            stats.groups.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_store_reads",
            "Sessions that were looked up in the store, and transcripts that were read from it",
            stats.reads.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_store_failures",
            "Records that could not be made durable",
            stats.failures.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_store_queue_full",
            "Times a record had to wait because the queue of the store was full",
            stats.queue_full.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_store_damaged",
            "Sessions whose record was found to be damaged",
            stats.damaged.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_push_dead_letters_dropped",
            "Dead letters that had to go for newer ones: [push] dead-letters-kept",
            stats.dead_letters_dropped.load(Relaxed),
        )?;
        counter(
            encoder,
            "parlor_store_written_bytes",
            "Bytes written to the log",
            stats.bytes.load(Relaxed),
        )?;
        gauge(
            encoder,
            "parlor_store_segments",
            "Segments of the log",
            stats.segments.load(Relaxed),
        )?;
        gauge(
            encoder,
            "parlor_store_free_bytes",
            "Bytes free on the disk",
            stats.free_bytes.load(Relaxed),
        )?;
        let micros = LATENCY_BOUNDS_MICROS.map(|bound| bound as f64 / 1e6);
        histogram(
            encoder,
            "parlor_store_commit_seconds",
            "From a record's queueing until it is durable",
            &stats.latency,
            &micros,
            1e6,
        )?;
        let sizes = GROUP_BOUNDS.map(|bound| bound as f64);
        histogram(
            encoder,
            "parlor_store_commit_records",
            "Records synced together",
            &stats.group_sizes,
            &sizes,
            1.0,
        )
    }
}

fn encode_limits(encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let help = "Refusals because a limit was reached, by its option; those with counters of their own are not here";
    let mut metric =
        encoder.encode_descriptor("parlor_limits_reached", help, None, MetricType::Counter)?;
    for (name, times) in limit::counts() {
        ConstCounter::new(times).encode(metric.encode_family(&[("limit", name)])?)?;
    }
    Ok(())
}

impl Debug for Watched {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result<(), Error> {
        f.write_str("Watched")
    }
}

fn by_listener(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    each: &[(&str, Counters, usize)],
    value: impl Fn(&Counters, usize) -> u64,
) -> Result<(), Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (listener, counters, connections) in each {
        let gauge = ConstGauge::new(signed(value(counters, *connections)));
        gauge.encode(metric.encode_family(&[("listener", *listener)])?)?;
    }
    Ok(())
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), Error> {
    let gauge = ConstGauge::new(signed(value));
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), Error> {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

/// `scale` is how many units of the histogram make one of the metric.
fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    from: &Histogram,
    bounds: &[f64],
    scale: f64,
) -> Result<(), Error> {
    let counts = from.buckets.iter().map(|bucket| bucket.load(Relaxed));
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
    let sum = from.sum.load(Relaxed) as f64 / scale;
    encoder
        .encode_descriptor(name, help, None, MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(sum, from.count(), &buckets, None)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
