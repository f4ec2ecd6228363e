//! A run that is interrupted leaves nothing behind: no server, and no data folder of gigabytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::report::say;

/// What a shell says of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Folders of this run, and the servers that use them.
static RUNNING: Mutex<BTreeMap<PathBuf, Option<u32>>> = Mutex::new(BTreeMap::new());

/// From now on SIGINT, SIGTERM and SIGHUP clear everything away. Nothing else would: they run no destructors.
pub fn heed() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("heeding signals")?;
    std::thread::spawn(move || {
        signals.forever().next();
        let mut running = running();
        while let Some((folder, server)) = running.pop_first() {
            clear(server, &folder);
        }
        exit(INTERRUPTED);
    });
    Ok(())
}

/// This folder is to go, after the server that uses it.
pub fn remember(folder: &Path, server: Option<u32>) {
    running().insert(folder.to_owned(), server);
}

/// From now on it is its owner's affair.
pub fn forget(folder: &Path) {
    running().remove(folder);
}

fn clear(server: Option<u32>, folder: &Path) {
    if let Some(server) = server.and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended by itself.
        let _ = kill_process(server, Signal::KILL);
    }
    // What the kernel still does for a process that dies may put a file back.
    for _ in 0..50 {
        let _ = std::fs::remove_dir_all(folder);
        if !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    say(format_args!(
        "loadtest: {} could not be removed",
        folder.display()
    ));
}

fn running() -> MutexGuard<'static, BTreeMap<PathBuf, Option<u32>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
