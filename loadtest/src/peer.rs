//! Other people's servers, started by `loadtest/peers/start`.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::bayeux::{Door, Transport};
use crate::machine::Process;
use crate::server::end;

/// A server that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
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
            Self::CometdJava => "cometd-java",
            Self::CometdNode => "cometd-node",
            Self::Faye => "faye",
        }
    }

    /// Whether it speaks this.
    pub fn speaks(self, transport: Transport) -> bool {
        !(self == Self::CometdNode && transport == Transport::Websocket)
    }

    /// Seconds of load before its figures count: a virtual machine compiles what is hot.
    pub fn warm_up(self) -> f64 {
        match self {
            Self::CometdJava => 40.0,
            Self::CometdNode | Self::Faye => 10.0,
        }
    }
}

impl Peer {
    /// Starts it; the first time its packages are fetched.
    pub fn start(kind: Kind) -> Result<Self> {
        let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/start");
        let at = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut child = Command::new("bash")
            .arg(starter)
            .args([kind.name(), &at.port().to_string(), "maxInterval=60000"])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .context("starting a peer")?;
        let output = child.stdout.take().context("a peer without output")?;
        for line in BufReader::new(output).lines() {
            if line?.starts_with("ready ") {
                return Ok(Self { child, at });
            }
        }
        end(&mut child);
        bail!("{} ended before it was ready", kind.name())
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
        end(&mut self.child);
    }
}
