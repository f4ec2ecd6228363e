//! What a start says that cannot go on.

use super::*;
use crate::store::embedded::sim::{Fault, Kind, Times};

/// The disk cannot be read while the store is opened: it opens all the same, or says what to do.
#[test]
fn a_disk_that_cannot_be_read_is_refused_with_advice() {
    let (disk, said) = store_of(&mut Dice(77), End::Closed);
    let mut refused = 0;
    for spared in 0..60 {
        for times in [Times::Once, Times::Forever] {
            let disk = disk.fork();
            disk.fail(Fault::broken(Kind::Read, times, spared));
            let opened = World::try_open(&disk);
            disk.heal();
            match opened {
                Err(error) => {
                    advised(&error.to_string());
                    refused += 1;
                }
                Ok(engine) => {
                    inspect(&engine, &said, "", &Hurt::Cut(0), "").unwrap();
                }
            }
            let engine = World::try_open(&disk).unwrap();
            inspect(&engine, &said, "", &Hurt::Cut(0), "").unwrap();
        }
    }
    assert!(refused > 0);
}

/// What fails while the store is opened is named. With no room, on a disk that copies what is written over, all that was said
/// was that there is none.
#[test]
fn a_disk_that_cannot_be_written_is_refused_with_the_files_name() {
    let (used, said) = store_of(&mut Dice(78), End::Killed);
    let mut refused = 0;
    for (disk, said) in [(SimDisk::new(), All::new()), (used, said)] {
        for spared in 0..60 {
            for fault in [
                Fault::broken(Kind::Write, Times::Forever, spared),
                Fault::broken(Kind::Sync, Times::Forever, spared),
                Fault::full(Times::Forever, spared),
            ] {
                let disk = disk.fork();
                disk.fail(fault);
                let opened = World::try_open(&disk);
                disk.heal();
                match opened {
                    Err(error) => {
                        advised(&error.to_string());
                        refused += 1;
                    }
                    Ok(engine) => inspect(&engine, &said, "", &Hurt::Remove, "").unwrap(),
                }
            }
        }
    }
    assert!(refused > 0);
}

/// Of a file of another user it was said that the disk may be full.
#[test]
fn who_owns_a_file_is_advised_where_that_is_the_trouble() {
    let said = |kind: std::io::ErrorKind| OpenError::Io(kind.into()).to_string();
    let denied = said(std::io::ErrorKind::PermissionDenied);
    assert!(
        denied.contains("check who owns it and its mode"),
        "{denied}"
    );
    let full = said(std::io::ErrorKind::StorageFull);
    assert!(full.contains("has room, then start again"), "{full}");
}

/// A refusal says what to look at, and what to do.
fn advised(said: &str) {
    let names = ["FORMAT", "secret", "index.", "log/", "log:", "simulated"];
    assert!(names.iter().any(|name| said.contains(name)), "{said}");
    let advice = ["see that the disk is sound", "check who owns it"];
    assert!(advice.iter().any(|word| said.contains(word)), "{said}");
}
