//! `chat`: customers and agents in conversation.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::bayeux::{Clients, Transport, Who};
use crate::commands::bayeux::{COLUMNS, cells, result};
use crate::machine::Process;
use crate::mark::Mark;
use crate::net::{Id, Setup};
use crate::options::{size, some};
use crate::people::{self, Chat};
use crate::report::{Report, number, progress};
use crate::scene::{Scene, Stage, Steps};
use crate::server::{Parlor, Start};
use crate::tally::STRANGE;
use crate::turns::Turns;

/// How customers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Door {
    /// CometD over a WebSocket.
    Websocket,
    /// CometD over long-polling.
    LongPolling,
    /// Chat API v2: they write, and do not read.
    Rest,
}

/// The conversation.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How customers write; agents are on WebSockets.
    #[arg(long, value_enum, default_value = "websocket")]
    pub door: Door,
    /// Chats.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = some)]
    pub chats: usize,
    /// Agents, who share the chats evenly.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = some)]
    pub agents: usize,
    /// Of a hundred messages, so many are written by agents.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100))]
    pub agent_share: u64,
    /// Bytes of a text.
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = size)]
    pub size: usize,
    /// The rates.
    #[command(flatten)]
    pub steps: Steps,
}

impl Default for Options {
    fn default() -> Self {
        let steps = Steps {
            warm: 1.0,
            length: 3.0,
            bound: 25.0,
            from: 2_000.0,
            rate: None,
            seed: 1,
        };
        Self {
            door: Door::Websocket,
            chats: 1_000,
            agents: 100,
            agent_share: 0,
            size: 200,
            steps,
        }
    }
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    if options.door == Door::Rest && options.agent_share > 0 {
        bail!("customers over REST write, and do not read: --agent-share is for the others");
    }
    let parlor = start.parlor(&[])?;
    let title = format!(
        "chat: {} chats over {:?}, {} agents, {} bytes",
        options.chats, options.door, options.agents, options.size
    );
    let mut report = Report::new(title, &COLUMNS);
    let mut stage = Stage::new(Conversation::new(options, &parlor)?);
    let best = stage.search(&options.steps, |step| {
        report.row(cells(step, options.steps.bound))
    })?;
    result(&mut report, best.as_ref());
    if let (Some(best), None) = (best, options.steps.rate) {
        let half = stage.step(best.offered / 2.0, &options.steps)?;
        report.row(cells(&half, options.steps.bound));
        report.result("p99 at half of that, ms", number(half.latency.p99, 2));
    }
    report.wrong(stage.end()?);
    Ok(report)
}

/// Chats `0..n`: customer `i` writes as `i`, its agent as `n + i`.
pub struct Conversation {
    clients: Clients,
    chats: Vec<Chat>,
    customers: Vec<Customer>,
    agents: Vec<usize>,
    written: Vec<u32>,
    turns: Turns,
    sent: u64,
    share: u64,
    size: usize,
    process: Process,
    rest: Option<std::net::SocketAddr>,
}

/// How to write as a customer.
#[derive(Clone, Debug)]
enum Customer {
    Bayeux(usize),
    Rest { wire: Id, user: String },
}

impl Conversation {
    /// Everybody comes in, and every agent joins its chats.
    pub fn new(options: &Options, parlor: &Parlor) -> Result<Self> {
        let (mut clients, mut chats, mut customers) = (Clients::new()?, Vec::new(), Vec::new());
        for _ in 0..options.chats {
            let (customer, chat) = enter(options.door, parlor, &mut clients)?;
            customers.push(customer);
            chats.push(chat);
            clients.turn(Duration::ZERO, |_, _| Ok(()))?;
        }
        let mut agents = vec![0; options.chats];
        let crew = options.agents.min(options.chats).max(1);
        for agent in 0..crew {
            let theirs: Vec<usize> = (agent..options.chats).step_by(crew).collect();
            let newcomer =
                people::agent(parlor, theirs.iter().map(|&chat| chats[chat].id.as_str()))?;
            let number = clients.add(newcomer)?;
            theirs.into_iter().for_each(|chat| agents[chat] = number);
            clients.turn(Duration::ZERO, |_, _| Ok(()))?;
        }
        progress(format_args!(
            "{} customers and {crew} agents are talking",
            options.chats
        ));
        let written = vec![0; 2 * options.chats];
        let (share, size, process) = (options.agent_share, options.size, parlor.process());
        let rest = (options.door == Door::Rest).then_some(parlor.public);
        Ok(Self {
            clients,
            chats,
            customers,
            agents,
            written,
            turns: Turns::new(options.chats, options.steps.seed),
            sent: 0,
            share,
            size,
            process,
            rest,
        })
    }
}

