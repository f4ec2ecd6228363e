//! `cost`: instructions, system calls and allocations per message, as the number of chats grows. They are counted, not
//! timed: the same on a busy machine.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::commands::chat::{self, Conversation};
use crate::commands::dormant;
use crate::interrupt;
use crate::options::{positive, seconds, some};
use crate::report::{Report, count, number, progress, text};
use crate::scene::{Stage, Steps};
use crate::server::{Parlor, Start};

/// The allocator's functions that give memory.
const GIVING: [&str; 6] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "mallocx",
    "rallocx",
];

/// The profile that was dumped last.
const LAST: &str = "last";

/// Polls outlast the run: when everybody's come due is not the messages' doing.
const HELD: &str = "cometd.timeout=600000";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// By callgrind (Debian: valgrind), in user space.
    Instructions,
    /// By strace.
    SystemCalls,
    /// By callgrind: calls of the allocator that ask for memory.
    Allocations,
}

/// In which worlds it is counted.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What is counted; all of it unless given.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "instructions,system-calls,allocations"
    )]
    pub units: Vec<Unit>,
    /// Live chats, customers on WebSockets, of which all take part.
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "100,1000,10000",
        value_parser = some
    )]
    pub chats: Vec<usize>,
    /// Dormant chats beside a hundred live ones.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = some, conflicts_with = "chats")]
    pub dormant: Vec<usize>,
    /// Messages that are counted.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub messages: u32,
    /// Messages per second, low enough for a server that is being counted.
    #[arg(long, value_name = "RATE", default_value_t = 100.0, value_parser = positive)]
    pub rate: f64,
    /// Seconds to let pass before, and after with the counting on: beginning the chats leaves something to be done, and so
    /// do the messages, such as the writing of the index a minute later where they are more than some 20,000.
    #[arg(long, value_name = "S", default_value_t = 75.0, value_parser = seconds)]
    pub settle: f64,
    /// A folder for callgrind's profiles of the messages, which `callgrind_annotate` tells layer by layer.
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
    /// At most so many system calls a message, else the run fails.
    #[arg(long, value_name = "N")]
    pub system_calls_max: Option<f64>,
    /// At most so many allocations a message, else the run fails.
    #[arg(long, value_name = "N")]
    pub allocations_max: Option<f64>,
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    let mut report = Report::new(
        format!(
            "cost: of a customer's message that an agent gets, {} a second",
            options.rate
        ),
        &["counted", "live", "dormant", "each message"],
    );
    let mut start = start.clone();
    start.set.insert(0, HELD.to_owned());
    if let Some(folder) = &options.profiles {
        fs::create_dir_all(folder).with_context(|| format!("making {folder:?}"))?;
    }
    let scratch = tempfile::Builder::new()
        .prefix("parlor-loadtest-")
        .tempdir()?;
    let scratch = scratch.path();
    interrupt::remember(scratch, None);
    for &unit in &options.units {
        for &live in options.chats.iter().filter(|_| options.dormant.is_empty()) {
            let parlor = unit.under(&start, scratch)?.parlor(&[])?;
            let each = measure(options, unit, (live, 0), &parlor, scratch)?;
            line(options, unit, (live, 0), each, &mut report);
        }
        for &dormant in &options.dormant {
            let asleep = dormant::asleep(dormant, &start)?;
            let parlor = asleep.restart_as(unit.under(&start, scratch)?)?;
            let each = measure(options, unit, (100, dormant), &parlor, scratch)?;
            line(options, unit, (100, dormant), each, &mut report);
        }
    }
    Ok(report)
}

