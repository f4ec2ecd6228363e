//! `compare`: Parlor and its peers in turn, by the same generator in the same run.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::bayeux::Transport;
use crate::commands::bayeux::{self, Target};
use crate::options::{positive, some};
use crate::peer::{Kind, Peer};
use crate::report::{Report, number, progress, text};
use crate::scene::{Step, Steps};
use crate::server::Start;

/// Against whom, at what, and how often.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The peers; all but limit-one-request unless given.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "limit,cometd-java,cometd-node,faye"
    )]
    pub peers: Vec<Kind>,
    /// What is measured; all unless given.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "websocket,long-polling,fan-out"
    )]
    pub matches: Vec<Match>,
    /// How often each is measured, in turn with the other.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = some)]
    pub rounds: usize,
    /// Clients that publish to themselves.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = some)]
    pub clients: usize,
    /// Readers of a fan-out.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = some)]
    pub readers: usize,
    /// Seconds of load before a peer's figures count, instead of what it is known to need.
    #[arg(long, value_name = "S", value_parser = positive)]
    pub warm_up: Option<f64>,
    /// The rates.
    #[command(flatten)]
    pub steps: Steps,
}

/// One discipline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Match {
    /// Everybody publishes to themselves over a WebSocket.
    Websocket,
    /// The same over long-polling.
    LongPolling,
    /// One publishes to many, over WebSockets.
    FanOut,
}

impl Match {
    fn transport(self) -> Transport {
        match self {
            Self::Websocket | Self::FanOut => Transport::Websocket,
            Self::LongPolling => Transport::LongPolling,
        }
    }

    fn options(self, options: &Options) -> bayeux::Options {
        // Deliveries are counted, messages are offered: a fan-out begins as many times lower.
        let (fan_out, share) = match self {
            Self::FanOut => (Some(options.readers), 10.0 / options.readers as f64),
            Self::Websocket | Self::LongPolling => (None, 1.0),
        };
        bayeux::Options {
            url: None,
            pid: None,
            transport: self.transport(),
            clients: options.clients,
            fan_out,
            size: 200,
            steps: Steps {
                from: options.steps.from * share,
                rate: options.steps.rate.map(|rate| rate * share),
                ..options.steps
            },
        }
    }
}

/// Runs the sub-command.
pub fn run(options: &Options, start: &Start) -> Result<Report> {
    let columns = [
        "match",
        "peer",
        "parlor/s",
        "peer/s",
        "ratio",
        "parlor µs",
        "peer µs",
        "parlor p99 ms",
        "peer p99 ms",
    ];
    let mut report = Report::new(
        format!(
            "compare: medians of {} rounds each, in turn",
            options.rounds
        ),
        &columns,
    );
    // An edit of the sources while it runs changes nothing.
    let start = start.built()?;
    for &kind in &options.peers {
        let peer = Peer::start(kind, &start.server_cores)?;
        for &game in options
            .matches
            .iter()
            .filter(|game| kind.speaks(game.transport()))
        {
            // What was measured before stays, and the others are measured still.
            if let Err(error) = play(game, kind, &peer, options, &start, &mut report) {
                let name = kind.name();
                report.wrong([format!("at {game:?} beside {name}: {error:#}")]);
            }
        }
    }
    Ok(report)
}

fn play(
    game: Match,
    kind: Kind,
    peer: &Peer,
    options: &Options,
    start: &Start,
    report: &mut Report,
) -> Result<()> {
    let asked = game.options(options);
    let other = Target::Other {
        door: peer.door(),
        process: peer.process(),
    };
    warm_up(game, kind, &other, options)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        progress(format_args!("round {round}: parlor, {game:?}"));
        let parlor = start.parlor(&[])?;
        let mut own = scratch();
        let held = bayeux::measure(&asked, &Target::Parlor(&parlor), &mut own)?;
        ours.push(held.unwrap_or_default());
        report.wrong(own.take_wrong());
        drop(parlor);
        progress(format_args!("round {round}: {}, {game:?}", kind.name()));
        let mut own = scratch();
        theirs.push(bayeux::measure(&asked, &other, &mut own)?.unwrap_or_default());
        // What a peer loses or mixes up under load is said; it shows in the rate that it holds, too.
        for what in own.take_wrong() {
            report.note(format!(
                "{}, round {round} of {game:?}: {what}",
                kind.name()
            ));
        }
    }
    let (our, their) = (median(&ours), median(&theirs));
    let compared = our.delivered > 0.0 && their.delivered > 0.0;
    report.wrong((!compared).then(|| {
        let name = kind.name();
        format!("at {game:?} there is no rate that both hold, Parlor and {name}")
    }));
    report.row(vec![
        text(format!("{game:?}")),
        text(kind.name()),
        number(our.delivered, 0),
        number(their.delivered, 0),
        if compared {
            number(our.delivered / their.delivered, 2)
        } else {
            text("none")
        },
        number(our.cpu, 1),
        number(their.cpu, 1),
        number(our.latency.p99, 1),
        number(their.latency.p99, 1),
    ]);
    Ok(())
}

// At first far below what it holds: one that is not warm yet is slow. At last more than the first step asks of it, for what
// is compiled, and how, depends on the load.
fn warm_up(game: Match, kind: Kind, peer: &Target<'_>, options: &Options) -> Result<()> {
    let length = options.warm_up.unwrap_or(kind.warm_up());
    progress(format_args!(
        "{} warms up for {length} s at {game:?}",
        kind.name()
    ));
    let hot = Steps {
        from: options.steps.from.max(kind.warm_rate()),
        ..options.steps
    };
    let asked = game.options(&Options {
        steps: hot,
        ..options.clone()
    });
    let parts = [0.25, 0.5, 1.0, 2.0];
    for part in parts {
        let steps = Steps {
            rate: Some(asked.steps.from * part),
            length: length / parts.len() as f64,
            ..asked.steps
        };
        let asked = bayeux::Options {
            steps,
            ..asked.clone()
        };
        bayeux::measure(&asked, peer, &mut scratch())?;
    }
    Ok(())
}

// The rates that held on the way are not shown.
fn scratch() -> Report {
    Report::new("", &bayeux::COLUMNS)
}

// The run in the middle; one in which no rate held counts as nothing.
fn median(steps: &[Step]) -> Step {
    let mut steps = steps.to_vec();
    steps.sort_by(|one, other| one.delivered.total_cmp(&other.delivered));
    steps.get(steps.len() / 2).copied().unwrap_or_default()
}
