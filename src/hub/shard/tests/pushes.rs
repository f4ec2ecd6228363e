//! Stories of what a chat owes. alice wants her own events pushed too, so that she can be told of what she says herself.

use super::*;
use crate::hub::seat::Parting;
use crate::push::{Destinations, OWED_MAX, Wish};

#[test]
fn a_push_that_was_given_up_is_kept_once_that_is_durable() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    let posted = bench.pushed[0].clone();
    assert_eq!(bench.owed, 1);
    bench.hold = true;
    bench.ends(&posted, dead());
    assert!(bench.dead_letters.is_empty(), "not before the disk has it");
    bench.hold = false;
    bench.settle();
    let letter = &bench.dead_letters[0];
    assert_eq!(letter.delivery, DeliveryId { session, number: 1 });
    assert_eq!(
        (&*letter.destination, &*letter.reason),
        ("customhttp", "HTTP 404")
    );
    assert_eq!(letter.body, posted.body, "as it was posted");
    assert_eq!(bench.owed, 0);
}

#[test]
fn after_a_crash_the_same_dead_letter_is_made_again() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    bench.ends(&bench.pushed[0].clone(), dead());
    bench.start_again();
    bench.read(session, 0);
    let [before, after] = &bench.dead_letters[..] else {
        panic!("{:?}", bench.dead_letters);
    };
    assert_eq!(before, after, "in the same place, with the same body");
}

#[test]
fn what_is_too_much_becomes_dead_letters_with_their_events() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    for number in 1..OWED_MAX + 3 {
        bench.say(session, &format!("number {number}"));
    }
    bench.settle();
    let bodies: Vec<String> = bench
        .dead_letters
        .iter()
        .map(|letter| String::from_utf8_lossy(&letter.body).into_owned())
        .collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies[0].contains("\"number 1\""), "{}", bodies[0]);
    assert_eq!(bench.owed, i64::try_from(OWED_MAX).unwrap());
    assert_eq!(bench.pushed.len(), 1, "the first is still under way");
}

#[test]
fn what_a_sleeping_chat_owes_is_counted_and_looked_after() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    let not_before = bench.now.instant + Duration::from_secs(3600);
    bench.ends(&bench.pushed[0].clone(), retry(not_before));
    bench.pass(Duration::from_secs(60));
    assert!(bench.asleep.contains_key(&session));
    assert_eq!(bench.owed, 1, "asleep or not");
    bench.start_again();
    bench.owed = 0;
    bench
        .shard
        .handle(Input::PushRecovered("customhttp".into()), bench.now);
    bench.pass(Duration::from_secs(601));
    assert_eq!((bench.owed, bench.pushed.len()), (1, 2), "found again");
}

/// When a receiver was back, each push of a long backlog was read from the store by itself, over the records of all that
/// came after it: catching up was slower the longer the receiver had been down.
#[test]
fn pushes_of_a_backlog_are_read_together() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    for number in 1..20 {
        bench.say(session, &format!("number {number}"));
    }
    let not_before = bench.now.instant + Duration::from_secs(60);
    bench.ends(&bench.pushed[0].clone(), retry(not_before));
    bench.pass(Duration::from_secs(45));
    assert!(bench.asleep.contains_key(&session));
    bench.ask(session, Ask::Fetched(0));
    bench.pass(Duration::from_secs(16));
    for made in 1..=20 {
        assert_eq!(bench.pushed.len(), made + 1, "one after the other");
        bench.ends(&bench.pushed[made].clone(), Outcome::Delivered);
    }
    assert_eq!(bench.owed, 0);
    assert!(bench.read <= 2, "{} reads for 20 pushes", bench.read);
    let last = String::from_utf8_lossy(&bench.pushed[20].body);
    assert!(last.contains("\"number 19\""), "{last}");
}

