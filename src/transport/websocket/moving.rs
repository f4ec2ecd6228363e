//! A WebSocket while something moves.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame, Utf8Bytes};

use super::{IDLE, READ_BUFFER, Sleeper, UNBOUND_IDLE};
use crate::bayeux;
use crate::limit;
use crate::transport::metered::Metered;
use crate::transport::peer::End;
use crate::transport::signal::Closing;

/// Frames smaller than this share a write.
const WRITE_BUFFER: usize = 4096;
/// A peer that takes nothing for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// Pongs that may wait, of 127 bytes at most each, before reading stops: whoever asks on and on takes the answers first.
/// It is more than one, so that the few pings of a slow reader hold nothing up that it says meanwhile.
///
/// The library has a bound of its own for what it is to write, which is left open: that would have to be above the largest
/// frame of ours, which may be one message of any size, and it would end the sockets of those it is too narrow for.
/// As no frame is begun before the last is flushed, the library holds one of them and these pongs.
const PONGS_MAX: usize = 4;
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// A socket while something moves.
pub(super) struct Socket<'a, S> {
    stream: WebSocketStream<Metered<S>>,
    sleeper: &'a mut Sleeper,
    writing: Option<Writing>,
    /// Looks every `rest_after` whether anything has moved since.
    rest: Pin<Box<Sleep>>,
    moved: bool,
    /// Where in what was read the frames end that have been taken. Less than that where a frame is incomplete.
    consumed: u64,
    /// The peer has been told the last thing before the close.
    closing: bool,
}

/// A frame that is being written, or the library's answer to one.
struct Writing {
    deadline: Instant,
    written: u64,
    /// Pongs among it.
    pongs: usize,
}

/// What happened on a socket.
enum Step {
    Frame(Frame),
    Flushed,
    Woken,
    Quiet,
    Late,
    Broken(Option<Error>),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Socket<'a, S> {
    /// The socket of `sleeper` on `io`, of which `early` has been read last.
    pub(super) async fn open(sleeper: &'a mut Sleeper, io: Metered<S>, early: Vec<u8>) -> Self {
        let consumed = io.read() - early.len() as u64;
        let rest_after = sleeper.rest_after;
        Self {
            stream: open(io, early, sleeper.message_max).await,
            sleeper,
            writing: None,
            rest: Box::pin(sleep(rest_after)),
            moved: false,
            consumed,
            closing: false,
        }
    }

    /// Ends it, as far as the other end plays along.
    pub(super) async fn end(mut self, end: End) {
        self.sleeper.peer.release();
        if let End::Close(code, reason) = end {
            self.close(code, reason).await;
        }
    }

    /// What is below: nothing moves.
    pub(super) fn into_io(self) -> Metered<S> {
        self.stream.into_inner()
    }

    /// How the socket ends, or `None` once nothing moves.
    pub(super) async fn run(&mut self) -> Option<End> {
        loop {
            if self.writing.is_none()
                && let Err(end) = self.write().await
            {
                return Some(end);
            }
            let step = self.step().await;
            self.moved = true;
            let end = match step {
                Step::Frame(frame) => self.read(frame).err(),
                Step::Flushed => {
                    self.writing = None;
                    None
                }
                Step::Woken => None,
                Step::Quiet => return None,
                Step::Late => self.late(),
                Step::Broken(error) => Some(self.broken(error.as_ref())),
            };
            if end.is_some() {
                return end;
            }
        }
    }

    fn read(&mut self, frame: Frame) -> Result<(), End> {
        self.consumed += wire_length(frame.len());
        if frame.is_ping() {
            // The library has an answer to write. It gives nobody more time to take what is being written.
            let writing = self.begin_writing();
            self.writing.get_or_insert(writing).pongs += 1;
        }
        self.sleeper.peer.take(frame)
    }

    /// Hands the next frame to the library, or ends what is to be ended: after one more frame, not after a backlog.
    async fn write(&mut self) -> Result<(), End> {
        let why = self.sleeper.peer.signal().closing();
        let last = std::mem::replace(&mut self.closing, why.is_some());
        let messages = if last {
            None
        } else {
            self.sleeper.peer.next_frame()
        };
        match (messages, why) {
            (Some(messages), _) => self.feed(bayeux::array(&messages)).await,
            (None, None) => Ok(()),
            (None, Some(Closing::Superseded)) => Err(End::Close(CloseCode::Normal, "superseded")),
            (None, Some(Closing::GoingAway)) => Err(End::Close(CloseCode::Away, "going away")),
        }
    }

