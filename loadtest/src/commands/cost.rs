//! `cost`: instructions and system calls per message, as the number of chats grows. They are counted, not timed: the
//! same on a busy machine.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::commands::chat::{self, Conversation};
use crate::commands::dormant;
use crate::report::{Report, count, number, progress, text};
use crate::scene::{Stage, Steps};
use crate::server::{Parlor, Start};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// By callgrind (Debian: valgrind), in user space.
    Instructions,
    /// By strace.
    SystemCalls,
}

/// In which worlds it is counted.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What is counted; both unless given.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "instructions,system-calls"
    )]
    pub units: Vec<Unit>,
    /// Live chats, customers on WebSockets, of which all take part.
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "100,1000,10000"
    )]
    pub chats: Vec<usize>,
    /// Dormant chats beside a hundred live ones.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub dormant: Vec<usize>,
    /// Messages that are counted.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub messages: u32,
    /// Messages per second, low enough for a server that is being counted.
    #[arg(long, value_name = "RATE", default_value_t = 100.0)]
    pub rate: f64,
    /// At most so many system calls a message, else the run fails.
    #[arg(long, value_name = "N")]
    pub system_calls_max: Option<f64>,
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
    for &unit in &options.units {
        for &live in options.chats.iter().filter(|_| options.dormant.is_empty()) {
            let parlor = unit.under(start)?.parlor(&[])?;
            line(options, unit, live, 0, &parlor, &mut report)?;
        }
        for &dormant in &options.dormant {
            let parlor = dormant::asleep(dormant, start)?.restart_as(unit.under(start)?)?;
            line(options, unit, 100, dormant, &parlor, &mut report)?;
        }
    }
    Ok(report)
}

fn line(
    options: &Options,
    unit: Unit,
    live: usize,
    dormant: usize,
    parlor: &Parlor,
    report: &mut Report,
) -> Result<()> {
    let each = measure(options, unit, live, parlor)?;
    progress(format_args!(
        "{live} live, {dormant} dormant: {each:.1} {unit:?} a message"
    ));
    report.row(vec![
        text(format!("{unit:?}")),
        count(live as u32),
        count(dormant as u32),
        number(each, 1),
    ]);
    let beyond = options
        .system_calls_max
        .filter(|&most| unit == Unit::SystemCalls && each > most);
    report.wrong(
        beyond.map(|most| format!("a message costs {each:.1} system calls, more than {most}")),
    );
    Ok(())
}

fn measure(options: &Options, unit: Unit, live: usize, parlor: &Parlor) -> Result<f64> {
    let length = f64::from(options.messages) / options.rate;
    let steps = Steps {
        warm: 0.0,
        length,
        bound: f64::MAX,
        from: options.rate,
        rate: Some(options.rate),
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
    // What everybody's polling costs in that time is not the messages'.
    let counter = Counter::start(unit, parlor)?;
    stage.quiet(Duration::from_secs_f64(length))?;
    let quiet = counter.stop(parlor)?;
    let counter = Counter::start(unit, parlor)?;
    stage.step(options.rate, &steps)?;
    let total = counter.stop(parlor)?.saturating_sub(quiet);
    if let Some(wrong) = stage.wrong().first() {
        bail!("while it was counted, {wrong}");
    }
    Ok(total as f64 / f64::from(options.messages))
}

impl Unit {
    fn under(self, start: &Start) -> Result<Start> {
        let mut start = start.clone();
        if self == Self::Instructions {
            // Counting begins when it is asked for; its files stand beside the others of the run.
            let folder = start.data.clone().unwrap_or_else(std::env::temp_dir);
            let out = folder.join("parlor-loadtest-callgrind.%p");
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
        }
        Ok(start)
    }
}

/// A count that is under way.
enum Counter {
    Callgrind,
    Strace(Child, tempfile::NamedTempFile),
}

impl Counter {
    fn start(unit: Unit, parlor: &Parlor) -> Result<Self> {
        match unit {
            Unit::Instructions => {
                control(parlor, &["--instr=on"])?;
                Ok(Self::Callgrind)
            }
            Unit::SystemCalls => {
                let file = tempfile::NamedTempFile::new()?;
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
                    .arg(file.path())
                    .stderr(Stdio::null())
                    .spawn()
                    .context("starting strace; is it installed?")?;
                std::thread::sleep(Duration::from_secs(1));
                Ok(Self::Strace(child, file))
            }
        }
    }

    fn stop(self, parlor: &Parlor) -> Result<u64> {
        match self {
            Self::Callgrind => {
                control(parlor, &["--instr=off"])?;
                control(parlor, &["--dump"])?;
                instructions(parlor.process().0)
            }
            Self::Strace(mut child, file) => {
                let pid = rustix::process::Pid::from_raw(child.id().cast_signed())
                    .context("strace has no id")?;
                rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
                child.wait()?;
                calls(&fs::read_to_string(file.path())?)
            }
        }
    }
}

fn control(parlor: &Parlor, arguments: &[&str]) -> Result<()> {
    let pid = parlor.process().0.to_string();
    let done = Command::new("callgrind_control")
        .args(arguments)
        .arg(pid)
        .stdout(Stdio::null())
        .status();
    done.context("callgrind_control; is valgrind installed?")?
        .success()
        .then_some(())
        .context("callgrind_control failed")
}

// The total of the profile that was dumped last: each dump counts anew, and has the next number. A thread has a part of
// its own, and the totals are of all.
fn instructions(pid: u32) -> Result<u64> {
    let dump =
        |number| std::env::temp_dir().join(format!("parlor-loadtest-callgrind.{pid}.{number}"));
    let file = (1..=9)
        .map(dump)
        .find(|file| file.exists())
        .context("callgrind has dumped no profile")?;
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    let totals = text
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    let sum = totals
        .filter_map(|total| total.trim().parse::<u64>().ok())
        .sum();
    if sum == 0 {
        bail!("the profile has no totals");
    }
    Ok(sum)
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
}