#[test]
fn a_closed_chat_is_not_forgotten_while_it_owes() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    let not_before = bench.now.instant + Duration::from_secs(7200);
    bench.ends(&bench.pushed[0].clone(), retry(not_before));
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
    bench.pass(Duration::from_secs(7100));
    assert_eq!(bench.pushed.len(), 1, "later than it is readable");
    bench.pass(Duration::from_secs(200));
    assert_eq!(bench.pushed.len(), 2, "the second attempt");
    bench.ends(&bench.pushed[1].clone(), Outcome::Delivered);
    bench.ends(&bench.pushed[2].clone(), Outcome::Delivered);
    bench.pass(Duration::from_secs(2));
    assert!(!bench.disk.contains_key(&session), "forgotten now");
}

/// While the disk was full, a push that had arrived was made again every minute, because its end could not be recorded.
#[test]
fn a_push_whose_end_cannot_be_recorded_is_not_made_again() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    bench.fail = Some(store::Error::NoSpace);
    bench.ends(&bench.pushed[0].clone(), Outcome::Delivered);
    bench.pass(Duration::from_secs(3600));
    assert_eq!(bench.pushed.len(), 1, "while the disk is full");
    assert!(
        bench.commits < 100,
        "which is left in peace: {}",
        bench.commits
    );
    bench.fail = None;
    bench.pass(Duration::from_secs(120));
    assert_eq!(bench.owed, 0, "it is recorded");
    bench.start_again();
    bench.read(session, 0);
    bench.pass(Duration::from_secs(120));
    assert_eq!(bench.pushed.len(), 1);
}

/// A command that the disk refused made the gateway forget that a push was under way: it was made again beside the first.
#[test]
fn a_push_under_way_is_not_made_again_because_the_disk_was_full() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    bench.fail = Some(store::Error::NoSpace);
    bench.say(session, "refused");
    bench.settle();
    bench.fail = None;
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.pushed.len(), 1, "it is under way");
    bench.ends(&bench.pushed[0].clone(), Outcome::Delivered);
    bench.pass(Duration::from_secs(5));
    assert_eq!((bench.owed, bench.pushed.len()), (0, 1));
}

/// A push that failed while nothing could be recorded waits for its next attempt all the same, under the same id.
#[test]
fn a_push_that_fails_while_the_disk_is_full_is_tried_again_when_it_is_not() {
    let mut bench = Bench::new();
    bench.begin_with(None, Some(wish("phone")));
    bench.fail = Some(store::Error::NoSpace);
    let later = bench.now.instant + Duration::from_secs(600);
    bench.ends(&bench.pushed[0].clone(), retry(later));
    bench.pass(Duration::from_secs(300));
    bench.fail = None;
    bench.pass(Duration::from_secs(290));
    assert_eq!(bench.pushed.len(), 1);
    bench.pass(Duration::from_secs(20));
    let [first, second] = &bench.pushed[..] else {
        panic!("{:?}", bench.pushed);
    };
    assert_eq!((first.delivery, first.failed), (second.delivery, 0));
    assert_eq!(second.failed, 1);
}

#[test]
fn a_recovery_ends_with_the_next_failure() {
    let mut bench = Bench::new();
    bench.begin_with(None, Some(wish("phone")));
    let far = bench.now.instant + Duration::from_secs(3600);
    bench.ends(&bench.pushed[0].clone(), retry(far));
    bench.recovered();
    assert_eq!(bench.pushed.len(), 2, "need not wait");
    bench.ends(&bench.pushed[1].clone(), retry(far));
    bench.pass(Duration::from_secs(1300));
    assert_eq!(bench.pushed.len(), 2, "whether it slept and woke or not");
    bench.recovered();
    assert_eq!(bench.pushed.len(), 3);
}

