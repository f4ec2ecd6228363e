//! The network: what carries bytes, late, twice, or not at all.
//!
//! HTTP enters the server where a listener hands it over, WebSockets where an upgraded connection is served.

mod sockets;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Either, Full};
use hyper::Request;
use hyper::header::SET_COOKIE;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::dice::Dice;
use super::life::Life;
use super::time::Time;
use crate::bayeux::ConnectionId;
use crate::http::Connection;
use crate::server::listen::Service;
use crate::server::route::Door;
use crate::server::router::Router;
use crate::transport::{self, websocket};

/// Bytes that a WebSocket holds on its way in either direction.
const PIPE: usize = 2048;

/// How long a connection may be idle, in milliseconds: the listener's patience.
const IDLE: u64 = 75_000;

/// Something that came to somebody.
#[derive(Debug)]
pub(super) enum Arrival {
    /// An answer to a request, which left the server at `at`.
    Answer {
        ticket: u64,
        at: u64,
        status: u16,
        cookie: Option<String>,
        body: Value,
    },
    /// The connection broke before there was an answer.
    Broken { ticket: u64 },
    /// Messages by a WebSocket.
    Frame { socket: u64, at: u64, body: Value },
    /// A WebSocket has ended.
    Closed { socket: u64 },
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer {
                ticket,
                at,
                status,
                body,
                ..
            } => {
                write!(f, "answer to {ticket}, written at {at}: {status} {body}")
            }
            Self::Broken { ticket } => write!(f, "no answer to {ticket}"),
            Self::Frame { socket, at, body } => {
                write!(f, "by socket {socket}, written at {at}: {body}")
            }
            Self::Closed { socket } => write!(f, "socket {socket} is closed"),
        }
    }
}

/// What was asked of which connection.
struct Line {
    connection: Arc<Connection>,
    door: Door,
    call: Option<(u64, JoinHandle<()>)>,
    /// When it was used last.
    used: u64,
}

struct Pipe {
    send: mpsc::UnboundedSender<String>,
    reading: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// One request as a client makes it.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// A proxy may send it twice: it happens once all the same.
    pub(super) once: bool,
}

/// Where arrivals wait for the world.
#[derive(Clone, Default)]
pub(super) struct Inbox {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    pub(super) wake: Arc<Notify>,
}

pub(super) struct Net {
    pub(super) inbox: Inbox,
    lines: BTreeMap<u64, Line>,
    pipes: BTreeMap<u64, Pipe>,
    next: u64,
    pub(super) dice: Dice,
    /// Of a hundred requests so many are lost, and as many answers.
    pub(super) loss: u64,
    pub(super) delay: u64,
    /// Of a hundred requests so many are sent again by a proxy, because it lost the first answer.
    pub(super) twice: u64,
    time: Time,
    /// Nobody listens: connections are refused.
    pub(super) refusing: bool,
    busy: Arc<std::sync::atomic::AtomicUsize>,
}

impl Inbox {
    fn put(&self, arrival: Arrival) {
        self.arrivals.lock().unwrap().push(arrival);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals.lock().unwrap())
    }
}

impl Net {
    pub(super) fn new(seed: u64, time: Time) -> Self {
        Self {
            inbox: Inbox::default(),
            lines: BTreeMap::new(),
            pipes: BTreeMap::new(),
            next: 0,
            dice: Dice::new(seed ^ 0x4E7),
            loss: 0,
            delay: 30,
            twice: 0,
            time,
            refusing: false,
            busy: Arc::default(),
        }
    }

