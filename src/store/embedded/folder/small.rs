//! The small files of the folder: its format and its secret. Each has a checksum, as everything else in the folder.

use super::super::disk::{Disk, named};
use super::super::row::{seal, unseal};
use super::super::segments::FOLDER;
use super::{FORMAT, OpenError};
use crate::store::summed;
use std::io;

const FORMAT_FILE: &str = "FORMAT";
const SECRET_FILE: &str = "secret";
/// The first bytes of the secret's file. A file of 32 bytes and no more is no secret: taken over, it could be a longer one
/// that was cut, and nobody could tell a flipped bit.
const SECRET_MAGIC: [u8; 8] = *b"parsecr1";

/// Sees that this version knows the folder's layout. Every version, also a later one, begins the file with this line.
pub(super) fn check_format(disk: &dyn Disk) -> Result<(), OpenError> {
    let Some(bytes) = contents(disk, FORMAT_FILE)? else {
        refuse_if_used(disk, FORMAT_FILE)?;
        let line = summed::line(&format!("parlor store {FORMAT}"));
        return write_once(disk, FORMAT_FILE, line.as_bytes()).map_err(OpenError::Io);
    };
    let version = summed::text(&bytes)
        .and_then(|text| text.strip_prefix("parlor store "))
        .and_then(|number| number.parse().ok());
    match version {
        Some(FORMAT) => Ok(()),
        Some(version) => Err(OpenError::TooNew { version }),
        None => Err(corrupt(FORMAT_FILE, "it is not as it was written")),
    }
}

/// The secret of the folder; an empty folder gets one made of `random`. A damaged one is refused: with another no key would
/// open its chat any more, and every customer would be told that the key is wrong.
pub(super) fn secret(
    disk: &dyn Disk,
    random: &dyn Fn() -> io::Result<[u8; 32]>,
) -> Result<[u8; 32], OpenError> {
    if let Some(bytes) = contents(disk, SECRET_FILE)? {
        return unsealed(&bytes).ok_or_else(|| corrupt(SECRET_FILE, "it is not as it was written"));
    }
    refuse_if_used(disk, SECRET_FILE)?;
    let secret = random().map_err(OpenError::Io)?;
    let sealed = seal([&SECRET_MAGIC[..], &secret].concat());
    write_once(disk, SECRET_FILE, &sealed).map_err(OpenError::Io)?;
    Ok(secret)
}

fn unsealed(bytes: &[u8]) -> Option<[u8; 32]> {
    let secret = unseal(bytes)?.strip_prefix(&SECRET_MAGIC)?;
    secret.try_into().ok()
}

fn corrupt(file: &str, what: &str) -> OpenError {
    OpenError::Corrupt {
        file: file.to_owned(),
        what: what.to_owned(),
    }
}

/// These files were written before the first segment: where there is one, they are not new but gone.
fn refuse_if_used(disk: &dyn Disk, file: &str) -> Result<(), OpenError> {
    if has_log(disk).map_err(OpenError::Io)? {
        return Err(corrupt(file, "it is missing"));
    }
    Ok(())
}

fn has_log(disk: &dyn Disk) -> io::Result<bool> {
    match disk.list(FOLDER) {
        Ok(names) => Ok(names.iter().any(|name| name.ends_with(".seg"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn contents(disk: &dyn Disk, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let read = || {
        let file = disk.open(name)?;
        let mut bytes = vec![0; usize::try_from(file.size()?.min(4096)).unwrap_or(0)];
        let count = file.read_at(&mut bytes, 0)?;
        bytes.truncate(count);
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::Io(error)),
    }
}

/// Writes a small file so that it is there whole or not at all.
fn write_once(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = format!("{name}.new");
    let file = disk.create(&draft)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&draft, name)?;
    disk.sync_folder("").map_err(named(name))
}
