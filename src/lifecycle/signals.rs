//! Signals: end, end at once, read the configuration again.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::logging::Logging;
use super::shutdown::{Stage, Stopper};
use crate::config::{Config, Invalid, Loaded, Reloaded, Sources};

/// The signals that are heard.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A file has reached the limit of its size. The write fails like one on a full disk; unheard, the signal would end the
    /// process.
    _file_size: Signal,
}

/// Reads the configuration again, and tells who uses it.
pub(super) struct Reloader {
    pub sources: Sources,
    pub running: Loaded,
    pub told: watch::Sender<Arc<Config>>,
    pub logging: Logging,
}

enum Heard {
    End,
    Reload,
}

impl Signals {
    /// From now on the signals are heard.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Obeys them, until the process has been told to end for the second time.
    pub(super) async fn obey(mut self, stopper: Stopper, mut reloader: Reloader) {
        loop {
            match self.next().await {
                Heard::Reload => reloader = reload(reloader).await,
                Heard::End if stopper.advance() == Stage::Ended => {
                    tracing::warn!("told to end again: ending at once");
                    return;
                }
                Heard::End => tracing::info!("told to end: draining"),
            }
        }
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::End,
            _ = self.interrupt.recv() => Heard::End,
            _ = self.hangup.recv() => Heard::Reload,
        }
    }
}

/// Files are read on a thread that may wait.
async fn reload(mut reloader: Reloader) -> Reloader {
    let reloading = tokio::task::spawn_blocking(move || {
        reloader.reload();
        reloader
    });
    match reloading.await {
        Ok(reloader) => reloader,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await, // cancelled: the runtime is gone in a moment
        },
    }
}

impl Reloader {
    /// Takes the configuration over as a whole, or not at all.
    pub(super) fn reload(&mut self) {
        match self.running.reload(&self.sources) {
            Ok(reloaded) => self.accept(reloaded),
            Err(invalid) => refuse(&invalid),
        }
    }

    fn accept(&mut self, reloaded: Reloaded) {
        let Reloaded { loaded, waiting } = reloaded;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        if !waiting.is_empty() {
            tracing::warn!(
                "takes effect at the next start only: {}",
                waiting.join(", ")
            );
        }
        self.logging.set_level(loaded.config.log.level);
        self.told.send_replace(loaded.config.clone());
        self.running = loaded;
        tracing::info!("configuration read again");
    }
}

fn refuse(invalid: &Invalid) {
    for problem in &invalid.problems {
        tracing::error!("{problem}");
    }
    tracing::error!("configuration refused; the running one stays");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn a_good_configuration_is_told_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parlor.toml");
        std::fs::write(&path, "[server]\nalias = \"one\"").unwrap();
        let sources = Sources::new(Some(path.clone()), vec![], []).unwrap();
        let running = load(&sources).unwrap();
        let (told, config) = watch::channel(running.config.clone());
        let (logging, _unheard) = Logging::prepare(running.config.log);
        let mut reloader = Reloader {
            sources,
            running,
            told,
            logging,
        };

        std::fs::write(&path, "[server]\nalias = \"two\"").unwrap();
        reloader.reload();
        assert_eq!(config.borrow().server.alias, "two");

        std::fs::write(&path, "[server]\nalias = \"three\"\nport = 1").unwrap();
        reloader.reload();
        assert_eq!(config.borrow().server.alias, "two");
    }
}
