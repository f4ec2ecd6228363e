//! Refusals that were decided on what the disk had yet to take.

use super::*;

/// With the disk full, a customer who had just asked to leave and wrote again was told for good that it had left and its
/// chat had ended; the leaving was taken back, and the chat went on without it.
#[test]
fn a_refusal_decided_on_what_the_disk_refuses_does_not_stand() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.fail = Some(store::Error::NoSpace);
    let leaving = Ask::Submit {
        caller: Caller::Participant(CUSTOMER),
        command: Command::Release {
            participant: None,
            after: AfterAction::KeepAlive,
            reason: None,
        },
        also: Also::default(),
        reply: Box::new(|_| {}),
    };
    bench.shard.handle(Input::Ask(session, leaving), bench.now);
    let after = bench.say(session, "was I gone?");
    bench.settle();
    let refused = after.lock().unwrap().take().unwrap().unwrap_err();
    assert_eq!(refused, Refusal::Store(store::Error::NoSpace));
    bench.fail = None;
    let kept = bench.say(session, "no");
    bench.settle();
    assert!(kept.lock().unwrap().take().unwrap().is_ok());
}
