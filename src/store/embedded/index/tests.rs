use super::*;
use crate::clock::Wall;
use crate::store::embedded::sim::SimDisk;

#[test]
fn the_tables_follow_the_rows() {
    let index = index();
    let row = Row {
        open: true,
        deadline: Some(Instant(7)),
        spread: vec![(1, 100)],
        ..Row::default()
    };
    index
        .write(
            &[(alice(), entry(Some(row.clone())))],
            &Bundle::default(),
            None,
        )
        .unwrap();
    assert_eq!(
        index.due(Instant(7), 9, |_, _| true).unwrap(),
        [(Instant(7), alice())]
    );
    assert_eq!(index.opened(None, 9, |_| true).unwrap(), [alice()]);
    assert_eq!(index.segments().unwrap(), [(1, 100)]);

    let awake = Row {
        awake: true,
        deadline: None,
        spread: vec![(2, 100)],
        ..row
    };
    let no_letters = Bundle::default();
    index
        .write(&[(alice(), entry(Some(awake)))], &no_letters, None)
        .unwrap();
    assert!(index.due(Instant(9), 9, |_, _| true).unwrap().is_empty());
    assert_eq!(index.awake().unwrap(), [alice()]);
    assert_eq!(index.segments().unwrap(), [(2, 100)]);

    index
        .write(&[(alice(), entry(None))], &no_letters, None)
        .unwrap();
    assert_eq!(index.row(alice()).unwrap(), None);
    assert!(index.opened(None, 9, |_| true).unwrap().is_empty());
    assert!(index.segments().unwrap().is_empty());
}

#[test]
fn a_snapshot_and_the_position_read_back() {
    let index = index();
    let kept = Kept {
        records: 3,
        bytes: Arc::from(&b"state"[..]),
    };
    let mut asleep = entry(Some(Row::default()));
    asleep.snapshot = Some(kept.clone());
    let position = Position {
        segment: 1,
        offset: 2,
        sequence: 3,
        group: 4,
    };
    let no_letters = Bundle::default();
    index
        .write(&[(alice(), asleep)], &no_letters, Some(position))
        .unwrap();
    assert_eq!(index.snapshot(alice()).unwrap(), Some(kept));
    assert_eq!(index.position().unwrap(), Some(position));
}

fn index() -> Index {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    Index::create(&disk).unwrap()
}

fn entry(row: Option<Row>) -> Entry {
    Entry::indexed(row)
}

fn alice() -> SessionId {
    SessionId::new(Wall(1), 1)
}

/// The write with which every start began did not keep what a reopening needs: after a crash soon after a start the whole
/// file was read, 3 s with a million chats.
#[test]
fn a_crash_soon_after_a_start_does_not_have_the_whole_index_read() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    drop(Index::create(&disk).unwrap());
    std::mem::forget(Index::open(&disk).unwrap());
    let files = [FILE, SUMS].map(|name| disk.open(name).unwrap());
    let [data, sums] = files;
    let guarded = sums::Guarded::open(data, sums).unwrap();
    let reopened = Database::builder()
        .set_repair_callback(redb::RepairSession::abort)
        .create_with_backend(guarded);
    assert!(reopened.is_ok(), "{:?}", reopened.err());
}
