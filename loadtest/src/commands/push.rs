//! `push`: signed notifications to a receiver of a given latency, alone or beside one that is down.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::bayeux::Clients;
use crate::commands::bayeux::{COLUMNS, cells, result};
use crate::machine::Process;
use crate::mark::Mark;
use crate::net::{Receiver, Setup};
use crate::options::{positive, some};
use crate::people::{self, Chat};
use crate::report::{Cell, Report, Sometimes, number, progress, text};
use crate::scene::{Scene, Stage, Step, Steps};
use crate::server::{Parlor, Start};
use crate::tally::{STRANGE, Tally};
use crate::turns::Turns;

/// Secrets of the two destinations, as an operator would give them.
const SECRET: &str = "whsec_bG9hZHRlc3QtbG9hZHRlc3QtbG9hZHRlc3Q=";
/// Pushes that one chat may be owed; the server gives up the oldest beyond 1,000.
const OWED_MAX: f64 = 900.0;
/// Connections that write: agents, who share the chats.
const AGENTS: usize = 50;

/// Chats that are pushed for, and their receivers.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Chats with a push subscription.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = some)]
    pub chats: usize,
    /// How long a receiver takes to answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5)]
    pub latency: u64,
    /// A second receiver, for half of the chats, is down for so many seconds, twice; beside it the first is measured at
    /// a fixed rate (--rate, 2,000 a second unless given).
    #[arg(long, value_name = "S", value_parser = positive)]
    pub down: Option<f64>,
    /// Bytes of a text.
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    pub size: usize,
    /// The rates.
    #[command(flatten)]
    pub steps: Steps,
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    let good = Receiver::new(Duration::from_millis(options.latency))?;
    let other = Receiver::new(Duration::from_millis(options.latency))?;
    let urls = [
        format!("push.customhttp.url=\"http://{}/good\"", good.address()),
        format!("push.customhttp.secret=[\"{SECRET}\"]"),
        format!(
            "push.provider.other.customhttp.url=\"http://{}/other\"",
            other.address()
        ),
        format!("push.provider.other.customhttp.secret=[\"{SECRET}\"]"),
    ];
    let parlor = start.parlor(&urls.each_ref().map(String::as_str))?;
    let stage = Stage::new(Notifications::new(options, &parlor, good, other)?);
    match options.down {
        Some(seconds) => beside(options, stage, seconds),
        None => alone(options, stage),
    }
}

fn alone(options: &Options, mut stage: Stage<Notifications>) -> Result<Report> {
    let title = format!(
        "push: {} chats, a receiver that takes {} ms",
        options.chats, options.latency
    );
    let mut report = Report::new(title, &COLUMNS);
    let held = stage.search(&options.steps, |step| {
        report.row(cells(step, options.steps.bound))
    })?;
    result(&mut report, held.as_ref());
    report.wrong(stage.end()?);
    Ok(report)
}

// Up, down, up, down; the first receiver's deliveries are timed, the second's are counted when it is back.
fn beside(options: &Options, mut stage: Stage<Notifications>, seconds: f64) -> Result<Report> {
    let title = format!(
        "push: {} chats, half of them to a receiver that is down for {seconds} s, twice",
        options.chats
    );
    let mut report = Report::new(
        title,
        &[
            "the other",
            "rate/s",
            "p50 ms",
            "p99 ms",
            "CPU µs",
            "server MiB",
            "caught up/s",
        ],
    );
    let rate = options.steps.rate.unwrap_or(2_000.0);
    let needed = (2.0 * rate * seconds / OWED_MAX).ceil().max(2.0);
    if needed > options.chats as f64 {
        bail!(
            "half of so few chats would be owed more pushes each than are kept: --chats {needed}"
        );
    }
    let up = Steps {
        rate: Some(rate),
        ..options.steps
    };
    let down = Steps {
        length: seconds,
        ..up
    };
    for _ in 0..2 {
        phase("up", &mut stage, &up, &mut report)?;
        stage.scene().other.fall();
        phase("down", &mut stage, &down, &mut report)?;
        let caught_up = stage.scene().rise()?;
        progress(format_args!(
            "it is back, and has what it missed at {caught_up:.0} a second"
        ));
        let mut back = vec![text("back")];
        back.resize(6, text(""));
        back.push(number(caught_up, 0));
        report.row(back);
    }
    report.wrong(stage.end()?);
    let other = stage.scene().received.wrong();
    report.wrong(
        other
            .into_iter()
            .map(|what| format!("{what}, by the receiver that had been down")),
    );
    Ok(report)
}

fn phase(
    other: &str,
    stage: &mut Stage<Notifications>,
    steps: &Steps,
    report: &mut Report,
) -> Result<()> {
    let step = stage.step(steps.rate.unwrap_or(steps.from), steps)?;
    report.row(line(other, &step, stage.scene().server)?);
    let cut = step.overloaded;
    report.wrong(cut.then(|| format!("the rate was too high while the other was {other}")));
    Ok(())
}

