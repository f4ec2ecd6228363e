//! Where clients begin: handshakes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::bayeux::{Carrier, Error, Greeting, Message};
use crate::id::ClientId;

use super::browser::Browser;
use super::client::Client;
use super::driver::random;
use super::signal::Signal;
use super::{Connection, Hello, Registry};

/// Who says hello, and how.
pub struct Visit<'a> {
    pub carrier: Carrier,
    pub connection: Connection,
    pub authorization: Option<&'a str>,
    pub browser: Option<Browser>,
    pub socket: Option<&'a Arc<Signal>>,
}

impl Registry {
    /// A handshake: the reply, and the client it made.
    pub(super) fn handshake(
        self: &Arc<Self>,
        message: &Message<'_>,
        visit: &Visit<'_>,
    ) -> (Bytes, Option<Arc<Client>>) {
        let config = self.config();
        let now = self.now().wall;
        let greeting = match Greeting::read(message, &config, now) {
            Ok(greeting) => greeting,
            Err(refusal) => return (refusal, None),
        };
        if let Some(error) = self.has_no_room(message) {
            let pause = self.spread_pause();
            return (greeting.refuse_for_now(&error, pause, now), None);
        }
        let Some(id) = random().map(ClientId::new) else {
            let reply = greeting.refuse("500::handshake_failed", false, &config, now);
            return (reply, None);
        };
        let from = (visit.carrier, visit.connection.id);
        let client = Client::new(id, self, &greeting, from, Arc::clone(&config));
        match self.introduce(&client, message, visit) {
            Ok(()) => {
                let reply = greeting.accept(id, &config, now);
                (reply, Some(client))
            }
            Err((error, none)) => (greeting.refuse(&error, none, &config, now), None),
        }
    }

    /// Why nobody, or not this one, is let in for now.
    fn has_no_room(&self, message: &Message<'_>) -> Option<Error> {
        if message.too_often {
            return Some(Error::TooOften);
        }
        if self.is_draining() {
            return Some(Error::Draining);
        }
        let max = self.options().clients_max;
        if max == 0 || self.clients.len() < max {
            return None;
        }
        self.clients_refused.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(max, "a handshake was refused: [limits] clients is reached");
        Some(Error::ClientLimit(max))
    }

    /// Lets the application decide about a new client.
    fn introduce(
        &self,
        client: &Arc<Client>,
        message: &Message<'_>,
        visit: &Visit<'_>,
    ) -> Result<(), (String, bool)> {
        if let Some(browser) = visit.browser {
            client.belongs_to(browser);
        }
        if let Some(signal) = visit.socket {
            client.attach(visit.connection.id, signal);
        }
        let hello = Hello {
            ext: message.ext,
            authorization: visit.authorization,
            address: visit.connection.address,
            secure: visit.connection.secure,
        };
        let party = self
            .application
            .handshake(hello, client.handle_to())
            .map_err(|refused| (refused.error, refused.advice_none))?;
        self.clients.insert(client.id(), Arc::clone(client));
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        client.welcome(party);
        Ok(())
    }
}
