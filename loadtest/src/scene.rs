//! People who write to each other at a given rate, and the search for the highest rate that a server holds.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::machine::{self, Process};
use crate::mark::Mark;
use crate::options::{positive, seconds};
use crate::pace::{Clock, Pace};
use crate::report::{Sometimes, progress};
use crate::tally::{Latency, Tally};

/// After the last message of a step: how long what is owed may take.
const DRAIN: Duration = Duration::from_secs(20);

/// After a run: what comes twice comes late.
const LINGER: Duration = Duration::from_secs(1);

/// Of what was due, the share that may be missing where a rate holds: p99 is that of what came.
const MISSING_MAX: f64 = 0.01;

/// Messages that are sent before what has come is read again.
const BURST: usize = 32;

/// Who writes to whom.
pub trait Scene {
    /// Somebody, in turn, writes a message.
    fn write(&mut self, due: Duration) -> Result<()>;
    /// Waits for at most `timeout`, and adds what came: its stream, and its mark.
    fn turn(&mut self, timeout: Duration, came: &mut Vec<(usize, Mark)>) -> Result<()>;
    /// Streams in all.
    fn streams(&self) -> usize;
    /// How many must see each message.
    fn readers(&self) -> u64;
    /// The server, for its CPU time.
    fn server(&self) -> Process;
    /// Everybody says goodbye, so that the server has nobody to remember.
    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How long a rate is held.
#[derive(Args, Clone, Copy, Debug)]
pub struct Steps {
    /// Seconds of each step before its measuring begins.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    pub warm: f64,
    /// Measured seconds of each step.
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = positive)]
    pub length: f64,
    /// The highest p99, in milliseconds, at which a rate counts as held.
    #[arg(long, value_name = "MS", default_value_t = 25.0, value_parser = positive)]
    pub bound: f64,
    /// The first rate, messages per second.
    #[arg(long, value_name = "RATE", default_value_t = 2_000.0, value_parser = positive)]
    pub from: f64,
    /// Only this rate, no search.
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub rate: Option<f64>,
    /// Decides in which order they write: the same number, the same order.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// One rate, and how it went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Messages per second that were offered.
    pub offered: f64,
    /// Deliveries per second of what was due in the measured time.
    pub delivered: f64,
    /// Of these deliveries.
    pub latency: Latency,
    /// Server CPU per delivery, in microseconds.
    pub cpu: f64,
    /// How late the generator itself was at worst, in milliseconds: far more than nothing means that it was the limit.
    pub late: f64,
    /// Of the core that lost most to other guests of the machine, the share that it lost while this was measured.
    pub stolen: f64,
    /// Of what was due in the measured time, the share that never came.
    pub missing: f64,
    /// It was given up: far more was owed than could still come in time.
    pub overloaded: bool,
}

/// What had been used when the measuring began.
struct Sample {
    at: Duration,
    cpu: Duration,
    stolen: Vec<Duration>,
    delivered: u64,
}

/// A scene with its record.
pub struct Stage<S> {
    scene: S,
    clock: Clock,
    tally: Tally,
    word: Sometimes,
    came: Vec<(usize, Mark)>,
}

impl Step {
    /// Whether the server kept up.
    pub fn holds(&self, bound: f64) -> bool {
        !self.overloaded && self.missing <= MISSING_MAX && self.latency.p99 <= bound
    }

    // Why it does not hold, if not for its p99.
    fn trouble(&self) -> String {
        match self.missing {
            _ if self.overloaded => ", overloaded".to_owned(),
            missing if missing > MISSING_MAX => format!(", {:.0} % never came", missing * 100.0),
            _ => String::new(),
        }
    }
}

impl<S: Scene> Stage<S> {
    /// Nobody has said anything yet.
    pub fn new(scene: S) -> Self {
        let tally = Tally::new(scene.streams());
        Self {
            scene,
            clock: Clock::start(),
            tally,
            word: Sometimes::new(),
            came: Vec::new(),
        }
    }

    /// The scene.
    pub fn scene(&mut self) -> &mut S {
        &mut self.scene
    }

    /// Listens a little longer, and lets everybody go. What was wrong, in all.
    pub fn end(&mut self) -> Result<Vec<String>> {
        self.quiet(LINGER)?;
        self.scene.leave()?;
        Ok(self.tally.wrong())
    }

