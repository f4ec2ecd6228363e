//! What the operator may choose, by CometD's names.

use std::time::Duration;

/// A way to carry Bayeux messages, by the name clients negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionType {
    /// One socket, both ways.
    WebSocket,
    /// A request that is held until there is something to say.
    LongPolling,
    /// The same as a script, for pages that cannot make cross-origin requests.
    CallbackPolling,
}

/// The options of a Bayeux server. Durations are whole milliseconds on the outside (`[cometd]`).
#[derive(Clone, Debug)]
pub struct Config {
    /// `timeout`: how long a `/meta/connect` is held at most.
    pub timeout: Duration,
    /// `interval`: the pause clients are advised to make between connects.
    pub interval: Duration,
    /// `maxInterval`: how long a session outlives its last connect reply, beyond `interval`.
    pub max_interval: Duration,
    /// `maxMessageSize`: the largest request body or WebSocket message, in bytes.
    pub max_message_size: usize,
    /// `maxSessionsPerBrowser`: held long-polls of one browser cookie.
    pub max_sessions_per_browser: usize,
    /// `multiSessionInterval`: the pause advised beyond that; zero refuses the connect instead.
    pub multi_session_interval: Duration,
    /// `trustClientSession`: over HTTP the client id alone is enough, without the browser's cookie.
    pub trust_client_session: bool,
    /// `transports`, in the order in which they are advertised.
    pub transports: Vec<ConnectionType>,
    /// `metaConnectDeliverOnly`: events only with connect replies, over WebSocket too; over HTTP it is always so.
    pub meta_connect_deliver_only: bool,
    /// Messages in one request.
    pub batch_max: usize,
    /// Channels one session may be subscribed to.
    pub subscriptions_max: usize,
    /// Bytes of events waiting for one session; and of replies on a WebSocket, beyond which it is not read.
    pub queue_bytes_max: usize,
    /// Events waiting for one session.
    pub queue_messages_max: usize,
    /// Bytes of events that went out, are not confirmed and cannot be fetched again from the application.
    pub unconfirmed_bytes_max: usize,
    /// Publishes one session may have unanswered; further WebSocket frames are not read meanwhile.
    pub publishes_max: usize,
    /// How long the application may take for a publish before it is answered as failed.
    pub publish_timeout: Duration,
    /// How long the application may put a publish off: shorter than clients wait for the answer to one (10 s for CometD's).
    pub put_off_max: Duration,
    /// `maxInactivity`, the activity extension: a session that publishes nothing for so long is ended.
    pub activity_timeout: Option<Duration>,
}

impl ConnectionType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::LongPolling => "long-polling",
            Self::CallbackPolling => "callback-polling",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(30_000),
            interval: Duration::ZERO,
            max_interval: Duration::from_millis(60_000),
            max_message_size: 65_536,
            max_sessions_per_browser: 2,
            multi_session_interval: Duration::from_millis(2_000),
            trust_client_session: false,
            transports: vec![ConnectionType::WebSocket, ConnectionType::LongPolling],
            meta_connect_deliver_only: false,
            batch_max: 100,
            subscriptions_max: 20,
            queue_bytes_max: 256 * 1024,
            queue_messages_max: 1_000,
            unconfirmed_bytes_max: 64 * 1024,
            publishes_max: 256,
            publish_timeout: Duration::from_secs(30),
            put_off_max: Duration::from_secs(5),
            activity_timeout: None,
        }
    }
}
