//! Servers to compare with: other people's, started by `loadtest/peers/start`, and what the machine allows.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::bayeux::{Door, Transport};
use crate::machine::Process;
use crate::server::{await_line, end};

/// How long it may take until it is ready: the first time its packages are fetched.
const READY: Duration = Duration::from_secs(900);

/// What Parlor is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What the machine allows: a server of our own that checks, keeps and stores nothing.
    Limit,
    /// The same, but over long-polling one's own event goes with the reply to its publish: one request for each, not two.
    LimitOneRequest,
    /// CometD on Jetty.
    CometdJava,
    /// CometD for Node.js: long-polling only.
    CometdNode,
    /// Faye on Node.js.
    Faye,
}

/// A running peer. It ends with this value.
pub struct Peer {
    child: Child,
    at: SocketAddr,
}

impl Kind {
    /// As its starter calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::LimitOneRequest => "limit-one-request",
            Self::CometdJava => "cometd-java",
            Self::CometdNode => "cometd-node",
            Self::Faye => "faye",
        }
    }

    /// Whether it speaks this.
    pub fn speaks(self, transport: Transport) -> bool {
        let polls_only = matches!(self, Self::CometdNode | Self::LimitOneRequest);
        !(polls_only && transport == Transport::Websocket)
    }

    /// Seconds of load before its figures count: a virtual machine compiles what is hot.
    pub fn warm_up(self) -> f64 {
        match self {
            Self::CometdJava => 120.0,
            Self::CometdNode | Self::Faye => 10.0,
            Self::Limit | Self::LimitOneRequest => 1.0,
        }
    }

    /// The first rate at least, in messages a second, on which its warming up is built.
    pub fn warm_rate(self) -> f64 {
        match self {
            Self::CometdJava => 12_000.0,
            Self::CometdNode | Self::Faye | Self::Limit | Self::LimitOneRequest => 0.0,
        }
    }

    fn command(self, port: u16, cores: &str) -> Result<Command> {
        let port = port.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        match self {
            Self::Limit | Self::LimitOneRequest => {
                let core = cores.split([',', '-']).next().unwrap_or(cores);
                command
                    .arg(std::env::current_exe()?)
                    .args(["--core", core, "limit", &port]);
                if self == Self::LimitOneRequest {
                    command.arg("--rides");
                }
            }
            Self::CometdJava | Self::CometdNode | Self::Faye => {
                command
                    .env("PEERS_CORES", cores)
                    .arg("bash")
                    .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/start"))
                    .args([self.name(), &port, "maxInterval=60000"]);
            }
        }
        Ok(command)
    }
}

impl Peer {
    /// Starts it on the cores that Parlor has, too; `limit` has one thread, and the first of them.
    pub fn start(kind: Kind, cores: &str) -> Result<Self> {
        let at = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut child = kind
            .command(at.port(), cores)?
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .context("starting a peer")?;
        let output = child.stdout.take().context("a peer without output")?;
        let peer = Self { child, at };
        await_line(output, READY, |line| line.strip_prefix("ready ").map(drop))
            .with_context(|| kind.name())?;
        Ok(peer)
    }

    /// Where it answers.
    pub fn door(&self) -> Door {
        Door {
            at: self.at,
            path: "/cometd".to_owned(),
            token: None,
        }
    }

    /// Its process: the starter becomes it.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // How others end is their affair.
        let _ = end(&mut self.child);
    }
}