    /// The highest rate that holds: rising by a third until one does not, then between the two;
    /// where the first does not hold, falling until one does. A rate that does not is tried once more: the machine may have
    /// other guests, and what they take for a moment is nobody's limit.
    pub fn search(&mut self, steps: &Steps, mut seen: impl FnMut(&Step)) -> Result<Option<Step>> {
        let mut once = |stage: &mut Self, rate: f64| -> Result<(Step, bool)> {
            let step = stage.step(rate, steps)?;
            progress(format_args!(
                "{rate:.0}/s offered: {:.0}/s delivered, p50 {:.2} ms, p99 {:.2} ms, {:.1} µs CPU, {:.0} % stolen{}",
                step.delivered,
                step.latency.p50,
                step.latency.p99,
                step.cpu,
                step.stolen * 100.0,
                step.trouble()
            ));
            seen(&step);
            Ok((step, step.holds(steps.bound)))
        };
        if let Some(rate) = steps.rate {
            return once(self, rate).map(|(step, holds)| holds.then_some(step));
        }
        let mut run = |stage: &mut Self, rate: f64| match once(stage, rate)? {
            (_, false) => once(stage, rate),
            held => Ok(held),
        };
        let (mut best, mut rate) = (None, steps.from);
        let mut beyond = loop {
            let (step, holds) = run(self, rate)?;
            if holds {
                best = Some(step);
                rate *= 1.33;
            } else if best.is_none() && rate > steps.from / 16.0 {
                rate /= 2.0;
            } else {
                break rate;
            }
        };
        for _ in 0..3 {
            let Some(held) = best else { break };
            let (step, holds) = run(self, f64::midpoint(held.offered, beyond))?;
            if holds {
                best = Some(step)
            } else {
                beyond = step.offered
            }
        }
        Ok(best)
    }

    /// Nobody writes for so long, and everybody goes on polling.
    pub fn quiet(&mut self, length: Duration) -> Result<()> {
        self.word = Sometimes::new();
        let end = self.clock.now() + length;
        while self.clock.now() < end {
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// One rate.
    pub fn step(&mut self, rate: f64, steps: &Steps) -> Result<Step> {
        let (warm, length) = (
            Duration::from_secs_f64(steps.warm),
            Duration::from_secs_f64(steps.length),
        );
        self.word = Sometimes::new();
        // What was lost before is not this step's.
        let debt = self.tally.owed();
        let begin = self.clock.now();
        let (from, until) = (begin + warm, begin + warm + length);
        self.tally.measure(from, until);
        let mut pace = Pace::new(rate, begin, warm + length);
        let (mut before, mut late, mut overloaded) = (None, Duration::ZERO, false);
        while !pace.is_over() && !overloaded {
            late = late.max(self.write_due(&mut pace)?);
            self.turn(pace.idle(self.clock.now()))?;
            if before.is_none() && self.clock.now() >= from {
                before = Some(self.sample()?);
            }
            let owed = self.tally.owed().saturating_sub(debt) as f64;
            overloaded = owed > (rate * self.scene.readers() as f64).max(2_000.0);
        }
        let measured = self.clock.now().min(until).saturating_sub(from);
        let (cpu, stolen) = self.used_since(before)?;
        self.drain(debt)?;
        Ok(Step {
            offered: rate,
            delivered: self.tally.measured as f64 / measured.as_secs_f64().max(1e-3),
            latency: self.tally.latency(),
            cpu,
            late: late.as_secs_f64() * 1e3,
            stolen,
            missing: self.tally.missing(),
            overloaded,
        })
    }

    fn sample(&mut self) -> Result<Sample> {
        Ok(Sample {
            at: self.clock.now(),
            cpu: self.scene.server().cpu()?,
            stolen: machine::stolen(),
            delivered: self.tally.delivered,
        })
    }

    // Since the sample: microseconds of the server's CPU per delivery, and the share that others took of a core.
    fn used_since(&mut self, before: Option<Sample>) -> Result<(f64, f64)> {
        let Some(before) = before else {
            return Ok((0.0, 0.0));
        };
        let cpu = self.scene.server().cpu()?.saturating_sub(before.cpu);
        let deliveries = (self.tally.delivered - before.delivered).max(1);
        let stolen = machine::stolen_share(&before.stolen, self.clock.now() - before.at);
        Ok((cpu.as_secs_f64() * 1e6 / deliveries as f64, stolen))
    }

    fn write_due(&mut self, pace: &mut Pace) -> Result<Duration> {
        let mut late = Duration::ZERO;
        for _ in 0..BURST {
            let now = self.clock.now();
            let Some(due) = pace.due(now) else { break };
            late = late.max(now - due);
            self.scene.write(due)?;
            self.tally.owe(due, self.scene.readers());
        }
        Ok(late)
    }

    fn turn(&mut self, timeout: Duration) -> Result<()> {
        self.scene.turn(timeout, &mut self.came)?;
        let now = self.clock.now();
        for (stream, mark) in self.came.drain(..) {
            self.tally.saw(stream, mark, now);
        }
        let tally = &self.tally;
        self.word
            .say(|| format!("{} delivered, {} owed", tally.delivered, tally.owed()));
        Ok(())
    }

    fn drain(&mut self, debt: u64) -> Result<()> {
        let end = self.clock.now() + DRAIN;
        while self.tally.owed() > debt && self.clock.now() < end {
            self.turn(Duration::from_millis(1))?;
        }
        Ok(())
    }
}
