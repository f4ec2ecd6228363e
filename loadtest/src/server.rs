//! The server that is measured: Parlor itself, started fresh on a scratch folder.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use tempfile::TempDir;

use crate::interrupt;
use crate::machine::Process;
use crate::report::progress;

/// The token of the agents that the generator plays, and its SHA-256 for the configuration.
pub const AGENT_TOKEN: &str = "loadtest-agent";
const AGENT_TOKEN_SHA256: &str = "742f688c6f6b5b66c2d01d0ed28dc8c3c8a66ecc3150269e2e072e32d5a3edab";

/// How long it may take until it is ready: under valgrind, with a million chats, a thousand times what it takes by itself.
const READY: Duration = Duration::from_secs(120);
/// How long it may take to end: it finishes what it has begun.
const ENDING: Duration = Duration::from_secs(30);

/// How a Parlor to be measured is started.
#[derive(Args, Clone, Debug)]
pub struct Start {
    /// The binary; without it the release build of this checkout is made and used.
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
    /// The cores of the server, as taskset takes them.
    #[arg(long, value_name = "CORES", default_value = "0")]
    pub server_cores: String,
    /// Worker threads of the server.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Where its scratch data folder is made; on a tmpfs (/dev/shm) the store costs no disk.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// An option for the server, SECTION.OPTION=VALUE; may be repeated.
    #[arg(long, value_name = "OPTION")]
    pub set: Vec<String>,
    /// What the server is run under: a program with arguments, as valgrind.
    #[arg(skip)]
    pub wrap: Vec<String>,
}

/// A running Parlor. It ends with this value.
#[derive(Debug)]
pub struct Parlor {
    child: Child,
    binary: PathBuf,
    start: Start,
    folder: Option<TempDir>,
    /// Customers.
    pub public: SocketAddr,
    /// Agents, health.
    pub internal: SocketAddr,
}

impl Start {
    /// With a binary that stays the same from now on.
    pub fn built(&self) -> Result<Self> {
        let server = Some(self.binary()?);
        Ok(Self {
            server,
            ..self.clone()
        })
    }

    /// Starts it on a fresh folder, with more options before those of the command line, which beat them.
    pub fn parlor(&self, options: &[&str]) -> Result<Parlor> {
        let binary = self.binary()?;
        let parent = self.data.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new()
            .prefix("parlor-loadtest-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)?;
        let mut start = self.clone();
        let options = options.iter().map(|&option| option.to_owned());
        start.set.splice(..0, options);
        start.run(binary, folder)
    }

    fn run(self, binary: PathBuf, folder: TempDir) -> Result<Parlor> {
        // However the generator ends, the server ends with it.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "taskset", "-c", &self.server_cores])
            .args(&self.wrap)
            .arg(&binary);
        command.args(["--public", "127.0.0.1:0", "--internal", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(folder.path());
        command.args(["--set", &format!("store.worker-threads={}", self.threads)]);
        command.args([
            "--set",
            &format!("agent.load.token-sha256={AGENT_TOKEN_SHA256}"),
        ]);
        command.args([
            "--set",
            "agent.load.nickname=Load",
            "--set",
            "agent.load.role=agent",
            "--set",
            "log.level=warn",
        ]);
        for option in &self.set {
            command.args(["--set", option]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .context("starting the server")?;
        interrupt::remember(folder.path(), Some(child.id()));
        let output = child.stdout.take().context("a server without output")?;
        let mut parlor = Parlor {
            child,
            binary,
            start: self,
            folder: Some(folder),
            public: SocketAddr::from(([127, 0, 0, 1], 0)),
            internal: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        (parlor.public, parlor.internal) = await_line(output, READY, addresses)?;
        Ok(parlor)
    }

    fn binary(&self) -> Result<PathBuf> {
        if let Some(binary) = &self.server {
            return Ok(binary.clone());
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("loadtest stands in no workspace")?;
        let built = Command::new("cargo")
            .args([
                "build",
                "--release",
                "--quiet",
                "--locked",
                "--package",
                "parlor",
                "--bin",
                "parlor",
            ])
            .current_dir(root)
            .status()
            .context("building the server with cargo")?;
        if !built.success() {
            bail!("the server does not build");
        }
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(target.join("release/parlor"))
    }
}

impl Parlor {
    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// Ends it and starts it again on the same data in another way.
    pub fn restart_as(mut self, start: Start) -> Result<Self> {
        self.start = Start {
            set: self.start.set.clone(),
            ..start
        };
        self.restart(false).map(|(again, _)| again)
    }

    /// Ends it with SIGTERM, or at once, and starts it again on the same data. Says how long the start took until ready.
    pub fn restart(mut self, at_once: bool) -> Result<(Self, Duration)> {
        let folder = self.folder.take().context("a server without a folder")?;
        let (binary, start) = (self.binary.clone(), self.start.clone());
        if at_once {
            self.child.kill()?;
            self.child.wait()?;
        } else {
            end(&mut self.child)?;
        }
        drop(self);
        let began = Instant::now();
        let again = start.run(binary, folder)?;
        Ok((again, began.elapsed()))
    }
}

impl Drop for Parlor {
    fn drop(&mut self) {
        if let Err(error) = end(&mut self.child) {
            progress(format_args!("the server: {error:#}"));
        }
        interrupt::forget(self.folder());
    }
}

/// Ends a child, if it has not ended: politely, and if that does not help in time, at once.
///
/// # Errors
///
/// It did not end in time, or not well.
pub fn end(child: &mut Child) -> Result<()> {
    if matches!(child.try_wait(), Ok(Some(_))) {
        return Ok(());
    }
    if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let deadline = Instant::now() + ENDING;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return status
                .success()
                .then_some(())
                .with_context(|| format!("it was told to end, and ended with {status}"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    bail!("it did not end within {} s", ENDING.as_secs())
}

/// The first line of a child's output in which `wanted` finds something.
///
/// # Errors
///
/// The output ends before, or `patience` does.
pub fn await_line<T: Send + 'static>(
    output: ChildStdout,
    patience: Duration,
    wanted: fn(&str) -> Option<T>,
) -> Result<T> {
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(output).lines();
        let found = lines.map_while(Result::ok).find_map(|line| wanted(&line));
        // Nobody listens any more where patience has ended.
        found.map(|found| say.send(found))
    });
    said.recv_timeout(patience).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => {
            anyhow!("it is not ready after {} s", patience.as_secs())
        }
        mpsc::RecvTimeoutError::Disconnected => anyhow!("it ended before it was ready"),
    })
}

// Of the line that says that the server is ready.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let addresses = line.strip_prefix("parlor ready public=http://")?;
    let (public, internal) = addresses.split_once(" internal=http://")?;
    Some((public.parse().ok()?, internal.parse().ok()?))
}
