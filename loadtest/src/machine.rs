//! What the kernel says of a process, and what it lets us have.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Which field of a core's line in `/proc/stat` is `steal`; the first is the core's name.
const STEAL: usize = 8;

/// Raises the number of descriptors as far as it may go, and says how far that was.
pub fn raise_descriptors() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: hard,
            maximum: hard,
        },
    )
    .context("raising the number of open files")?;
    Ok(hard.unwrap_or(u64::MAX))
}

/// Keeps this process on one core.
pub fn stay_on(core: usize) -> Result<()> {
    if core >= CpuSet::MAX_CPU {
        bail!("there is no core {core} to measure from");
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
        .with_context(|| format!("there is no core {core} to measure from"))
}

/// What the hypervisor has given to others, of each core, while something was ready to run there: `steal` in proc(5).
/// Nothing where it does not say so, as on a machine of one's own.
pub fn stolen() -> Vec<Duration> {
    stolen_of(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn stolen_of(stat: &str) -> Vec<Duration> {
    let tick = 1.0 / clock_ticks_per_second() as f64;
    let cores = stat
        .lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    cores
        .filter_map(|line| line.split_ascii_whitespace().nth(STEAL)?.parse().ok())
        .map(|ticks: u32| Duration::from_secs_f64(f64::from(ticks) * tick))
        .collect()
}

/// The share that was stolen since `before` of the core that lost most, within `length`.
pub fn stolen_share(before: &[Duration], length: Duration) -> f64 {
    let lost = stolen()
        .into_iter()
        .zip(before)
        .map(|(now, before)| now.saturating_sub(*before));
    lost.max().unwrap_or_default().as_secs_f64() / length.as_secs_f64().max(0.01)
}

/// Another process, seen through `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// CPU time of all its threads that are alive, by the scheduler's clock.
    pub fn cpu(self) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(self.file("task")).context("the server is gone")? {
            // A thread may end between the listing and the look.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            nanos += text
                .split(' ')
                .next()
                .and_then(|first| first.parse().ok())
                .unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory, in bytes.
    pub fn resident(self) -> Result<u64> {
        self.status("VmRSS:").map(|kib| kib * 1024)
    }

    fn status(self, field: &str) -> Result<u64> {
        let text = fs::read_to_string(self.file("status")).context("the server is gone")?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("/proc has no {field}"))
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

/// Bytes of a folder and what is in it, as the disk counts them.
pub fn disk_use(folder: &std::path::Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk_use(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stolen_is_counted_core_by_core() {
        let stat = "cpu  5 0 4 9 0 0 0 300 0 0\ncpu0 3 0 2 4 0 0 0 100 0 0\ncpu1 2 0 2 5 0 0 0 200 0 0\nintr 7\n";
        let tick = Duration::from_secs(1) / u32::try_from(clock_ticks_per_second()).unwrap();
        assert_eq!(stolen_of(stat), [100 * tick, 200 * tick]);
        assert!(stolen_of("").is_empty());
    }
}
