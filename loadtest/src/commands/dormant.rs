//! `dormant`: async chats that nobody is in, in the hundreds of thousands.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::machine::disk_use;
use crate::net::{Crowd, Receiver, Setup, request};
use crate::options::{positive, some};
use crate::people::{self, Chat};
use crate::report::{Cell, Report, Sometimes, number, progress, text};
use crate::server::{Parlor, Start};
use crate::turns::Turns;

/// Connections that create chats at once: a group commit carries as many.
const DOORS: usize = 128;
/// Memory is at its level once it has not shrunk for so long.
const SETTLED: Duration = Duration::from_secs(30);
/// Its level is looked for at most so long.
const SETTLING_MAX: Duration = Duration::from_secs(180);

/// How many chats, and how many of them are woken.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Async chats, each with a push subscription.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = some)]
    pub chats: usize,
    /// Of them, so many are woken by a refresh.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = some)]
    pub wake: usize,
    /// Chats that are woken a second; how long it takes counts from when it was due.
    #[arg(long, value_name = "RATE", default_value_t = 100.0, value_parser = positive)]
    pub wake_rate: f64,
    /// Seconds that they may take at most to go dormant.
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub patience: u64,
    /// Decides in which order they are woken: the same number, the same order.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    // It listens, and nobody writes to it: the chats sleep.
    let receiver = Receiver::new(Duration::from_millis(1))?;
    let parlor = begin(start, &receiver)?;
    let empty = Level::of(&parlor)?;
    let mut report = Report::new(
        format!("dormant: {} async chats", options.chats),
        &["what", "value", "unit"],
    );
    let began = Instant::now();
    let woken = create(options, &parlor)?;
    let rate = options.chats as f64 / began.elapsed().as_secs_f64();
    report.row(row("created", rate, 0, "a second"));
    let slept = fall_asleep(options, &parlor)?;
    report.row(row("the last asleep after", slept.as_secs_f64(), 0, "s"));
    let (full, settled) = settle(&parlor)?;
    report.row(row(
        "memory at its level after",
        settled.as_secs_f64(),
        0,
        "s",
    ));
    let mib = |bytes: u64| bytes.saturating_sub(empty.memory) as f64 / 1_048_576.0;
    let each = |bytes: u64| bytes as f64 / options.chats as f64;
    report.row(row(
        "memory beyond an empty start",
        mib(full.memory),
        1,
        "MiB",
    ));
    report.row(row(
        "disk",
        each(full.disk.saturating_sub(empty.disk)),
        0,
        "bytes each",
    ));

    let (parlor, took) = parlor.restart(false)?;
    report.row(row("ready again after", took.as_secs_f64(), 2, "s"));
    std::thread::sleep(Duration::from_secs(1));
    let restarted = Level::of(&parlor)?;
    report.row(row(
        "memory then, beyond an empty start",
        mib(restarted.memory),
        1,
        "MiB",
    ));
    wake(options, &parlor, &woken, &mut report)?;
    let (parlor, took) = parlor.restart(true)?;
    report.row(row("ready again after kill -9", took.as_secs_f64(), 2, "s"));
    drop(parlor);
    Ok(report)
}

/// A server with so many dormant chats.
pub fn asleep(chats: usize, start: &Start) -> Result<Parlor> {
    let receiver = Receiver::new(Duration::from_millis(1))?;
    let parlor = begin(start, &receiver)?;
    let options = Options {
        chats,
        wake: 1,
        wake_rate: 1.0,
        patience: 600,
        seed: 1,
    };
    create(&options, &parlor)?;
    fall_asleep(&options, &parlor)?;
    Ok(parlor)
}

fn begin(start: &Start, receiver: &Receiver) -> Result<Parlor> {
    let url = format!("push.customhttp.url=\"http://{}/hook\"", receiver.address());
    let long = [
        "settings.flex-push-timeout=1728000",
        "settings.async-idle-alert=1728000",
    ];
    let parlor = start.parlor(&[&url, long[0], long[1]])?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(parlor)
}

/// What a server takes of the machine.
struct Level {
    memory: u64,
    disk: u64,
}

impl Level {
    fn of(parlor: &Parlor) -> Result<Self> {
        Ok(Self {
            memory: parlor.process().resident()?,
            disk: disk_use(parlor.folder())?,
        })
    }
}

fn row(what: &str, value: f64, decimals: usize, unit: &str) -> Vec<Cell> {
    vec![text(what), number(value, decimals), text(unit)]
}