    /// A number that nothing else in this world has.
    pub(super) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Requests under way in the server.
    pub(super) fn busy(&self) -> impl Fn() -> bool + Send + 'static {
        let busy = self.busy.clone();
        move || busy.load(std::sync::atomic::Ordering::SeqCst) > 0
    }

    fn connection(&mut self) -> Arc<Connection> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        Arc::new(Connection::new(self.fresh(), peer, false, None))
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.dice.below(self.delay + 1))
    }

    /// A new connection.
    pub(super) fn connect(&mut self, door: Door) -> u64 {
        let connection = self.connection();
        let id = connection.id;
        let line = Line {
            connection,
            door,
            call: None,
            used: self.time.now(),
        };
        self.lines.insert(id, line);
        id
    }

    /// Whether a connection can take a request.
    pub(super) fn is_free(&self, line: u64) -> bool {
        self.lines.get(&line).is_some_and(|line| {
            let call = line.call.as_ref();
            call.is_none_or(|(_, task)| task.is_finished())
        })
    }

    pub(super) fn is_known(&self, line: u64) -> bool {
        self.lines.contains_key(&line)
    }

    /// The server closes connections that nothing was asked of for long.
    pub(super) fn close_idle(&mut self, life: &Life) {
        let now = self.time.now();
        let idle = |line: &&u64| now > self.lines[*line].used + IDLE && self.is_free(**line);
        let idle: Vec<u64> = self.lines.keys().filter(idle).copied().collect();
        for line in idle {
            self.hang_up(life, line, true);
        }
    }

    /// Sends a request; what becomes of it arrives under this ticket.
    pub(super) fn post(&mut self, life: &Life, line: u64, post: Post) -> u64 {
        let ticket = self.fresh();
        let there = self.pause();
        let back = self.pause();
        let lost = [self.dice.below(100), self.dice.below(100)].map(|dice| dice < self.loss);
        let twice = post.once && self.dice.below(100) < self.twice;
        let proxy = twice.then(|| self.connection());
        let Some(known) = self.lines.get_mut(&line).filter(|_| !self.refusing) else {
            self.inbox.put(Arrival::Broken { ticket });
            return ticket;
        };
        let (connection, door) = (known.connection.clone(), known.door);
        let router = router(life, door);
        let (inbox, time, busy) = (self.inbox.clone(), self.time.clone(), self.busy.clone());
        let task = life.runtime.spawn(async move {
            sleep(there).await;
            if lost[0] {
                router.closed(&connection, false);
                return inbox.put(Arrival::Broken { ticket });
            }
            let count = Busy::new(busy);
            if let Some(proxy) = proxy {
                drop(router.call(request(post.clone()), proxy.clone()).await);
                router.closed(&proxy, false);
            }
            let response = router.call(request(post), connection.clone()).await;
            drop(count);
            let at = time.now();
            let status = response.status().as_u16();
            let cookie = response.headers().get(SET_COOKIE);
            let cookie = cookie.and_then(|cookie| {
                let pair = cookie.to_str().ok()?.split(';').next()?;
                Some(pair.to_owned())
            });
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            sleep(back).await;
            if lost[1] {
                router.closed(&connection, false);
                return inbox.put(Arrival::Broken { ticket });
            }
            inbox.put(Arrival::Answer {
                ticket,
                at,
                status,
                cookie,
                body,
            });
        });
        known.call = Some((ticket, task));
        known.used = self.time.now();
        ticket
    }

    /// A connection ends; what was under way on it is lost.
    pub(super) fn hang_up(&mut self, life: &Life, line: u64, clean: bool) {
        let Some(line) = self.lines.remove(&line) else {
            return;
        };
        let inbox = self.inbox.clone();
        life.runtime.block_on(async {
            if let Some((ticket, task)) = line.call
                && !task.is_finished()
            {
                task.abort();
                // The request is gone before its connection is.
                drop(task.await);
                inbox.put(Arrival::Broken { ticket });
            }
            router(life, line.door).closed(&line.connection, clean);
        });
    }

    /// The server's process has ended, and with it every connection.
    pub(super) fn all_gone(&mut self) {
        for (_, line) in std::mem::take(&mut self.lines) {
            if let Some((ticket, task)) = line.call
                && !task.is_finished()
            {
                task.abort();
                self.inbox.put(Arrival::Broken { ticket });
            }
        }
        for (socket, pipe) in std::mem::take(&mut self.pipes) {
            pipe.tasks.iter().for_each(JoinHandle::abort);
            self.inbox.put(Arrival::Closed { socket });
        }
        self.busy = Arc::default();
    }
}

/// Counts what is under way.
struct Busy(Arc<std::sync::atomic::AtomicUsize>);

impl Busy {
    fn new(count: Arc<std::sync::atomic::AtomicUsize>) -> Self {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

fn router(life: &Life, door: Door) -> Arc<Router> {
    match door {
        Door::Public => life.house.routers.0.clone(),
        Door::Internal => life.house.routers.1.clone(),
    }
}

fn request(post: Post) -> Request<crate::server::listen::Body> {
    let mut request = Request::post(post.path)
        .header("host", "127.0.0.1")
        .header("content-type", post.kind);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    request
        .body(Either::Right(Full::new(post.body.into())))
        .unwrap()
}