fn line(
    options: &Options,
    unit: Unit,
    (live, dormant): (usize, usize),
    each: f64,
    report: &mut Report,
) {
    progress(format_args!(
        "{live} live, {dormant} dormant: {each:.1} {unit:?} a message"
    ));
    report.row(vec![
        text(format!("{unit:?}")),
        count(live as u32),
        count(dormant as u32),
        number(each, 1),
    ]);
    let most = match unit {
        Unit::Instructions => None,
        Unit::SystemCalls => options.system_calls_max,
        Unit::Allocations => options.allocations_max,
    };
    let beyond = most.filter(|&most| each > most);
    report
        .wrong(beyond.map(|most| format!("a message costs {each:.1} {unit:?}, more than {most}")));
}

fn measure(
    options: &Options,
    unit: Unit,
    (live, dormant): (usize, usize),
    parlor: &Parlor,
    scratch: &Path,
) -> Result<f64> {
    let length = f64::from(options.messages) / options.rate;
    let steps = Steps {
        warm: 0.0,
        length,
        bound: f64::MAX,
        from: options.rate,
        rate: Some(options.rate),
        seed: 1,
    };
    let who = chat::Options {
        chats: live,
        agents: live.div_ceil(10),
        steps,
        ..chat::Options::default()
    };
    let mut stage = Stage::new(Conversation::new(&who, parlor)?);
    // What is made on first use is there before anything is counted.
    stage.step(
        options.rate,
        &Steps {
            length: 2.0,
            ..steps
        },
    )?;
    stage.quiet(Duration::from_secs_f64(options.settle))?;
    // What passes without any message, in the same time, is not the messages'.
    let counter = Counter::start(unit, parlor, scratch)?;
    stage.quiet(Duration::from_secs_f64(length + options.settle))?;
    let quiet = counter.stop(parlor, scratch)? as f64;
    let counter = Counter::start(unit, parlor, scratch)?;
    stage.step(options.rate, &steps)?;
    stage.quiet(Duration::from_secs_f64(options.settle))?;
    let total = counter.stop(parlor, scratch)? as f64;
    if let (Some(folder), true) = (&options.profiles, unit != Unit::SystemCalls) {
        let kept = folder.join(format!("{live}-live-{dormant}-dormant.callgrind"));
        fs::copy(scratch.join(LAST), &kept).with_context(|| format!("writing {kept:?}"))?;
    }
    if let Some(wrong) = stage.end()?.first() {
        bail!("while it was counted, {wrong}");
    }
    let each = (total - quiet) / f64::from(options.messages);
    if each < 1.0 {
        bail!("{total} {unit:?} with messages and {quiet} without: what counts them is at fault");
    }
    Ok(each)
}

impl Unit {
    // Callgrind writes its profiles into `scratch`, and is spoken to there.
    fn under(self, start: &Start, scratch: &Path) -> Result<Start> {
        let mut start = start.clone();
        if self != Self::SystemCalls {
            // Counting begins when it is asked for.
            let out = scratch.join("%p");
            let out = out.to_str().context("a folder whose name is no text")?;
            start.wrap = [
                "valgrind",
                "--quiet",
                "--tool=callgrind",
                "--instr-atstart=no",
            ]
            .map(str::to_owned)
            .into();
            start.wrap.push(format!("--callgrind-out-file={out}"));
            start.wrap.push(pipe(scratch));
        }
        Ok(start)
    }
}

/// A count that is under way.
enum Counter {
    Callgrind(fn(&str) -> u64),
    Strace(Child, PathBuf),
}

impl Counter {
    fn start(unit: Unit, parlor: &Parlor, scratch: &Path) -> Result<Self> {
        match unit {
            Unit::Instructions => Self::profile(parlor, scratch, instructions),
            Unit::Allocations => Self::profile(parlor, scratch, allocations),
            Unit::SystemCalls => {
                let file = scratch.join("calls");
                let child = Command::new("strace")
                    .args([
                        "-f",
                        "-c",
                        "-U",
                        "name,calls",
                        "-p",
                        &parlor.process().0.to_string(),
                        "-o",
                    ])
                    .arg(&file)
                    .stderr(Stdio::null())
                    .spawn()
                    .context("starting strace; is it installed?")?;
                std::thread::sleep(Duration::from_secs(1));
                Ok(Self::Strace(child, file))
            }
        }
    }

