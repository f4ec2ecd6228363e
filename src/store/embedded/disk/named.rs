//! A disk whose errors say which file they are about: "no such file" alone helps nobody.

use std::io;
use std::sync::Arc;

use super::{Disk, File};

/// Another disk, with names in its errors.
#[derive(Debug)]
pub struct Named(pub Arc<dyn Disk>);

#[derive(Debug)]
struct NamedFile {
    file: Arc<dyn File>,
    name: String,
}

impl Named {
    fn file(name: &str, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(NamedFile {
            file,
            name: name.to_owned(),
        })
    }
}

/// The same error, of the same kind, with the name. The folder itself is named by whoever knows where it is.
pub fn named(name: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| match name {
        "" => error,
        name => io::Error::new(error.kind(), format!("{name}: {error}")),
    }
}

impl Disk for Named {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = self.0.open(name).map_err(named(name))?;
        Ok(Self::file(name, file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = self.0.create(name).map_err(named(name))?;
        Ok(Self::file(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to).map_err(named(from))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name).map_err(named(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder).map_err(named(folder))
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        self.0.make_folder(folder).map_err(named(folder))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.0.sync_folder(folder).map_err(named(folder))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.0.lock()
    }
}

impl File for NamedFile {
    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file
            .write_some(bytes, offset)
            .map_err(named(&self.name))
    }

    fn read_some(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file
            .read_some(bytes, offset)
            .map_err(named(&self.name))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync().map_err(named(&self.name))
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size().map_err(named(&self.name))
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.file.resize(size).map_err(named(&self.name))
    }
}
