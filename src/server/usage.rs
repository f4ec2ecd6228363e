//! What the process uses of the machine, as the kernel tells it in `/proc`.

use std::fs;

/// Clock ticks per second in `/proc`: the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// What the process uses now.
#[derive(Debug)]
pub(super) struct Usage {
    /// Memory, bytes.
    pub(super) resident_bytes: u64,
    /// File descriptors.
    pub(super) open_fds: u64,
    /// File descriptors there may be.
    pub(super) max_fds: u64,
    /// Processor time, in user and kernel.
    pub(super) cpu_seconds: f64,
    /// When it began, since 1970.
    pub(super) start_time_seconds: f64,
}

impl Usage {
    /// Asks; `None` where there is no `/proc`.
    pub(super) fn now() -> Option<Self> {
        let status = read("/proc/self/status")?;
        let stat = read("/proc/self/stat")?;
        // The name of the program may have anything in it; the numbers come after its bracket.
        let numbers: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |place: usize| numbers.get(place)?.parse::<f64>().ok();
        let booted: f64 = after(&read("/proc/stat")?, "btime")?.parse().ok()?;
        let limits = read("/proc/self/limits")?;
        let max_fds = after(&limits, "Max open files")?;
        Some(Self {
            resident_bytes: after(&status, "VmRSS:")?.parse::<u64>().ok()? * 1024,
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            max_fds: max_fds.parse().unwrap_or(u64::MAX),
            cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS,
            start_time_seconds: booted + ticks(19)? / TICKS,
        })
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The first word of the line that begins with `name`.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells() {
        let usage = Usage::now().unwrap();
        assert!(usage.resident_bytes > 1 << 20, "{usage:?}");
        assert!(
            usage.open_fds > 2 && usage.open_fds <= usage.max_fds,
            "{usage:?}"
        );
        assert!(usage.start_time_seconds > 1.6e9, "{usage:?}");
        let held = fs::File::open("/proc/self/status").unwrap();
        assert!(Usage::now().unwrap().open_fds > 2, "{held:?}");
    }

    #[test]
    fn a_limit_is_the_first_word_after_its_name() {
        let limits = "Max processes  7  8\nMax open files            1024       4096    files\n";
        assert_eq!(after(limits, "Max open files"), Some("1024"));
        assert_eq!(after(limits, "Max locked"), None);
    }
}
