//! What happens in a world, one thing after the other: drawn from a seed, and short enough to be read.

use super::dice::Dice;

/// One thing that happens, and how long until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) act: Act,
    /// Who, of those there are.
    pub(super) who: u64,
    /// How.
    pub(super) how: u64,
    /// Milliseconds.
    pub(super) pause: u64,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    CustomerComes,
    CustomerSays,
    CustomerTypes,
    CustomerEnds,
    CustomerReloads,
    CustomerOpensTab,
    CustomerClosesTab,
    CustomerSleeps,
    CustomerIsCut,
    CustomerSwitchesTransport,
    CustomerReadsSlowly,
    AppComes,
    AppSays,
    AppRefreshes,
    AppEnds,
    AgentJoins,
    AgentSays,
    AgentSaysMuch,
    AgentReads,
    AgentLeaves,
    AgentCloses,
    AgentIsCut,
    AgentSwitchesTransport,
    AgentSleeps,
    AgentReadsSlowly,
    NetworkChanges,
    DiskChanges,
    ReceiverChanges,
    ServerIsKilled,
    ServerIsDrained,
    ClockIsSet,
    TimePasses,
}

/// How often each comes, of their sum.
const WEIGHTS: [(Act, u64); 32] = [
    (Act::CustomerComes, 14),
    (Act::CustomerSays, 70),
    (Act::CustomerTypes, 10),
    (Act::CustomerEnds, 3),
    (Act::CustomerReloads, 14),
    (Act::CustomerOpensTab, 8),
    (Act::CustomerClosesTab, 8),
    (Act::CustomerSleeps, 10),
    (Act::CustomerIsCut, 20),
    (Act::CustomerSwitchesTransport, 8),
    (Act::CustomerReadsSlowly, 8),
    (Act::AppComes, 14),
    (Act::AppSays, 40),
    (Act::AppRefreshes, 40),
    (Act::AppEnds, 3),
    (Act::AgentJoins, 40),
    (Act::AgentSays, 90),
    (Act::AgentSaysMuch, 12),
    (Act::AgentReads, 12),
    (Act::AgentLeaves, 10),
    (Act::AgentCloses, 2),
    (Act::AgentIsCut, 16),
    (Act::AgentSwitchesTransport, 6),
    (Act::AgentSleeps, 6),
    (Act::AgentReadsSlowly, 8),
    (Act::NetworkChanges, 16),
    (Act::DiskChanges, 14),
    (Act::ReceiverChanges, 16),
    (Act::ServerIsKilled, 10),
    (Act::ServerIsDrained, 5),
    (Act::ClockIsSet, 5),
    (Act::TimePasses, 16),
];

/// The story of a seed.
pub(super) fn draw(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let length = dice.between(60, 220);
    // Everything begins with somebody to talk to.
    let mut story = vec![
        step(Act::CustomerComes, &mut dice),
        step(Act::AppComes, &mut dice),
        step(Act::AgentJoins, &mut dice),
    ];
    for _ in 0..length {
        let act = choose(&mut dice);
        story.push(step(act, &mut dice));
    }
    story
}

fn choose(dice: &mut Dice) -> Act {
    let mut left = dice.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
    for (act, weight) in WEIGHTS {
        match left.checked_sub(weight) {
            Some(less) => left = less,
            None => return act,
        }
    }
    Act::TimePasses
}

fn step(act: Act, dice: &mut Dice) -> Step {
    let (who, how) = (dice.below(1000), dice.below(1000));
    let pause = match (act, dice.below(20)) {
        (Act::TimePasses, 0..10) => dice.between(1_000, 10_000),
        (Act::TimePasses, _) => dice.between(10_000, 100_000),
        (_, 0..6) => 0,
        (_, 6..14) => dice.between(1, 30),
        (_, 14..19) => dice.between(30, 400),
        _ => dice.between(400, 4_000),
    };
    Step {
        act,
        who,
        how,
        pause,
    }
}
