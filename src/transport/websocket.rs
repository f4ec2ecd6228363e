//! Bayeux over WebSocket.
//!
//! One task per socket. It writes one frame at a time and asks the session for the next only when that one is flushed, so
//! a peer that reads slowly costs one frame, a few pongs and the session's bounded queue. It goes on reading meanwhile, unless
//! too many messages are unanswered, or too many pings. A peer that takes nothing for half a minute is cut off.
//!
//! Buffers are there while something is in them, and no longer: most sockets are idle at any time, and those on which a
//! little moves now and then are as cheap in between.

pub(crate) mod frame;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Registry;
use super::peer::{Close, End, Peer};
use super::signal::{Closing, Signal};
use crate::limit;
use frame::{Fault, Frame, Reader};

pub use super::upgrade::{Visitor, is_upgrade, upgrade};

/// Bytes read at once.
const READ_MAX: usize = 4096;
/// A peer that takes nothing for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// Pongs that may wait, of 127 bytes at most each, before reading stops: whoever asks on and on takes the answers first.
/// It is more than one, so that the few pings of a slow reader hold nothing up that it says meanwhile.
const PONGS_MAX: usize = 4;
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);
/// A socket that speaks for no client is closed after so long, whatever it says.
const UNBOUND_IDLE: Duration = Duration::from_secs(60);
/// How a socket ends on which nobody said hello.
const IDLE: End = End::Close(Close::Normal, "idle");

/// Serves one WebSocket until it ends. `early` is what was read of it already.
pub fn serve<S>(
    registry: Arc<Registry>,
    io: S,
    early: Bytes,
    visitor: Visitor,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut reader = Reader::new(registry.config().max_message_size);
    reader.extend(&early);
    let mut socket = Socket {
        io,
        reader,
        out: Vec::new(),
        sent: 0,
        pongs: 0,
        stalls_at: Instant::now() + WRITE_STALL,
        progress: false,
        unbound: None,
        timer: None,
        closing: false,
        peer: Peer::new(registry, visitor),
    };
    async move { socket.serve().await }
}

/// One socket.
struct Socket<S> {
    io: S,
    peer: Peer,
    reader: Reader,
    /// What is being written, of which `sent` bytes are: a frame of the session's, then pongs. Empty once it is flushed.
    out: Vec<u8>,
    sent: usize,
    /// Pongs in `out`.
    pongs: usize,
    /// When the peer has to have taken some of `out`.
    stalls_at: Instant,
    /// It has since that was set.
    progress: bool,
    /// Since when it speaks for no client.
    unbound: Option<Instant>,
    /// There while something is being waited for that must not take for ever.
    timer: Option<Pin<Box<Sleep>>>,
    /// The peer has been told the last thing before the close.
    closing: bool,
}

