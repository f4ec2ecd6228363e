//! A listener on a loopback socket, and customers who behave well or badly.

mod lean;
mod unheard;

use std::path::Path;
use std::sync::Mutex;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;
use crate::config::Tls as Identity;
use crate::http::reply;
use crate::http::slots::Limits;

const GET: &[u8] = b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn two_requests_come_by_one_connection_and_its_end_is_clean() {
    let house = House::open(|_| {}).await;
    let mut alice = house.visit().await;
    assert!(exchange(&mut alice, GET).await.ends_with("200 0 false"));
    assert!(exchange(&mut alice, GET).await.ends_with("200 0 false"));
    drop(alice);
    assert_eq!(house.closing().await, (0, true));
}

#[tokio::test]
async fn a_connection_that_is_reset_between_requests_has_no_clean_end() {
    let house = House::open(|_| {}).await;
    let mut alice = house.visit().await;
    assert!(exchange(&mut alice, GET).await.ends_with("200 0 false"));
    sockopt::set_socket_linger(&alice, Some(Duration::ZERO)).unwrap();
    drop(alice);
    assert_eq!(house.closing().await, (0, false));
}

#[tokio::test]
async fn a_customer_who_vanishes_while_waiting_is_no_clean_end() {
    let house = House::open(|_| {}).await;
    let mut alice = house.visit().await;
    alice
        .write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    house.host.entered.notified().await;
    drop(alice);
    assert_eq!(house.closing().await, (0, false));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let house = House::open(|options| options.head_bytes = 8192).await;
    let mut mallory = house.visit().await;
    let long = format!(
        "GET /now HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(9000)
    );
    assert!(
        exchange(&mut mallory, long.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
}

#[tokio::test]
async fn who_says_nothing_at_first_is_sent_away() {
    let house = House::open(|options| options.first_head = Duration::from_millis(20)).await;
    let mut mallory = house.visit().await;
    mallory.write_all(b"GET /now HT").await.unwrap();
    assert_eq!(mallory.read(&mut [0; 64]).await.unwrap_or(0), 0);
    assert_eq!(house.closing().await, (0, false));
}

#[tokio::test]
async fn who_says_nothing_for_long_is_let_go_cleanly() {
    let house = House::open(|options| options.idle = Duration::from_millis(50)).await;
    let mut alice = house.visit().await;
    exchange(&mut alice, GET).await;
    assert_eq!(alice.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(house.closing().await, (0, true));
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let house = House::open(|options| options.slots = places(1)).await;
    let mut alice = house.visit().await;
    exchange(&mut alice, GET).await;
    let mut mallory = house.visit().await;
    assert_eq!(mallory.read(&mut [0; 64]).await.unwrap_or(0), 0);
    drop(alice);
    house.closing().await;
    let mut bob = house.visit().await;
    assert!(exchange(&mut bob, GET).await.contains("200 OK"));
}

#[tokio::test]
async fn draining_finishes_what_is_under_way_and_closes_the_idle() {
    let house = House::open(|_| {}).await;
    let mut idle = house.visit().await;
    exchange(&mut idle, GET).await;
    let mut busy = house.visit().await;
    busy.write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    house.host.entered.notified().await;
    house.stage.send_replace(Stage::Draining);
    assert_eq!(idle.read(&mut [0; 64]).await.unwrap(), 0);
    house.host.release.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.to_ascii_lowercase().contains("connection: close"),
        "{answer}"
    );
    house.serving.await.unwrap();
}

// The first probe came when the time was up, and the next look ended the connection: an idle client was cut off whenever that
// one packet got lost.
#[tokio::test]
async fn one_lost_probe_does_not_end_a_connection() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(socket.local_addr().unwrap());
    let stream = stream.await.unwrap();
    let silence = Options::new(places(0)).silence;
    prepare(&stream, silence).unwrap();
    let first = sockopt::tcp_keepidle(&stream).unwrap();
    let next = sockopt::tcp_keepintvl(&stream).unwrap();
    let end = u128::from(sockopt::tcp_user_timeout(&stream).unwrap());
    assert_eq!(end, silence.as_millis());
    assert!((first + 2 * next).as_millis() < end, "{first:?}, {next:?}");
}

// A probe that asked while the last requests were finished found a dead port, and could not tell a drain from a crash.
#[tokio::test]
async fn whoever_comes_late_is_heard_and_waited_for_by_nobody() {
    for nothing in [false, true] {
        let house = House::open(|_| {}).await;
        house.host.holds_nothing.store(nothing, Ordering::Relaxed);
        let mut busy = house.visit().await;
        busy.write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        house.host.entered.notified().await;
        house.stage.send_replace(Stage::Draining);
        let mut late = house.visit().await;
        assert!(
            exchange(&mut late, lean::POLL.as_bytes())
                .await
                .contains("200 OK")
        );
        let _idle = house.visit().await;
        house.host.release.notify_one();
        house.serving.await.unwrap();
    }
}

#[tokio::test]
async fn the_drain_ends_when_its_time_is_over() {
    let house = House::open(|options| options.drain = Duration::from_millis(20)).await;
    let mut busy = house.visit().await;
    busy.write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    house.host.entered.notified().await;
    house.stage.send_replace(Stage::Draining);
    house.serving.await.unwrap();
    assert_eq!(busy.read(&mut [0; 64]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn draining_waits_for_whoever_holds_a_connection() {
    let house = House::open(|_| {}).await;
    let mut alice = house.visit().await;
    exchange(&mut alice, b"GET /keep HTTP/1.1\r\nHost: x\r\n\r\n").await;
    house.stage.send_replace(Stage::Draining);
    assert_eq!(house.closing().await, (0, false));
    assert!(!house.serving.is_finished());
    house.host.kept.lock().unwrap().take();
    house.serving.await.unwrap();
}

#[tokio::test]
async fn tls_shows_the_certificate_of_the_last_reload() {
    let tls = Tls::new(identity("localhost"));
    let served = Arc::clone(&tls);
    let house = House::open(move |options| options.tls = Some(served)).await;
    let mut alice = greet(&house, "localhost").await.unwrap();
    assert!(exchange(&mut alice, GET).await.ends_with("200 0 true"));
    assert!(greet(&house, "other").await.is_err());
    tls.replace(identity("other"));
    assert!(greet(&house, "other").await.is_ok());
    assert!(
        exchange(&mut alice, GET).await.ends_with("200 0 true"),
        "who is here stays"
    );
}

/// A listener at work.
struct House {
    address: SocketAddr,
    host: Arc<Host>,
    stage: watch::Sender<Stage>,
    serving: JoinHandle<()>,
}

/// Answers with what it knows of the connection; `/held` and `/poll/held` wait, `/keep` goes on holding it. Requests to
/// `/poll` may be held by very many.
#[derive(Default)]
struct Host {
    entered: Notify,
    release: Notify,
    closings: Mutex<Vec<(u64, bool)>>,
    closed: Notify,
    kept: Mutex<Option<Arc<Connection>>>,
    /// Nothing is served without hyper.
    holds_nothing: AtomicBool,
    /// Requests that were.
    lean: AtomicU64,
    unheard: Mutex<Vec<Unheard>>,
}

impl Service for Host {
    async fn call(&self, request: Request<Body>, connection: Arc<Connection>) -> Response {
        if request.uri().path().ends_with("/held") {
            self.entered.notify_one();
            self.release.notified().await;
        }
        if request.uri().path() == "/keep" {
            *self.kept.lock().unwrap() = Some(Arc::clone(&connection));
        }
        let kind = request.uri().path().to_owned();
        let given = format!("{:?}", request.headers());
        let body = request.into_body();
        if matches!(body, Body::Right(_)) {
            self.lean.fetch_add(1, Ordering::Relaxed);
        }
        let Ok(Ok(body)) = timeout(Duration::from_millis(500), body.collect()).await else {
            return reply::empty(StatusCode::REQUEST_TIMEOUT);
        };
        let text = match kind.as_str() {
            "/poll/empty" => return reply::empty(StatusCode::NO_CONTENT),
            "/poll" => format!("{given} {:?}", body.to_bytes()),
            _ => format!("200 {} {}", connection.id, connection.secure),
        };
        let mut response = reply::with(StatusCode::OK, reply::TEXT, text);
        if kind == "/poll/over" {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    fn holds(&self, path: &str) -> bool {
        path.starts_with("/poll") && !self.holds_nothing.load(Ordering::Relaxed)
    }

    fn closed(&self, connection: &Connection, clean: bool) {
        self.closings.lock().unwrap().push((connection.id, clean));
        self.closed.notify_one();
    }

    fn unheard(&self, _: &Connection, why: Unheard) {
        self.unheard.lock().unwrap().push(why);
    }
}

impl House {
    async fn open(treat: impl FnOnce(&mut Options)) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut options = Options::new(places(0));
        treat(&mut options);
        let host = Arc::new(Host::default());
        let (stage, told) = watch::channel(Stage::Serving);
        let serving = tokio::spawn(serve(
            socket,
            options,
            Arc::clone(&host),
            Arc::default(),
            told,
        ));
        Self {
            address,
            host,
            stage,
            serving,
        }
    }

    async fn visit(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The next closing that is told.
    async fn closing(&self) -> (u64, bool) {
        self.host.closed.notified().await;
        self.host.closings.lock().unwrap().remove(0)
    }
}

/// Sends a request and reads until the short body has come, or the end.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !is_whole(&answer) && stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
    String::from_utf8(answer).unwrap()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.split("content-length: ").nth(1).unwrap_or_default();
        let length = length.split("\r\n").next().unwrap_or_default();
        length.parse() == Ok(body.len())
    })
}

async fn greet(
    house: &House,
    trusted: &str,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(fixture(trusted, "crt")).unwrap();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
        .connect(
            ServerName::try_from("localhost").unwrap(),
            house.visit().await,
        )
        .await
}

fn identity(name: &str) -> Arc<ServerConfig> {
    Identity::read(&fixture(name, "crt"), &fixture(name, "key"))
        .unwrap()
        .server
}

fn fixture(name: &str, ending: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    folder.join(format!("{name}.{ending}"))
}

fn places(connections: usize) -> Arc<Slots> {
    Slots::new(Limits {
        connections,
        ..Limits::default()
    })
}
