//! Good-byes. One that stands behind publishes of the same request waits for their answers, and takes along what they
//! brought.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::bayeux::Message;
use crate::bayeux::channel::{Channel, Meta};
use crate::bayeux::reply::Reply;
use crate::id::ClientId;

use super::delivery::Farewell;
use super::exchange::Slot;
use super::{Ending, Session};

/// A `/meta/disconnect`.
#[derive(Debug)]
pub struct Leaving {
    id: Option<Box<str>>,
    ext: Option<Box<RawValue>>,
    stamped: bool,
}

impl Leaving {
    /// This message, if it is one of this client and may be done.
    pub fn of(message: &Message<'_>, client: ClientId) -> Option<Self> {
        let is_one = message.target() == Ok(Channel::Meta(Meta::Disconnect))
            && message.client == Some(client)
            && !message.too_often;
        is_one.then(|| Self {
            id: message.id.clone(),
            ext: message.ext.map(ToOwned::to_owned),
            stamped: message.stamped,
        })
    }
}

impl Session {
    /// Ends the session; the reply.
    pub(super) fn disconnect(&mut self, leaving: Leaving) -> Bytes {
        let reply = Reply {
            id: leaving.id.as_deref(),
            channel: Some("/meta/disconnect"),
            successful: true,
            timestamp: self.timestamp(leaving.stamped),
            ..Reply::default()
        };
        if !self.over {
            self.dismiss_held(Vec::new(), Farewell::ForGood);
            self.end(Ending::Disconnected(leaving.ext));
        }
        reply.encode()
    }

    /// Whether a good-bye waits in one of its requests.
    pub(super) fn is_leaving(&self) -> bool {
        let slots = self.exchanges.iter().flat_map(|exchange| &exchange.slots);
        slots.into_iter().any(Slot::is_disconnect)
    }

    /// Does what these were to do of whose request nobody reads the answer.
    pub(super) fn go_unanswered(&mut self, slots: Vec<Slot>) {
        for slot in slots {
            if let Slot::Disconnect(leaving) = slot {
                self.disconnect(*leaving);
            }
        }
    }

    /// Everything that waits for a client that goes when it has got it.
    pub(super) fn last_events(&mut self) -> Vec<Bytes> {
        let mut last = Vec::new();
        while let Some(event) = self.queue.take(true) {
            last.push(event.message);
        }
        last
    }
}
