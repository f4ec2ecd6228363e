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
    assert_eq!(disk.open("a").unwrap().size().unwrap(), 6);
}