fn enter(door: Door, parlor: &Parlor, clients: &mut Clients) -> Result<(Customer, Chat)> {
    let transport = match door {
        Door::Websocket => Transport::Websocket,
        Door::LongPolling => Transport::LongPolling,
        Door::Rest => return enter_rest(parlor, clients),
    };
    let (newcomer, chat) = people::customer(parlor, transport, true)?;
    Ok((Customer::Bayeux(clients.add(newcomer)?), chat))
}

fn enter_rest(parlor: &Parlor, clients: &mut Clients) -> Result<(Customer, Chat)> {
    let mut setup = Setup::http(parlor.public, people::REST)?;
    let reply = setup.post(people::REST, people::FORM, "nickname=Ana&subject=Load")?;
    let (user, chat) = people::begun(&reply)?;
    let wire = clients.add_other(setup.into_wire()?)?;
    Ok((Customer::Rest { wire, user }, chat))
}

impl Scene for Conversation {
    fn write(&mut self, due: Duration) -> Result<()> {
        let chats = self.chats.len();
        let chat = self.turns.next();
        let by_agent = self.sent % 100 < self.share;
        self.sent += 1;
        let writer = if by_agent { chats + chat } else { chat };
        self.written[writer] += 1;
        let mark = Mark {
            writer: writer as u32,
            number: self.written[writer],
            due,
        };
        if by_agent {
            let data = people::agent_message(&self.chats[chat], mark, self.size);
            return self
                .clients
                .publish(self.agents[chat], people::AGENT, &data);
        }
        match &self.customers[chat] {
            Customer::Bayeux(client) => {
                let data = people::send_message(&self.chats[chat], mark, self.size);
                self.clients.publish(*client, people::SERVICE, &data)
            }
            Customer::Rest { wire, user } => {
                let to = self.rest.expect("a REST customer has an address");
                let request = people::rest_send(&to, &self.chats[chat], user, mark, self.size);
                self.clients.crowd.send_raw(*wire, request.as_bytes())
            }
        }
    }

    fn turn(&mut self, timeout: Duration, came: &mut Vec<(usize, Mark)>) -> Result<()> {
        let Self {
            clients,
            customers,
            agents,
            written,
            ..
        } = self;
        clients.turn(timeout, |who, message| {
            let Who::Client(client) = who else {
                return accepted(message);
            };
            for mark in Mark::all(message) {
                if !mark.was_written(written) {
                    came.push((STRANGE, mark));
                    continue;
                }
                let writer = mark.writer as usize;
                let (chat, by_customer) = (writer % agents.len(), writer < agents.len());
                let is_agent = agents[chat] == client;
                let is_customer =
                    matches!(&customers[chat], Customer::Bayeux(reader) if *reader == client);
                match (by_customer, is_customer, is_agent) {
                    (true, _, true) | (false, true, _) => came.push((writer, mark)),
                    // What one wrote comes back to oneself as well: only the other's counts.
                    (true, true, _) | (false, _, true) => {}
                    _ => came.push((STRANGE, mark)),
                }
            }
            Ok(())
        })
    }

    fn streams(&self) -> usize {
        self.written.len()
    }

    fn readers(&self) -> u64 {
        1
    }

    fn server(&self) -> Process {
        self.process
    }
}

// The answer to a message over REST.
fn accepted(reply: &[u8]) -> Result<()> {
    if memchr::memmem::find(reply, b"\"statusCode\":0").is_none() {
        bail!("a message was refused: {}", String::from_utf8_lossy(reply));
    }
    Ok(())
}
