//! A listener: accepts connections, speaks HTTP/1.1 on each, and lets them go in an orderly way.
//!
//! What a connection may cost is bounded here, because the defaults of the libraries are generous: how long a head may
//! take and how long it may be, how long a connection may be idle, how many there may be. When descriptors run out the
//! listener waits instead of spinning. A peer that vanished without a word is noticed by TCP itself.

mod converse;
mod unheard;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::Request;
use hyper::body::Incoming;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::http::slots::Slots;
use crate::http::{Connection, Response};
use crate::server::lean::{Lean, Outcome};
use crate::server::tls::Tls;
use crate::server::wire::Wire;
use converse::converse;

pub use unheard::Unheard;

/// The body of a request: as hyper reads it, or there already.
pub type Body = Either<Incoming, Full<Bytes>>;

/// What answers the requests of a listener.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn call(
        &self,
        request: Request<Body>,
        connection: Arc<Connection>,
    ) -> impl Future<Output = Response> + Send;

    /// Whether requests to this path may be held for long, and very many at a time: they are served with as little memory
    /// as can be.
    fn holds(&self, path: &str) -> bool;

    /// HTTP on this connection is over: it was closed, or upgraded. `clean` says that everything written has reached the
    /// other end: it closed the connection in order, or was idle so long that unacknowledged bytes would have shown.
    fn closed(&self, connection: &Connection, clean: bool);

    /// A head on this connection was no request, or did not come; the connection ends with it.
    fn unheard(&self, connection: &Connection, why: Unheard);
}

/// How a listener treats its connections.
pub struct Options {
    /// Speaks TLS with this.
    pub tls: Option<Arc<Tls>>,
    /// How many connections there may be; those beyond are closed at once.
    pub slots: Arc<Slots>,
    /// A connection whose descriptor is this one or a later one is closed at once. The system gives the lowest that is free:
    /// the rest of the limit of open files is for the store's files, for pushes, and for the other listener.
    pub descriptors: i32,
    /// From accepting to the end of the first request's head, and for the TLS handshake before it.
    pub first_head: Duration,
    /// From one response to the end of the next request's head. Longer than load balancers keep their connections, which
    /// would else send a request into the closing.
    pub idle: Duration,
    /// Bytes of a request's head at most, 8 KiB or more: a longer one is answered 431.
    pub head_bytes: usize,
    /// After which unacknowledged bytes, or unanswered probes, end a connection. Less than `idle`.
    pub silence: Duration,
    /// How long requests under way may take once the listener is draining.
    pub drain: Duration,
}

/// How far the end of a listener has come; it only moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Accepts connections.
    #[default]
    Serving,
    /// Closes the idle ones, and finishes what is under way within [`Options::drain`]. Whoever comes meanwhile is
    /// [late](Connection::late).
    Draining,
    /// Every connection is cut.
    Ended,
}

/// The connections of a process: two listeners share one of these, so that neither closes its door while the other is
/// waiting for somebody.
#[derive(Debug, Default)]
pub struct Ledger {
    next: AtomicU64,
    /// Its receivers are held by connections, also after an upgrade, until the last has gone.
    open: watch::Sender<()>,
}

/// Who has connected, and how it is treated.
pub(super) struct Guest<S> {
    pub(super) connection: Arc<Connection>,
    pub(super) options: Arc<Options>,
    pub(super) service: Arc<S>,
    pub(super) told: watch::Receiver<Stage>,
}

struct Listener<S> {
    options: Arc<Options>,
    service: Arc<S>,
    ledger: Arc<Ledger>,
    told: watch::Receiver<Stage>,
    /// The last connection was turned away because of its descriptor.
    crowded: AtomicBool,
}

