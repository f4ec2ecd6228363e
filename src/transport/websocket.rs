//! Bayeux over WebSocket.
//!
//! One task per socket. It writes one frame at a time and asks the session for the next only when that one is flushed, so
//! a peer that reads slowly costs one frame and the session's bounded queue. It goes on reading meanwhile, unless too many
//! messages are unanswered.

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

use crate::bayeux::{self, Carrier, Malformed, Message, Request, unknown_client};

use super::Registry;
use super::client::{Client, Closing, Signal};
use super::driver::Visit;
use super::long_poll::array;
use super::metered::Metered;

pub use super::upgrade::{Visitor, is_upgrade, upgrade};

/// What a connection's buffers hold while nothing moves: the library's default is a hundred times as much.
const READ_BUFFER: usize = 1024;
/// Frames smaller than this share a write.
const WRITE_BUFFER: usize = 4096;
/// A peer that takes nothing for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// A socket that speaks for no client is closed after so long.
const UNBOUND_IDLE: Duration = Duration::from_secs(60);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);
/// Replies that wait for a slow peer before reading stops.
const OUTBOX_MAX: usize = 256;

/// Serves one WebSocket until it ends. `early` is what was read of it already.
pub async fn serve<S>(registry: Arc<Registry>, io: S, early: Bytes, visitor: Visitor)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let config = registry.config();
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(config.max_message_size))
        .max_frame_size(Some(config.max_message_size));
    drop(config);
    let io = Metered::new(io);
    let stream =
        WebSocketStream::from_partially_read(io, early.into(), Role::Server, Some(settings)).await;
    let signal = registry.open_socket(visitor.connection.id);
    let mut socket = Socket {
        stream,
        peer: Peer {
            registry,
            visitor,
            signal,
            client: None,
            greeted: false,
            outbox: Vec::new(),
        },
        writing: None,
    };
    let end = socket.run().await;
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
}

/// A frame that is being written.
struct Writing {
    deadline: Instant,
    written: u64,
}

/// Who is at the other end: the part of a socket that knows Bayeux and no frames.
struct Peer {
    registry: Arc<Registry>,
    visitor: Visitor,
    signal: Arc<Signal>,
    client: Option<Arc<Client>>,
    /// The client was made by a handshake on this socket: no other may be used here.
    greeted: bool,
    /// Replies that no session gives.
    outbox: Vec<Bytes>,
}

/// What happened on a socket.
enum Step {
    Frame(Frame),
    Flushed,
    Woken,
    Late,
    Broken(Option<Error>),
}

