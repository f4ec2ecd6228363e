//! What was said, and what became of it.

use super::*;

/// Something that somebody tried to say.
#[derive(Debug)]
pub(in crate::server::worlds) struct Said {
    pub(in crate::server::worlds) text: String,
    pub(in crate::server::worlds) session: SessionId,
    /// Each time it may have happened anew.
    pub(in crate::server::worlds) attempts: Vec<Fate>,
    /// Attempts that were repeated as the same: what the repetition is refused says nothing of the first time.
    pub(in crate::server::worlds) repeated: BTreeSet<usize>,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::worlds) enum Fate {
    /// Nobody knows, and perhaps nobody ever will.
    Unknown,
    Done,
    Failed,
}

/// Everything that was said, and how it was answered.
#[derive(Debug, Default)]
pub(in crate::server::worlds) struct Ledger {
    pub(in crate::server::worlds) said: Vec<Said>,
    /// Chats asked for, by nickname: how often, and how often with a good answer.
    pub(in crate::server::worlds) asked: BTreeMap<String, (u64, u64)>,
}

impl Ledger {
    /// Something is said for the first time; its number.
    pub(in crate::server::worlds) fn say(&mut self, session: SessionId, text: String) -> usize {
        self.said.push(Said {
            text,
            session,
            attempts: vec![Fate::Unknown],
            repeated: BTreeSet::new(),
        });
        self.said.len() - 1
    }

    /// It may happen once more.
    pub(in crate::server::worlds) fn try_again(&mut self, said: usize) -> usize {
        self.said[said].attempts.push(Fate::Unknown);
        self.said[said].attempts.len() - 1
    }

    /// An attempt was answered.
    pub(in crate::server::worlds) fn fate(&mut self, said: usize, attempt: usize, fate: Fate) {
        let said = &mut self.said[said];
        let open = fate == Fate::Failed && said.repeated.contains(&attempt);
        let known = &mut said.attempts[attempt];
        if *known != Fate::Done {
            *known = if open { Fate::Unknown } else { fate };
        }
    }

    /// An attempt is made again as the same.
    pub(in crate::server::worlds) fn repeat(&mut self, said: usize, attempt: usize) {
        self.said[said].repeated.insert(attempt);
    }

    /// What was acknowledged is there once; what was refused is not; of the rest, no more than was tried.
    pub(in crate::server::worlds) fn check(&self, disk: &Platter) {
        for said in &self.said {
            let count = |fate| said.attempts.iter().filter(|one| **one == fate).count() as u64;
            let (done, unknown) = (count(Fate::Done), count(Fate::Unknown));
            let (stored, _) = disk.told(said.session, &said.text);
            assert!(
                (done..=done + unknown).contains(&stored),
                "{:?} stands {stored} times in {}: {said:?}",
                said.text,
                said.session
            );
        }
        for (nickname, (asked, given)) in &self.asked {
            let begun = disk.book.values().filter(|events| {
                events
                    .first()
                    .is_some_and(|(event, _)| event.from.nickname == *nickname)
            });
            let begun = begun.count() as u64;
            assert!(
                (*given..=*asked).contains(&begun),
                "{nickname} asked {asked} times for a chat, was given {given}, and has {begun}"
            );
        }
    }
}
