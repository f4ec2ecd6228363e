//! Why the process ends, and with which code: those of `sysexits.h`.

use std::error::Error;
use std::path::PathBuf;

use crate::config::Invalid;

/// The code of a wrong command line.
pub const USAGE: u8 = 64;

/// Why the process ends, other than because it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Exit {
    /// A port is taken, or something that is needed does not answer.
    #[error("{what}: {source}")]
    Unavailable {
        /// What, and what to do about it.
        what: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The data folder cannot be read, is damaged, or belongs to another process.
    #[error("{}: {source}", path.display())]
    Data {
        /// The folder, or the file in it.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] Invalid),
}

impl Exit {
    /// Something that is needed is not there.
    pub fn unavailable(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable {
            what: what.into(),
            source: source.into(),
        }
    }

    /// Something is wrong with the data folder.
    pub fn data(path: impl Into<PathBuf>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Data {
            path: path.into(),
            source: source.into(),
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Unavailable { .. } => 69,
            Self::Data { .. } => 74,
            Self::Config(_) => 78,
        }
    }
}