#[test]
fn a_chat_waits_for_a_destination_only_while_it_owes_it_something() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    let soon = bench.now.instant + Duration::from_secs(5);
    bench.ends(&bench.pushed[0].clone(), retry(soon));
    assert!(bench.shard.push_retries["customhttp"].contains(&session));
    bench.pass(Duration::from_secs(6));
    assert_eq!(bench.pushed.len(), 2);
    assert!(bench.shard.push_retries["customhttp"].is_empty());
}

#[test]
fn watching_acknowledges_everything_up_to_then() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin_with(Some(&alice), Some(wish("phone")));
    bench.say(session, "two");
    bench.settle();
    assert!(bench.pushed.is_empty(), "she is there");
    let again = Mailbox::new(2);
    bench.watch(session, &again, None);
    bench.say(session, "three");
    bench.settle();
    bench.ask(session, Ask::Gone(again.id(), Parting::Lost));
    let body = String::from_utf8_lossy(&bench.pushed[0].body).into_owned();
    assert!(body.contains("\"three\""), "{body}");
}

#[test]
fn another_wish_takes_the_place_of_the_first_and_is_stored() {
    let mut bench = Bench::new();
    let session = bench.begin_with(None, Some(wish("phone")));
    bench.ends(&bench.pushed[0].clone(), Outcome::Delivered);
    let alice = Mailbox::new(1);
    bench.hold = true;
    let answered = bench.watch(session, &alice, Some(device("tablet")));
    assert!(!*answered.lock().unwrap(), "not before the disk has it");
    bench.hold = false;
    bench.settle();
    assert!(*answered.lock().unwrap());
    let records = bench.disk[&session].len();
    bench.watch(session, &alice, Some(device("tablet")));
    bench.watch(session, &alice, None);
    assert_eq!(bench.disk[&session].len(), records, "nothing new");
    bench.start_again();
    bench.say(session, "hello");
    bench.settle();
    let body = String::from_utf8_lossy(&bench.pushed[1].body).into_owned();
    assert!(body.contains("\"tablet\""), "{body}");
    assert!(
        body.contains("\"hello\""),
        "the payload is still wished for: {body}"
    );
}

impl Bench {
    fn ends(&mut self, push: &Push, outcome: Outcome) {
        self.shard
            .handle(Input::Settled(push.delivery, outcome), self.now);
        self.settle();
    }

    fn recovered(&mut self) {
        let input = Input::PushRecovered("customhttp".into());
        self.shard.handle(input, self.now);
        self.settle();
    }

    /// The process is killed, and starts again.
    fn start_again(&mut self) {
        let settings = Arc::new(Settings::for_tests());
        let keys = wire::keys::Keys::new([7; 32]);
        self.shard = Shard::new(settings, keys, Arc::default(), self.now);
    }

    fn watch(
        &mut self,
        session: SessionId,
        viewer: &Arc<Mailbox>,
        renewal: Option<Renewal>,
    ) -> Arc<Mutex<bool>> {
        let answered = Arc::new(Mutex::new(false));
        let heard = answered.clone();
        let reply = Box::new(move |view: Result<View, Refusal>| {
            *heard.lock().unwrap() = view.is_ok();
        });
        self.ask(
            session,
            Ask::Watch(viewer.clone(), 1, renewal.map(Box::new), reply),
        );
        answered
    }
}

fn retry(not_before: Instant) -> Outcome {
    Outcome::Retry {
        not_before,
        retry_after: None,
    }
}

fn dead() -> Outcome {
    Outcome::Dead {
        reason: "HTTP 404".into(),
    }
}

fn wish(device: &str) -> Subscription {
    Subscription {
        device_id: device.into(),
        destination: "customhttp".into(),
        include_payload: true,
        resend: false,
        notify_requestor: true,
    }
}

/// A new device, and nothing else.
fn device(id: &str) -> Renewal {
    let user_data = [("push_notification_deviceid".to_owned(), id.to_owned())];
    Renewal {
        wish: Wish::read(&user_data.into(), true).unwrap(),
        include_payload: false,
        known: Destinations::default(),
    }
}