/// Creates them all, [`DOORS`] at a time, and returns those that will be woken: spread evenly.
fn create(options: &Options, parlor: &Parlor) -> Result<Vec<(String, Chat)>> {
    let mut crowd = Crowd::new()?;
    let (mut asked, mut begun) = (0, 0);
    let mut ask = || {
        asked += 1;
        (asked <= options.chats).then(|| {
            request(
                &parlor.public,
                people::REST,
                people::FORM,
                &people::subscribing(asked),
            )
        })
    };
    for _ in 0..DOORS.min(options.chats) {
        let id = crowd.add(Setup::http(parlor.public, people::REST)?.into_wire()?)?;
        crowd.send_raw(id, ask().context("as many doors as chats")?.as_bytes())?;
    }
    let (stride, mut kept) = ((options.chats / options.wake.max(1)).max(1), Vec::new());
    let mut quiet = Instant::now();
    while begun < options.chats {
        let before = begun;
        crowd.turn(Duration::from_millis(100), |_, wire, reply| {
            if begun % stride == 0 {
                kept.push(people::begun(&serde_json::from_slice(reply)?)?);
            } else if memchr::memmem::find(reply, b"\"statusCode\":0").is_none() {
                bail!("a chat was refused: {}", String::from_utf8_lossy(reply));
            }
            begun += 1;
            if begun % 100_000 == 0 {
                progress(format_args!("{begun} chats"));
            }
            if let Some(next) = ask() {
                wire.push_raw(next.as_bytes());
            }
            Ok(())
        })?;
        if begun > before {
            quiet = Instant::now();
        } else if quiet.elapsed() > Duration::from_secs(30) {
            bail!("no chat was begun for half a minute");
        }
    }
    Ok(kept)
}

// What has gone to sleep is written to the index a little later, and memory given back a little later still.
fn settle(parlor: &Parlor) -> Result<(Level, Duration)> {
    let (began, mut lowest) = (Instant::now(), Instant::now());
    let (mut level, mut word) = (Level::of(parlor)?, Sometimes::new());
    while lowest.elapsed() < SETTLED && began.elapsed() < SETTLING_MAX {
        std::thread::sleep(Duration::from_secs(1));
        let now = Level::of(parlor)?;
        word.say(|| format!("{} MiB are in memory", now.memory >> 20));
        if now.memory < level.memory - level.memory / 100 {
            lowest = Instant::now();
            level = now;
        }
    }
    Ok((level, lowest.duration_since(began)))
}

// Until the server says that none is live.
fn fall_asleep(options: &Options, parlor: &Parlor) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let live = live(parlor)?;
        if live == 0.0 {
            return Ok(began.elapsed());
        }
        if began.elapsed() > Duration::from_secs(options.patience) {
            bail!("{live} chats are still awake after {} s", options.patience);
        }
        progress(format_args!("{live} are awake"));
        std::thread::sleep(Duration::from_secs(2));
    }
}

// The server's own count of those in memory.
fn live(parlor: &Parlor) -> Result<f64> {
    people::metric(&people::metrics(parlor)?, "parlor_sessions_live")
}

// Over one connection; who waits for the one before counts that, too.
fn wake(
    options: &Options,
    parlor: &Parlor,
    chats: &[(String, Chat)],
    report: &mut Report,
) -> Result<()> {
    let mut door = Setup::http(parlor.public, people::REST)?;
    let mut latencies = Histogram::<u64>::new(3)?;
    let mut turns = Turns::new(chats.len(), options.seed);
    let began = Instant::now();
    for number in 0..chats.len() {
        let due = began + Duration::from_secs_f64(number as f64 / options.wake_rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (user, chat) = &chats[turns.next()];
        let body = format!(
            "userId={user}&secureKey={}&alias=1&transcriptPosition=1",
            chat.key
        );
        let reply: Value = door.post(&people::rest_path(chat, "refresh"), people::FORM, &body)?;
        latencies.record(due.elapsed().as_nanos() as u64)?;
        if reply["statusCode"] != 0 || reply["messages"].as_array().is_none_or(Vec::is_empty) {
            report.wrong([format!("a chat that slept is not whole: {reply}")]);
        }
    }
    let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e6;
    report.row(row("woken, p50", at(0.5), 2, "ms"));
    report.row(row("woken, p99", at(0.99), 2, "ms"));
    Ok(())
}
