//! Peers that say much and read nothing, over a wire that holds little: what waits for them is bounded, and once they read,
//! nothing is missing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::Request;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, join, sink,
};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::*;
use crate::bayeux::ConnectionId;
use crate::transport::sharded::lock;
use crate::transport::{Connection, PublishDone, websocket};

/// Bytes that the wire holds, each way.
const WIRE: usize = 1024;
/// Who has taken nothing for so long takes nothing more.
const STALL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(20);
const PING: usize = 125;

type Socket = WebSocketStream<DuplexStream>;

/// The peer's end of a WebSocket.
fn open(server: &Server) -> DuplexStream {
    let (near, far) = duplex(WIRE);
    tokio::spawn(serve(server, far));
    near
}

fn serve<S>(server: &Server, io: S) -> impl Future<Output = ()> + Send + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (parts, ()) = Request::new(()).into_parts();
    let connection = Connection {
        id: ConnectionId(1_000_000),
        address: [127, 0, 0, 1].into(),
        secure: false,
    };
    let visitor = websocket::Visitor::new(&parts, connection);
    let registry = Arc::clone(&server.registry);
    websocket::serve(registry, io, Bytes::new(), visitor)
}

async fn listening(near: DuplexStream) -> Socket {
    WebSocketStream::from_raw_socket(near, Role::Client, None).await
}

async fn in_time<T>(wanted: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wanted).await.expect("in time")
}

