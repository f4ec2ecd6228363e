//! What a shard says of how many sessions it has in memory.

use super::*;

/// Closed chats that can still be read were taken for dormant ones that had woken: the gauge showed too few dormant chats.
#[test]
fn of_those_awake_the_open_ones_are_counted() {
    let mut bench = Bench::new();
    let count = |bench: &Bench| (bench.shard.awake(), bench.shard.awake_and_open());
    bench.hold = true;
    let session = bench.begin(None);
    assert_eq!(count(&bench), (1, 0), "not before the disk has it");
    bench.hold = false;
    bench.settle();
    assert_eq!(count(&bench), (1, 1));
    bench.pass(Duration::from_secs(32));
    assert_eq!(count(&bench), (0, 0), "asleep");
    bench.say(session, "good morning");
    bench.settle();
    assert_eq!(count(&bench), (1, 1), "awake again");
    bench.fail = Some(store::Error::NoSpace);
    bench.say(session, "lost");
    bench.settle();
    assert_eq!(count(&bench), (1, 1), "loaded again");
    bench.fail = None;
    let leave = Command::Remove {
        participant: CUSTOMER,
        quit: chat::QuitReason::Server,
        lost: false,
    };
    let ask = Ask::Submit {
        caller: Caller::Server,
        command: leave,
        also: Also::default(),
        reply: Box::new(|done| assert!(done.is_ok())),
    };
    bench.ask(session, ask);
    bench.settle();
    assert_eq!(count(&bench), (1, 0), "closed, and to be read");
}
