//! What is in the folder: the log, the index over it, and what the log says beyond the index.

use super::super::hot::Hot;
use super::super::index::{Index, Position, Trouble};
use super::super::replay::{Broken, Replayed, replay};
use super::super::segments::{FOLDER, Segments};
use super::*;
use crate::id::SessionId;

pub(super) struct Contents {
    pub(super) segments: Segments,
    pub(super) hot: Hot,
    pub(super) index: Index,
    /// Up to where the index knew the log.
    pub(super) from: Position,
    /// The index knew nothing, everything comes from the log.
    pub(super) whole: bool,
    pub(super) replayed: Replayed,
    pub(super) awake: Vec<SessionId>,
}

enum Failure {
    /// It is made anew from the log.
    Index(Trouble),
    Other(OpenError),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Index(trouble)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Io(error) => Self::Other(OpenError::Io(error)),
            Broken::Index(trouble) => Self::Index(trouble),
        }
    }
}

impl Contents {
    /// Reads what there is. An index that turns out to be damaged on the way is made anew.
    pub(super) fn open(disk: &Arc<dyn Disk>, sizes: Sizes) -> Result<Self, OpenError> {
        match Self::with_index(disk, sizes) {
            Ok(Some(contents)) => return Ok(contents),
            Ok(None) => {}
            Err(Failure::Index(trouble)) => {
                tracing::warn!(error = %trouble, "the index is made anew from the log");
            }
            Err(Failure::Other(error)) => return Err(error),
        }
        Self::from_log(disk, sizes).map_err(|failure| match failure {
            Failure::Index(trouble) => {
                OpenError::Io(io::Error::other(format!("index.redb: {trouble}")))
            }
            Failure::Other(error) => error,
        })
    }

    /// By the index; `None` where there is none, or it is to be made anew.
    fn with_index(disk: &Arc<dyn Disk>, sizes: Sizes) -> Result<Option<Self>, Failure> {
        if disk.open(REBUILD).is_ok() {
            return Ok(None);
        }
        let Some(index) = Index::open(disk) else {
            return Ok(None);
        };
        let Some(from) = index.position()? else {
            return Ok(None);
        };
        let segments = segments(disk, sizes)?;
        check_position(from, &segments)?;
        Self::replay(segments, index, from, false).map(Some)
    }

    fn from_log(disk: &Arc<dyn Disk>, sizes: Sizes) -> Result<Self, Failure> {
        let index = Index::create(disk)?;
        let beginning = Position {
            sequence: 1,
            ..Position::default()
        };
        Self::replay(segments(disk, sizes)?, index, beginning, true)
    }

    fn replay(
        segments: Segments,
        index: Index,
        from: Position,
        whole: bool,
    ) -> Result<Self, Failure> {
        let hot = Hot::default();
        let replayed = replay(&segments, &hot, &index, from, whole)?;
        let mut awake = replayed.touched.clone();
        awake.extend(index.awake()?);
        Ok(Self {
            segments,
            hot,
            index,
            from,
            whole,
            replayed,
            awake: awake.into_iter().collect(),
        })
    }
}

fn segments(disk: &Arc<dyn Disk>, sizes: Sizes) -> Result<Segments, Failure> {
    let failed = |error| Failure::Other(OpenError::Io(error));
    Segments::open(disk.clone(), sizes).map_err(failed)
}

fn check_position(position: Position, segments: &Segments) -> Result<(), Failure> {
    if position.segment == 0 || segments.exists(position.segment) {
        return Ok(());
    }
    Err(Failure::Other(OpenError::Corrupt {
        file: format!("{FOLDER}/{:010}.seg", position.segment),
        what: "it is missing".to_owned(),
    }))
}
