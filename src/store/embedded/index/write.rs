//! Rows, and the tables that follow them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};

use super::*;

struct Tables<'t> {
    sessions: Table<'t, Key, &'static [u8]>,
    snapshots: Table<'t, Key, &'static [u8]>,
    deadlines: Table<'t, (u64, Key), ()>,
    open: Table<'t, Key, ()>,
    awake: Table<'t, Key, ()>,
    segments: Table<'t, u32, u64>,
    /// What `segments` is to hold in the end, where something changed: every session of a write is in the same few.
    held: BTreeMap<u32, u64>,
}

pub(super) fn write_entries(
    write: &WriteTransaction,
    entries: &[(SessionId, Entry)],
) -> Result<(), Trouble> {
    // Neighbours share pages.
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_unstable_by_key(|(session, _)| *session);
    let mut tables = Tables {
        sessions: write.open_table(SESSIONS)?,
        snapshots: write.open_table(SNAPSHOTS)?,
        deadlines: write.open_table(DEADLINES)?,
        open: write.open_table(OPEN)?,
        awake: write.open_table(AWAKE)?,
        segments: write.open_table(SEGMENTS)?,
        held: BTreeMap::new(),
    };
    for (session, entry) in ordered {
        tables.put(session.to_bytes(), entry)?;
    }
    tables.finish()
}

/// Whether all these tables are there.
pub(super) fn has_entries(read: &ReadTransaction) -> bool {
    read.open_table(SESSIONS).is_ok()
        && read.open_table(SNAPSHOTS).is_ok()
        && read.open_table(DEADLINES).is_ok()
        && read.open_table(OPEN).is_ok()
        && read.open_table(AWAKE).is_ok()
        && read.open_table(SEGMENTS).is_ok()
}

impl Tables<'_> {
    /// Puts one session in place of what is there, and brings the other tables into line.
    fn put(&mut self, key: Key, entry: &Entry) -> Result<(), Trouble> {
        let new = entry.row.as_ref();
        let old = self.exchange(key, new)?;
        let old = old.as_ref();
        let deadline = |row: &Row| row.deadline.map(|deadline| deadline.0);
        let (was, is) = (old.and_then(deadline), new.and_then(deadline));
        if was != is {
            if let Some(was) = was {
                self.deadlines.remove((was, key))?;
            }
            if let Some(is) = is {
                self.deadlines.insert((is, key), ())?;
            }
        }
        mark(
            &mut self.open,
            key,
            old.map(|row| row.open),
            new.map(|row| row.open),
        )?;
        mark(
            &mut self.awake,
            key,
            old.map(|row| row.awake),
            new.map(|row| row.awake),
        )?;
        self.count(old, new)?;
        match (&entry.snapshot, new) {
            (Some(kept), Some(_)) => {
                let bytes = encode_kept(kept);
                self.snapshots.insert(key, bytes.as_slice())?;
            }
            (_, None) => {
                self.snapshots.remove(key)?;
            }
            (None, Some(_)) => {}
        }
        Ok(())
    }

    fn exchange(&mut self, key: Key, new: Option<&Row>) -> Result<Option<Row>, Trouble> {
        let old = match new {
            Some(row) => self.sessions.insert(key, row.encode().as_slice())?,
            None => self.sessions.remove(key)?,
        };
        match old {
            Some(bytes) => Row::decode(bytes.value()).ok_or(Trouble::Damaged).map(Some),
            None => Ok(None),
        }
    }

    /// Moves the bytes of a session from the segments where it was to those where it is.
    fn count(&mut self, old: Option<&Row>, new: Option<&Row>) -> Result<(), Trouble> {
        let spread = |row: Option<&Row>| row.map(|row| row.spread.clone()).unwrap_or_default();
        let (was, is) = (spread(old), spread(new));
        if was == is {
            return Ok(());
        }
        for (segment, bytes) in is {
            *self.held(segment)? += bytes;
        }
        for (segment, bytes) in was {
            let held = self.held(segment)?;
            *held = held.saturating_sub(bytes);
        }
        Ok(())
    }

    fn held(&mut self, segment: u32) -> Result<&mut u64, Trouble> {
        Ok(match self.held.entry(segment) {
            Vacant(place) => {
                let held = self.segments.get(segment)?;
                place.insert(held.map_or(0, |held| held.value()))
            }
            Occupied(place) => place.into_mut(),
        })
    }

    fn finish(mut self) -> Result<(), Trouble> {
        for (segment, held) in self.held {
            match held {
                0 => self.segments.remove(segment)?,
                held => self.segments.insert(segment, held)?,
            };
        }
        Ok(())
    }
}

fn mark(
    table: &mut Table<'_, Key, ()>,
    key: Key,
    was: Option<bool>,
    is: Option<bool>,
) -> Result<(), Trouble> {
    match (was.unwrap_or(false), is.unwrap_or(false)) {
        (false, true) => {
            table.insert(key, ())?;
        }
        (true, false) => {
            table.remove(key)?;
        }
        (true, true) | (false, false) => {}
    }
    Ok(())
}
