//! The Bayeux protocol, pure: it reads and writes messages, is told the time, and has never heard of a chat or a socket.
//!
//! * [`parse`] makes [`Message`]s of a request body.
//! * [`Greeting`] judges a handshake; [`Session`] is one client from its handshake to its end.
//!
//! A session is driven: [`Session::handle`] takes what happened, [`Session::poll_output`] gives what is to be done,
//! [`Session::poll_frame`] what may be written to a WebSocket now, [`Session::poll_timeout`] when to come again.
//!
//! # What is kept until it is known to have arrived
//!
//! CometD forgets an event when it hands it to the network. Here an event is *in flight* until something the client did
//! proves that it came: an `ext.ack`, or the next `/meta/connect`. For an event with a [`Source`] only its position is
//! kept; on a loss the application is told to rewind the stream, and delivers again. So an event may come twice after a
//! broken connection, and never not at all.
//!
//! # What CometD has and this has not
//!
//! * Events in the replies to publishes over HTTP (rows 88 and 96): they would go over one connection while the next go
//!   with the connect's reply over another, so they could overtake each other, or be lost one without the other. Over HTTP
//!   events go with connect replies alone, as with `metaConnectDeliverOnly`, as with the ack extension, and as Faye does;
//!   there is never more than one of these under way.
//! * Messages in the handshake's reply (`x-messages`), a known client handshaking on (`handshakeReconnect`), lazy messages
//!   and binary data (`Z85`): no client of a chat asks for them, and each is state that every session would carry.
//! * A `timestamp` in events: they are encoded once for all their readers. Replies have one where the request had.
//! * Answers that repeat a request's `id` (remote calls): the channels here answer by events, and an equal `id` resolves
//!   the wrong call in some clients.
//! * A refusal's own advice and extensions: a refused handshake says `403::…`, advice `none`, and no more.
//! * HTTP/2, and so its rule for several tabs: memory per connection decides.
//! * A handshake required of every WebSocket (`requireHandshakePerConnection`): Faye and aiocometd shake hands over HTTP. A
//!   client id is 128 random bits, and who has it may use it on a socket that has not shaken hands.
//! * Channels as things: nothing is made by subscribing or publishing, so nothing has to be swept.
//! * Subscriptions to services that are not recorded: they are kept like any other, count for the limit, and change nothing
//!   about who hears what, for a service speaks to its caller whether or not it is subscribed.
//! * One's own messages kept from oneself (`broadcastToPublisher`): a chat's events come back to whoever caused them.
//! * The browser cookie's name, domain, path and age as options: it is of this host, and ends with the browser.
//! * A WebSocket subprotocol (`ws.protocol`): no client asks for one by default, so none is selected.
//! * The status of an overtaken poll as an option (`duplicateMetaConnectHttpResponseCode`): it is 409, which is no fault of the
//!   server's, so that nobody's alarm counts it as one.
//! * `maxInterval` for a client that has only shaken hands: it is waited for for ten seconds at most, because handshakes are
//!   cheap for the caller.
//! * An end of the session when too much is unacknowledged: of events with a source only positions are kept, so it is never
//!   too much; the others stop at a limit in bytes until they are confirmed.

mod advice;
#[cfg(test)]
mod broker;
pub mod channel;
mod config;
mod error;
mod event;
mod ext;
mod flight;
mod handshake;
mod message;
mod queue;
mod recent;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod timestamp;

pub use config::{Config, ConnectionType};
pub use error::Error;
pub use event::{Event, Offer, Source};
pub use handshake::Greeting;
pub use message::{Malformed, Message, parse};
pub use reply::{array, array_length, put_array, unknown_client};
pub use session::{Carrier, Ending, Input, Output, Request, Session};

/// A connection (an HTTP connection or a WebSocket), numbered by whoever accepts it and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One request that awaits its answer, numbered by the driver and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// The bytes of events that go into one WebSocket frame, and so stand before a reply at most.
pub const FRAME_BYTES: usize = 64 * 1024;
