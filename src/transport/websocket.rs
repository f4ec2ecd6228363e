//! Bayeux over WebSocket.
//!
//! One task per socket. It writes one frame at a time and asks the session for the next only when that one is flushed, so
//! a peer that reads slowly costs one frame, a few pongs and the session's bounded queue. It goes on reading meanwhile, unless
//! too many messages are unanswered, or too many pings: the library answers those by itself, after the frame. A peer that takes
//! nothing for half a minute is cut off.
//!
//! The library keeps buffers as large as the largest frame it has seen. So it is there only while something moves: once
//! nothing has for a second or two, everything written is flushed and everything read is consumed, the socket is taken out
//! of it, and only a word or the next bytes bring it back. A socket whose client cut a message into several frames is never known to be so far again, and
//! keeps its buffers.

mod moving;

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Registry;
use super::metered::Metered;
use super::peer::{End, Peer};
use moving::Socket;

pub use super::upgrade::{Visitor, is_upgrade, upgrade};

/// Bytes read at once: the library's default is thirty times as much.
const READ_BUFFER: usize = 4096;
/// A socket is taken out of the library when nothing has moved for about so long. Sooner, somebody who talks would pay for
/// it with every message.
const REST_AFTER: Duration = Duration::from_secs(1);
/// A socket that speaks for no client is closed after so long, whatever it says.
const UNBOUND_IDLE: Duration = Duration::from_secs(60);
/// How a socket ends on which nobody said hello.
const IDLE: End = End::Close(CloseCode::Normal, "idle");

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
    serve_resting(registry, io, early, visitor, REST_AFTER)
}

/// As [`serve`], of a socket that rests when nothing has moved for about `rest_after`.
pub(crate) fn serve_resting<S>(
    registry: Arc<Registry>,
    io: S,
    early: Bytes,
    visitor: Visitor,
    rest_after: Duration,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut sleeper = Sleeper {
        rest_after,
        bound: Instant::now(),
        message_max: registry.config().max_message_size,
        peer: Peer::new(registry, visitor),
    };
    let mut io = Metered::new(io, early.len());
    let mut news = News::Read(early.to_vec());
    async move {
        // Boxed, so that it costs nothing while nothing moves.
        while let Some(quiet) = Box::pin(sleeper.move_on(io, news)).await {
            io = quiet;
            news = sleeper.sleep(&mut io).await;
        }
    }
}

/// What there is of a socket while nothing moves, beside the IO.
struct Sleeper {
    peer: Peer,
    message_max: usize,
    rest_after: Duration,
    /// When it last spoke for a client.
    bound: Instant,
}

/// What ends the quiet.
enum News {
    /// These bytes have come. None at all: the other end has gone, which shows again.
    Read(Vec<u8>),
    /// There may be something to write.
    Woken,
    /// Nobody has said hello for too long.
    Late,
}

impl Sleeper {
    /// Goes on until nothing moves, and gives the IO back; or to the socket's end.
    async fn move_on<S>(&mut self, io: Metered<S>, news: News) -> Option<Metered<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if !self.peer.is_unbound() {
            self.bound = Instant::now();
        }
        let late = matches!(news, News::Late);
        let early = match news {
            News::Read(bytes) => bytes,
            News::Woken | News::Late => Vec::new(),
        };
        let mut socket = Socket::open(self, io, early).await;
        let end = match late {
            true => Some(IDLE),
            false => socket.run().await,
        };
        match end {
            None => Some(socket.into_io()),
            Some(end) => {
                socket.end(end).await;
                None
            }
        }
    }

    /// Waits for something to do, with nothing but the IO.
    async fn sleep<S: AsyncRead + Unpin>(&mut self, io: &mut Metered<S>) -> News {
        let until = self.bound + UNBOUND_IDLE;
        let unbound = self.peer.is_unbound();
        let mut late = unbound.then(|| Box::pin(sleep_until(until)));
        let mut woken = pin!(self.peer.signal().woken());
        poll_fn(|cx| {
            let mut room = [const { MaybeUninit::uninit() }; READ_BUFFER];
            let mut buffer = ReadBuf::uninit(&mut room);
            if Pin::new(&mut *io).poll_read(cx, &mut buffer).is_ready() {
                return Poll::Ready(News::Read(buffer.filled().to_vec()));
            }
            if woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(News::Woken);
            }
            let late = late.as_mut().map(|late| late.as_mut().poll(cx));
            late.unwrap_or(Poll::Pending).map(|()| News::Late)
        })
        .await
    }
}