/// Why a socket ends.
enum End {
    /// The peer is gone.
    Gone,
    /// We close it.
    Close(CloseCode, &'static str),
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    async fn run(&mut self) -> End {
        loop {
            if self.writing.is_none()
                && let Err(end) = self.write().await
            {
                return end;
            }
            let step = self.step().await;
            let end = match step {
                Step::Frame(frame) => self.peer.take(frame).err(),
                Step::Flushed => {
                    self.writing = None;
                    None
                }
                Step::Woken => None,
                Step::Late => self.late(),
                Step::Broken(error) => Some(verdict(error.as_ref())),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Hands the next frame to the library, or ends what is to be ended.
    async fn write(&mut self) -> Result<(), End> {
        let Some(messages) = self.peer.next_frame() else {
            return match self.peer.signal.closing() {
                Some(Closing::Superseded) => Err(End::Close(CloseCode::Normal, "superseded")),
                Some(Closing::GoingAway) => Err(End::Close(CloseCode::Away, "going away")),
                None => Ok(()),
            };
        };
        let text = String::from_utf8(array(&messages)).unwrap_or_default();
        let frame = Frame::Text(text.into());
        let fed = poll_fn(|cx| Pin::new(&mut self.stream).poll_ready(cx)).await;
        fed.and_then(|()| Pin::new(&mut self.stream).start_send(frame))
            .map_err(|_| End::Gone)?;
        self.writing = Some(Writing {
            deadline: Instant::now() + WRITE_STALL,
            written: self.written(),
        });
        Ok(())
    }

    /// The next thing that happens. A timer exists only while something is being written, or nobody has said hello.
    async fn step(&mut self) -> Step {
        let deadline = match &self.writing {
            Some(writing) => Some(writing.deadline),
            None if self.peer.client.is_none() => Some(Instant::now() + UNBOUND_IDLE),
            None => None,
        };
        let reading = self.peer.may_read();
        let writing = self.writing.is_some();
        let signal = Arc::clone(&self.peer.signal);
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

impl Peer {
    /// What is to be written now: replies made here, then what the session has.
    fn next_frame(&mut self) -> Option<Vec<Bytes>> {
        let mut messages = std::mem::take(&mut self.outbox);
        if messages.is_empty()
            && let Some(client) = &self.client
        {
            match client.poll_frame(self.visitor.connection.id) {
                Some(frame) => messages = frame,
                None if client.is_over() => self.let_go(),
                None => {}
            }
        }
        (!messages.is_empty()).then_some(messages)
    }

    fn may_read(&self) -> bool {
        let id = self.visitor.connection.id;
        self.outbox.len() < OUTBOX_MAX
            && self
                .client
                .as_ref()
                .is_none_or(|client| client.may_read(id))
    }

    fn take(&mut self, frame: Frame) -> Result<(), End> {
        match frame {
            Frame::Text(text) => self.read(&text),
            Frame::Binary(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.read(text),
                Err(_) => Err(End::Close(CloseCode::Invalid, "malformed")),
            },
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => Ok(()),
            Frame::Close(_) => Err(End::Close(CloseCode::Normal, "")),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), End> {
        let max = self.registry.config().batch_max;
        let messages = bayeux::parse(text, max).map_err(|why| match why {
            Malformed::Json => End::Close(CloseCode::Invalid, "malformed"),
            Malformed::NotMessages => End::Close(CloseCode::Protocol, "not Bayeux messages"),
            Malformed::TooMany(_) => End::Close(CloseCode::Policy, "too many messages"),
        })?;
        if let Some(handshake) = messages.iter().find(|message| message.is_handshake()) {
            self.greet(handshake);
        } else if !messages.is_empty() {
            self.submit(&messages);
        }
        Ok(())
    }

    fn greet(&mut self, handshake: &Message<'_>) {
        let visit = Visit {
            carrier: Carrier::Socket,
            connection: self.visitor.connection,
            authorization: self.visitor.authorization.as_deref(),
            browser: self.visitor.browser,
            socket: Some(&self.signal),
        };
        let (reply, client) = self.registry.handshake(handshake, &visit);
        self.outbox.push(reply);
        if let Some(client) = client {
            self.let_go();
            self.client = Some(client);
            self.greeted = true;
        }
    }

    fn submit(&mut self, messages: &[Message<'_>]) {
        self.adopt(messages);
        let Some(client) = &self.client else {
            return self.outbox.extend(unknown_client(messages));
        };
        client.handle(bayeux::Input::Request(Request {
            exchange: self.registry.next_exchange(),
            connection: self.visitor.connection.id,
            carrier: Carrier::Socket,
            crowded: false,
            messages,
        }));
    }

    /// A socket on which nobody shook hands speaks for whom its messages name: some clients shake hands over HTTP.
    fn adopt(&mut self, messages: &[Message<'_>]) {
        if self.client.as_ref().is_some_and(|client| client.is_over()) {
            self.let_go();
        }
        if self.greeted && self.client.is_some() {
            return;
        }
        let mut named = messages
            .iter()
            .filter_map(|message| self.registry.client(message));
        let Some(client) = named.next() else {
            return;
        };
        let known = self
            .client
            .as_ref()
            .is_some_and(|known| known.id() == client.id());
        if !known {
            self.let_go();
            client.attach(self.visitor.connection.id, &self.signal);
            self.client = Some(client);
        }
    }

    fn let_go(&mut self) {
        if let Some(client) = self.client.take() {
            client.detach(self.visitor.connection.id);
        }
        self.greeted = false;
    }

    fn release(&mut self) {
        self.let_go();
        self.registry.close_socket(self.visitor.connection.id);
    }
}

impl Drop for Peer {
    /// The task may be dropped at the end of the process; then too the session learns of it.
    fn drop(&mut self) {
        self.release();
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

/// How to end after an error of the library's; the reasons are constants, whatever went wrong.
fn verdict(error: Option<&Error>) -> End {
    match error {
        Some(Error::Capacity(_)) => End::Close(CloseCode::Size, "message too big"),
        Some(Error::Utf8(_)) => End::Close(CloseCode::Invalid, "malformed"),
        Some(Error::Protocol(_)) => End::Close(CloseCode::Protocol, "protocol error"),
        _ => End::Gone,
    }
}