impl Options {
    /// The usual treatment, without TLS.
    pub fn new(slots: Arc<Slots>) -> Self {
        Self {
            tls: None,
            slots,
            descriptors: i32::MAX,
            first_head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            head_bytes: 16 * 1024,
            silence: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

impl Ledger {
    fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Serves a bound socket until `stage` has come to its end, and every connection in the ledger has gone or is cut: upgraded
/// ones too, as long as their [`Connection`] is held, but these are not cut. Until then the door stays open: whoever comes
/// late, a probe or a balancer, is told so, which a dead port cannot.
pub async fn serve<S: Service>(
    socket: TcpListener,
    options: Options,
    service: Arc<S>,
    ledger: Arc<Ledger>,
    mut stage: watch::Receiver<Stage>,
) {
    let (tell, told) = watch::channel(Stage::Serving);
    let drain = options.drain;
    let listener = Listener {
        options: Arc::new(options),
        service,
        ledger,
        told,
        crowded: AtomicBool::new(false),
    };
    tokio::select! {
        () = accept(&socket, &listener) => {}
        () = reached(&mut stage, Stage::Draining) => {}
    }
    tell.send_replace(Stage::Draining);
    tokio::select! {
        () = accept(&socket, &listener) => {}
        () = let_go(&listener.ledger, stage, drain, &tell) => {}
    }
}

/// Waits for the last connection, upgraded ones included, and cuts those that take too long.
async fn let_go(
    ledger: &Ledger,
    mut stage: watch::Receiver<Stage>,
    drain: Duration,
    tell: &watch::Sender<Stage>,
) {
    tokio::select! {
        () = ledger.open.closed() => return,
        () = sleep(drain) => tracing::warn!("drain-timeout is over: the connections still open are cut"),
        () = reached(&mut stage, Stage::Ended) => {}
    }
    tell.send_replace(Stage::Ended);
    // Sockets that were upgraded are not the listener's to cut.
    let _ = timeout(Duration::from_secs(1), ledger.open.closed()).await;
}

async fn accept<S: Service>(socket: &TcpListener, listener: &Listener<S>) {
    let mut exhausted = false;
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                exhausted = false;
                listener.admit(stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !exhausted {
                    tracing::error!(%error, "no connection can be accepted at present (raise the limit of open files)");
                }
                exhausted = true;
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The connection died before it was accepted, which says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

impl<S: Service> Listener<S> {
    /// Whether there is a descriptor for this connection; says so once when there is none, and once when there is again.
    fn is_crowded(&self, stream: &TcpStream) -> bool {
        let crowded = stream.as_raw_fd() >= self.options.descriptors;
        if crowded {
            self.options.slots.turn_away();
        }
        let before = self.crowded.swap(crowded, Ordering::Relaxed);
        match (before, crowded) {
            (false, true) => tracing::warn!(
                "limit reached: open files; new connections are closed at once until others have gone"
            ),
            (true, false) => {
                tracing::info!("there are files to open again: connections are accepted")
            }
            (true, true) | (false, false) => {}
        }
        crowded
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        if self.is_crowded(&stream) {
            return;
        }
        let slot = match self.options.slots.take(peer.ip()) {
            Ok(slot) => slot,
            Err(full) => {
                tracing::debug!(%peer, reason = %full, "connection refused");
                return;
            }
        };
        if let Err(error) = prepare(&stream, self.options.silence) {
            tracing::debug!(%peer, %error, "the socket could not be prepared");
        }
        let secure = self.options.tls.is_some();
        let late = *self.told.borrow() >= Stage::Draining;
        // Nobody waits for one who comes late.
        let open = (!late).then(|| self.ledger.open.subscribe());
        let place = Box::new((slot, open));
        let id = self.ledger.next_id();
        let connection = Arc::new(Connection::new(id, peer, secure, Some(place)).late(late));
        let mut told = self.told.clone();
        let broken = Arc::new(AtomicBool::new(false));
        let attendance = attend(
            Wire::new(stream, Arc::clone(&broken)),
            Guest {
                connection: Arc::clone(&connection),
                options: Arc::clone(&self.options),
                service: Arc::clone(&self.service),
                told: self.told.clone(),
            },
        );
        let service = Arc::clone(&self.service);
        tokio::spawn(async move {
            let clean = tokio::select! {
                clean = attendance => clean,
                () = reached(&mut told, Stage::Ended) => false,
            };
            service.closed(&connection, clean && !broken.load(Ordering::Relaxed));
        });
    }
}

/// Small writes go out at once; a peer that is silently gone is found out. It is asked after half of `silence`, and twice more
/// before that is over: the system ends a connection at the second unanswered probe already, if it is over by then, and one
/// lost packet says nothing.
fn prepare(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, silence / 2)?;
    sockopt::set_tcp_keepintvl(stream, (silence / 6).max(Duration::from_secs(1)))?;
    let millis = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, millis)?;
    Ok(())
}

/// Serves a connection from its first byte; whether it ended cleanly. What few connections need is boxed, because the task
/// of a held poll is as large as the largest thing it may come to do.
async fn attend<S: Service>(wire: Wire, guest: Guest<S>) -> bool {
    let first_until = Some(Instant::now() + guest.options.first_head);
    if let Some(tls) = guest.options.tls.clone() {
        return Box::pin(attend_secretly(wire, guest, tls)).await;
    }
    let mut lean = Lean {
        wire,
        guest,
        first_until,
    };
    match lean.serve().await {
        Outcome::Over(clean) => clean,
        Outcome::Beyond(read) => {
            lean.wire.unread(read);
            Box::pin(converse(lean.wire, lean.guest, lean.first_until)).await
        }
    }
}

async fn attend_secretly<S: Service>(wire: Wire, guest: Guest<S>, tls: Arc<Tls>) -> bool {
    match timeout(guest.options.first_head, tls.accept(wire)).await {
        Ok(Ok(stream)) => {
            let first_until = Some(Instant::now() + guest.options.first_head);
            converse(stream, guest, first_until).await
        }
        Ok(Err(error)) => {
            tracing::debug!(peer = %guest.connection.peer, %error, "TLS handshake failed");
            false
        }
        Err(_) => {
            guest.service.unheard(&guest.connection, Unheard::Slow);
            false
        }
    }
}

/// Completes when the stage is `wanted` or later, or whoever decides on it has gone.
pub(super) async fn reached(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

#[cfg(test)]
mod tests;
