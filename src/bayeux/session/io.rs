//! What a session is told, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::bayeux::{Config, ConnectionId, ExchangeId, Message};
#[cfg(doc)]
use crate::bayeux::{Offer, Session};

/// What carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One HTTP request, answered by one response.
    Http,
    /// One frame of a WebSocket, answered by any later frame.
    Socket,
}

/// The messages of one request. Those of other clients are answered as unknown.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its number.
    pub exchange: ExchangeId,
    /// Where it came from.
    pub connection: ConnectionId,
    /// What carries it.
    pub carrier: Carrier,
    /// A connect in it would be one too many of its browser.
    pub crowded: bool,
    /// The messages; no handshake is among them.
    pub messages: &'a [Message<'a>],
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The client sent something.
    Request(Request<'a>),
    /// The application answers [`Output::Subscribe`].
    Subscribed {
        /// The number of the question.
        question: u64,
        /// Granted, or the Bayeux error.
        result: Result<(), String>,
    },
    /// The application answers [`Output::Publish`].
    Published {
        /// The number of the publish.
        publish: u64,
        /// Done, or the Bayeux error.
        result: Result<(), String>,
    },
    /// The application puts a publish off until the client has read more of the answers it has asked for.
    PutOff {
        /// The number of the publish.
        publish: u64,
    },
    /// The application turns to a publish that it had put off.
    Begun {
        /// The number of the publish.
        publish: u64,
    },
    /// The application knows that it has to rewind.
    Rewound {
        /// The stream.
        stream: u64,
    },
    /// The client went away before this exchange was answered, or before the answer could be handed over.
    Abandoned {
        /// The exchange.
        exchange: ExchangeId,
    },
    /// A connection ended.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// The peer closed it in good order.
        clean: bool,
    },
    /// The time of [`Session::poll_timeout`] has come.
    Timeout,
    /// The server ends the client.
    Disconnect,
    /// The server ends the client, which is to shake hands again: a connect that is held is answered as that of a client
    /// nobody knows.
    BeginAnew,
    /// The server is ending; clients are to come back after the pause.
    Drain {
        /// The pause.
        pause: Duration,
    },
    /// Other options.
    Configured(Arc<Config>),
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Answer an HTTP request with an array of these.
    Respond {
        /// The exchange.
        exchange: ExchangeId,
        /// Its connection.
        connection: ConnectionId,
        /// Complete messages.
        messages: Vec<Bytes>,
        /// Events are among them, so the end of the connection matters.
        events: bool,
    },
    /// Answer an HTTP request with an error status: a newer connect has taken its place.
    Overtaken {
        /// The exchange.
        exchange: ExchangeId,
    },
    /// Close a WebSocket: the client goes on elsewhere.
    Close {
        /// The socket.
        connection: ConnectionId,
    },
    /// Ask whether the client may subscribe to all of these. If so it is subscribed from here on.
    Subscribe {
        /// For [`Input::Subscribed`].
        question: u64,
        /// Names, not empty.
        channels: Vec<Box<str>>,
    },
    /// The client is not subscribed any more.
    Unsubscribed {
        /// The name.
        channel: Box<str>,
    },
    /// The client publishes.
    Publish {
        /// For [`Input::Published`].
        publish: u64,
        /// The request it came in.
        exchange: ExchangeId,
        /// The channel.
        channel: Box<str>,
        /// What.
        data: Box<RawValue>,
    },
    /// The client publishes too often: this is not done but fails.
    TooOften {
        /// For [`Input::Published`].
        publish: u64,
        /// The request it came in.
        exchange: ExchangeId,
        /// The channel.
        channel: Box<str>,
        /// What.
        data: Box<RawValue>,
    },
    /// Everything of the stream up to the position has arrived.
    Confirmed {
        /// The stream.
        stream: u64,
        /// The position.
        position: u64,
    },
    /// Everything of the stream after the position is to be delivered again; [`Input::Rewound`] follows.
    Rewind {
        /// The stream.
        stream: u64,
        /// The position.
        position: u64,
    },
    /// The publish has been put off for too long. If it has not been begun, it is to be answered that it will not be.
    GivenUp {
        /// The number of the publish.
        publish: u64,
    },
    /// There is room after an [`Offer::Full`].
    Drained,
    /// As many answers have been read as was asked for by [`Session::has_read`].
    AnswersRead,
    /// The session is over.
    Gone(Ending),
}

/// How a session ended.
#[derive(Debug)]
pub enum Ending {
    /// The client said so, with this `ext`.
    Disconnected(Option<Box<RawValue>>),
    /// Nothing was heard of it.
    Expired,
    /// It did nothing of its own.
    Inactive,
    /// The server ended it.
    Kicked,
}
