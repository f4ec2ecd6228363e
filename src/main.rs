//! The `parlor` command.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use parlor::config::cli::{AgentCommand, Cli, Command, ConfigCommand, Flags, TokenArgs};
use parlor::config::{self, DEFAULT_FILE, Invalid, Sources};
use parlor::lifecycle::{self, Exit, Token, USAGE};
use parlor::server;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            complain(&exit.to_string());
            ExitCode::from(exit.code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Exit> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => lifecycle::run(sources(&cli.flags)?, server::run),
        Command::Config { command } => match command {
            ConfigCommand::Check => check(&cli.flags),
            ConfigCommand::Show => show(&cli.flags),
            ConfigCommand::Default => say(DEFAULT_FILE),
        },
        Command::Agent { command } => match command {
            AgentCommand::Token(args) => agent_token(&args),
        },
    }
}

fn check(flags: &Flags) -> Result<(), Exit> {
    let loaded = config::load(&sources(flags)?)?;
    for warning in &loaded.warnings {
        complain(&format!("warning: {warning}"));
    }
    say("configuration is valid\n")
}

fn show(flags: &Flags) -> Result<(), Exit> {
    say(&config::load(&sources(flags)?)?.show())
}

fn agent_token(args: &TokenArgs) -> Result<(), Exit> {
    let token = Token::random()?;
    let nickname = args.nickname.as_deref().unwrap_or(&args.id);
    let lines = config::agent_lines(&args.id, nickname, args.role, &token.sha256());
    complain("The token first: it is shown only now. Then the lines for the configuration file.");
    say(&format!("{}\n\n{lines}", token.expose()))
}

fn sources(flags: &Flags) -> Result<Sources, Invalid> {
    flags.sources(std::env::vars_os())
}

/// A wrong command line, or one that asks for help.
fn refuse(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.use_stderr() {
        true => ExitCode::from(USAGE),
        false => ExitCode::SUCCESS,
    }
}

/// A reader that has seen enough is no error.
fn say(text: &str) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Exit::data("stdout", error)),
        _ => Ok(()),
    }
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
