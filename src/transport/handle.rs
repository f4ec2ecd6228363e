//! The application's way to a client.

use std::sync::Weak;

use bytes::Bytes;

use crate::bayeux::{Event, Input, Offer};
use crate::id::ClientId;

use super::client::Client;

/// The way to one client, cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    id: ClientId,
    client: Weak<Client>,
}

impl Handle {
    pub(super) fn new(id: ClientId, client: Weak<Client>) -> Self {
        Self { id, client }
    }

    /// The client's identifier.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Offers an event; whoever writes for the client is woken.
    pub fn deliver(&self, event: Event) -> Offer {
        match self.client.upgrade() {
            Some(client) => client.deliver(event),
            None => Offer::Gone,
        }
    }

    /// Queues an answer, which is not refused; whoever writes for the client is woken.
    pub fn answer(&self, message: Bytes) {
        if let Some(client) = self.client.upgrade() {
            client.answer(message);
        }
    }

    /// Queues an answer unless as much of answers waits as may of events: [`Offer::Full`], which is counted.
    pub fn try_answer(&self, message: Bytes) -> Offer {
        match self.client.upgrade() {
            Some(client) => client.try_answer(message),
            None => Offer::Gone,
        }
    }

    /// Whether no more than `bytes` of answers wait for the client. If more do,
    /// [`answers_read`](super::Party::answers_read) follows once it is so. Of nobody nothing waits.
    pub fn has_read(&self, bytes: usize) -> bool {
        let client = self.client.upgrade();
        client.is_none_or(|client| client.has_read(bytes))
    }

    /// Ends the client: it is told `/meta/disconnect`, and its party that it is gone.
    pub fn disconnect(&self) {
        if let Some(client) = self.client.upgrade() {
            client.handle(Input::Disconnect);
        }
    }

    /// Ends the client, which is advised to shake hands again; its party is told that it is gone.
    pub fn begin_anew(&self) {
        if let Some(client) = self.client.upgrade() {
            client.handle(Input::BeginAnew);
        }
    }
}