    fn profile(parlor: &Parlor, scratch: &Path, reading: fn(&str) -> u64) -> Result<Self> {
        control(parlor, scratch, "--instr=on")?;
        Ok(Self::Callgrind(reading))
    }

    fn stop(self, parlor: &Parlor, scratch: &Path) -> Result<u64> {
        match self {
            Self::Callgrind(reading) => {
                control(parlor, scratch, "--instr=off")?;
                control(parlor, scratch, "--dump")?;
                Ok(reading(&dumped(parlor.process().0, scratch)?))
            }
            Self::Strace(mut child, file) => {
                let pid = rustix::process::Pid::from_raw(child.id().cast_signed())
                    .context("strace has no id")?;
                rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
                child.wait()?;
                calls(&fs::read_to_string(file)?)
            }
        }
    }
}

// What callgrind is spoken to by.
fn pipe(scratch: &Path) -> String {
    format!("--vgdb-prefix={}", scratch.join("vgdb-pipe").display())
}

fn control(parlor: &Parlor, scratch: &Path, order: &str) -> Result<()> {
    let done = Command::new("callgrind_control")
        .args([pipe(scratch).as_str(), order])
        .arg(parlor.process().0.to_string())
        .stdout(Stdio::null())
        .status();
    done.context("callgrind_control; is valgrind installed?")?
        .success()
        .then_some(())
        .context("callgrind_control failed")
}

// The profile that was dumped last: each dump counts anew, and has the next number.
fn dumped(pid: u32, scratch: &Path) -> Result<String> {
    let file = (1..=9)
        .map(|number| scratch.join(format!("{pid}.{number}")))
        .find(|file| file.exists())
        .context("callgrind has dumped no profile")?;
    let last = scratch.join(LAST);
    fs::rename(&file, &last)?;
    let text = fs::read_to_string(&last)?;
    if !text.contains("\ntotals: ") {
        bail!("the profile has no totals");
    }
    Ok(text)
}

// A thread has a part of its own, and the totals are of all.
fn instructions(profile: &str) -> u64 {
    let totals = profile
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    totals
        .filter_map(|total| total.trim().parse::<u64>().ok())
        .sum()
}

// Calls of the functions that give memory. A function is named where it first appears, and known by its number after.
fn allocations(profile: &str) -> u64 {
    let (mut giving, mut called, mut count) = (HashSet::new(), "", 0);
    for line in profile.lines() {
        let (kind, rest) = line.split_once('=').unwrap_or_default();
        match kind {
            "fn" | "cfn" => {
                let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
                if GIVING.contains(&name) {
                    giving.insert(number);
                }
                if kind == "cfn" {
                    called = number;
                }
            }
            "calls" if giving.contains(called) => {
                let calls = rest.split(' ').next().unwrap_or_default();
                count += calls.parse::<u64>().unwrap_or_default();
            }
            _ => {}
        }
    }
    count
}

// The last line of the summary: the calls of all.
fn calls(summary: &str) -> Result<u64> {
    let line = summary
        .lines()
        .find(|line| line.split_whitespace().next() == Some("total"));
    let number = line.and_then(|line| line.split_whitespace().last());
    number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("strace has no total:\n{summary}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_summary_is_read() {
        let summary = "syscall              calls\n---------------- ---------\nsendto                 300\nrecvfrom               200\n---------------- ---------\ntotal                  500\n";
        assert_eq!(calls(summary).unwrap(), 500);
    }

    #[test]
    fn calls_of_the_allocator_are_added_up() {
        let profile = "fn=(1) main\n10 5\ncfn=(2) malloc\ncalls=3 0\n10 40\ncfn=(3) free\ncalls=9 0\n10 2\nfn=(2)\n1 2\nfn=(4) read\ncfn=(2)\ncalls=4 0\n1 1\n";
        assert_eq!(allocations(profile), 7);
    }
}
