//! What is counted of the pushes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::push::{Answer, Outcome};

const DELIVERED: &str = "delivered";
const DEAD: &str = "dead";
/// What nearly every attempt is answered with.
const ANSWERED_CODE: u16 = 200;
const ANSWERED: &str = "200";

/// The counters of contract §3. Clones count into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    deliveries: Family<Ending, Counter>,
    attempts: Family<Attempt, Counter>,
    dead_letters: Family<To, Counter>,
    owed: Family<To, Gauge>,
    attempt_seconds: Histogram,
}

/// The counters of one destination, looked up once for all its pushes.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    all: Metrics,
    destination: String,
    /// Attempts that were answered with 200.
    answered: Counter,
    delivered: Counter,
    owed: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct To {
    destination: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    destination: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    destination: String,
    status: String,
}

impl Metrics {
    /// Adds them to `registry` under their full names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "parlor_push_deliveries",
            "Pushes that ended: delivered, or dead (given up)",
            self.deliveries.clone(),
        );
        registry.register(
            "parlor_push_attempts",
            "Attempts at a push, by HTTP status or the reason why there was none",
            self.attempts.clone(),
        );
        registry.register(
            "parlor_push_dead_letters",
            "Pushes that were given up",
            self.dead_letters.clone(),
        );
        registry.register(
            "parlor_push_owed",
            "Pushes that are owed now",
            self.owed.clone(),
        );
        registry.register(
            "parlor_push_attempt_seconds",
            "How long an attempt took",
            self.attempt_seconds.clone(),
        );
    }

    /// Counts from 0 for a destination: a first dead letter is only seen to be one more where there was none before.
    pub(super) fn of(&self, destination: &str) -> Counted {
        let _ = self.dead_letters.get_or_create(&to(destination));
        let _ = self.deliveries.get_or_create(&ending(destination, DEAD));
        let delivered = ending(destination, DELIVERED);
        let answered = attempt(destination, ANSWERED);
        Counted {
            all: self.clone(),
            destination: destination.to_owned(),
            answered: self.attempts.get_or_create(&answered).clone(),
            delivered: self.deliveries.get_or_create(&delivered).clone(),
            owed: self.owed(destination),
        }
    }

    /// The pushes owed to a destination, counted by whoever knows them: the hub.
    pub fn owed(&self, destination: &str) -> Gauge {
        self.owed.get_or_create(&to(destination)).clone()
    }

    /// A push was given up by the hub, which never offered it.
    pub fn gave_up(&self, destination: &str) {
        let reason = String::new();
        self.settled(destination, &Outcome::Dead { reason });
    }

    pub(super) fn settled(&self, destination: &str, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Delivered => DELIVERED,
            Outcome::Dead { .. } => DEAD,
            Outcome::Retry { .. } => return,
        };
        if outcome == DEAD {
            self.dead_letters.get_or_create(&to(destination)).inc();
        }
        self.deliveries
            .get_or_create(&ending(destination, outcome))
            .inc();
    }
}

impl Counted {
    pub(super) fn attempted(&self, answer: Answer, took: Duration) {
        match answer {
            Answer::Status {
                code: ANSWERED_CODE,
                ..
            } => self.answered.inc(),
            answer => {
                let attempt = attempt(&self.destination, &answer.label());
                self.all.attempts.get_or_create(&attempt).inc()
            }
        };
        self.all.attempt_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn settled(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered => {
                self.delivered.inc();
            }
            Outcome::Dead { .. } | Outcome::Retry { .. } => {
                self.all.settled(&self.destination, outcome)
            }
        }
    }

    pub(super) fn owed(&self, more: i64) {
        self.owed.inc_by(more);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            deliveries: Family::default(),
            attempts: Family::default(),
            dead_letters: Family::default(),
            owed: Family::default(),
            attempt_seconds: Histogram::new(BUCKETS),
        }
    }
}

fn attempt(destination: &str, status: &str) -> Attempt {
    Attempt {
        destination: destination.to_owned(),
        status: status.to_owned(),
    }
}

fn ending(destination: &str, outcome: &'static str) -> Ending {
    Ending {
        destination: destination.to_owned(),
        outcome,
    }
}

fn to(destination: &str) -> To {
    To {
        destination: destination.to_owned(),
    }
}

/// From a receiver next door to one that never answers.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0];
