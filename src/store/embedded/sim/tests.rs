use super::*;

#[test]
fn what_was_synced_survives_a_power_loss() {
    let disk = SimDisk::new();
    let file = disk.create("log/a").unwrap();
    file.write_at(b"safe", 0).unwrap();
    file.sync().unwrap();
    disk.sync_folder("log").unwrap();
    disk.lose_power(7);
    let mut bytes = [0; 4];
    disk.open("log/a").unwrap().read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"safe");
}

#[test]
fn what_was_not_synced_survives_in_parts() {
    let survivors = (1..50).map(|seed| {
        let disk = SimDisk::new();
        let file = disk.create("a").unwrap();
        file.resize(4096).unwrap();
        file.sync().unwrap();
        disk.sync_folder("").unwrap();
        file.write_at(&[1; 4096], 0).unwrap();
        disk.lose_power(seed * 7919);
        let mut bytes = [0; 4096];
        disk.open("a").unwrap().read_at(&mut bytes, 0).unwrap();
        bytes.iter().filter(|byte| **byte == 1).count()
    });
    let survivors: std::collections::BTreeSet<_> = survivors.collect();
    assert!(survivors.len() > 2, "{survivors:?}");
}

#[test]
fn a_dead_machine_changes_nothing_more() {
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    disk.die_after(2);
    file.write_at(b"one", 0).unwrap();
    assert!(file.write_at(b"twotwo", 3).is_err());
    assert!(file.write_at(b"three", 9).is_err());
    disk.restart();
    let size = disk.open("a").unwrap().size().unwrap();
    assert!((3..9).contains(&size), "perhaps the first part: {size}");
}

#[test]
fn what_a_failed_sync_left_out_no_later_one_writes() {
    let lost = (1..20).filter(|seed| {
        let disk = SimDisk::new();
        let file = disk.create("a").unwrap();
        file.resize(512).unwrap();
        file.sync().unwrap();
        disk.sync_folder("").unwrap();
        disk.fail(Fault::broken(Kind::Sync, Times::Once, 0));
        file.write_at(&[1; 512], 0).unwrap();
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, 511).unwrap();
        assert_eq!(byte, [1], "it can be read until the power is gone");
        disk.lose_power(seed * 7919);
        disk.open("a").unwrap().read_at(&mut byte, 511).unwrap();
        byte == [0]
    });
    assert!(lost.count() > 3);
}

#[test]
fn a_write_that_fails_may_have_done_a_part() {
    let parts = (0..20).map(|spared| {
        let disk = SimDisk::new();
        let file = disk.create("a").unwrap();
        disk.fail(Fault::full(Times::Once, spared));
        for _ in 0..spared {
            file.write_at(&[1; 100], 0).unwrap();
        }
        let error = file.write_at(&[1; 1000], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let size = file.size().unwrap();
        file.write_at(&[1; 1000], 0).unwrap();
        size
    });
    let parts: std::collections::BTreeSet<_> = parts.collect();
    assert!(parts.len() > 10, "{parts:?}");
}

#[test]
fn writes_and_reads_are_done_in_parts_without_harm() {
    let disk = SimDisk::new();
    disk.chop(3);
    let file = disk.create("a").unwrap();
    for round in 0..100_u8 {
        let bytes: Vec<u8> = (0..250).map(|number| number ^ round).collect();
        file.write_at(&bytes, 7).unwrap();
        let mut read = [0; 300];
        assert_eq!(file.read_at(&mut read, 7).unwrap(), 250);
        assert_eq!(read[..250], bytes);
    }
}

#[test]
fn of_the_changes_of_names_the_first_few_survive() {
    let survivors = (1..60).map(|seed| {
        let disk = SimDisk::new();
        disk.create("log/a").unwrap();
        disk.rename("log/a", "log/b").unwrap();
        disk.create("log/c").unwrap();
        disk.lose_power(seed * 7919);
        disk.list("log").unwrap().concat()
    });
    let survivors: std::collections::BTreeSet<_> = survivors.collect();
    let expected = ["", "a", "b", "bc"].map(str::to_owned);
    assert_eq!(survivors, expected.into());
}
