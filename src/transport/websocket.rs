//! Bayeux over WebSocket.
//!
//! One task per socket. It writes one frame at a time and asks the session for the next only when that one is flushed, so
//! a peer that reads slowly costs one frame and the session's bounded queue. It goes on reading meanwhile, unless too many
//! messages are unanswered.
//!
//! The library's buffers grow with the largest frame and never shrink. After a large one they are thrown away, where it is
//! certain that nothing is in them.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame, Utf8Bytes};

use crate::bayeux;

use super::Registry;
use super::metered::Metered;
use super::peer::{End, Peer};
use super::signal::{Closing, Signal};

pub use super::upgrade::{Visitor, is_upgrade, upgrade};

/// What a connection's buffers hold while nothing moves: the library's default is a hundred times as much.
const READ_BUFFER: usize = 1024;
/// Frames smaller than this share a write.
const WRITE_BUFFER: usize = 4096;
/// Buffers that held more than this are not kept.
const BUFFER_KEPT: usize = 8 * 1024;
/// A peer that takes nothing for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// A socket that speaks for no client is closed after so long, whatever it says.
const UNBOUND_IDLE: Duration = Duration::from_secs(60);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Serves one WebSocket until it ends. `early` is what was read of it already.
pub async fn serve<S>(registry: Arc<Registry>, io: S, early: Bytes, visitor: Visitor)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let message_max = registry.config().max_message_size;
    let io = Metered::new(io, early.len());
    let stream = open(io, early, message_max).await;
    let socket = Socket {
        stream,
        peer: Peer::new(registry, visitor),
        writing: None,
        message_max,
        consumed: 0,
        largest: 0,
        bound: Instant::now(),
        closing: false,
    };
    let (mut socket, end) = socket.run().await;
    socket.peer.release();
    if let End::Close(code, reason) = end {
        socket.close(code, reason).await;
    }
}

/// A socket and its peer.
struct Socket<S> {
    stream: WebSocketStream<Metered<S>>,
    peer: Peer,
    writing: Option<Writing>,
    message_max: usize,
    /// Bytes of the frames that were read, headers included. Less than what was read where a frame is incomplete.
    consumed: u64,
    /// The largest message since the buffers were new.
    largest: usize,
    /// When it last spoke for a client.
    bound: Instant,
    /// The peer has been told the last thing before the close.
    closing: bool,
}

/// A frame that is being written.
struct Writing {
    deadline: Instant,
    written: u64,
}

/// What happened on a socket.
enum Step {
    Frame(Frame),
    Flushed,
    Woken,
    Late,
    Broken(Option<Error>),
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    async fn run(mut self) -> (Self, End) {
        loop {
            if self.writing.is_none()
                && let Err(end) = self.write().await
            {
                return (self, end);
            }
            let end = match self.step().await {
                Step::Frame(frame) => self.read(frame).err(),
                Step::Flushed => {
                    self.writing = None;
                    self = self.shrink().await;
                    None
                }
                Step::Woken => None,
                Step::Late => self.late(),
                Step::Broken(error) => Some(verdict(error.as_ref())),
            };
            if let Some(end) = end {
                return (self, end);
            }
        }
    }

    fn read(&mut self, frame: Frame) -> Result<(), End> {
        self.consumed += wire_length(frame.len());
        self.largest = self.largest.max(frame.len());
        self.peer.take(frame)
    }

    /// Hands the next frame to the library, or ends what is to be ended: after one more frame, not after a backlog.
    async fn write(&mut self) -> Result<(), End> {
        let why = self.peer.signal().closing();
        let last = std::mem::replace(&mut self.closing, why.is_some());
        let messages = if last { None } else { self.peer.next_frame() };
        match (messages, why) {
            (Some(messages), _) => self.feed(bayeux::array(&messages)).await,
            (None, None) => Ok(()),
            (None, Some(Closing::Superseded)) => Err(End::Close(CloseCode::Normal, "superseded")),
            (None, Some(Closing::GoingAway)) => Err(End::Close(CloseCode::Away, "going away")),
        }
    }

    async fn feed(&mut self, array: Vec<u8>) -> Result<(), End> {
        self.largest = self.largest.max(array.len());
        let frame = Frame::Text(String::from_utf8(array).unwrap_or_default().into());
        let ready = poll_fn(|cx| Pin::new(&mut self.stream).poll_ready(cx)).await;
        ready
            .and_then(|()| Pin::new(&mut self.stream).start_send(frame))
            .map_err(|_| End::Gone)?;
        self.writing = Some(Writing {
            deadline: Instant::now() + WRITE_STALL,
            written: self.written(),
        });
        Ok(())
    }

