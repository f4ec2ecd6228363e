//! The database on any disk.

use super::*;

pub(super) fn database(file: Arc<dyn File>) -> Result<Database, redb::Error> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(Backend(file))?;
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

/// Lets redb write to whatever disk the engine has.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<dyn File>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.read_at(out, offset)? < out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.resize(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(data, offset)
    }
}