/// A frame as a client sends it.
fn frame(code: OpCode, payload: &[u8]) -> Vec<u8> {
    let payload = Bytes::copy_from_slice(payload);
    let mut frame = RawFrame::message(payload, OpCode::Data(Data::Text), true);
    frame.header_mut().opcode = code;
    frame.header_mut().mask = Some([1, 2, 3, 4]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("a frame");
    bytes
}

fn ping() -> Vec<u8> {
    frame(OpCode::Control(Control::Ping), &[b'x'; PING])
}

fn text(message: &Value) -> Vec<u8> {
    frame(OpCode::Data(Data::Text), message.to_string().as_bytes())
}

/// Sends the same over and over, and reads nothing, until nobody takes it any more: how many bytes were taken. More than
/// `most` are too many.
async fn flood(near: &mut DuplexStream, bytes: &[u8], most: usize) -> usize {
    let mut taken = 0;
    loop {
        let rest = &bytes[taken % bytes.len()..];
        match timeout(STALL, near.write(rest)).await {
            Ok(written) => taken += written.expect("a connection"),
            Err(_) => return taken,
        }
        assert!(taken <= most, "{taken} bytes were taken of a deaf peer");
    }
}

async fn greet(socket: &mut Socket) -> String {
    socket
        .send(Frame::text(handshake().to_string()))
        .await
        .expect("a connection");
    let reply = read(socket, |_| true).await;
    let client = reply[0]["clientId"].as_str();
    client.expect("a client id").to_owned()
}

/// Messages up to the first frame that has what is wanted.
async fn read(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut messages = Vec::new();
    while !messages.iter().any(&wanted) {
        let frame = in_time(socket.next()).await.expect("a frame");
        if let Frame::Text(text) = frame.expect("a connection") {
            messages.extend(serde_json::from_str::<Vec<Value>>(&text).expect("an array"));
        }
    }
    messages
}

// Of one who cannot be understood any more an answer was waited for, and not understood when it came: every such client was
// told a second later that the connection had ended.
#[tokio::test(start_paused = true)]
async fn who_cannot_be_understood_is_let_go_at_once() {
    let server = Server::start().await;
    for said in [&[0x81, 0][..], &[0xc1, 0x80, 0, 0, 0, 0]] {
        let mut near = open(&server);
        near.write_all(said).await.expect("a connection");
        let began = tokio::time::Instant::now();
        let mut told = Vec::new();
        near.read_to_end(&mut told).await.expect("an orderly end");
        assert_eq!(told, b"\x88\x10\x03\xeaprotocol error");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

// Each ping that was read was answered, and more were read while the answers found no taker: memory grew as
// fast as the network brought pings.
#[tokio::test]
async fn who_pings_and_never_reads_is_read_no_further() {
    let server = Server::start().await;
    let mut near = open(&server);
    let ping = ping();
    let taken = flood(&mut near, &ping, 32 * 1024).await;

    let rest = &ping[taken % ping.len()..];
    let pings = taken / ping.len() + 1;
    let (mut from, mut to) = tokio::io::split(near);
    let mut pongs = vec![0; pings * (PING + 2)];
    let (all, written) =
        in_time(async { tokio::join!(from.read_exact(&mut pongs), to.write_all(rest)) }).await;
    assert_eq!(all.expect("each is answered"), pongs.len());
    written.expect("a connection");
    for pong in pongs.chunks(PING + 2) {
        assert_eq!(pong[..2], [0x8a, 125]);
        assert_eq!(pong[2..], [b'x'; PING]);
    }

    let mut socket = listening(from.unsplit(to)).await;
    let client = greet(&mut socket).await;
    let publish = publish(&client, "3", 1);
    let sent = socket.send(Frame::text(publish.to_string())).await;
    sent.expect("a connection");
    let messages = read(&mut socket, |message| message["id"] == "3").await;
    assert_eq!(data(&messages), [1]);
}

/// A large frame takes its time on a narrow wire. Meanwhile the peer says that it is there, and goes on talking.
#[tokio::test]
async fn a_slow_reader_is_heard_between_its_pings() {
    let server = Server::start().await;
    let mut socket = listening(open(&server)).await;
    let client = greet(&mut socket).await;
    let party = server.toy.newest();
    let large = "x".repeat(200_000);
    party.say(&format!("\"{large}\""));

    let mut near = socket.into_inner();
    for _ in 0..3 {
        in_time(near.write_all(&ping())).await.expect("taken");
    }
    let said = text(&publish(&client, "3", 1));
    in_time(near.write_all(&said)).await.expect("taken");
    in_time(async {
        while party.offered() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;

    let mut socket = listening(near).await;
    let mut pongs = 0;
    let mut messages: Vec<Value> = Vec::new();
    while pongs < 3 || !messages.iter().any(|message| message["id"] == "3") {
        match in_time(socket.next()).await.expect("a frame") {
            Ok(Frame::Text(text)) => {
                messages.extend(serde_json::from_str::<Vec<Value>>(&text).expect("an array"));
            }
            Ok(Frame::Pong(_)) => pongs += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(data(&messages), [json!(large), json!(1)]);
}

// Replies carry the id and the channel of what they refuse, and only their number was bounded: 16 MiB waited for each
// socket that named nobody's client, and as much for each client.
#[tokio::test]
async fn long_refusals_that_nobody_reads_are_few() {
    let server = Server::start().await;
    let long = "x".repeat(60_000);
    let mut near = open(&server);
    let nobody = json!([publish("nobody", &long, 1)]);
    let taken = flood(&mut near, &text(&nobody), 400_000).await;
    assert!(taken > 60_000, "{taken}");

    let mut socket = listening(open(&server)).await;
    let client = greet(&mut socket).await;
    let mut near = socket.into_inner();
    let refused = text(&json!([publish(&client, &long, 1)]));
    let taken = flood(&mut near, &refused, 800_000).await;
    let rest = refused[taken % refused.len()..].to_vec();
    let (from, mut to) = tokio::io::split(near);
    let sending = tokio::spawn(async move {
        to.write_all(&rest).await.expect("a connection");
        let last = text(&publish(&client, "last", 1));
        to.write_all(&last).await.expect("a connection");
        to
    });
    let mut from = WebSocketStream::from_raw_socket(join(from, sink()), Role::Client, None).await;
    let mut refusals = 0;
    'all: loop {
        let said = in_time(from.next()).await.expect("a frame");
        let said = said.expect("a connection").into_text().expect("text");
        for message in serde_json::from_str::<Vec<Value>>(&said).expect("an array") {
            if message["id"] == "last" {
                break 'all;
            }
            refusals += usize::from(message["id"] == long.as_str());
        }
    }
    assert_eq!(refusals, taken / refused.len() + 1, "each is answered");
    drop(sending.await);
}

// Whoever sent without end used up its task's turn each time, and with it the turn of the clock: it was never found idle.
#[tokio::test(start_paused = true)]
async fn who_never_stops_talking_and_never_says_hello_is_sent_away() {
    let server = Server::start().await;
    // As a frame: a pong of ten bytes.
    let endless = join(tokio::io::repeat(0x8a), sink());
    let serving = tokio::spawn(serve(&server, endless));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!serving.is_finished());
    tokio::time::advance(Duration::from_secs(61)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // The closing handshake has its second.
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(serving.is_finished());
}

// A socket that may not read on waits for a word. Where what it waited for was answered to a socket that was gone, none came.
#[tokio::test]
async fn a_socket_reads_on_once_what_another_left_behind_is_answered() {
    let server = Server::with(|config| config.publishes_max = 2).await;
    let mut first = listening(open(&server)).await;
    let client = greet(&mut first).await;
    let party = server.toy.newest();
    let two = json!([publish(&client, "3", "wait"), publish(&client, "4", "wait")]);
    let sent = first.send(Frame::text(two.to_string())).await;
    sent.expect("a connection");
    read(&mut first, |message| message["data"] == "wait").await;
    in_time(async {
        while lock(&party.waiting).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(first);

    let mut second = server.websocket().await;
    let hello = json!([connect(&client), publish(&client, "5", 1)]);
    for message in hello.as_array().expect("messages") {
        let sent = second.send(Frame::text(json!([message]).to_string())).await;
        sent.expect("a connection");
    }
    let again = in_time(second.next()).await.expect("a frame");
    assert!(again.expect("a connection").to_string().contains("wait"));
    let waiting = std::mem::take(&mut *lock(&party.waiting));
    waiting.into_iter().for_each(PublishDone::ok);
    in_time(async {
        loop {
            let said = second.next().await.expect("a frame").expect("a connection");
            if said.to_string().contains(r#""id":"5""#) {
                break;
            }
        }
    })
    .await;
}
