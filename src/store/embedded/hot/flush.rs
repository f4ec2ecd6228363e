//! Writing what is here to the index, and letting go of what rests.

use super::*;

impl Hot {
    /// Sessions whose changes the index is to get. Of those that rest each shard gives the same share, its oldest: they were
    /// begun about the same time, so that their rows lie beside each other, and none waits for those of other shards.
    pub fn take(&self, which: Take) -> Vec<(SessionId, Entry)> {
        let share = match which {
            Take::Resting(each) => each,
            Take::Everything => usize::MAX,
        };
        let mut taken = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let mut ids = shard.drain_resting(share);
            let mut sets = self.sets();
            sets.resting = sets.resting.saturating_sub(ids.len());
            drop(sets);
            if which == Take::Everything {
                ids.append(&mut shard.touched);
            }
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                if let Some(entry) = shard.entries.get(&id).filter(|entry| entry.dirty) {
                    taken.push((id, Entry::clone(entry)));
                }
            }
        }
        taken
    }

    /// The index has got these.
    pub fn flushed(&self, taken: Vec<(SessionId, Entry)>) {
        for (session, entry) in taken {
            self.settle(session, entry.version);
        }
    }

    /// The index has not got these after all.
    pub fn untake(&self, taken: Vec<(SessionId, Entry)>) {
        for (session, _) in taken {
            let mut shard = self.shard(session);
            shard.touched.push(session);
            self.rest(&mut shard, session);
        }
    }

    fn settle(&self, session: SessionId, version: u64) {
        let mut shard = self.shard(session);
        let Some(entry) = shard.entries.get_mut(&session) else {
            return;
        };
        if entry.version != version {
            // It changed in the meantime: it is listed again already, or is listed now.
            shard.touched.push(session);
            return;
        }
        entry.dirty = false;
        entry.snapshot = None;
        let mut sets = self.sets();
        sets.opened.remove(&session);
        if entry.row.as_ref().is_none_or(|row| !row.awake) {
            if let Some(deadline) = entry.row.as_ref().and_then(|row| row.deadline) {
                sets.sleeping.remove(&(deadline, session));
            }
            shard.entries.remove(&session);
            shard.evictions += 1;
        }
    }
}
