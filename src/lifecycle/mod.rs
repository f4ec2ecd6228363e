//! Start, reload, drain: everything around the server that is not the server.
//!
//! [`run`] reads the configuration, begins to log, makes the data folder, hears signals and hands a [`Start`] to whoever
//! serves. Going down is soft first ([`Shutdown::draining`]), then hard ([`Shutdown::ended`]); both are values, and so is
//! every configuration that a reload accepts.

mod announce;
mod exit;
mod logging;
mod modes;
mod shutdown;
mod signals;
mod token;

pub use announce::Announce;
pub use exit::{Exit, USAGE};
pub use shutdown::{Shutdown, Stage, Stopper, shutdown};
pub use token::Token;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::config::{self, Config, Sources};
use crate::health::Health;
use logging::Logging;
use signals::{Reloader, Signals};
use token::AdminToken;

/// What a server is started with.
#[derive(Debug)]
pub struct Start {
    /// The configuration, and those that replace it. A change is also told when only certificates were read again.
    pub config: watch::Receiver<Arc<Config>>,
    /// When to go down.
    pub shutdown: Shutdown,
    /// To be told when the process is ready and when it drains.
    pub health: Arc<Health>,
    /// Makes a supervisor of whoever has it.
    pub admin: Token,
    /// To be used once both listeners answer.
    pub announce: Announce,
}

/// How long threads may take to finish what they do once everything else has ended.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Runs `serve` until it ends by itself, or until the process was told twice to end.
pub fn run<S, F>(sources: Sources, serve: S) -> Result<(), Exit>
where
    S: FnOnce(Start) -> F,
    F: Future<Output = Result<(), Exit>>,
{
    let loaded = config::load(&sources)?;
    let logging = Logging::start(loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    raise_open_files();
    let admin = data_folder(&loaded.config.store.path)?;
    let runtime = runtime(loaded.config.store.worker_threads)
        .map_err(|error| Exit::unavailable("threads", error))?;
    let (stopper, shutdown) = shutdown();
    let (told, config) = watch::channel(loaded.config.clone());
    let start = Start {
        config,
        shutdown: shutdown.clone(),
        health: Arc::default(),
        admin: admin.token.clone(),
        announce: Announce { admin },
    };
    let reloader = Reloader {
        sources,
        running: loaded,
        told,
        logging,
    };
    let result = runtime.block_on(supervise(stopper, reloader, start, serve));
    match shutdown.stage() {
        Stage::Ended => runtime.shutdown_background(),
        Stage::Running | Stage::Draining => runtime.shutdown_timeout(LAST_WORK),
    }
    result
}

async fn supervise<S, F>(
    stopper: Stopper,
    reloader: Reloader,
    start: Start,
    serve: S,
) -> Result<(), Exit>
where
    S: FnOnce(Start) -> F,
    F: Future<Output = Result<(), Exit>>,
{
    let signals = Signals::listen().map_err(|error| Exit::unavailable("signals", error))?;
    let shutdown = start.shutdown.clone();
    tokio::spawn(signals.obey(stopper, reloader));
    until_ended(shutdown, serve(start)).await
}

/// What was acknowledged is durable, so the end can come at any point of `served`.
async fn until_ended(
    shutdown: Shutdown,
    served: impl Future<Output = Result<(), Exit>>,
) -> Result<(), Exit> {
    tokio::select! {
        biased;
        result = served => result,
        () = shutdown.ended() => Ok(()),
    }
}

/// Makes the folder, for its owner only, where it is missing; one that is there stays as it is.
fn data_folder(path: &Path) -> Result<AdminToken, Exit> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Exit::data(path, format!("is of no use as the data folder: {error}")))?;
    let admin = AdminToken::of(path)?;
    modes::warn_of_others(path);
    Ok(admin)
}

/// `threads` 0: as many as there are cores.
fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    match if threads == 0 { cores() } else { threads } {
        1 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("parlor")
            .enable_all()
            .build(),
    }
}

/// Every connection is an open file: as many as the system allows us.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::debug!(?maximum, "limit of open files raised"),
        Err(error) => tracing::warn!(?current, %error, "the limit of open files stays as it is"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_data_folder_is_made_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/data");
        assert!(data_folder(&path).unwrap().fresh);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_file_is_no_data_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = data_folder(file.path()).unwrap_err();
        assert_eq!(refused.code(), 74);
        let path = file.path().display().to_string();
        assert!(refused.to_string().starts_with(&path), "{refused}");
        assert!(refused.to_string().contains("data folder"), "{refused}");
    }

    #[tokio::test]
    async fn the_second_request_to_end_does_not_wait_for_the_server() {
        let (stopper, shutdown) = shutdown();
        let served = async {
            assert_eq!(stopper.advance(), Stage::Draining);
            assert_eq!(stopper.advance(), Stage::Ended);
            std::future::pending().await
        };
        until_ended(shutdown, served).await.unwrap();
    }

    #[tokio::test]
    async fn the_servers_own_end_is_told() {
        let (_stopper, shutdown) = shutdown();
        let served = async { Err(Exit::unavailable("127.0.0.1:8080", "taken")) };
        let exit = until_ended(shutdown, served).await.unwrap_err();
        assert_eq!(
            (exit.code(), exit.to_string().as_str()),
            (69, "127.0.0.1:8080: taken")
        );
    }

    #[test]
    fn one_thread_is_a_runtime_of_its_own_kind() {
        use tokio::runtime::RuntimeFlavor;
        let flavor = |threads| runtime(threads).unwrap().handle().runtime_flavor();
        assert_eq!(flavor(1), RuntimeFlavor::CurrentThread);
        assert_eq!(flavor(2), RuntimeFlavor::MultiThread);
    }
}
