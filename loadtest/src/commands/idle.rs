//! `idle`: what a connection costs that does nothing, fresh and after traffic.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::bayeux::{Clients, Transport, Who};
use crate::machine::Process;
use crate::mark::Mark;
use crate::net::Setup;
use crate::options::some;
use crate::people::{self, Chat};
use crate::report::{Report, count, number, progress, text};
use crate::server::{Parlor, Start};
use crate::tally::{STRANGE, Tally};

/// Who is connected, and what happens to them.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How customers are connected: one connection each.
    #[arg(long, value_enum, default_value = "websocket")]
    pub transport: Transport,
    /// Customers, each with a chat.
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = some)]
    pub clients: usize,
    /// The text that each WebSocket client sends once, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 16_384)]
    pub size: usize,
    /// Deliveries that each held poll gets.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub deliveries: u32,
    /// Seconds of quiet before the second measurement.
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub quiet: u64,
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start, descriptors: u64) -> Result<Report> {
    // Beside its clients each process has a few descriptors of its own.
    let most = usize::try_from(descriptors)?.saturating_sub(100);
    if options.clients > most {
        bail!(
            "{} clients need more open files than this process may have: at most {most} here",
            options.clients
        );
    }
    let parlor = start.parlor(&[])?;
    let server = parlor.process();
    std::thread::sleep(Duration::from_secs(1));
    let empty = server.resident()?;
    let title = format!(
        "idle: {} customers over {:?}, a chat each (up to {most} here)",
        options.clients, options.transport
    );
    let mut report = Report::new(title, &["when", "clients", "server MiB", "KiB each"]);
    report.row(vec![
        text("empty"),
        count(0u32),
        number(empty as f64 / 1_048_576.0, 1),
        text(""),
    ]);

    let mut clients = Clients::new()?;
    let chats = enter(options, &parlor, &mut clients)?;
    quiet(&mut clients, Duration::from_secs(5))?;
    report.row(line("fresh", options, server, empty)?);
    let mut seen = Seen::new(chats.len());
    match options.transport {
        Transport::Websocket => write_once(options, &chats, &mut clients, &mut seen)?,
        Transport::LongPolling => deliver(options, &parlor, &chats, &mut clients, &mut seen)?,
    }
    seen.await_all(&mut clients)?;
    report.row(line("after traffic", options, server, empty)?);
    progress(format_args!("quiet for {} s", options.quiet));
    let end = Instant::now() + Duration::from_secs(options.quiet);
    while Instant::now() < end {
        seen.turn(&mut clients, Duration::from_millis(50))?;
    }
    report.row(line("quiet again", options, server, empty)?);
    report.wrong(seen.tally.wrong());
    Ok(report)
}

fn line(
    when: &str,
    options: &Options,
    server: Process,
    empty: u64,
) -> Result<Vec<crate::report::Cell>> {
    let resident = server.resident()?;
    let each = resident.saturating_sub(empty) as f64 / 1024.0 / options.clients as f64;
    Ok(vec![
        text(when),
        count(options.clients as u32),
        number(resident as f64 / 1_048_576.0, 1),
        number(each, 2),
    ])
}

fn enter(options: &Options, parlor: &Parlor, clients: &mut Clients) -> Result<Vec<Chat>> {
    let mut chats = Vec::with_capacity(options.clients);
    for number in 0..options.clients {
        let (newcomer, chat) = people::customer(parlor, options.transport, false)?;
        clients.add(newcomer)?;
        chats.push(chat);
        clients.turn(Duration::ZERO, |_, _| Ok(()))?;
        if (number + 1) % 1_000 == 0 {
            progress(format_args!("{} connected", number + 1));
        }
    }
    Ok(chats)
}

// Everybody goes on polling.
fn quiet(clients: &mut Clients, length: Duration) -> Result<()> {
    let end = Instant::now() + length;
    while Instant::now() < end {
        clients.turn(Duration::from_millis(50), |_, _| Ok(()))?;
    }
    Ok(())
}

fn write_once(
    options: &Options,
    chats: &[Chat],
    clients: &mut Clients,
    seen: &mut Seen,
) -> Result<()> {
    for (client, chat) in chats.iter().enumerate() {
        let message = people::send_message(chat, seen.next(client, 1), options.size);
        clients.publish(client, people::SERVICE, &message)?;
        seen.turn(clients, Duration::ZERO)?;
    }
    Ok(())
}

// Over REST, with the key of the CometD door: either opens both.
fn deliver(
    options: &Options,
    parlor: &Parlor,
    chats: &[Chat],
    clients: &mut Clients,
    seen: &mut Seen,
) -> Result<()> {
    let mut writer = Setup::http(parlor.public, people::REST)?;
    for number in 1..=options.deliveries {
        for (client, chat) in chats.iter().enumerate() {
            let body = people::rest_message(chat, "deprecated", seen.next(client, number), 200);
            let reply = writer.post(&people::rest_path(chat, "send"), people::FORM, &body)?;
            if reply["statusCode"] != 0 {
                bail!("a message was refused: {reply}");
            }
            seen.turn(clients, Duration::ZERO)?;
        }
        progress(format_args!("delivery {number} is written"));
    }
    Ok(())
}

/// What was written, and has come.
struct Seen {
    tally: Tally,
    written: Vec<u32>,
}

impl Seen {
    fn new(clients: usize) -> Self {
        Self {
            tally: Tally::new(clients),
            written: vec![0; clients],
        }
    }

    // The mark of a client's message: it is owed from now on.
    fn next(&mut self, client: usize, number: u32) -> Mark {
        self.tally.owe(Duration::ZERO, 1);
        self.written[client] = number;
        Mark {
            writer: client as u32,
            number,
            due: Duration::ZERO,
        }
    }

    fn turn(&mut self, clients: &mut Clients, timeout: Duration) -> Result<()> {
        clients.turn(timeout, |who, message| {
            for mark in Mark::all(message) {
                let writer = mark.writer as usize;
                let own = who == Who::Client(writer) && mark.was_written(&self.written);
                let stream = if own { writer } else { STRANGE };
                self.tally.saw(stream, mark, Duration::ZERO);
            }
            Ok(())
        })
    }

    fn await_all(&mut self, clients: &mut Clients) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        while self.tally.owed() > 0 && Instant::now() < end {
            self.turn(clients, Duration::from_millis(10))?;
        }
        Ok(())
    }
}
