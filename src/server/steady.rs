//! The steady clock goes on over restarts.
//!
//! Deadlines are stored in the time of the clock that waits for them. So that they come when the machine's clock was set back
//! before a start, the data folder says how far that clock had come; it may be a few seconds less after a crash.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::{Clock, Instant};

const FILE: &str = "clock";
const EVERY: Duration = Duration::from_secs(5);

/// The clock, and the file that says how far it has come.
pub(super) struct Steady {
    pub(super) clock: Clock,
    file: PathBuf,
}

impl Steady {
    /// A clock that is not before the one of the process that used this folder last.
    pub(super) fn resume(folder: &Path) -> Self {
        let file = folder.join(FILE);
        // Without it, as at the first start, the machine's clock is all there is.
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let last = Instant(text.trim().parse().unwrap_or(0));
        Self {
            clock: Clock::after(last),
            file,
        }
    }

    /// Notes it again and again.
    pub(super) async fn keep(&self) -> Infallible {
        loop {
            self.note().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Notes how far the clock has come. Nothing is synced: a note that is lost is as one from before.
    pub(super) async fn note(&self) {
        let (file, text) = (
            self.file.clone(),
            format!("{}\n", self.clock.now().instant.0),
        );
        let write = move || {
            let draft = file.with_extension("new");
            std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &file))
        };
        let written = tokio::task::spawn_blocking(write).await;
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "the time could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_does_not_go_back_when_the_machines_clock_does() {
        let folder = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        let tomorrow = Clock::system().now().instant + day;
        let steady = Steady {
            clock: Clock::after(tomorrow),
            file: folder.path().join(FILE),
        };
        steady.note().await;
        let resumed = Steady::resume(folder.path()).clock.now();
        assert!(resumed.instant >= tomorrow);
        assert!(
            resumed.wall.0 < tomorrow.0,
            "what is shown follows the machine's clock"
        );
    }
}