    /// New buffers after a large message. Everything written is flushed; what was read is consumed to the last byte.
    async fn shrink(mut self) -> Self {
        let nothing_read = self.stream.get_ref().read() == self.consumed;
        if self.largest > BUFFER_KEPT && nothing_read {
            let io = self.stream.into_inner();
            self.stream = open(io, Bytes::new(), self.message_max).await;
            self.largest = 0;
        }
        self
    }

    /// The next thing that happens. A timer exists only while something is being written, or nobody has said hello.
    async fn step(&mut self) -> Step {
        let deadline = match &self.writing {
            Some(writing) => Some(writing.deadline),
            None if self.peer.is_unbound() => Some(self.bound + UNBOUND_IDLE),
            None => None,
        };
        if !self.peer.is_unbound() {
            self.bound = Instant::now();
        }
        let reading = self.peer.may_read();
        let writing = self.writing.is_some();
        let signal = Arc::clone(self.peer.signal());
        let stream = Pin::new(&mut self.stream);
        match deadline {
            Some(deadline) => timeout_at(deadline, next(stream, &signal, reading, writing))
                .await
                .unwrap_or(Step::Late),
            None => next(stream, &signal, reading, writing).await,
        }
    }

    /// Time is up: for a peer that took nothing of the frame, or never said hello.
    fn late(&mut self) -> Option<End> {
        let written = self.written();
        match &mut self.writing {
            Some(writing) if writing.written < written => {
                writing.written = written;
                writing.deadline = Instant::now() + WRITE_STALL;
                None
            }
            Some(_) => Some(End::Gone),
            None => Some(End::Close(CloseCode::Normal, "idle")),
        }
    }

    fn written(&self) -> u64 {
        self.stream.get_ref().written()
    }

    /// The closing handshake, as far as the peer plays along.
    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let reason = Utf8Bytes::from_static(reason);
        let frame = CloseFrame { code, reason };
        let farewell = async {
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await
                {
                }
            }
        };
        let _ = timeout(CLOSING, farewell).await;
    }
}

/// Flushes, reads and listens at once; what is not wanted is not polled.
async fn next<S>(
    mut stream: Pin<&mut WebSocketStream<Metered<S>>>,
    signal: &Signal,
    reading: bool,
    writing: bool,
) -> Step
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut woken = pin!(signal.woken());
    poll_fn(|cx| {
        if writing && let Poll::Ready(flushed) = stream.as_mut().poll_flush(cx) {
            return Poll::Ready(match flushed {
                Ok(()) => Step::Flushed,
                Err(error) => Step::Broken(Some(error)),
            });
        }
        if reading && let Poll::Ready(step) = poll_read(stream.as_mut(), cx) {
            return Poll::Ready(step);
        }
        woken.as_mut().poll(cx).map(|()| Step::Woken)
    })
    .await
}

fn poll_read<S>(stream: Pin<&mut WebSocketStream<Metered<S>>>, cx: &mut Context<'_>) -> Poll<Step>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.poll_next(cx).map(|frame| match frame {
        Some(Ok(frame)) => Step::Frame(frame),
        Some(Err(error)) => Step::Broken(Some(error)),
        None => Step::Broken(None),
    })
}

/// A server's end of a WebSocket on `io`, of which `early` has been read.
async fn open<S>(io: Metered<S>, early: Bytes, message_max: usize) -> WebSocketStream<Metered<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(message_max))
        .max_frame_size(Some(message_max));
    WebSocketStream::from_partially_read(io, early.into(), Role::Server, Some(settings)).await
}

/// The bytes of a client's frame: its payload, and the shortest header that can stand before it. A message in several
/// frames takes more, and is never mistaken for less.
fn wire_length(payload: usize) -> u64 {
    let length = match payload {
        0..=125 => 0,
        126..=65_535 => 2,
        _ => 8,
    };
    let mask = 4;
    (2 + length + mask + payload) as u64
}

/// How to end after an error of the library's; the reasons are constants, whatever went wrong.
fn verdict(error: Option<&Error>) -> End {
    match error {
        Some(Error::Capacity(_)) => End::Close(CloseCode::Size, "message too big"),
        Some(Error::Utf8(_)) => End::Close(CloseCode::Invalid, "malformed"),
        Some(Error::Protocol(_)) => End::Close(CloseCode::Protocol, "protocol error"),
        _ => End::Gone,
    }
}
