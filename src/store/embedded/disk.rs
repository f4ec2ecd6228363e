//! What the engine asks of a disk, and the real one.
//!
//! Everything the engine writes goes through these two traits, so that a simulated disk can lose and tear what was not
//! synced.

mod named;

use std::fmt::Debug;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub use named::{Named, named};

const LOCK: &str = "LOCK";

/// A folder on a disk. Names are relative to it, with `/` between a sub-folder and a file.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Makes an empty file, instead of one that may be there.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name; one that had it is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of the files in a sub-folder (`""`: the folder itself), in any order.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes a sub-folder, if it is not there.
    fn make_folder(&self, folder: &str) -> io::Result<()>;

    /// Makes creations, renames and removals in a sub-folder durable.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Takes the folder for this process until the value is dropped; `None`: another process has it.
    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// An open file.
pub trait File: Debug + Send + Sync + 'static {
    /// Writes some of `bytes` at `offset`, from the first on; says how many (`pwrite`).
    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Reads some into `bytes` from `offset` on; says how many, 0 at the end of the file (`pread`).
    fn read_some(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After a failure some of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            match self.write_some(&bytes[written..], offset + written as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads into `bytes` from `offset` on; fewer than asked only at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < bytes.len() {
            match self.read_some(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// Makes what was written durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;

    /// Bytes in the file.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file, or lengthens it with zeros.
    fn resize(&self, size: u64) -> io::Result<()>;
}

/// A folder of the machine. It is locked itself, and a file in it besides: the file may be tidied away, and some file systems
/// lock no folders.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, made with mode 0700 if it is not there.
    pub fn new(path: &Path) -> io::Result<Self> {
        let missing = !path.exists();
        make_private_folder(path)?;
        if let Some(parent) = path.parent().filter(|_| missing) {
            sync_folder(if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            })?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Disk for Folder {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(self.at(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = private_options().truncate(true).open(self.at(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.at(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.at(folder))? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        make_private_folder(&self.at(folder))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        sync_folder(&self.at(folder))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let folder = fs::File::open(&self.path)?;
        match try_lock(&folder) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                let folder = self.path.display();
                tracing::warn!(%folder, %error, "the file system locks no folders: this one is locked by its file LOCK, which is not to be removed");
            }
        }
        let file = private_options().truncate(false).open(self.at(LOCK));
        let file = file.map_err(named(LOCK))?;
        let held = try_lock(&file).map_err(named(LOCK))?;
        Ok(held.then(|| Box::new((folder, file)) as Box<dyn Send + Sync>))
    }
}

/// Takes a file or folder as long as it is open; `false`: somebody else has it.
fn try_lock(file: &fs::File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn read_some(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }
}

/// Whether a failed write means that the disk, or the quota, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn private_options() -> fs::OpenOptions {
    let mut options = fs::File::options();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
