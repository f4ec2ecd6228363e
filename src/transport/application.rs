//! The seam between a Bayeux client and what it talks to.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use serde_json::value::RawValue;

use crate::bayeux::{Ending, Input};

use super::client::Client;
use super::handle::Handle;
use super::waiting::Source;

/// Who answers the clients of one registry.
pub trait Application: Send + Sync + 'static {
    /// A client says hello.
    ///
    /// On success the party stands behind this client from now on. `client` may be kept; events given to it here are
    /// delivered after the handshake's reply.
    fn handshake(&self, hello: Hello<'_>, client: Handle) -> Result<Arc<dyn Party>, Refused>;

    /// Whether this address may send one more message now; counts it. The first message of an HTTP request is not asked
    /// about: the request itself was counted.
    fn may_send(&self, address: IpAddr) -> bool;
}

/// What is known of a client that says hello.
#[derive(Clone, Copy)]
pub struct Hello<'a> {
    /// The `ext` of its handshake.
    pub ext: Option<&'a RawValue>,
    /// The `Authorization` header of the request, or of the WebSocket's upgrade.
    pub authorization: Option<&'a str>,
    /// Where it comes from.
    pub address: IpAddr,
    /// It came over TLS.
    pub secure: bool,
}

/// A handshake is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The Bayeux error, `403::…`.
    pub error: String,
    /// The client shall not try again (`reconnect: "none"`); otherwise it may (`"retry"`).
    pub advice_none: bool,
}

/// What a Bayeux client does, told to the application.
///
/// All calls are quick and never block. They are made outside every lock of the transport, one after another for one
/// client, so a party may call its [`Handle`] from within.
pub trait Party: Send + Sync {
    /// May the client subscribe to `channel`? The error is a Bayeux error, `403:…`.
    fn may_subscribe(&self, channel: &str) -> Result<(), String>;
    /// The client is subscribed.
    fn subscribed(&self, channel: &str);
    /// The client is not subscribed any more.
    fn unsubscribed(&self, channel: &str);
    /// May the client publish to `channel`? The error is a Bayeux error, `403:…`.
    fn may_publish(&self, channel: &str) -> Result<(), String>;
    /// The client publishes. `done` answers it, now or later; dropping it answers that it failed.
    fn publish(&self, channel: &str, data: Box<RawValue>, done: PublishDone);
    /// The client published this although its address [may not send more now](Application::may_send). It is not to be done
    /// but to fail, with an error that begins with `429:`.
    fn too_often(&self, channel: &str, data: &RawValue, done: PublishDone);
    /// The client has everything of `stream` up to and including `position`.
    fn confirmed(&self, stream: u64, position: u64);
    /// Everything of `stream` after `position` may not have arrived, and nothing of it is queued any more: it is to be
    /// delivered again from there. A delivery from within this call is answered with `Full`, and `drained` follows.
    fn rewind(&self, stream: u64, position: u64);
    /// There is room again after an [`Offer::Full`](crate::bayeux::Offer::Full).
    fn drained(&self);
    /// No more answers are unread than was asked for by [`Handle::has_read`].
    fn answers_read(&self) {}
    /// The publish of this [number](PublishDone::number) has been put off for too long. If it has not been begun, it is to
    /// be answered that it will not be.
    fn given_up(&self, _publish: u64) {}
    /// The client is gone for good; no other call follows, except for publishes it made before.
    fn gone(&self, how: Gone);
}

/// How a client ended.
#[derive(Debug)]
pub enum Gone {
    /// It said so. `ext` is that of its `/meta/disconnect`, as it came.
    Disconnected {
        /// For example `{"transcriptPosition":…}`.
        ext: Option<Box<RawValue>>,
    },
    /// It was not heard of for `maxInterval`.
    Expired,
    /// It did nothing for the time the activity extension allows.
    ActivityTimeout,
    /// [`Handle::disconnect`] or [`Handle::begin_anew`] ended it.
    Kicked,
}

impl From<Ending> for Gone {
    fn from(how: Ending) -> Self {
        match how {
            Ending::Disconnected(ext) => Self::Disconnected { ext },
            Ending::Expired => Self::Expired,
            Ending::Inactive => Self::ActivityTimeout,
            Ending::Kicked => Self::Kicked,
        }
    }
}

/// The answer to one publish, still owed. Dropped, it answers `500::publish_failed`.
#[must_use = "a publish is answered"]
pub struct PublishDone {
    client: Weak<Client>,
    publish: Option<u64>,
    source: Source,
}

impl PublishDone {
    pub(super) fn new(client: Weak<Client>, publish: u64, source: Source) -> Self {
        Self {
            client,
            publish: Some(publish),
            source,
        }
    }

    /// What the publish came in.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Its number among the publishes of its client.
    pub fn number(&self) -> Option<u64> {
        self.publish
    }

    /// It waits until the client has read more of its answers; [`begun`](Self::begun) follows, or an answer.
    pub fn put_off(&self) {
        self.tell(|publish| Input::PutOff { publish });
    }

    /// It waits no longer.
    pub fn begun(&self) {
        self.tell(|publish| Input::Begun { publish });
    }

    /// It happened.
    pub fn ok(mut self) {
        self.answer(Ok(()));
    }

    /// It did not, and `error` is the Bayeux error to say so, such as `403:…`.
    pub fn fail(mut self, error: impl Into<String>) {
        self.answer(Err(error.into()));
    }

    fn answer(&mut self, result: Result<(), String>) {
        self.tell(|publish| Input::Published { publish, result });
        self.publish = None;
    }

    fn tell<'a>(&self, what: impl FnOnce(u64) -> Input<'a>) {
        if let (Some(publish), Some(client)) = (self.publish, self.client.upgrade()) {
            client.handle(what(publish));
        }
    }
}

impl Drop for PublishDone {
    fn drop(&mut self) {
        self.answer(Err("500::publish_failed".to_owned()));
    }
}

impl fmt::Debug for PublishDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishDone").finish_non_exhaustive()
    }
}

impl fmt::Debug for Hello<'_> {
    /// Tokens stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("address", &self.address)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}
