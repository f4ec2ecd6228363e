//! The steady clock goes on over restarts.
//!
//! Deadlines are stored in the time of the clock that waits for them. So that they come when the machine's clock was set back
//! before a start, the data folder says how far that clock had come; it may be a few seconds less after a crash. The note has a
//! checksum: one flipped bit may be two hundred years, and every chat would end at once.

use std::convert::Infallible;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::{Clock, Instant};
use crate::store::summed;

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
        let last = noted(&file).unwrap_or_else(|what| {
            tracing::warn!(file = %file.display(), what, "the note of the last time cannot be used: deadlines follow the machine's clock");
            Instant(0)
        });
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
        let line = summed::line(&self.clock.now().instant.0.to_string());
        let file = self.file.clone();
        let write = move || {
            let draft = file.with_extension("new");
            write_private(&draft, &line).and_then(|()| std::fs::rename(&draft, &file))
        };
        let written = tokio::task::spawn_blocking(write).await;
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "the time could not be noted");
        }
    }
}

/// Writes a file for its owner only, as all in the folder are.
fn write_private(file: &Path, line: &str) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)?.write_all(line.as_bytes())
}

/// What the file says; nothing at the first start.
fn noted(file: &Path) -> Result<Instant, String> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Instant(0)),
        Err(error) => return Err(error.to_string()),
    };
    let millis = summed::text(&bytes).and_then(|text| text.parse().ok());
    millis
        .map(Instant)
        .ok_or_else(|| "it is damaged".to_owned())
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

    /// A flipped bit made the first digit a 9: the clock stood in the year 2277, was noted again, and every chat's time was up.
    #[tokio::test]
    async fn a_note_that_is_hurt_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let steady = Steady::resume(folder.path());
        steady.note().await;
        let sound = std::fs::read(&steady.file).unwrap();
        let soon = Clock::system().now().instant + Duration::from_secs(3600);
        for bit in 0..sound.len() * 8 {
            let mut hurt = sound.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&steady.file, hurt).unwrap();
            let resumed = Steady::resume(folder.path()).clock.now();
            assert!(resumed.instant < soon, "bit {bit}");
        }
        std::fs::write(&steady.file, "").unwrap();
        assert!(Steady::resume(folder.path()).clock.now().instant < soon);
    }
}
