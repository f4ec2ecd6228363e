//! What lies on the disk: records, frames, rows, and a whole log of them.

use std::path::Path;
use std::sync::Arc;

use super::text;
use crate::clock::Wall;
use crate::id::{DeliveryId, SessionId};
use crate::store::DeadLetterPlace;
use crate::store::codec::{decode_dead_letter, decode_record, decode_snapshot};
use crate::store::codec::{encode_dead_letter, encode_record, encode_snapshot};
use crate::store::embedded::Sizes;
use crate::store::embedded::disk::Disk;
use crate::store::embedded::engine::Engine;
use crate::store::embedded::folder::{self, OpenError};
use crate::store::embedded::frame::{HEADER_BYTES, Header};
use crate::store::embedded::row::{Row, seal, unseal};
use crate::store::embedded::sim::SimDisk;

/// The one segment of a log that is made up.
const SEGMENT: &str = "log/0000000001.seg";
const SEGMENT_BYTES: u32 = 16 << 10;
/// In the header of a frame that is to get the right checksums: the first of two bytes that are zero otherwise.
const TO_BE_SEALED: usize = 6;
const MAGIC: [u8; 4] = [0xF8, b'P', b'L', 0xFF];

/// Stored records, snapshots and dead letters: what is understood reads back the same after it was written, and the error of
/// anything else shows none of it.
pub fn record(bytes: &[u8]) {
    if let Ok(record) = decode_record(bytes) {
        assert!(decode_record(&encode_record(&record)).as_ref() == Ok(&record));
    }
    if let Ok(snapshot) = decode_snapshot(bytes) {
        assert!(decode_snapshot(&encode_snapshot(&snapshot)).as_ref() == Ok(&snapshot));
    }
    let delivery = DeliveryId {
        session: SessionId::from_bytes([0; 12]),
        number: 1,
    };
    let place = DeadLetterPlace {
        at: Wall(1),
        delivery,
    };
    if let Ok(letter) = decode_dead_letter(place, bytes) {
        assert!(decode_dead_letter(place, &encode_dead_letter(&letter)).as_ref() == Ok(&letter));
    }
    if let (Err(error), Some(content)) = (decode_record(bytes), text(bytes)) {
        let told = error.to_string();
        let secret = |word: &&str| word.len() > 12 && told.contains(*word);
        assert!(
            !content
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| secret(&word))
        );
    }
}

/// Frames of the log and rows of the index, whose checksums are put right so that what is behind them is seen.
pub fn frame(bytes: &[u8]) {
    let sealed = sealed(bytes);
    if let Some(header) = Header::decode(&sealed) {
        assert!(Header::decode(&header.encode()) == Some(header));
        assert!(header.frame_bytes() >= HEADER_BYTES + header.payload_bytes as usize);
        let payload = sealed.get(HEADER_BYTES..).unwrap_or_default();
        if header.is_sound(payload) {
            let mut written = Vec::new();
            header.write(payload, &mut written);
            assert_eq!(written.len(), header.frame_bytes());
        }
    }
    let row = seal(bytes.to_vec());
    assert_eq!(unseal(&row), Some(bytes));
    if let Some(row) = Row::decode(&row) {
        assert!(
            row.encode().len() <= bytes.len() + HEADER_BYTES,
            "a row larger than what was read"
        );
        assert!(Row::decode(&row.encode()) == Some(row));
    }
}

/// A whole log of made-up bytes: the store opens, or refuses by name; whatever is in it is read or said to be damaged, and
/// the next start sees the same.
pub fn store(bytes: &[u8]) {
    let disk = SimDisk::new();
    let Ok(fresh) = open(&disk) else {
        panic!("an empty folder is refused");
    };
    drop(fresh);
    let (first, log) = bytes.split_first().unwrap_or((&0, bytes));
    put(&disk, &sealed(log));
    if first & 1 == 1 {
        let _ = disk.remove("index.redb");
    }
    match open(&disk) {
        Ok(engine) => {
            let found = look(&engine);
            drop(engine);
            disk.restart();
            let Ok(again) = open(&disk) else {
                panic!("opened once and not again");
            };
            assert!(look(&again) == found, "another start, other chats");
        }
        Err(error) => assert!(
            matches!(error, OpenError::Corrupt { .. } | OpenError::Io(_)),
            "{error}"
        ),
    }
}

fn open(disk: &SimDisk) -> Result<Engine, OpenError> {
    let sizes = Sizes {
        first_bytes: SEGMENT_BYTES,
        most_bytes: SEGMENT_BYTES,
    };
    folder::open(
        Arc::new(disk.clone()),
        Path::new("simulated"),
        sizes,
        true,
        &|| Ok([7; 32]),
    )
}

fn put(disk: &SimDisk, log: &[u8]) {
    let segment = disk.open(SEGMENT).or_else(|_| disk.create(SEGMENT));
    let log = &log[..log.len().min(SEGMENT_BYTES as usize)];
    let written = segment.and_then(|segment| {
        segment.resize(0)?;
        segment.resize(SEGMENT_BYTES.into())?;
        segment.write_at(log, 0)?;
        segment.sync()
    });
    assert!(written.is_ok());
}

/// The open chats, and whether each can be read.
fn look(engine: &Engine) -> Vec<(SessionId, bool, bool)> {
    let sessions = engine.open_sessions(None, 1_000).unwrap_or_default();
    let look = |session: SessionId| {
        let read = engine.read(session, 1, 1 << 20);
        let loaded = engine.load(session);
        (session, read.is_ok(), loaded.is_ok())
    };
    sessions.into_iter().map(look).collect()
}

/// The bytes with the right checksums in every frame that asks for them.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let mut at = 0;
    while at + HEADER_BYTES <= sealed.len() {
        let frame = &mut sealed[at..];
        if frame[..4] == MAGIC && frame[TO_BE_SEALED] == 1 {
            seal_frame(frame);
        }
        at += 8;
    }
    sealed
}

fn seal_frame(frame: &mut [u8]) {
    frame[TO_BE_SEALED] = 0;
    let mut length = [0; 4];
    length.copy_from_slice(&frame[8..12]);
    let length = u32::from_le_bytes(length) as usize;
    if let Some(payload) = frame.get(HEADER_BYTES..HEADER_BYTES.saturating_add(length)) {
        let crc = crc32fast::hash(payload);
        frame[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&frame[..HEADER_BYTES - 4]);
    frame[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}
