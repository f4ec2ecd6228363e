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

/// What a shell says of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Servers that run, and their data folders.
static RUNNING: Mutex<BTreeMap<u32, PathBuf>> = Mutex::new(BTreeMap::new());

/// From now on SIGINT, SIGTERM and SIGHUP clear everything away. Nothing else would: they run no destructors.
pub fn heed() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("heeding signals")?;
    std::thread::spawn(move || {
        signals.forever().next();
        let mut running = running();
        while let Some((server, folder)) = running.pop_first() {
            clear(server, &folder);
        }
        exit(INTERRUPTED);
    });
    Ok(())
}

/// This server has this folder.
pub fn remember(server: u32, folder: &Path) {
    running().insert(server, folder.to_owned());
}

/// It has ended; its folder is its owner's affair.
pub fn forget(server: u32) {
    running().remove(&server);
}

fn clear(server: u32, folder: &Path) {
    if let Some(server) = Pid::from_raw(server.cast_signed()) {
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
    eprintln!("loadtest: {} could not be removed", folder.display());
}

fn running() -> MutexGuard<'static, BTreeMap<u32, PathBuf>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
