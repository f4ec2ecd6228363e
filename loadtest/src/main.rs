//! Measures Parlor, and other Bayeux servers beside it, on loopback: an open loop, latencies from when a message was
//! due, everything that is received held to what was sent.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that cannot go on fails")
)]

mod bayeux;
mod commands;
mod interrupt;
mod limit;
mod machine;
mod mark;
mod net;
mod options;
mod pace;
mod peer;
mod people;
mod report;
mod scene;
mod server;
mod tally;
mod turns;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde_json::json;

use report::{Report, progress, say};
use server::Start;

#[derive(Parser)]
#[command(
    about = "Measures Parlor, and other Bayeux servers beside it, on loopback",
    version
)]
struct Cli {
    /// One JSON object instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// The core of the generator; the server has another.
    #[arg(long, global = true, value_name = "CORE", default_value_t = 1)]
    core: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Publish → delivered to oneself, or to many, at rising rates.
    Bayeux {
        #[command(flatten)]
        options: commands::bayeux::Options,
        #[command(flatten)]
        start: Start,
    },
    /// Parlor and other servers in turn, and the ratios.
    Compare {
        #[command(flatten)]
        options: commands::compare::Options,
        #[command(flatten)]
        start: Start,
    },
    /// Instructions and system calls per message, as the number of chats grows.
    Cost {
        #[command(flatten)]
        options: commands::cost::Options,
        #[command(flatten)]
        start: Start,
    },
    /// What a connection costs that does nothing, fresh and after traffic.
    Idle {
        #[command(flatten)]
        options: commands::idle::Options,
        #[command(flatten)]
        start: Start,
    },
    /// Notifications to a receiver of a given latency, alone or beside one that is down.
    Push {
        #[command(flatten)]
        options: commands::push::Options,
        #[command(flatten)]
        start: Start,
    },
    /// Async chats that nobody is in: memory, disk, restart, wake-up.
    Dormant {
        #[command(flatten)]
        options: commands::dormant::Options,
        #[command(flatten)]
        start: Start,
    },
    /// Hours of mixed life with chats that come and go: what grows.
    Soak {
        #[command(flatten)]
        options: commands::soak::Options,
        #[command(flatten)]
        start: Start,
    },
    /// A viewer that stops reading while megabytes are produced for it.
    Stall {
        #[command(flatten)]
        options: commands::stall::Options,
        #[command(flatten)]
        start: Start,
    },
    /// Customers and agents in conversation, at rising rates.
    Chat {
        #[command(flatten)]
        options: commands::chat::Options,
        #[command(flatten)]
        start: Start,
    },
    /// What the machine allows: started by `compare`.
    #[command(hide = true)]
    Limit {
        /// Of loopback.
        port: u16,
        /// One's own event goes with the reply to its publish.
        #[arg(long)]
        rides: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(report) if report.is_right() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            if cli.json {
                // Nobody may read it any more.
                let wrong = json!({"wrong": [format!("{error:#}")]});
                let _ = writeln!(io::stdout(), "{wrong}");
            }
            say(format_args!("loadtest: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<Report> {
    let descriptors = machine::raise_descriptors()?;
    progress(format_args!("up to {descriptors} open files"));
    machine::stay_on(cli.core)?;
    interrupt::heed()?;
    let report = match &cli.command {
        Command::Bayeux { options, start } => commands::bayeux::run(options, start),
        Command::Compare { options, start } => commands::compare::run(options, start),
        Command::Cost { options, start } => commands::cost::run(options, start),
        Command::Idle { options, start } => commands::idle::run(options, start, descriptors),
        Command::Push { options, start } => commands::push::run(options, start),
        Command::Dormant { options, start } => commands::dormant::run(options, start),
        Command::Soak { options, start } => commands::soak::run(options, start),
        Command::Stall { options, start } => commands::stall::run(options, start),
        Command::Chat { options, start } => commands::chat::run(options, start),
        Command::Limit { port, rides } => match limit::serve(*port, *rides)? {},
    }?;
    let mut output = io::stdout();
    if cli.json {
        writeln!(output, "{}", report.json())?;
    } else {
        write!(output, "{report}")?;
    }
    Ok(report)
}
