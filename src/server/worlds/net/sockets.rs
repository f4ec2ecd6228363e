//! WebSockets: both ends of a pipe, and what is pumped through it.

use super::*;

impl Net {
    /// A WebSocket, open at once; or none where nobody takes it.
    pub(in crate::server::worlds) fn open_socket(
        &mut self,
        life: &Life,
        door: Door,
    ) -> Option<u64> {
        let connection = self.connection();
        let registry = match door {
            Door::Public => life.house.public.registry.clone(),
            Door::Internal => life.house.internal.registry.clone(),
        };
        let (parts, ()) = upgrade().into_parts();
        if self.refusing || websocket::upgrade(&registry, &parts).is_err() {
            return None;
        }
        let id = connection.id;
        let visitor = websocket::Visitor::new(
            &parts,
            transport::Connection {
                id: ConnectionId(id),
                address: IpAddr::from([127, 0, 0, 1]),
                secure: false,
            },
        );
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let busy = self.busy.clone();
        life.runtime.spawn(async move {
            let count = Busy::new(busy);
            websocket::serve(registry, theirs, bytes::Bytes::new(), visitor).await;
            drop((count, connection));
        });
        let (send, mut texts) = mpsc::unbounded_channel::<String>();
        let (reading, may_read) = watch::channel(true);
        let (inbox, time, delay) = (self.inbox.clone(), self.time.clone(), self.delay);
        let mut dice = Dice::new(self.dice.next());
        let pump = life.runtime.spawn(async move {
            let ours = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
            let (mut sink, stream) = ours.split();
            let write = async {
                while let Some(text) = texts.recv().await {
                    if sink.send(Frame::text(text)).await.is_err() {
                        return;
                    }
                }
                std::future::pending::<()>().await;
            };
            let mut late = || Duration::from_millis(dice.below(delay + 1));
            tokio::select! {
                biased;
                () = read(stream, (id, &inbox, &time), may_read, &mut late) => {}
                () = write => {}
            }
            inbox.put(Arrival::Closed { socket: id });
        });
        let pipe = Pipe {
            send,
            reading,
            tasks: vec![pump],
        };
        self.pipes.insert(id, pipe);
        Some(id)
    }

    pub(in crate::server::worlds) fn send(&self, socket: u64, text: String) {
        if let Some(pipe) = self.pipes.get(&socket) {
            let _ = pipe.send.send(text);
        }
    }

    /// Whether the client reads what comes by its WebSocket.
    pub(in crate::server::worlds) fn set_reading(&self, socket: u64, reads: bool) {
        if let Some(pipe) = self.pipes.get(&socket) {
            pipe.reading.send_replace(reads);
        }
    }

    /// A WebSocket breaks.
    pub(in crate::server::worlds) fn cut(&mut self, socket: u64) {
        if let Some(pipe) = self.pipes.remove(&socket) {
            pipe.tasks.iter().for_each(JoinHandle::abort);
        }
    }
}

/// Reads frames until the socket ends, or what comes is no text.
async fn read(
    mut stream: SplitStream<WebSocketStream<DuplexStream>>,
    (socket, inbox, time): (u64, &Inbox, &Time),
    mut may_read: watch::Receiver<bool>,
    late: &mut impl FnMut() -> Duration,
) {
    loop {
        if may_read.wait_for(|reads| *reads).await.is_err() {
            return;
        }
        match stream.next().await {
            Some(Ok(Frame::Text(text))) => {
                let at = time.now();
                let body = serde_json::from_str(&text).unwrap();
                sleep(late()).await;
                inbox.put(Arrival::Frame { socket, at, body });
            }
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
            _ => return,
        }
    }
}

fn upgrade() -> Request<()> {
    Request::get("/cometd")
        .header("host", "127.0.0.1")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .body(())
        .unwrap()
}
