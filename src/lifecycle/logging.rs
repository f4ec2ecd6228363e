//! Logs go to stderr; how much can be changed while the process runs.

use std::io::{IsTerminal as _, stderr};

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// The running log.
#[derive(Debug)]
pub(super) struct Logging {
    filter: reload::Handle<Targets, Registry>,
}

impl Logging {
    /// Begins to log. A process logs once: where something logs already it goes on.
    pub(super) fn start(log: Log) -> Self {
        let (logging, subscriber) = Self::prepare(log);
        let _ = tracing::subscriber::set_global_default(subscriber);
        logging
    }

    /// A log that is not begun.
    pub(super) fn prepare(log: Log) -> (Self, impl Subscriber + Send + Sync) {
        let (filter, handle) = reload::Layer::new(targets(log.level));
        let lines = fmt::layer().with_writer(stderr);
        let lines = match log.format {
            LogFormat::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let subscriber = Registry::default().with(lines.with_filter(filter));
        (Self { filter: handle }, subscriber)
    }

    /// From now on this is important enough.
    pub(super) fn set_level(&self, level: LogLevel) {
        let _ = self.filter.reload(targets(level));
    }
}

/// Libraries are heard from `warn` on only: below that some of them log headers, and with these secrets.
fn targets(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_target("parlor", own)
        .with_default(own.min(LevelFilter::WARN))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_not_heard_below_warn() {
        let debug = targets(LogLevel::Debug);
        assert!(debug.would_enable("parlor::hub", &Level::DEBUG));
        assert!(!debug.would_enable("hyper", &Level::INFO));
        assert!(debug.would_enable("hyper", &Level::WARN));
        let error = targets(LogLevel::Error);
        assert!(!error.would_enable("hyper", &Level::WARN));
        assert!(!error.would_enable("parlor", &Level::WARN));
    }
}
