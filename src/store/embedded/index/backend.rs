//! The database on any disk.

use super::sums::Guarded;
use super::*;

/// Opens the database that is there.
pub(super) fn open(disk: &Arc<dyn Disk>) -> Result<Database, redb::Error> {
    let file = Guarded::open(disk.open(FILE)?, disk.open(SUMS)?)?;
    database(file)
}

/// Makes an empty one, instead of one that may be there.
pub(super) fn create(disk: &Arc<dyn Disk>) -> Result<Database, redb::Error> {
    let file = Guarded::create(disk.create(FILE)?, disk.create(SUMS)?);
    let database = database(file)?;
    disk.sync_folder("")?;
    Ok(database)
}

fn database(file: Guarded) -> Result<Database, redb::Error> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(file)?;
    // Where there is no room, nothing is written: what is there can be read all the same.
    if is_complete(&database)? {
        return Ok(database);
    }
    let mut write = database.begin_write()?;
    // As every other: one that were not would have the whole file read after a crash.
    write.set_quick_repair(true);
    write_entries(&write, &[]).map_err(plain)?;
    write_letters(&write, &Bundle::default()).map_err(plain)?;
    write.open_table(META)?;
    write.commit()?;
    Ok(database)
}

/// Whether every table is there.
fn is_complete(database: &Database) -> Result<bool, redb::Error> {
    let read = database.begin_read()?;
    Ok(has_entries(&read) && has_letters(&read) && read.open_table(META).is_ok())
}

fn plain(trouble: Trouble) -> redb::Error {
    match trouble {
        Trouble::Redb(error) => *error,
        Trouble::Full => redb::Error::Io(io::ErrorKind::StorageFull.into()),
        other => redb::Error::Corrupted(other.to_string()),
    }
}