fn line(other: &str, step: &Step, server: Process) -> Result<Vec<Cell>> {
    Ok(vec![
        text(other),
        number(step.delivered, 0),
        number(step.latency.p50, 2),
        number(step.latency.p99, 2),
        number(step.cpu, 1),
        number(server.resident()? as f64 / 1_048_576.0, 1),
        text(""),
    ])
}

/// Agents write, customers are away, and their receivers are told.
struct Notifications {
    clients: Clients,
    good: Receiver,
    other: Receiver,
    chats: Vec<Chat>,
    /// Chats from here on are the other receiver's.
    others: usize,
    written: Vec<u32>,
    /// By the other receiver; what was under way when it fell comes twice, and may.
    received: Tally,
    turns: Turns,
    size: usize,
    server: Process,
}

impl Notifications {
    fn new(options: &Options, parlor: &Parlor, good: Receiver, other: Receiver) -> Result<Self> {
        let mut door = Setup::http(parlor.public, people::REST)?;
        let others = if options.down.is_some() {
            options.chats / 2
        } else {
            options.chats
        };
        let mut chats = Vec::new();
        for number in 0..options.chats {
            let provider = if number < others {
                ""
            } else {
                "&userData[GCTI_GMS_PushProvider]=other"
            };
            let reply = door.post(
                people::REST,
                people::FORM,
                &format!("{}{provider}", people::subscribing(number)),
            )?;
            chats.push(people::begun(&reply)?.1);
        }
        let mut clients = Clients::new()?;
        let crew = AGENTS.min(options.chats);
        for agent in 0..crew {
            let theirs = chats
                .iter()
                .skip(agent)
                .step_by(crew)
                .map(|chat| chat.id.as_str());
            clients.add(people::agent(parlor, theirs)?)?;
        }
        progress(format_args!("{} chats are subscribed", options.chats));
        let (written, received) = (
            vec![0; chats.len()],
            Tally::new(chats.len()).with_repetitions(),
        );
        let (size, server) = (options.size, parlor.process());
        let mut all = Self {
            clients,
            good,
            other,
            chats,
            others,
            written,
            received,
            turns: Turns::new(others, options.steps.seed),
            size,
            server,
        };
        all.settle()?;
        Ok(all)
    }

    // The agents' own arrivals are pushed too.
    fn settle(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            self.turn(Duration::from_millis(1), &mut Vec::new())?;
        }
        Ok(())
    }

    /// The other receiver is back: how many deliveries a second it then gets, until it has them all.
    fn rise(&mut self) -> Result<f64> {
        self.other.rise()?;
        let (mut came, mut first) = (Vec::new(), None);
        let (mut last, mut word) = (Instant::now(), Sometimes::new());
        while self.received.owed() > 0 {
            let before = self.received.owed();
            if last.elapsed() > Duration::from_secs(120) {
                bail!(
                    "the receiver is back, and for two minutes none of the {before} pushes came that are still missing"
                );
            }
            self.turn(Duration::from_millis(1), &mut came)?;
            if self.received.owed() < before {
                last = Instant::now();
                first.get_or_insert((last, before));
            }
            word.say(|| format!("it is back, and {before} pushes are missing"));
        }
        Ok(first.map_or(0.0, |(since, count)| {
            count as f64 / since.elapsed().as_secs_f64()
        }))
    }
}

impl Scene for Notifications {
    fn write(&mut self, due: Duration) -> Result<()> {
        // One for the measured receiver, and one for the other where there is one.
        let chat = self.turns.next();
        let second = self.others + chat;
        for chat in [chat]
            .into_iter()
            .chain((second < self.chats.len()).then_some(second))
        {
            self.written[chat] += 1;
            if chat >= self.others {
                self.received.owe(due, 1);
            }
            let mark = Mark {
                writer: chat as u32,
                number: self.written[chat],
                due,
            };
            let agent = chat % self.clients.len();
            self.clients.publish(
                agent,
                people::AGENT,
                &people::agent_message(&self.chats[chat], mark, self.size),
            )?;
        }
        Ok(())
    }

    fn turn(&mut self, timeout: Duration, came: &mut Vec<(usize, Mark)>) -> Result<()> {
        self.clients.turn(Duration::ZERO, |_, _| Ok(()))?;
        let wait = timeout.min(Duration::from_millis(1));
        let (received, written, others) = (&mut self.received, &self.written, self.others);
        let stream = |mark: &Mark, of_the_other: bool| {
            let chat = mark.writer as usize;
            let right = mark.was_written(written) && (chat >= others) == of_the_other;
            if right { chat } else { STRANGE }
        };
        self.good.turn(wait, |request| {
            came.extend(Mark::all(request).map(|mark| (stream(&mark, false), mark)))
        })?;
        self.other.turn(Duration::ZERO, |request| {
            for mark in Mark::all(request) {
                received.saw(stream(&mark, true), mark, mark.due);
            }
        })
    }

    fn streams(&self) -> usize {
        self.others
    }

    fn readers(&self) -> u64 {
        1
    }

    fn server(&self) -> Process {
        self.server
    }
}
