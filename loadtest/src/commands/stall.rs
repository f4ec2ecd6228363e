//! `stall`: a viewer stops reading while megabytes are produced for it, and then reads on, or comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use crate::bayeux::{Clients, Newcomer, Transport, Who};
use crate::machine::Process;
use crate::mark::Mark;
use crate::options::some;
use crate::people::{self, Chat};
use crate::report::{Report, number, progress, text};
use crate::server::{Parlor, Start};

/// Messages under way to the agent who writes, at most.
const WINDOW: u32 = 16;

/// How much, and for how long.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Megabytes of text that the viewer does not read.
    #[arg(long, value_name = "MB", default_value_t = 60, value_parser = some)]
    pub megabytes: usize,
    /// Bytes of a text.
    #[arg(long, value_name = "BYTES", default_value_t = 16_384, value_parser = some)]
    pub size: usize,
    /// The server's `maxInterval` in the second run, in which the viewer sleeps for longer than that.
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    pub max_interval: u64,
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    let title = format!(
        "stall: a viewer that does not read {} MB",
        options.megabytes
    );
    let mut report = Report::new(
        title,
        &[
            "the viewer",
            "server before MiB",
            "at most MiB",
            "grew MiB",
            "messages",
            "read on in s",
        ],
    );
    shorter(options, start, &mut report)?;
    longer(options, start, &mut report)?;
    Ok(report)
}

// The viewer wakes up before its session ends, and reads on.
fn shorter(options: &Options, start: &Start, report: &mut Report) -> Result<()> {
    let parlor = start.parlor(&["cometd.maxInterval=600000"])?;
    let mut play = Play::new(&parlor)?;
    play.warm_up(options)?;
    play.clients.crowd.pause(play.clients.poll_of(VIEWER), true);
    let (before, most) = play.produce(options, parlor.process())?;
    let awake = Instant::now();
    let poll = play.clients.poll_of(VIEWER);
    play.clients.crowd.pause(poll, false);
    play.catch_up()?;
    play.read_until(play.written)?;
    report.row(line(
        "reads on",
        before,
        most,
        play.written,
        awake.elapsed(),
    ));
    report.wrong(play.wrong());
    Ok(())
}

// The viewer sleeps for longer than its session lives, and comes back with its position.
fn longer(options: &Options, start: &Start, report: &mut Report) -> Result<()> {
    let parlor = start.parlor(&[&format!("cometd.maxInterval={}", options.max_interval)])?;
    let mut play = Play::new(&parlor)?;
    play.warm_up(options)?;
    play.clients.crowd.pause(play.clients.poll_of(VIEWER), true);
    let (before, most) = play.produce(options, parlor.process())?;
    play.serve(Duration::from_millis(options.max_interval + 1_000))?;
    let awake = Instant::now();
    play.clients.crowd.close(play.clients.poll_of(VIEWER));
    play.come_back(&parlor)?;
    play.read_until(play.written)?;
    report.row(line(
        "comes back",
        before,
        most,
        play.written,
        awake.elapsed(),
    ));
    report.wrong(play.wrong());
    Ok(())
}

fn line(
    who: &str,
    before: u64,
    most: u64,
    messages: u32,
    took: Duration,
) -> Vec<crate::report::Cell> {
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    vec![
        text(who),
        number(mib(before), 1),
        number(mib(most), 1),
        number(mib(most.saturating_sub(before)), 1),
        number(f64::from(messages), 0),
        number(took.as_secs_f64(), 2),
    ]
}

const VIEWER: usize = 0;
const WRITER: usize = 1;

/// One chat: its customer looks on, an agent writes.
struct Play {
    clients: Clients,
    chat: Chat,
    viewer: usize,
    written: u32,
    echoed: u32,
    seen: Seen,
}

/// What the viewer has seen.
#[derive(Default)]
struct Seen {
    last: u32,
    gaps: u32,
    again: u32,
}

