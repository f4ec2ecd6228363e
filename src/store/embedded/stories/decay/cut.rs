//! An index that is shorter or longer than it was.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// Wherever an index is cut between two pages it is made anew, however it was left. redb goes by the length of one that a kill
/// left, and ended the process at every start where there was a chat in what was missing.
#[test]
fn an_index_cut_between_two_pages_is_made_anew() {
    for end in ENDS {
        let (disk, said) = store_of(&mut Dice(99), end);
        let pages = disk.contents(INDEX).len() / PAGE;
        for page in (0..pages).step_by(7).chain(pages - 9..pages) {
            let (hurt_disk, hurt) = (disk.fork(), Hurt::Cut(page * PAGE));
            inflict(&hurt_disk, INDEX, &hurt);
            judge(&hurt_disk, &said, INDEX, &hurt)
                .unwrap_or_else(|what| panic!("{end:?}, {page} of {pages} pages: {what}"));
        }
    }
}

/// A crash in the middle of making the index longer leaves it so: nothing is made anew for that.
#[test]
fn an_index_longer_than_it_was_written_goes_on() {
    for end in ENDS {
        let (disk, said) = store_of(&mut Dice(99), end);
        for more in [1, 2, 5, 1000] {
            let longer = disk.fork();
            let file = longer.open(INDEX).unwrap();
            file.resize(file.size().unwrap() + (more * PAGE) as u64)
                .unwrap();
            let engine = World::try_open(&longer).unwrap();
            assert_eq!(
                engine.stats.index_writes.load(Relaxed),
                0,
                "{end:?}, {more}"
            );
            inspect(&engine, &said, "", &Hurt::Remove, "").unwrap();
        }
    }
}
