//! A server on a loopback socket, and clients that speak to it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;

use crate::bayeux::{Config, ConnectionId};
use crate::clock::Clock;
use crate::transport::{Connection, Options, Registry, long_poll, websocket};

use super::toy::Toy;

pub struct Server {
    pub toy: Arc<Toy>,
    pub registry: Arc<Registry>,
    pub address: SocketAddr,
}

/// An HTTP client: one connection, and the cookie it was given.
pub struct Http {
    stream: TcpStream,
    pub cookie: Option<String>,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let toy = Arc::new(Toy::default());
        let options = Options {
            bayeux: Arc::new(config),
            ..Options::default()
        };
        let registry = Registry::new(toy.clone(), options, Clock::system());
        tokio::spawn(registry.run_timers());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(accept(listener, Arc::clone(&registry)));
        Self {
            toy,
            registry,
            address,
        }
    }

    pub async fn http(&self) -> Http {
        Http {
            stream: TcpStream::connect(self.address)
                .await
                .expect("a connection"),
            cookie: None,
        }
    }

    /// Shakes hands over HTTP and connects once; the connection and the client's id.
    pub async fn client(&self) -> (Http, String) {
        let mut http = self.http().await;
        let reply = http.post(&super::handshake()).await;
        let client = reply.messages()[0]["clientId"]
            .as_str()
            .expect("a client id")
            .to_owned();
        http.post(&super::connect(&client)).await;
        (http, client)
    }

    pub async fn websocket(&self) -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let url = format!("ws://{}/cometd", self.address);
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .expect("an upgrade");
        socket
    }
}

impl Http {
    pub async fn post(&mut self, body: &Value) -> Reply {
        self.send(body).await;
        self.read().await
    }

    pub async fn send(&mut self, body: &Value) {
        let body = body.to_string();
        self.raw("POST", "application/json", &body).await;
    }

    pub async fn raw(&mut self, method: &str, kind: &str, body: &str) {
        self.to(method, "/cometd/x", kind, body).await;
    }

    pub async fn to(&mut self, method: &str, path: &str, kind: &str, body: &str) {
        let cookie = self
            .cookie
            .as_ref()
            .map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"));
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{cookie}\r\n{body}"
        );
        self.stream
            .write_all(request.as_bytes())
            .await
            .expect("a connection");
    }

    pub async fn read(&mut self) -> Reply {
        let mut read = Vec::new();
        let head = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.stream.read_buf(&mut read).await.expect("a connection") > 0,
                "closed"
            );
        };
        let text = String::from_utf8(read[..head].to_vec()).expect("text");
        let length = header(&text, "content-length")
            .expect("a length")
            .parse::<usize>()
            .expect("a number");
        while read.len() < head + length {
            assert!(
                self.stream.read_buf(&mut read).await.expect("a connection") > 0,
                "closed"
            );
        }
        if let Some(cookie) = header(&text, "set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        Reply {
            status: text[9..12].parse().expect("a status"),
            body: String::from_utf8(read[head..].to_vec()).expect("text"),
            head: text,
        }
    }
}

impl Reply {
    pub fn messages(&self) -> Vec<Value> {
        serde_json::from_str(&self.body).expect("an array")
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
}

async fn accept(listener: TcpListener, registry: Arc<Registry>) {
    let connections = AtomicU64::new(0);
    while let Ok((stream, peer)) = listener.accept().await {
        let connection = Connection {
            id: ConnectionId(connections.fetch_add(1, Ordering::Relaxed)),
            address: peer.ip(),
            secure: false,
        };
        let registry = Arc::clone(&registry);
        tokio::spawn(async move {
            let service = service_fn(|request| serve(Arc::clone(&registry), request, connection));
            let broken = Arc::new(AtomicBool::new(false));
            let io = Watched {
                inner: stream,
                broken: Arc::clone(&broken),
            };
            let served = http1::Builder::new()
                .serve_connection(TokioIo::new(io), service)
                .with_upgrades()
                .await;
            let clean = served.is_ok() && !broken.load(Ordering::Relaxed);
            registry.closed(connection.id, clean);
        });
    }
}

async fn serve(
    registry: Arc<Registry>,
    mut request: Request<Incoming>,
    connection: Connection,
) -> hyper::Result<Response<http_body_util::Full<bytes::Bytes>>> {
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    if websocket::is_upgrade(&parts) {
        let visitor = websocket::Visitor::new(&parts, connection);
        let response = websocket::upgrade(&registry, &parts);
        if response.is_ok() {
            tokio::spawn(async move {
                if let Ok(upgraded) = upgraded.await {
                    let io = TokioIo::new(upgraded);
                    websocket::serve(registry, io, bytes::Bytes::new(), visitor).await;
                }
            });
        }
        return Ok(response.unwrap_or_else(|refusal| *refusal));
    }
    let body = body.collect().await?.to_bytes();
    Ok(long_poll::handle(&registry, parts, body, connection, "of-the-tests").await)
}

/// Notices a reset, which hyper takes for a good end where it waits for the next request.
struct Watched {
    inner: TcpStream,
    broken: Arc<AtomicBool>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Err(_)) = result {
            self.broken.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