impl Seen {
    fn saw(&mut self, mark: Mark) {
        if mark.number > self.last {
            self.gaps += mark.number - self.last - 1;
            self.last = mark.number;
        } else {
            self.again += 1;
        }
    }
}

impl Play {
    fn new(parlor: &Parlor) -> Result<Self> {
        let mut clients = Clients::new()?;
        let (customer, chat) = people::customer(parlor, Transport::Websocket, true)?;
        clients.add(customer)?;
        clients.add(people::agent(parlor, [chat.id.as_str()])?)?;
        Ok(Self {
            clients,
            chat,
            viewer: VIEWER,
            written: 0,
            echoed: 0,
            seen: Seen::default(),
        })
    }

    // The buffers and caches that any traffic needs are there before memory is compared.
    fn warm_up(&mut self, options: &Options) -> Result<()> {
        for _ in 0..200 {
            self.write(options)?;
        }
        self.read_until(self.written)
    }

    /// Writes it all; returns the server's memory before and at most.
    fn produce(&mut self, options: &Options, server: Process) -> Result<(u64, u64)> {
        let before = server.resident()?;
        let mut most = before;
        for number in 0..options.megabytes * 1_000_000 / options.size {
            self.write(options)?;
            if number % 50 == 0 {
                most = most.max(server.resident()?);
            }
        }
        progress(format_args!("{} MB are written", options.megabytes));
        Ok((before, most.max(server.resident()?)))
    }

    fn write(&mut self, options: &Options) -> Result<()> {
        self.written += 1;
        let mark = Mark {
            writer: 1,
            number: self.written,
            due: Duration::ZERO,
        };
        self.clients.publish(
            WRITER,
            people::AGENT,
            &people::agent_message(&self.chat, mark, options.size),
        )?;
        let end = Instant::now() + Duration::from_secs(30);
        while self.written - self.echoed >= WINDOW {
            self.turn()?;
            if Instant::now() > end {
                bail!(
                    "the agent hears nothing of message {} any more",
                    self.echoed + 1
                );
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let Self {
            clients,
            seen,
            echoed,
            viewer,
            ..
        } = self;
        clients.turn(Duration::from_millis(5), |who, message| {
            for mark in Mark::all(message) {
                match who {
                    Who::Client(WRITER) => *echoed = mark.number,
                    Who::Client(client) if client == *viewer => seen.saw(mark),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    fn catch_up(&mut self) -> Result<()> {
        let Self { clients, seen, .. } = self;
        clients.catch_up(VIEWER, |message| {
            Mark::all(message).for_each(|mark| seen.saw(mark));
            Ok(())
        })
    }

    fn serve(&mut self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    fn come_back(&mut self, parlor: &Parlor) -> Result<()> {
        let mut again = Newcomer::handshake(&people::public(parlor), Transport::Websocket, true)?;
        again.subscribe(people::SERVICE)?;
        // The customer's own arrival has index 1, the agent's 2: message n is event n + 2, and the next one is wanted.
        let position = self.seen.last + 3;
        let request = json!({"operation": "requestNotifications", "secureKey": self.chat.key, "transcriptPosition": position.to_string()});
        let first = again.publish(people::SERVICE, request, |message| {
            message["data"]["messages"]
                .as_array()
                .map(|_| message.to_string())
        })?;
        Mark::all(first.as_bytes()).for_each(|mark| self.seen.saw(mark));
        self.viewer = self.clients.add(again)?;
        Ok(())
    }

    fn read_until(&mut self, number: u32) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while (self.seen.last < number || self.echoed < number) && Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    fn wrong(&self) -> Vec<String> {
        let lost = self.written - self.seen.last + self.seen.gaps;
        let counts = [
            (lost, "never reached the viewer"),
            (self.seen.again, "reached the viewer again"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        counts
            .map(|(count, what)| format!("{count} of {} messages {what}", self.written))
            .collect()
    }
}
