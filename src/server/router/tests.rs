//! Requests over a loopback socket, to a router with a Bayeux side that says what it was given.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::reply;
use crate::http::slots::{Limits, Slots};
use crate::server::listen::{Options, Stage, serve};
use crate::server::socket::Socket;

#[tokio::test]
async fn every_answer_names_its_request() {
    let house = House::open(Door::Public, |_| {}).await;
    let told = house
        .ask("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n")
        .await;
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    assert!(told.contains("x-request-id: mine\r\n") && told.contains("content-security-policy: "));
    let told = house.ask("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 404 "), "{told}");
    let id = told
        .split("x-request-id: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    assert!(
        told.contains(&format!("\"referenceId\":\"{id}\"")),
        "{told}"
    );
}

/// A request without `Host`, or with two, was answered, though a proxy in front may have taken it for another one.
#[tokio::test]
async fn whoever_names_no_host_or_two_is_refused() {
    for door in [Door::Public, Door::Internal] {
        let house = House::open(door, |_| {}).await;
        for hosts in [
            "",
            "Host: localhost\r\nHost: localhost\r\n",
            "Host: a b\r\n",
        ] {
            let told = house.ask(&format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
            assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
        }
    }
    let house = House::open(Door::Public, |_| {}).await;
    let told = house.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.0 200 "), "{told}");
}

#[tokio::test]
async fn a_page_of_another_origin_is_kept_out_unless_it_is_listed() {
    let house = House::open(Door::Public, |settings| {
        settings.origins = Origins::parse(["https://shop.example"]).unwrap();
    })
    .await;
    let poll = |origin: &str| {
        post(
            "/genesys/cometd/",
            &format!("Host: x\r\nOrigin: {origin}\r\n"),
            "[]",
        )
    };
    let told = house.ask(&poll("https://shop.example")).await;
    assert!(
        told.contains("access-control-allow-origin: https://shop.example\r\n"),
        "{told}"
    );
    assert!(told.ends_with("polled []"), "{told}");
    for stranger in ["https://evil.example", "null"] {
        let told = house.ask(&poll(stranger)).await;
        assert!(told.starts_with("HTTP/1.1 403 "), "{told}");
        assert!(!told.contains("access-control-allow-origin"), "{told}");
    }
}

#[tokio::test]
async fn the_internal_listener_answers_to_no_name_of_a_stranger() {
    let house = House::open(Door::Internal, |_| {}).await;
    let told = house
        .ask("GET /console HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await;
    assert!(told.starts_with("HTTP/1.1 421 "), "{told}");
    let told = house
        .ask("GET /console HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_waited_for() {
    let house = House::open(Door::Public, |settings| settings.bayeux_bytes_max = 8).await;
    let head = "POST /genesys/cometd HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";
    let told = house.ask(head).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(told.contains("connection: close"), "{told}");
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let house = House::open(Door::Public, |settings| {
        settings.rates = Rates {
            per_address: 1,
            per_chat: 0,
            exempt: Vec::new(),
        };
    })
    .await;
    let poll = post("/genesys/cometd", "Host: x\r\n", "[]");
    assert!(house.ask(&poll).await.starts_with("HTTP/1.1 200 "));
    assert!(house.ask(&poll).await.starts_with("HTTP/1.1 200 "));
    let told = house.ask(&poll).await;
    assert!(told.starts_with("HTTP/1.1 429 "), "{told}");
    assert!(told.contains("retry-after: 1\r\n"), "{told}");
}

#[tokio::test]
async fn a_script_of_a_strange_page_cannot_poll() {
    let house = House::open(Door::Public, |_| {}).await;
    let get = |more: &str| format!("GET /genesys/cometd?jsonp=f HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    assert!(
        house
            .ask(&get("Sec-Fetch-Site: same-origin\r\n"))
            .await
            .ends_with("polled ")
    );
    let strange = get("Sec-Fetch-Site: cross-site\r\nReferer: https://evil.example/\r\n");
    assert!(house.ask(&strange).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_websocket_gets_the_bare_socket() {
    let house = House::open(Door::Public, |_| {}).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let upgrade = "GET /genesys/cometd/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    stream
        .write_all(format!("{upgrade}hel").as_bytes())
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream.write_all(b"lo").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut echo = String::new();
    stream.read_to_string(&mut echo).await.unwrap();
    assert_eq!(echo, "hello");
}

struct House {
    address: std::net::SocketAddr,
    _stage: watch::Sender<Stage>,
    _settings: watch::Sender<Arc<Settings>>,
}

impl House {
    async fn open(door: Door, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            bayeux_bytes_max: 1024,
            ..Settings::default()
        };
        change(&mut settings);
        let (keep, settings) = watch::channel(Arc::new(settings));
        let router = Router {
            door,
            settings,
            chat: None,
            admin: None,
            bayeux: Arc::new(Toy::default()),
            limits: Arc::default(),
            clock: Clock::system(),
            counters: Counters::default(),
        };
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (stage, told) = watch::channel(Stage::Serving);
        let options = Options::new(Slots::new(Limits::default()));
        tokio::spawn(serve(
            socket,
            options,
            Arc::new(router),
            Arc::default(),
            told,
        ));
        Self {
            address,
            _stage: stage,
            _settings: keep,
        }
    }

    /// Sends a request on a connection of its own, and reads to the end.
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).await.unwrap();
        told
    }
}

/// Answers a poll with its body, and sends back what comes by a socket.
#[derive(Default)]
struct Toy {
    closed: Mutex<Vec<u64>>,
}

impl Bayeux for Toy {
    fn poll(&self, _: Parts, body: Bytes, _: &Caller) -> Answer {
        let text = format!("polled {}", String::from_utf8_lossy(&body));
        Box::pin(async move { reply::with(StatusCode::OK, reply::TEXT, text) })
    }

    fn upgrade(&self, parts: Parts, caller: &Caller) -> Response {
        let connection = Arc::clone(&caller.connection);
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(Request::from_parts(parts, ()))
                .await
                .unwrap();
            let (mut socket, early) = Socket::take(upgraded).unwrap();
            let mut heard = early.to_vec();
            socket.read_to_end(&mut heard).await.unwrap();
            socket.write_all(&heard).await.unwrap();
            drop(connection);
        });
        let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(
            hyper::header::CONNECTION,
            HeaderValue::from_static("upgrade"),
        );
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        response
    }

    fn closed(&self, connection: &Connection, _: bool) {
        self.closed.lock().unwrap().push(connection.id);
    }
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}
