//! `bayeux`: publish → delivered to oneself, and fan-out, on Parlor or any other Bayeux server.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::bayeux::{Clients, Door, Newcomer, Transport, Who};
use crate::machine::Process;
use crate::mark::Mark;
use crate::options::{size, some};
use crate::people::{self, Chat};
use crate::report::{Report, number, progress, text};
use crate::scene::{Scene, Stage, Step, Steps};
use crate::server::{Parlor, Start};
use crate::tally::STRANGE;
use crate::turns::Turns;

/// What is asked of the server.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Another Bayeux server instead of Parlor, as 127.0.0.1:9080/cometd: a channel each.
    #[arg(long, value_name = "ADDRESS/PATH", requires = "pid")]
    pub url: Option<String>,
    /// The process of that server, for its CPU time.
    #[arg(long, value_name = "PID", requires = "url")]
    pub pid: Option<u32>,
    /// How the clients are connected.
    #[arg(long, value_enum, default_value = "websocket")]
    pub transport: Transport,
    /// Clients that publish to themselves.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = some)]
    pub clients: usize,
    /// Instead: one publishes to this many. Parlor's are agents, on WebSockets.
    #[arg(long, value_name = "N", value_parser = some)]
    pub fan_out: Option<usize>,
    /// Bytes of a text.
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = size)]
    pub size: usize,
    /// The rates.
    #[command(flatten)]
    pub steps: Steps,
}

/// The server of a run.
pub enum Target<'a> {
    /// Parlor: a chat each; or a session that agents have joined.
    Parlor(&'a Parlor),
    /// Any other: a channel each; or a channel with subscribers.
    Other { door: Door, process: Process },
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    let parlor;
    let target = match (&options.url, options.pid) {
        (Some(url), Some(pid)) => Target::Other {
            door: door(url)?,
            process: Process(pid),
        },
        _ => {
            parlor = start.parlor(&[])?;
            Target::Parlor(&parlor)
        }
    };
    let mut report = Report::new(title(options), &COLUMNS);
    let held = measure(options, &target, &mut report)?;
    result(&mut report, held.as_ref());
    Ok(report)
}

/// What a search comes to.
pub fn result(report: &mut Report, held: Option<&Step>) {
    let held = held.map_or_else(|| text("none"), |step| number(step.delivered, 0));
    report.result("held, delivered/s", held);
}

/// Runs the search on a server, and puts every step and what was wrong into the report. Returns the highest rate held.
pub fn measure(
    options: &Options,
    target: &Target<'_>,
    report: &mut Report,
) -> Result<Option<Step>> {
    let bound = options.steps.bound;
    let mut seen = |step: &Step| report.row(cells(step, bound));
    let (best, wrong) = match options.fan_out {
        Some(readers) => search(
            Stage::new(FanOut::new(options, target, readers)?),
            &options.steps,
            &mut seen,
        )?,
        None => search(
            Stage::new(ToOneself::new(options, target)?),
            &options.steps,
            &mut seen,
        )?,
    };
    report.wrong(wrong);
    Ok(best)
}

fn search<S: Scene>(
    mut stage: Stage<S>,
    steps: &Steps,
    seen: &mut impl FnMut(&Step),
) -> Result<(Option<Step>, Vec<String>)> {
    let best = stage.search(steps, seen)?;
    Ok((best, stage.end()?))
}

fn title(options: &Options) -> String {
    let who = options.url.as_deref().unwrap_or("parlor");
    match options.fan_out {
        Some(readers) => format!(
            "bayeux: {who}, {:?}, fan-out 1 → {readers}, {} bytes",
            options.transport, options.size
        ),
        None => format!(
            "bayeux: {who}, {:?}, {} clients to themselves, {} bytes",
            options.transport, options.clients, options.size
        ),
    }
}

/// What is said of one step.
pub const COLUMNS: [&str; 9] = [
    "offered/s",
    "delivered/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "CPU µs",
    "late ms",
    "stolen %",
    "holds",
];

/// The line of one step.
pub fn cells(step: &Step, bound: f64) -> Vec<crate::report::Cell> {
    let latency = step.latency;
    vec![
        number(step.offered, 0),
        number(step.delivered, 0),
        number(latency.p50, 2),
        number(latency.p99, 2),
        number(latency.p999, 2),
        number(step.cpu, 1),
        number(step.late, 1),
        number(step.stolen * 100.0, 1),
        text(if step.holds(bound) { "yes" } else { "no" }),
    ]
}

fn door(url: &str) -> Result<Door> {
    let url = url.strip_prefix("http://").unwrap_or(url);
    let (address, path) = url.split_once('/').context("--url is ADDRESS:PORT/PATH")?;
    let mut named = address
        .to_socket_addrs()
        .with_context(|| format!("{address} is no address with a port"))?;
    let at: SocketAddr = named.next().context("a name without an address")?;
    Ok(Door {
        at,
        path: format!("/{path}"),
        token: None,
    })
}

impl Target<'_> {
    fn process(&self) -> Process {
        match self {
            Self::Parlor(parlor) => parlor.process(),
            Self::Other { process, .. } => *process,
        }
    }
}

/// Channels of this run alone: whom a server still remembers of an earlier one does not listen to them.
fn prefix() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    format!("/load/{}-{run}", std::process::id())
}

/// Where a writer writes to.
enum Address {
    Chat(Chat),
    Channel(String),
}

