//! Joining.

use super::*;

/// A second join of one connection was answered before the first, whose transcript was still being read from the disk,
/// and its own was the older one.
#[test]
fn pipelined_joins_are_answered_in_their_order() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    for _ in 0..40 {
        bench.say(session, &"x".repeat(1024));
    }
    bench.settle();
    let bob = Mailbox::new(7);
    let answers = Answers::default();
    bench.slow = true;
    for name in ["first", "second", "third"] {
        bench.join_as(session, &bob, name, &answers);
        bench.say(session, "meanwhile");
        bench.settle();
        bench.slow = false;
    }
    assert!(
        answers.lock().unwrap().is_empty(),
        "the first is being read"
    );
    assert_eq!(bench.reads.len(), 1);
    let first = bench.reads.pop_front().unwrap();
    let events = bench.events(session, 1, 1 << 20);
    bench
        .shard
        .handle(Input::Fetched(first, Ok(events)), bench.now);
    bench.settle();
    let answers = answers.lock().unwrap();
    let names: Vec<_> = answers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["first", "second", "third"]);
    assert!(answers.is_sorted_by_key(|(_, next)| *next));
    assert_eq!(bench.shard.room(session).unwrap().seats.len(), 1);
}

/// A name for each join, and where its transcript ends.
type Answers = Arc<Mutex<Vec<(&'static str, u64)>>>;

impl Bench {
    fn join_as(
        &mut self,
        session: SessionId,
        viewer: &Arc<Mailbox>,
        name: &'static str,
        answers: &Answers,
    ) {
        let answers = answers.clone();
        let reply = Box::new(move |joined: Result<Joined, Refusal>| {
            let next = joined.unwrap().page.next_position;
            answers.lock().unwrap().push((name, next));
        });
        let ask = Ask::Join {
            join: bob(),
            viewer: viewer.clone(),
            bytes_max: 1 << 20,
            reply,
        };
        self.ask(session, ask);
    }
}