/// Something has happened, and there may be something to write; or how the socket ends.
type Step = Result<(), End>;

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn serve(&mut self) {
        let signal = Arc::clone(self.peer.signal());
        let end = self.run(&signal).await;
        self.peer.release();
        match end {
            End::Gone => {}
            End::Close(close, reason) => {
                frame::put_close(&mut self.out, Some(close.code()), reason);
                self.say_goodbye(false).await;
            }
            End::Answer(code) => {
                frame::put_close(&mut self.out, code, "");
                self.say_goodbye(true).await;
            }
        }
    }

    async fn run(&mut self, signal: &Signal) -> End {
        loop {
            if !self.is_writing()
                && let Err(end) = self.write(signal)
            {
                return end;
            }
            if let Err(end) = self.step(signal).await {
                return end;
            }
        }
    }

    /// Begins the next frame, or ends what is to be ended: after one more frame, not after a backlog.
    fn write(&mut self, signal: &Signal) -> Result<(), End> {
        let why = signal.closing();
        let last = std::mem::replace(&mut self.closing, why.is_some());
        let messages = if last { None } else { self.peer.next_frame() };
        match (messages, why) {
            (Some(messages), _) => {
                self.begin_writing();
                self.out = frame::text(&messages);
                Ok(())
            }
            (None, None) => Ok(()),
            (None, Some(Closing::Superseded)) => Err(End::Close(Close::Normal, "superseded")),
            (None, Some(Closing::GoingAway)) => Err(End::Close(Close::Away, "going away")),
        }
    }

    fn is_writing(&self) -> bool {
        !self.out.is_empty()
    }

    fn begin_writing(&mut self) {
        self.stalls_at = Instant::now() + WRITE_STALL;
        self.progress = false;
    }

    /// Whether another frame may be read: nothing that a peer sends may leave more and more to be written to it.
    fn may_read(&self) -> bool {
        self.pongs < PONGS_MAX && self.peer.may_read()
    }

    /// The next thing that happens: flushes, reads and listens at once; what is not wanted is not polled.
    async fn step(&mut self, signal: &Signal) -> Step {
        self.unbound = match self.peer.is_unbound() {
            true => self.unbound.or_else(|| Some(Instant::now())),
            false => None,
        };
        let mut woken = pin!(signal.woken());
        poll_fn(|cx| {
            if self.is_writing()
                && let Poll::Ready(flushed) = self.poll_flush(cx)
            {
                return Poll::Ready(flushed.map_err(|error| self.broken(&error)));
            }
            if let Poll::Ready(step) = self.poll_read(cx) {
                return Poll::Ready(step);
            }
            if woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.poll_late(cx)
        })
        .await
    }

    /// Time is up for a peer that took nothing of what is being written, or never said hello.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let idle_at = self.unbound.map(|since| since + UNBOUND_IDLE);
        let stalls_at = self.is_writing().then_some(self.stalls_at);
        let Some(deadline) = idle_at.into_iter().chain(stalls_at).min() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        // Whoever sends so much that the task has used up its turn is not to stop the clock with it.
        ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
        if idle_at == Some(deadline) {
            return Poll::Ready(Err(IDLE));
        }
        if !self.progress {
            self.peer.stalled();
            return Poll::Ready(Err(End::Gone));
        }
        self.begin_writing();
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let left = &self.out[self.sent..];
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, left))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.sent += written;
            self.progress = true;
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.out = Vec::new();
        self.sent = 0;
        self.pongs = 0;
        Poll::Ready(Ok(()))
    }

    /// Takes the next frame.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if !self.may_read() {
            return Poll::Pending;
        }
        loop {
            if let Some(step) = self.take() {
                return Poll::Ready(step);
            }
            match ready!(poll_read_into(&mut self.io, cx, &mut self.reader)) {
                Ok(0) => return Poll::Ready(Err(End::Gone)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(self.broken(&error))),
            }
        }
    }

    /// Takes a frame that has been read, if one has.
    fn take(&mut self) -> Option<Step> {
        let frame = self.reader.next().transpose()?;
        Some(match frame {
            Ok(Frame::Message(text)) => self.peer.take(&text),
            Ok(Frame::Ping(payload)) => {
                // It gives nobody more time to take what is being written.
                let idle = self.out.is_empty();
                frame::put_pong(&mut self.out, payload);
                self.pongs += 1;
                if idle {
                    self.begin_writing();
                }
                Ok(())
            }
            Ok(Frame::Pong) => Ok(()),
            Ok(Frame::Close(code)) => Err(End::Answer(code)),
            Err(fault) => {
                self.reader.give_up();
                Err(verdict(fault))
            }
        })
    }

    /// The listener has TCP give up a peer that takes nothing, which may come before the time here is up.
    fn broken(&self, error: &io::Error) -> End {
        if self.is_writing() && error.kind() == ErrorKind::TimedOut {
            self.peer.stalled();
        }
        End::Gone
    }

    /// The closing handshake, as far as the peer plays along. `answered`: it has done its part.
    async fn say_goodbye(&mut self, answered: bool) {
        let farewell = async {
            poll_fn(|cx| self.poll_flush(cx)).await?;
            // An answer that cannot be read any more is not waited for. What comes is read all the same: a connection that is
            // dropped with something unread is reset, and the close may be lost with it.
            let deaf = self.reader.has_given_up();
            if !answered && !deaf {
                poll_fn(|cx| self.poll_goodbye(cx)).await?;
            }
            self.io.shutdown().await?;
            if deaf {
                poll_fn(|cx| self.poll_goodbye(cx)).await?;
            }
            io::Result::Ok(())
        };
        let _ = timeout(CLOSING, farewell).await;
    }

    /// Reads on until the other end has said goodbye too, or is gone.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            loop {
                match self.reader.next() {
                    Ok(Some(Frame::Close(_))) => return Poll::Ready(Ok(())),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => self.reader.give_up(),
                }
            }
            if ready!(poll_read_into(&mut self.io, cx, &mut self.reader))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Reads some; how much.
fn poll_read_into<S: AsyncRead + Unpin>(
    io: &mut S,
    cx: &mut Context<'_>,
    reader: &mut Reader,
) -> Poll<io::Result<usize>> {
    let mut room = [const { MaybeUninit::uninit() }; READ_MAX];
    let mut buffer = ReadBuf::uninit(&mut room);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    reader.extend(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// How to end after what cannot be read; the reasons are constants, whatever it was.
fn verdict(fault: Fault) -> End {
    match fault {
        Fault::TooLarge => {
            limit::reached("[cometd] maxMessageSize");
            End::Close(Close::TooBig, "message too big")
        }
        Fault::NotUtf8 => End::Close(Close::Invalid, "malformed"),
        Fault::Protocol => End::Close(Close::Protocol, "protocol error"),
    }
}