    async fn feed(&mut self, array: Vec<u8>) -> Result<(), End> {
        let frame = Frame::Text(String::from_utf8(array).unwrap_or_default().into());
        let ready = poll_fn(|cx| Pin::new(&mut self.stream).poll_ready(cx)).await;
        ready
            .and_then(|()| Pin::new(&mut self.stream).start_send(frame))
            .map_err(|_| End::Gone)?;
        self.writing = Some(self.begin_writing());
        Ok(())
    }

    fn begin_writing(&self) -> Writing {
        Writing {
            deadline: Instant::now() + WRITE_STALL,
            written: self.written(),
            pongs: 0,
        }
    }

    /// Whether another frame may be read: nothing that a peer sends may leave more and more to be written to it.
    fn may_read(&self) -> bool {
        let pongs = self.writing.as_ref().map_or(0, |writing| writing.pongs);
        pongs < PONGS_MAX && self.sleeper.peer.may_read()
    }

    /// The next thing that happens. A timer exists only while something is being written, or nobody has said hello.
    async fn step(&mut self) -> Step {
        let unbound = self.sleeper.peer.is_unbound();
        if !unbound {
            self.sleeper.bound = Instant::now();
        }
        let deadline = match &self.writing {
            Some(writing) => Some(writing.deadline),
            None => unbound.then_some(self.sleeper.bound + UNBOUND_IDLE),
        };
        let next = self.next();
        match deadline {
            Some(deadline) => timeout_at(deadline, next).await.unwrap_or(Step::Late),
            None => next.await,
        }
    }

    /// Flushes, reads and listens at once; what is not wanted is not polled.
    async fn next(&mut self) -> Step {
        let reading = self.may_read();
        let writing = self.writing.is_some();
        let consumed = self.consumed;
        let mut stream = Pin::new(&mut self.stream);
        let (rest, moved) = (&mut self.rest, &mut self.moved);
        let rest_after = self.sleeper.rest_after;
        let mut woken = pin!(self.sleeper.peer.signal().woken());
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
            if woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Woken);
            }
            while rest.as_mut().poll(cx).is_ready() {
                let quiet = reading && !writing && stream.get_ref().read() == consumed;
                if quiet && !std::mem::take(moved) {
                    return Poll::Ready(Step::Quiet);
                }
                rest.as_mut().reset(Instant::now() + rest_after);
            }
            Poll::Pending
        })
        .await
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
            Some(_) => {
                self.sleeper.peer.stalled();
                Some(End::Gone)
            }
            None => Some(IDLE),
        }
    }

    /// The listener has TCP give up a peer that takes nothing, which may come before the time here is up.
    fn broken(&self, error: Option<&Error>) -> End {
        let timed_out =
            |error: &Error| matches!(error, Error::Io(io) if io.kind() == ErrorKind::TimedOut);
        if self.writing.is_some() && error.is_some_and(timed_out) {
            self.sleeper.peer.stalled();
        }
        verdict(error)
    }

    fn written(&self) -> u64 {
        self.stream.get_ref().written()
    }

    /// The closing handshake, as far as the peer plays along. Where it has said goodbye first, the library takes no close of
    /// ours: it has its answer ready, and writes it when it is asked to read on.
    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let reason = Utf8Bytes::from_static(reason);
        let frame = CloseFrame { code, reason };
        let farewell = async {
            let _ = self.stream.close(Some(frame)).await;
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await {}
        };
        let _ = timeout(CLOSING, farewell).await;
    }
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
async fn open<S>(io: Metered<S>, early: Vec<u8>, message_max: usize) -> WebSocketStream<Metered<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(message_max))
        .max_frame_size(Some(message_max));
    WebSocketStream::from_partially_read(io, early, Role::Server, Some(settings)).await
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
        Some(Error::Capacity(_)) => {
            limit::reached("[cometd] maxMessageSize");
            End::Close(CloseCode::Size, "message too big")
        }
        Some(Error::Utf8(_)) => End::Close(CloseCode::Invalid, "malformed"),
        Some(Error::Protocol(_)) => End::Close(CloseCode::Protocol, "protocol error"),
        _ => End::Gone,
    }
}
