//! `soak`: hours of mixed life, with chats that come and go. What the server holds is looked at all the time; what grows
//! shows as the slope of a straight line.

mod life;
mod line;
mod said;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use crate::machine::disk_use;
use crate::net::Receiver;
use crate::options::{positive, some};
use crate::people;
use crate::report::{Report, number, progress, text};
use crate::server::{Parlor, Start};
use life::Life;
use line::Line;

/// How long a chat that has ended stays readable here, in seconds: so short that the disk can forget it within the run.
const READABLE: u64 = 30;
/// How long a customer who broke off is waited for, in seconds: over Bayeux twice, for the connection and for the customer;
/// with pushes twice as well.
const PATIENCE: u64 = 20;
/// What the index may take beside its level when all chats have expired, in MB: removing is writing, too.
const REMOVALS: f64 = 1.0;

/// How long, how much, and how often it is looked at.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Minutes of it.
    #[arg(long, value_name = "MIN", default_value_t = 60.0, value_parser = positive)]
    pub minutes: f64,
    /// Chats at a time: a quarter each over WebSocket, long-polling, REST, and with a push subscription.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = some)]
    pub chats: usize,
    /// Seconds that a chat lives.
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = positive)]
    pub life: f64,
    /// Messages per second in all of them.
    #[arg(long, value_name = "RATE", default_value_t = 300.0, value_parser = positive)]
    pub rate: f64,
    /// Seconds between two looks at the server.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = positive)]
    pub every: f64,
    /// How long the disk may take to come back to its level at the end, in seconds. Whoever was told something over a
    /// WebSocket is known to have it by the next connect, so chats are kept for [cometd] timeout besides their own times.
    #[arg(long, value_name = "S", default_value_t = 180)]
    pub patience: u64,
    /// Decides in which order they write: the same number, the same order.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// What the server holds at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at: f64,
    memory: f64,
    descriptors: f64,
    tasks: f64,
    live: f64,
    /// In MB.
    disk: f64,
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    let receiver = Receiver::new(Duration::from_millis(5))?;
    let parlor = begin(start, &receiver)?;
    let mut report = Report::new(
        format!(
            "soak: {} minutes, {} chats at a time that live {} s each, {} messages a second",
            options.minutes, options.chats, options.life, options.rate
        ),
        &["what", "at first", "at last", "a day", "±"],
    );
    let mut life = Life::new(&parlor, receiver, options)?;
    let began = Instant::now();
    let length = Duration::from_secs_f64(options.minutes * 60.0);
    let (mut looks, mut told) = (Vec::new(), 0.0);
    while began.elapsed() < length {
        life.pass(Duration::from_secs_f64(options.every))?;
        let look = Look::of(&parlor, began)?;
        looks.push(look);
        if look.at - told > 60.0 {
            told = look.at;
            progress(format_args!(
                "{:.0} min: {} chats were begun, {} messages, {:.1} MiB, {:.0} descriptors, {:.0} tasks, {:.0} MB of disk",
                look.at / 60.0,
                life.begun(),
                life.delivered(),
                look.memory,
                look.descriptors,
                look.tasks,
                look.disk
            ));
        }
    }
    rows(&looks, &mut report);
    report.wrong(life.end()?);
    for (what, count) in [
        ("chats begun", u64::from(life.begun())),
        ("messages delivered", life.delivered()),
    ] {
        report.row(vec![
            text(what),
            text(""),
            number(count as f64, 0),
            text(""),
            text(""),
        ]);
    }
    let settled = looks[looks.len() / 3..].iter();
    let level = settled.map(|look| look.disk).fold(0.0, f64::max);
    let last = returned(&parlor, &mut life, (began, level), options)?;
    report.row(vec![
        text("disk once all chats have expired, MB"),
        number(level, 0),
        number(last.disk, 0),
        text(""),
        text(""),
    ]);
    report.row(vec![
        text("live chats then"),
        text(""),
        number(last.live, 0),
        text(""),
        text(""),
    ]);
    report.wrong((last.live > 0.0).then(|| format!("{} chats never ended", last.live)));
    report.wrong((!last.is_back_at(level)).then(|| {
        let above = last.disk - level;
        format!("the disk stays {above:.1} MB above its level")
    }));
    Ok(report)
}

fn begin(start: &Start, receiver: &Receiver) -> Result<Parlor> {
    start.parlor(&[
        &format!("push.customhttp.url=\"http://{}/hook\"", receiver.address()),
        &format!("settings.closed-session-readable={READABLE}"),
        &format!("settings.flex-disconnect-timeout={PATIENCE}"),
        &format!("settings.flex-push-timeout={PATIENCE}"),
        &format!("cometd.maxInterval={}", PATIENCE * 1000),
        // Whoever breaks off has fetched nothing, and is not waited for.
        "settings.flex-push-resend-attempts=0",
    ])
}

// A straight line through what was seen once it had filled up: the first third does not count.
fn rows(looks: &[Look], report: &mut Report) {
    let settled = &looks[looks.len() / 3..];
    let mut row = |what: &str, decimals: usize, of: fn(&Look) -> f64| {
        let (Some(first), Some(last)) = (settled.first(), settled.last()) else {
            return;
        };
        let line = Line::through(settled.iter().map(|look| (look.at / 86_400.0, of(look))));
        report.row(vec![
            text(what),
            number(of(first), decimals),
            number(of(last), decimals),
            number(line.slope, decimals),
            number(2.0 * line.error, decimals),
        ]);
    };
    row("memory, MiB", 1, |look| look.memory);
    row("descriptors", 0, |look| look.descriptors);
    row("tasks", 0, |look| look.tasks);
    row("live chats", 0, |look| look.live);
    row("disk, MB", 0, |look| look.disk);
}

// Until all chats have expired and the disk is back at its level, or patience ends.
fn returned(
    parlor: &Parlor,
    life: &mut Life<'_>,
    (began, level): (Instant, f64),
    options: &Options,
) -> Result<Look> {
    let end = Instant::now() + Duration::from_secs(options.patience);
    loop {
        life.be_quiet(Duration::from_secs(2))?;
        let look = Look::of(parlor, began)?;
        if (look.live == 0.0 && look.is_back_at(level)) || Instant::now() > end {
            return Ok(look);
        }
    }
}

impl Look {
    /// Whether the disk takes no more than when chats were live.
    fn is_back_at(&self, level: f64) -> bool {
        self.disk <= level + REMOVALS
    }

    fn of(parlor: &Parlor, began: Instant) -> Result<Self> {
        let metrics = people::metrics(parlor)?;
        let value = |name: &str| people::metric(&metrics, name);
        Ok(Self {
            at: began.elapsed().as_secs_f64(),
            memory: value("process_resident_memory_bytes")? / 1_048_576.0,
            descriptors: value("process_open_fds")?,
            tasks: value("parlor_tasks")?,
            live: value("parlor_sessions_live")?,
            disk: disk_use(parlor.folder())? as f64 / 1e6,
        })
    }
}
