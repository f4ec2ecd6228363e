//! The real process: started on random ports with a data folder of its own, killed, stopped, started again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use super::{blocking, eventually, within};

/// Token of the agent *bob*, as configured in every world.
pub const BOB: &str = "bob-token-of-the-tests";
/// Token of the supervisor *carol*.
pub const CAROL: &str = "carol-token-of-the-tests";
/// Token of the bot *robbie*.
pub const ROBBIE: &str = "robbie-token-of-the-tests";

/// What is shorter may be in a log by chance.
const SECRET_CHARS: usize = 40;

/// What a server is started with besides the defaults.
#[derive(Default)]
pub struct Start {
    config: String,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    open_files: Option<u32>,
}

impl Start {
    /// Lines of TOML for the configuration file; sections that the harness writes too are `[agent.…]` only.
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// `--set section.option=value`.
    pub fn set(mut self, assignment: &str) -> Self {
        self.flags
            .extend(["--set".to_owned(), assignment.to_owned()]);
        self
    }

    /// An environment variable of the process.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The limit of open files that the process is started with.
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// The server, ready.
    pub async fn start(self) -> Server {
        let folder = tempfile::Builder::new()
            .prefix("parlor-it-")
            .tempdir()
            .unwrap();
        std::fs::write(folder.path().join("parlor.toml"), self.config + &agents()).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut server = Server {
            process: None,
            public: any,
            internal: any,
            folder,
            flags: self.flags,
            environment: self.environment,
            secrets: Mutex::default(),
            open_files: self.open_files,
        };
        server.start_again().await;
        server
    }
}

fn agents() -> String {
    let agent = |id: &str, nickname: &str, role: &str, token: &str| {
        let digest = sha256_hex(token);
        format!(
            "[agent.{id}]\nnickname = \"{nickname}\"\nrole = \"{role}\"\ntoken-sha256 = \"{digest}\"\n"
        )
    };
    [
        agent("bob", "Bob", "agent", BOB),
        agent("carol", "Carol", "supervisor", CAROL),
        agent("robbie", "Robbie", "bot", ROBBIE),
    ]
    .concat()
}

/// As tokens stand in the configuration.
pub fn sha256_hex(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A server process and its data folder. Dropping it kills the process and removes the folder.
pub struct Server {
    process: Option<Process>,
    /// Where customers are served.
    pub public: SocketAddr,
    /// Where agents are served.
    pub internal: SocketAddr,
    folder: TempDir,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    secrets: Mutex<Vec<String>>,
    open_files: Option<u32>,
}

impl Server {
    /// With the defaults, but for random ports and three configured agents.
    pub async fn start() -> Self {
        Start::default().start().await
    }

    /// With something else than the defaults.
    pub fn with() -> Start {
        Start::default()
    }

    /// Starts the process again after [`kill9`](Self::kill9) or [`stop`](Self::stop), on the same ports and data.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        let mut process = Process(self.command().stdout(Stdio::piped()).spawn().unwrap());
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        let reading = blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| line)
        });
        let line = within("the ready line", reading).await.unwrap();
        assert!(
            !line.is_empty(),
            "the server ended before it was ready:\n{}",
            self.log()
        );
        (self.public, self.internal) = ready(line.trim_end());
        self.process = Some(process);
    }

    /// A start that is cut: the process is killed before it says that it is ready, or soon after.
    pub async fn start_and_kill(&self, after: std::time::Duration) {
        let mut process = Process(self.command().stdout(Stdio::null()).spawn().unwrap());
        tokio::time::sleep(after).await;
        blocking(move || {
            process.0.kill().unwrap();
            process.0.wait().unwrap()
        })
        .await;
    }

    /// The command that starts this server, for stories about starts that fail.
    pub fn command(&self) -> Command {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let binary = env!("CARGO_BIN_EXE_parlor");
        let mut command = match self.open_files {
            None => Command::new(binary),
            Some(limit) => {
                let mut command = Command::new("sh");
                let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
                command.args(["-c", &script, binary]);
                command
            }
        };
        command
            .arg("serve")
            .arg("--config")
            .arg(self.config_file())
            .arg("--data-dir")
            .arg(self.data_dir());
        command
            .arg("--public")
            .arg(self.public.to_string())
            .arg("--internal")
            .arg(self.internal.to_string());
        command
            .args(&self.flags)
            .envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stderr(log);
        command
    }

    /// The process ends at once, in the middle of whatever it does.
    pub async fn kill9(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// SIGTERM, and how the process ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().0.id()
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// No file of the process can grow beyond so many bytes: to it the disk is full. `None`: there is room again.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(self.pid()), Resource::Fsize, limit).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.id().cast_signed()).unwrap()
    }

    /// Waits for the end of the process, however it came about.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        eventually("the end of the process", || {
            std::future::ready(process.0.try_wait().unwrap())
        })
        .await
    }

    /// An address on the public listener.
    pub fn public(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    /// An address on the internal listener.
    pub fn internal(&self, path: &str) -> String {
        format!("http://{}{path}", self.internal)
    }

    /// The token that the first start left in the data folder.
    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.data_dir().join("admin-token"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// The folder given with `--data-dir`.
    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// The file given with `--config`.
    pub fn config_file(&self) -> PathBuf {
        self.path("parlor.toml")
    }

    /// From now on this must not be in the log; the story fails in the end if it is.
    pub fn keep_secret(&self, secret: &str) {
        if secret.len() >= SECRET_CHARS {
            self.secrets.lock().unwrap().push(secret.to_owned());
        }
    }

    /// Tokens and keys that are in the log all the same.
    fn leaks(&self) -> Vec<String> {
        let log = self.log();
        let mut secrets = self.secrets.lock().unwrap().clone();
        secrets.extend([BOB, CAROL, ROBBIE].map(str::to_owned));
        secrets.retain(|secret| log.contains(secret));
        secrets
    }

    /// Everything the process has written to stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.path("log")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

// Nothing of a story outlives it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// Every story looks at the log of its server in the end, whatever it is about. A story that fails shows what the server had to say.
#[allow(
    clippy::print_stderr,
    reason = "the test runner shows what a failed test printed"
)]
impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        } else {
            assert_eq!(self.leaks(), [""; 0], "in the log");
        }
    }
}

fn ready(line: &str) -> (SocketAddr, SocketAddr) {
    let words: Vec<&str> = line.split(' ').collect();
    let ["parlor", "ready", public, internal] = words[..] else {
        panic!("not a ready line: {line}")
    };
    let address = |word: &str, name: &str| {
        let address = word
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix("="))
            .and_then(|url| url.strip_prefix("http://").or(url.strip_prefix("https://")));
        address
            .unwrap_or_else(|| panic!("not a ready line: {line}"))
            .parse()
            .unwrap()
    };
    (address(public, "public"), address(internal, "internal"))
}
