//! `idle`: what a connection costs that does nothing, fresh and after traffic.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::bayeux::{Clients, Transport};
use crate::machine::Process;
use crate::mark::Mark;
use crate::net::Setup;
use crate::people::{self, Chat};
use crate::report::{Report, count, number, progress, text};
use crate::server::{Parlor, Start};

/// Who is connected, and what happens to them.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How customers are connected: one connection each.
    #[arg(long, value_enum, default_value = "websocket")]
    pub transport: Transport,
    /// Customers, each with a chat.
    #[arg(long, value_name = "N", default_value_t = 15_000)]
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
    match options.transport {
        Transport::Websocket => write_once(options, &chats, &mut clients, &mut report)?,
        Transport::LongPolling => deliver(options, &parlor, &chats, &mut clients, &mut report)?,
    }
    report.row(line("after traffic", options, server, empty)?);
    quiet(&mut clients, Duration::from_secs(options.quiet))?;
    report.row(line("quiet again", options, server, empty)?);
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
    report: &mut Report,
) -> Result<()> {
    let mut seen = 0;
    for (client, chat) in chats.iter().enumerate() {
        let mark = Mark {
            writer: client as u32,
            number: 1,
            due: Duration::ZERO,
        };
        clients.publish(
            client,
            people::SERVICE,
            &people::send_message(chat, mark, options.size),
        )?;
        clients.turn(Duration::ZERO, |_, message| {
            seen += Mark::all(message).count();
            Ok(())
        })?;
    }
    await_all(clients, &mut seen, chats.len())?;
    report.wrong(
        (seen != chats.len()).then(|| format!("{seen} of {} messages came back", chats.len())),
    );
    Ok(())
}

// Over REST, with the key of the CometD door: either opens both.
fn deliver(
    options: &Options,
    parlor: &Parlor,
    chats: &[Chat],
    clients: &mut Clients,
    report: &mut Report,
) -> Result<()> {
    let mut writer = Setup::http(parlor.public, people::REST)?;
    let (mut seen, all) = (0, chats.len() * options.deliveries as usize);
    for number in 1..=options.deliveries {
        for (client, chat) in chats.iter().enumerate() {
            let mark = Mark {
                writer: client as u32,
                number,
                due: Duration::ZERO,
            };
            let body = people::rest_message(chat, "deprecated", mark, 200);
            let reply = writer.post(&people::rest_path(chat, "send"), people::FORM, &body)?;
            if reply["statusCode"] != 0 {
                bail!("a message was refused: {reply}");
            }
            clients.turn(Duration::ZERO, |_, message| {
                seen += Mark::all(message).count();
                Ok(())
            })?;
        }
        progress(format_args!("delivery {number} is written"));
    }
    await_all(clients, &mut seen, all)?;
    report.wrong((seen != all).then(|| format!("{seen} of {all} deliveries came")));
    Ok(())
}

fn await_all(clients: &mut Clients, seen: &mut usize, all: usize) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while *seen < all && Instant::now() < end {
        clients.turn(Duration::from_millis(10), |_, message| {
            *seen += Mark::all(message).count();
            Ok(())
        })?;
    }
    Ok(())
}
