//! What is told of heads that were no requests.

use super::*;

/// hyper refuses a head by itself, and the first one that does not come is cut: operators saw neither.
#[tokio::test]
async fn heads_that_are_no_requests_are_told() {
    let lines = "A: b\r\n".repeat(200);
    let long = "x".repeat(20_000);
    for (said, answer, why) in [
        (
            format!("GET /now HTTP/1.1\r\nHost: x\r\n{lines}\r\n"),
            "HTTP/1.1 431 ",
            Unheard::TooLarge,
        ),
        (
            format!("POST /poll HTTP/1.1\r\nHost: x\r\nX: {long}"),
            "HTTP/1.1 431 ",
            Unheard::TooLarge,
        ),
        (
            "GET /now HTTP/1.1\r\nHo st: x\r\n\r\n".to_owned(),
            "HTTP/1.1 400 ",
            Unheard::Malformed,
        ),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            "",
            Unheard::Malformed,
        ),
    ] {
        let house = House::open(|_| {}).await;
        let mut mallory = house.visit().await;
        let told = exchange(&mut mallory, said.as_bytes()).await;
        assert!(told.starts_with(answer), "{told}");
        drop(mallory);
        house.closing().await;
        assert_eq!(house.unheard(), [why], "{answer}");
    }
}

#[tokio::test]
async fn first_heads_that_do_not_come_are_told() {
    for begun in ["", "GET /now HT", "POST /poll HTTP/1.1\r\nHo"] {
        let house = House::open(|options| options.first_head = Duration::from_millis(20)).await;
        let mut mallory = house.visit().await;
        mallory.write_all(begun.as_bytes()).await.unwrap();
        house.closing().await;
        assert_eq!(house.unheard(), [Unheard::Slow], "{begun}");
    }
    let tls = Tls::new(identity("localhost"));
    let house = House::open(move |options| {
        options.first_head = Duration::from_millis(20);
        options.tls = Some(tls);
    })
    .await;
    let _mallory = house.visit().await;
    house.closing().await;
    assert_eq!(house.unheard(), [Unheard::Slow], "TLS");
}

#[tokio::test]
async fn of_whoever_asks_and_goes_nothing_is_told() {
    let house = House::open(|options| options.idle = Duration::from_millis(50)).await;
    for last in [
        GET,
        b"POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
    ] {
        let mut alice = house.visit().await;
        exchange(&mut alice, GET).await;
        exchange(&mut alice, last).await;
        assert_eq!(alice.read(&mut [0; 64]).await.unwrap(), 0, "idle");
        house.closing().await;
    }
    let alice = house.visit().await;
    drop(alice);
    house.closing().await;
    assert_eq!(house.unheard(), []);
}

impl House {
    fn unheard(&self) -> Vec<Unheard> {
        self.host.unheard.lock().unwrap().clone()
    }
}
