//! Whatever breaks, and however often the client changes its transport: each event arrives, in order.

use proptest::prelude::*;

use super::super::broker::Told;
use super::*;
use crate::bayeux::{ConnectionId, Input, Offer};

/// What becomes of what the server wrote.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It arrives.
    Fine,
    /// The connection is reset, and both sides notice.
    Reset,
    /// The connection dies, and only the client notices.
    Silent,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The application has one more event.
    Say,
    /// The client polls.
    Poll(Fate),
    /// The client connects on its WebSocket.
    Socket(Fate),
}

/// A client, and an application with one stream of events.
struct World {
    broker: Broker,
    client: Client,
    said: u64,
    offered: u64,
    seen: u64,
    confirmed: u64,
    connection: u64,
    on_socket: bool,
    failed: bool,
    acknowledged: Option<u64>,
}

impl World {
    fn new(acknowledge: bool) -> Self {
        let mut broker = Broker::with(|config| config.queue_messages_max = 5);
        let client = Client::greet(&mut broker, 0, json!({"ack": acknowledge}));
        Self {
            broker,
            client,
            said: 0,
            offered: 0,
            seen: 0,
            confirmed: 0,
            connection: 1,
            on_socket: false,
            failed: true,
            acknowledged: acknowledge.then_some(0),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say => self.said += 1,
            Step::Poll(fate) => self.poll(fate),
            Step::Socket(fate) => self.socket(fate),
        }
        self.offer();
    }

    /// Sockets and HTTP connections share no numbers.
    fn change_to(&mut self, on_socket: bool) {
        if std::mem::replace(&mut self.on_socket, on_socket) != on_socket {
            self.connection += 1;
        }
    }

    fn poll(&mut self, fate: Fate) {
        self.change_to(false);
        let body = self.connect();
        let exchange = self.broker.post(self.connection, &body);
        self.offer();
        if self.broker.answer(exchange).is_none() {
            self.broker.wait(seconds(30));
        }
        let messages = self.broker.answer(exchange).expect("an answer");
        self.suffer(fate, &messages);
    }

    fn socket(&mut self, fate: Fate) {
        self.change_to(true);
        let body = self.connect();
        let mut messages = self.broker.frame(self.connection, &body);
        self.offer();
        self.broker.wait(seconds(30));
        messages.extend(self.broker.read(self.connection));
        self.suffer(fate, &messages);
    }

    fn suffer(&mut self, fate: Fate, messages: &[Value]) {
        self.failed = !matches!(fate, Fate::Fine);
        match fate {
            Fate::Fine => return self.take(messages),
            Fate::Reset => {
                let input = Input::Closed {
                    connection: ConnectionId(self.connection),
                    clean: false,
                };
                self.broker.handle(self.client.id, input);
            }
            Fate::Silent => {}
        }
        self.connection += 1;
    }

    fn take(&mut self, messages: &[Value]) {
        for message in messages {
            if let Some(position) = message["data"].as_u64() {
                assert!(position <= self.seen + 1, "{position} after {}", self.seen);
                self.seen = self.seen.max(position);
            }
            if let Some(number) = message["ext"]["ack"].as_u64() {
                self.acknowledged = Some(number);
            }
        }
    }

    fn connect(&self) -> Value {
        let mut connect = if self.failed {
            self.client.connect_at_once()
        } else {
            self.client.connect()
        };
        if let Some(number) = self.acknowledged {
            connect["ext"] = json!({"ack": number});
        }
        connect
    }

    /// The application offers what it has, from where it stands.
    fn offer(&mut self) {
        loop {
            for told in std::mem::take(&mut self.broker.told) {
                match told {
                    Told::Rewind(_, position) => self.offered = position,
                    Told::Confirmed(_, position) => self.confirmed = position,
                    _ => {}
                }
            }
            assert!(self.confirmed <= self.seen, "confirmed, but not seen");
            if self.offered == self.said {
                return;
            }
            match self.broker.send(self.client.id, 1, self.offered + 1) {
                Offer::Queued => self.offered += 1,
                Offer::Full => return,
                Offer::Gone => panic!("gone"),
            }
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Fine),
        1 => Just(Fate::Reset),
        1 => Just(Fate::Silent),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Say),
        3 => fate().prop_map(Step::Poll),
        1 => fate().prop_map(Step::Socket),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn nothing_is_lost_and_nothing_overtakes(
        steps in prop::collection::vec(step(), 0..60),
        acknowledge: bool,
    ) {
        let mut world = World::new(acknowledge);
        for step in steps {
            world.step(step);
        }
        for _ in 0..30 {
            world.step(Step::Poll(Fate::Fine));
        }
        prop_assert_eq!(world.seen, world.said);
        prop_assert_eq!(world.confirmed, world.said);
    }
}

#[test]
fn row_117_a_page_that_is_loaded_again_goes_on() {
    let reload = |client: &Client| {
        let mut connect = client.connect_at_once();
        connect["ext"] = json!({"reload": true});
        connect
    };
    let mut broker = Broker::new();
    let client = Client::new(&mut broker, 1);
    broker.ask(1, &client.subscribe("/a"));
    broker.post(client.poll, &client.connect());
    let reply = broker.ask(201, &reload(&client));
    assert_eq!(reply[0]["successful"], true, "at once, by its old id");
    assert!(reply[0].get("ext").is_none());
    let held = broker.post(201, &client.connect());
    broker.ask(202, &client.publish("1", "/a", 5));
    assert_eq!(data(&broker.answer(held).expect("an answer")), [5]);

    let client = Client::on_socket(&mut broker, 1, json!({}));
    broker.frame(1, &client.subscribe("/a"));
    broker.frame(1, &client.connect());
    let reply = broker.frame(2, &reload(&client));
    assert_eq!(reply[0]["successful"], true);
    assert_eq!(broker.closed, [ConnectionId(1)], "the old page's");
    let reply = broker.frame(2, &client.publish("2", "/a", 6));
    assert_eq!(data(&reply), [6]);
}
