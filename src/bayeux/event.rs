//! What the application sends to a client.

use bytes::Bytes;

/// One message for one client, encoded once and shared by all who get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A complete JSON object: `{"channel":…,"data":…}`.
    pub message: Bytes,
    /// From where the application can fetch it again. Without it, the session keeps the bytes until they are confirmed.
    pub source: Option<Source>,
}

/// A place in one of the application's ordered streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The stream, by a number of the application's.
    pub stream: u64,
    /// The position in it: grows, may skip.
    pub position: u64,
}

/// What became of an event that was offered to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an event that was not queued has to be offered again"]
pub enum Offer {
    /// It will be delivered, or its stream rewound.
    Queued,
    /// There is no room (or the stream is being rewound): nothing was queued. The session says when to try again.
    Full,
    /// The session is over.
    Gone,
}
