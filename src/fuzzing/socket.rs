//! A WebSocket's bytes: whatever a client sends, and in whatever pieces it comes, it is told the same.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use crate::bayeux::ConnectionId;
use crate::clock::Clock;
use crate::transport::websocket::{Visitor, serve};
use crate::transport::{
    Application, Connection, Gone, Handle, Hello, Options, Party, PublishDone, Refused, Registry,
};

/// Where the id of the socket's client stands in an input. An id is as long.
const PLACEHOLDER: &[u8; 22] = b"CCCCCCCCCCCCCCCCCCCCCC";
/// What the server says at most to each byte that it is sent; an answer repeats the id and the channel of its message.
const ANSWER_PER_BYTE: usize = 64;
const ANSWER_MAX: usize = 64 * 1024;

/// Frames as a client of a socket sends them, after its handshake. The first byte says in which pieces they come: what is
/// answered is the same as when all come at once.
pub fn websocket(bytes: &[u8]) {
    let Some((piece, frames)) = bytes.split_first() else {
        return;
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    let at_once = talk(&runtime, frames, usize::MAX);
    let in_pieces = talk(&runtime, frames, usize::from(*piece).max(1));
    assert!(at_once.len() <= ANSWER_MAX + ANSWER_PER_BYTE * frames.len());
    assert!(
        at_once == in_pieces,
        "another answer when it comes in pieces"
    );
}

/// What the server says, but for [what is never the same](without_ids).
fn talk(runtime: &Runtime, frames: &[u8], piece: usize) -> Vec<u8> {
    let registry = Registry::new(Arc::new(Deaf), Options::default(), Clock::system());
    let ids = Arc::new(Mutex::new(Vec::new()));
    let hello = frame(br#"[{"id":"1","channel":"/meta/handshake","version":"1.0"}]"#);
    let script = Script {
        client: Arc::clone(&ids),
        ..Script::new([&hello, frames].concat(), piece)
    };
    let said = Arc::clone(&script.said);
    let visitor = Visitor::new(&Request::new(()).into_parts().0, connection());
    let script = Script {
        pause_at: hello.len(),
        ..script
    };
    let serving = serve(registry, script, Bytes::new(), visitor);
    runtime.block_on(serving);
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let own = ids.lock().unwrap_or_else(PoisonError::into_inner);
    without_ids(&said, &own)
}

fn connection() -> Connection {
    Connection {
        id: ConnectionId(1),
        address: Ipv4Addr::LOCALHOST.into(),
        secure: false,
    }
}

/// A text frame of a client, masked with zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or_default();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// What was said without what is never the same: ids of clients, which chance makes, and numbers, which may be times.
fn without_ids(said: &[u8], own: &[u8]) -> Vec<u8> {
    let mut said = said.to_vec();
    let mut at = 0;
    while let Some(found) = id_after(&said, at) {
        said[found..found + PLACEHOLDER.len()].fill(b'-');
        at = found;
    }
    for place in 0..said.len().saturating_sub(own.len()) {
        if !own.is_empty() && said[place..].starts_with(own) {
            said[place..place + own.len()].fill(b'-');
        }
    }
    said.dedup_by(|one, before| one.is_ascii_digit() && before.is_ascii_digit());
    said.into_iter()
        .map(|byte| if byte.is_ascii_digit() { b'#' } else { byte })
        .collect()
}

/// Where the next id stands.
fn id_after(said: &[u8], from: usize) -> Option<usize> {
    const NAME: &[u8] = br#""clientId":""#;
    let found = said
        .get(from..)?
        .windows(NAME.len())
        .position(|window| window == NAME)?;
    let start = from + found + NAME.len();
    (start + PLACEHOLDER.len() <= said.len()).then_some(start)
}

/// An application that agrees to everything and says nothing.
struct Deaf;

impl Application for Deaf {
    fn handshake(&self, _: Hello<'_>, _: Handle) -> Result<Arc<dyn Party>, Refused> {
        Ok(Arc::new(Self))
    }

    fn may_send(&self, _: std::net::IpAddr) -> bool {
        true
    }
}

impl Party for Deaf {
    fn may_subscribe(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn subscribed(&self, _: &str) {}
    fn unsubscribed(&self, _: &str) {}
    fn may_publish(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn publish(&self, _: &str, _: Box<RawValue>, done: PublishDone) {
        done.ok();
    }
    fn too_often(&self, _: &str, _: &RawValue, done: PublishDone) {
        done.fail("429::too_many_requests");
    }
    fn confirmed(&self, _: u64, _: u64) {}
    fn rewind(&self, _: u64, _: u64) {}
    fn drained(&self) {}
    fn gone(&self, _: Gone) {}
}

/// A connection whose other end sends what is written down, piece by piece with pauses, takes everything, and goes.
pub(super) struct Script {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
    pause_at: usize,
    paused: bool,
    client: Arc<Mutex<Vec<u8>>>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Script {
    pub(super) fn new(bytes: Vec<u8>, piece: usize) -> Self {
        Self {
            bytes,
            at: 0,
            piece,
            pause_at: 0,
            paused: true,
            client: Arc::default(),
            said: Arc::default(),
        }
    }

    /// The client knows its id once it was told, and writes it where its place is.
    fn learn(&mut self) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(start) = id_after(&said, 0).filter(|_| client.is_empty()) {
            *client = said[start..start + PLACEHOLDER.len()].to_vec();
            write_id(&mut self.bytes[self.pause_at..], &client);
        }
    }
}

/// Writes the id into whole data frames that are masked with zeros, and between quotes: nowhere else, because there it would
/// be chance that decides what the frames are.
fn write_id(mut frames: &mut [u8], id: &[u8]) {
    while let Some((opcode, start, length)) = payload_of(frames) {
        let (frame, rest) = frames.split_at_mut(start + length);
        let places = length.saturating_sub(PLACEHOLDER.len() + 1);
        for place in start..start + places {
            let (before, after) = (frame[place], place + 1 + PLACEHOLDER.len());
            let quoted = before == b'"' && frame[after] == b'"';
            if opcode < 3 && quoted && frame[place + 1..after] == *PLACEHOLDER {
                frame[place + 1..after].copy_from_slice(id);
            }
        }
        frames = rest;
    }
}

/// The opcode of the first frame, and where its payload is, if it is whole and as a client's that is masked with zeros.
fn payload_of(frames: &[u8]) -> Option<(u8, usize, usize)> {
    let (opcode, length) = (frames.first()? & 15, frames.get(1)? & 0x7f);
    let (length, head) = match length {
        126 => (
            u16::from_be_bytes(*frames.get(2..)?.first_chunk()?).into(),
            4,
        ),
        127 => return None,
        short => (usize::from(short), 2),
    };
    let masked = frames[1] & 0x80 != 0 && frames.get(head..head + 4)? == [0; 4];
    let whole = head + 4 + length <= frames.len();
    (masked && whole).then_some((opcode, head + 4, length))
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Between two pieces the reader finds out that there is nothing.
        self.paused = !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.learn();
        let until = if self.at < self.pause_at {
            self.pause_at
        } else {
            self.bytes.len()
        };
        let count = (until - self.at).min(self.piece).min(buf.remaining());
        buf.put_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
