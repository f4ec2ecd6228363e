//! Polls that are served without hyper, which nobody may notice.

use std::mem::size_of;
use std::net::SocketAddr;

use tokio::net::TcpSocket;

use super::*;
use crate::server::router::Router;

pub(super) const POLL: &str = "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]";
const HELD: &str = "POST /poll/held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]";
const LAST: &str = "GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// What may come over a connection, in any order: plain polls, and what is beyond them.
const SAID: [&str; 16] = [
    POLL,
    "POST /poll?a=b HTTP/1.1\r\nhost: x\r\nCONTENT-LENGTH: 4\r\nConnection: Keep-Alive\r\nX: \t y \r\nX: z\r\n\r\n1234",
    "OPTIONS /poll HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\r\n",
    "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "POST /poll/empty HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "POST /poll/over HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
    "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n[]",
    "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
    "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n[]",
    "POST /poll HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
    "POST /poll HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]",
    "POST http://x/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
    "POST /poll HTTP/1.1\r\nHo st: x\r\nContent-Length: 2\r\n\r\n[]",
];

/// The same bytes, in whatever pieces and with whatever damage, have the same answers as hyper gives.
#[tokio::test]
async fn nobody_can_tell_who_has_answered() {
    let brief = |options: &mut Options| {
        options.first_head = Duration::from_secs(3);
        options.idle = Duration::from_secs(3);
    };
    let lean = House::open(brief).await;
    let plain = House::open(brief).await;
    plain.host.holds_nothing.store(true, Ordering::Relaxed);
    let visits: Vec<_> = (1..=240)
        .map(|seed| {
            let both = (lean.address, plain.address);
            tokio::spawn(async move {
                let script = Script::random(seed);
                let (left, right) = tokio::join!(script.say(both.0), script.say(both.1));
                assert_eq!(left, right, "{seed}: {:?}", script.text());
            })
        })
        .collect();
    for visit in visits {
        visit.await.unwrap();
    }
    let answered = |house: &House| house.host.lean.load(Ordering::Relaxed);
    assert!(answered(&lean) > 240, "{}", answered(&lean));
    assert_eq!(answered(&plain), 0);
}

#[tokio::test]
async fn who_vanishes_while_the_poll_is_held_is_no_clean_end() {
    let house = House::open(|_| {}).await;
    let mut alice = house.visit().await;
    exchange(&mut alice, POLL.as_bytes()).await;
    alice.write_all(HELD.as_bytes()).await.unwrap();
    house.host.entered.notified().await;
    drop(alice);
    assert_eq!(house.closing().await, (0, false));
}

#[tokio::test]
async fn who_goes_between_two_polls_goes_cleanly_and_a_reset_is_none() {
    let house = House::open(|_| {}).await;
    for (number, clean) in [(0, true), (1, false)] {
        let mut alice = house.visit().await;
        exchange(&mut alice, POLL.as_bytes()).await;
        if !clean {
            sockopt::set_socket_linger(&alice, Some(Duration::ZERO)).unwrap();
        }
        drop(alice);
        assert_eq!(house.closing().await, (number, clean));
    }
}

#[tokio::test]
async fn who_polls_no_more_is_let_go_cleanly() {
    let house = House::open(|options| options.idle = Duration::from_millis(50)).await;
    let mut alice = house.visit().await;
    exchange(&mut alice, POLL.as_bytes()).await;
    assert_eq!(alice.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(house.closing().await, (0, true));
}

#[tokio::test]
async fn draining_answers_the_held_polls_and_closes_the_idle() {
    let house = House::open(|_| {}).await;
    let mut idle = house.visit().await;
    exchange(&mut idle, POLL.as_bytes()).await;
    let mut busy = house.visit().await;
    busy.write_all(HELD.as_bytes()).await.unwrap();
    house.host.entered.notified().await;
    house.stage.send_replace(Stage::Draining);
    assert_eq!(idle.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(house.closing().await, (0, false));
    house.host.release.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    house.serving.await.unwrap();
}

#[tokio::test]
async fn what_comes_while_a_poll_is_held_waits_its_turn() {
    let house = House::open(|_| {}).await;
    let mut alice = house.visit().await;
    alice.write_all(HELD.as_bytes()).await.unwrap();
    house.host.entered.notified().await;
    let more = [POLL, LAST].concat();
    alice.write_all(more.as_bytes()).await.unwrap();
    house.host.release.notify_one();
    let mut answers = String::new();
    alice.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(house.closing().await, (0, true));
}

/// A held poll once cost thirty kilobytes. Its task holds this, and no buffer.
#[test]
fn a_connection_that_waits_is_small() {
    fn of<A, B, F>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }
    let task = of(attend::<Router>);
    assert!(task <= 2048, "{task}");
}

/// What a client says, in pieces.
struct Script(Vec<Vec<u8>>);

impl Script {
    fn random(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut text = POLL.to_owned();
        for _ in 0..dice.below(4) {
            text.push_str(SAID[dice.below(SAID.len().min(8 + seed as usize % 9))]);
        }
        text.push_str(LAST);
        let mut bytes = text.into_bytes();
        if seed.is_multiple_of(4) {
            let place = dice.below(bytes.len());
            bytes[place] = dice.below(128) as u8;
        }
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let rest = bytes.split_off(bytes.len().min(1 + dice.below(90)));
            pieces.push(std::mem::replace(&mut bytes, rest));
        }
        Self(pieces)
    }

    /// Says everything; what came back until the end, without the dates.
    async fn say(&self, to: SocketAddr) -> String {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        let (mut from, mut to) = socket.connect(to).await.unwrap().into_split();
        let say = async {
            for piece in &self.0 {
                if to.write_all(piece).await.is_err() {
                    return to;
                }
                tokio::task::yield_now().await;
            }
            to
        };
        let mut told = Vec::new();
        let hear = async {
            // A connection that is closed in anger may be reset.
            while from.read_buf(&mut told).await.is_ok_and(|read| read > 0) {}
        };
        tokio::join!(say, hear);
        let told = String::from_utf8(told).unwrap();
        let lines = told.split_inclusive("\r\n");
        let undated = lines.filter(|line| !line.starts_with("date: "));
        // Connections are numbered.
        undated.collect::<String>().replace(char::is_numeric, "#")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.concat()).into_owned()
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}
