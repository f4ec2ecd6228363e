//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::error::Invalid;
use super::meant::Role;
use super::sources::{Assignment, Sources};

/// `parlor`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "parlor",
    version,
    about = "A push-first chat gateway: nothing acknowledged is ever lost, on any transport",
    after_help = "Without a command, parlor serves. Example:\n  parlor --config parlor.toml --public 0.0.0.0:8080"
)]
pub struct Cli {
    /// What to do; `None`: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where configuration comes from.
    #[command(flatten)]
    pub flags: Flags,
}

/// What `parlor` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve until told to end (this is the default)
    #[command(after_help = "Example:\n  parlor serve --config parlor.toml --set log.level=debug")]
    Serve,
    /// Look at the configuration
    #[command(after_help = "Example:\n  parlor config check --config parlor.toml")]
    Config {
        /// How.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Prepare agents
    #[command(after_help = "Example:\n  parlor agent token ann --nickname Ann --role supervisor")]
    Agent {
        /// How.
        #[command(subcommand)]
        command: AgentCommand,
    },
}

/// `parlor config`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell whether the configuration is valid: exit code 0, or 78 with every mistake on stderr
    #[command(
        after_help = "Example:\n  parlor config check --config parlor.toml && kill -HUP $(pidof parlor)"
    )]
    Check,
    /// Print the effective values and where each came from; secrets are hidden
    #[command(
        after_help = "Example:\n  PARLOR__LOG__LEVEL=debug parlor config show --config parlor.toml"
    )]
    Show,
    /// Print the documented default file
    #[command(after_help = "Example:\n  parlor config default > parlor.toml")]
    Default,
}

/// `parlor agent`.
#[derive(Clone, Debug, Subcommand)]
pub enum AgentCommand {
    /// Print a fresh token, and the lines of configuration that accept it; nothing is written
    #[command(after_help = "Example:\n  parlor agent token ann --nickname Ann --role supervisor")]
    Token(TokenArgs),
}

/// `parlor agent token`.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// Name of the section: letters, digits and -_.@
    #[arg(value_name = "ID", value_parser = agent_id)]
    pub id: String,
    /// What customers see [default: the ID]
    #[arg(long, value_name = "NICKNAME")]
    pub nickname: Option<String>,
    /// What it may do
    #[arg(long, value_enum, default_value = "agent")]
    pub role: Role,
}

/// Where configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// File with the configuration [env: PARLOR_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Data folder, `[store] path` [env: PARLOR_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<String>,
    /// Address that faces customers, `[server] public`
    #[arg(long, value_name = "ADDR", global = true)]
    pub public: Option<String>,
    /// Address that never does, `[server] internal`
    #[arg(long, value_name = "ADDR", global = true)]
    pub internal: Option<String>,
    /// Value of an option (repeatable) [env: PARLOR__SECTION__OPTION]
    #[arg(long, value_name = "SECTION.OPTION=VALUE", global = true, value_parser = assignment)]
    pub set: Vec<Assignment>,
}

impl Flags {
    /// These flags, and what the environment says.
    pub fn sources(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Sources, Invalid> {
        let named = [
            ("--data-dir", "store.path", &self.data_dir),
            ("--public", "server.public", &self.public),
            ("--internal", "server.internal", &self.internal),
        ];
        let named = named.into_iter().filter_map(|(flag, path, value)| {
            Some(Assignment {
                flag: flag.into(),
                path: path.into(),
                value: value.clone()?,
            })
        });
        let flags = self.set.iter().cloned().chain(named).collect();
        Sources::new(self.config.clone(), flags, environment)
    }
}

impl clap::ValueEnum for Role {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Agent, Self::Supervisor, Self::Bot]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.word()))
    }
}

/// The message does not repeat what was written: it may be a secret.
fn assignment(written: &str) -> Result<Assignment, String> {
    let (path, value) = written
        .split_once('=')
        .ok_or("there is no \"=\" in it; write section.option=value")?;
    Ok(Assignment {
        flag: format!("--set {}", path.trim()),
        path: path.trim().to_owned(),
        value: value.to_owned(),
    })
}

fn agent_id(written: &str) -> Result<String, String> {
    super::agent_id_fits(written)
        .then(|| written.to_owned())
        .ok_or_else(|| "use 1 to 64 letters, digits and -_.@".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_shows_an_example() {
        use clap::CommandFactory as _;
        let mut commands = vec![Cli::command()];
        while let Some(mut command) = commands.pop() {
            let help = command.render_help().to_string();
            assert!(help.contains("xample:\n  "), "{help}");
            let own = command
                .get_subcommands()
                .filter(|one| one.get_name() != "help");
            commands.extend(own.cloned());
        }
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_command() {
        let before = parse(&["--public", "1.2.3.4:5", "serve"]);
        let behind = parse(&["serve", "--public", "1.2.3.4:5"]);
        assert_eq!(before.flags.public, behind.flags.public);
        assert!(parse(&[]).command.is_none());
    }

    #[test]
    fn an_assignment_is_cut_at_the_first_sign() {
        let cli = parse(&["--set", "push.customhttp.url=http://h/?a=b"]);
        let set = &cli.flags.set[0];
        assert_eq!(set.path, "push.customhttp.url");
        assert_eq!(set.value, "http://h/?a=b");
        assert_eq!(set.flag, "--set push.customhttp.url");
    }

    fn parse(args: &[&str]) -> Cli {
        Cli::try_parse_from([&["parlor"], args].concat()).unwrap()
    }
}
