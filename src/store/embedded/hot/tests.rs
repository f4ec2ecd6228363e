use super::*;
use crate::clock::Wall;

#[test]
fn a_sleeping_session_leaves_once_it_is_flushed() {
    let hot = Hot::default();
    hot.append(&header(1), Place::NOWHERE);
    hot.put_away(alice(), Arc::from(&b"snapshot"[..]), Some(Instant(5)));
    assert_eq!(hot.due(Instant(5), 9), [(Instant(5), alice())]);
    let taken = hot.take(Take::Resting(9));
    assert_eq!(taken.len(), 1);
    hot.flushed(taken);
    assert!(!hot.has(alice()) && hot.due(Instant(5), 9).is_empty());
}

#[test]
fn a_session_that_woke_during_the_flush_stays() {
    let hot = Hot::default();
    hot.append(&header(1), Place::NOWHERE);
    hot.put_away(alice(), Arc::from(&b"snapshot"[..]), Some(Instant(5)));
    let taken = hot.take(Take::Resting(9));
    hot.append(&header(2), Place::NOWHERE);
    hot.flushed(taken);
    assert!(hot.has(alice()) && hot.due(Instant(5), 9).is_empty());
    assert_eq!(hot.take(Take::Everything).len(), 1);
}

#[test]
fn an_awake_session_is_flushed_with_everything_only() {
    let hot = Hot::default();
    hot.append(&header(1), Place::NOWHERE);
    assert!(hot.take(Take::Resting(9)).is_empty());
    let taken = hot.take(Take::Everything);
    assert_eq!(taken.len(), 1);
    hot.flushed(taken);
    assert!(hot.has(alice()) && hot.take(Take::Everything).is_empty());
}

#[test]
fn a_failed_flush_is_taken_again() {
    let hot = Hot::default();
    hot.append(&header(1), Place::NOWHERE);
    let taken = hot.take(Take::Everything);
    hot.untake(taken);
    assert_eq!(hot.take(Take::Everything).len(), 1);
}

#[test]
fn a_copy_counts_only_if_nothing_was_written_since() {
    let hot = Hot::default();
    hot.append(&header(1), Place::NOWHERE);
    let copy = |records| Row {
        records,
        tail: Place {
            segment: 9,
            offset: 0,
        },
        ..Row::default()
    };
    assert!(!hot.relocate(alice(), copy(2)));
    assert!(hot.relocate(alice(), copy(1)));
    assert_eq!(
        hot.brief(alice()).flatten().map(|b| b.tail.segment),
        Some(9)
    );
}

/// Each write began with the first shard. While more fell asleep than were written, those of the last shards never were, and
/// the rows of one write, being of all times, lay far apart.
#[test]
fn where_many_sleep_each_shard_gives_its_oldest() {
    let hot = Hot::default();
    let mut asleep = vec![Vec::new(); SHARDS];
    for number in 1..=3_000 {
        let session = SessionId::new(Wall(number), number);
        hot.append(&header_of(session, 1), Place::NOWHERE);
        hot.put_away(session, Arc::from(&b"snapshot"[..]), None);
        asleep[shard_of(session)].push(session);
    }
    let taken = hot.take(Take::Resting(3));
    let taken: Vec<_> = taken.iter().map(|(session, _)| session).collect();
    let oldest: Vec<_> = asleep.iter().flat_map(|shard| &shard[..3]).collect();
    assert_eq!(taken, oldest);
    assert_eq!(hot.resting(), 3_000 - 3 * SHARDS);
}

fn alice() -> SessionId {
    SessionId::new(Wall(1), 1)
}

fn header(number: u32) -> Header {
    header_of(alice(), number)
}

fn header_of(session: SessionId, number: u32) -> Header {
    Header {
        payload_bytes: 0,
        payload_crc: 0,
        flags: Flags::default(),
        segment: 1,
        sequence: u64::from(number),
        group: 1,
        ordinal: 0,
        durable_group: 0,
        session,
        number,
        before: Place::NOWHERE,
        first: 1,
        events: 0,
        epoch: 0,
    }
}
