use super::*;
use crate::store::embedded::sim::SimDisk;

#[test]
fn the_first_segments_are_small() {
    let sizes = Sizes::default();
    let megabytes = |number| sizes.of(number) >> 20;
    assert_eq!(
        [1, 2, 3, 4, 5, 6, 99].map(megabytes),
        [4, 8, 16, 32, 64, 64, 64]
    );
}

#[test]
fn a_segment_is_full_of_zeros_before_it_is_taken() {
    let segments = segments(&SimDisk::new());
    assert!(segments.take().is_none());
    segments.prepare(false).unwrap();
    let segment = segments.take().unwrap();
    assert_eq!((segment.number, segment.capacity), (1, 4096));
    assert_eq!(segment.file.size().unwrap(), 4096);
}

#[test]
fn a_retired_segment_is_filled_again_under_another_number() {
    let disk = SimDisk::new();
    let segments = segments(&disk);
    segments.prepare(false).unwrap();
    let first = segments.take().unwrap();
    first.file.write_at(b"old", 0).unwrap();
    segments.prepare(false).unwrap();
    segments.retire(1).unwrap();
    segments.prepare(false).unwrap();
    assert_eq!(segments.numbers(), [2, 3]);
    let mut bytes = [1; 3];
    segments.file(3).unwrap().read_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [0; 3]);
}

/// A power loss in the middle left it under its old name, half erased: made anew from the log, the index was said to have
/// damaged records of sessions that were whole, or long gone.
#[test]
fn a_segment_that_is_filled_again_is_never_seen_half_erased() {
    for point in 1..12 {
        for seed in 1..20 {
            let disk = SimDisk::new();
            let segments = segments(&disk);
            segments.prepare(false).unwrap();
            let first = segments.take().unwrap();
            first.file.write_at(&[7; 4096], 0).unwrap();
            first.file.sync().unwrap();
            segments.prepare(false).unwrap();
            segments.retire(1).unwrap();
            disk.die_after(point);
            let _ = segments.prepare(false);
            disk.lose_power(seed * 7919);
            if let Ok(file) = disk.open("log/0000000001.seg") {
                let mut bytes = [0; 4096];
                file.read_at(&mut bytes, 0).unwrap();
                assert_eq!(bytes, [7; 4096], "point {point}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_told_to_who_waits() {
    let disk = SimDisk::new();
    let segments = segments(&disk);
    disk.set_free(100);
    assert!(segments.prepare(false).is_err());
    assert_eq!(
        segments.wait(Duration::ZERO),
        Err(io::ErrorKind::StorageFull)
    );
    disk.set_free(1 << 20);
    segments.prepare(false).unwrap();
    assert_eq!(segments.wait(Duration::ZERO), Ok(()));
}

fn segments(disk: &SimDisk) -> Segments {
    let sizes = Sizes {
        first_bytes: 4096,
        most_bytes: 4096,
    };
    Segments::open(Arc::new(disk.clone()), sizes).unwrap()
}