impl Address {
    fn write(&self, clients: &mut Clients, client: usize, mark: Mark, size: usize) -> Result<()> {
        match self {
            Self::Chat(chat) => clients.publish(
                client,
                people::SERVICE,
                &people::send_message(chat, mark, size),
            ),
            Self::Channel(channel) => clients.publish(
                client,
                channel,
                &format!("{{\"message\":\"{}\"}}", mark.text(size)),
            ),
        }
    }
}

/// Everybody publishes to themselves.
struct ToOneself {
    clients: Clients,
    addresses: Vec<Address>,
    written: Vec<u32>,
    turns: Turns,
    size: usize,
    process: Process,
}

impl ToOneself {
    fn new(options: &Options, target: &Target<'_>) -> Result<Self> {
        let (mut clients, mut addresses) = (Clients::new()?, Vec::new());
        let prefix = prefix();
        for number in 0..options.clients {
            let (newcomer, address) = match target {
                Target::Parlor(parlor) => {
                    let (newcomer, chat) = people::customer(parlor, options.transport, true)?;
                    (newcomer, Address::Chat(chat))
                }
                Target::Other { door, .. } => {
                    let channel = format!("{prefix}/{number}");
                    (
                        subscriber(door, options.transport, &channel)?,
                        Address::Channel(channel),
                    )
                }
            };
            clients.add(newcomer)?;
            addresses.push(address);
            clients.turn(Duration::ZERO, |_, _| Ok(()))?;
        }
        progress(format_args!("{} clients are connected", options.clients));
        let written = vec![0; addresses.len()];
        Ok(Self {
            clients,
            addresses,
            written,
            turns: Turns::new(options.clients, options.steps.seed),
            size: options.size,
            process: target.process(),
        })
    }
}

impl Scene for ToOneself {
    fn write(&mut self, due: Duration) -> Result<()> {
        let client = self.turns.next();
        self.written[client] += 1;
        let mark = Mark {
            writer: client as u32,
            number: self.written[client],
            due,
        };
        self.addresses[client].write(&mut self.clients, client, mark, self.size)
    }

    fn turn(&mut self, timeout: Duration, came: &mut Vec<(usize, Mark)>) -> Result<()> {
        let (clients, written) = (&mut self.clients, &self.written);
        clients.turn(timeout, |who, message| {
            came.extend(Mark::all(message).map(|mark| {
                let writer = mark.writer as usize;
                let own = who == Who::Client(writer) && mark.was_written(written);
                (if own { writer } else { STRANGE }, mark)
            }));
            Ok(())
        })
    }

    fn leave(&mut self) -> Result<()> {
        self.clients.leave()
    }

    fn streams(&self) -> usize {
        self.addresses.len()
    }

    fn readers(&self) -> u64 {
        1
    }

    fn server(&self) -> Process {
        self.process
    }
}

/// One publishes to many: client 0 writes, the others read.
struct FanOut {
    clients: Clients,
    address: Address,
    written: u32,
    size: usize,
    process: Process,
}

impl FanOut {
    fn new(options: &Options, target: &Target<'_>, readers: usize) -> Result<Self> {
        let mut clients = Clients::new()?;
        let (writer, address) = match target {
            Target::Parlor(parlor) => {
                let (newcomer, chat) = people::customer(parlor, options.transport, true)?;
                (newcomer, Address::Chat(chat))
            }
            Target::Other { door, .. } => (
                Newcomer::handshake(door, options.transport, true)?,
                Address::Channel(format!("{}/all", prefix())),
            ),
        };
        clients.add(writer)?;
        for _ in 0..readers {
            let reader = match (target, &address) {
                (Target::Parlor(parlor), Address::Chat(chat)) => {
                    people::agent(parlor, [chat.id.as_str()])?
                }
                (Target::Other { door, .. }, Address::Channel(channel)) => {
                    subscriber(door, options.transport, channel)?
                }
                _ => unreachable!("a chat belongs to Parlor, a channel to any other"),
            };
            clients.add(reader)?;
            clients.turn(Duration::ZERO, |_, _| Ok(()))?;
        }
        progress(format_args!("{readers} readers are connected"));
        Ok(Self {
            clients,
            address,
            written: 0,
            size: options.size,
            process: target.process(),
        })
    }
}

impl Scene for FanOut {
    fn write(&mut self, due: Duration) -> Result<()> {
        self.written += 1;
        let mark = Mark {
            writer: 0,
            number: self.written,
            due,
        };
        self.address.write(&mut self.clients, 0, mark, self.size)
    }

    fn turn(&mut self, timeout: Duration, came: &mut Vec<(usize, Mark)>) -> Result<()> {
        let (clients, written) = (&mut self.clients, std::slice::from_ref(&self.written));
        let writer_hears = matches!(self.address, Address::Chat(_));
        clients.turn(timeout, |who, message| {
            for mark in Mark::all(message) {
                match who {
                    Who::Client(reader @ 1..) if mark.was_written(written) => {
                        came.push((reader - 1, mark));
                    }
                    // A customer is told what it wrote, too; only what others are told counts.
                    Who::Client(0) if writer_hears && mark.was_written(written) => {}
                    _ => came.push((STRANGE, mark)),
                }
            }
            Ok(())
        })
    }

    fn leave(&mut self) -> Result<()> {
        self.clients.leave()
    }

    fn streams(&self) -> usize {
        self.clients.len() - 1
    }

    fn readers(&self) -> u64 {
        self.streams() as u64
    }

    fn server(&self) -> Process {
        self.process
    }
}

fn subscriber(door: &Door, transport: Transport, channel: &str) -> Result<Newcomer> {
    let mut newcomer = Newcomer::handshake(door, transport, true)?;
    newcomer.subscribe(channel)?;
    Ok(newcomer)
}
