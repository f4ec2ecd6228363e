//! Who may publish what, and who hears it.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::bayeux::{Event, Session, channel};
use crate::id::ClientId;

use super::{Broker, Told};

impl Broker {
    /// Services echo; broadcasts go to whom a subscription matches, once.
    pub(super) fn publish(&mut self, from: ClientId, name: &str, data: &str) -> Result<(), String> {
        self.told
            .push(Told::Published(name.to_owned(), data.to_owned()));
        if name.contains("secret") {
            return Err(format!("403:{name}:publish_denied"));
        }
        if name.contains("vetoed") {
            return Err("404::message_deleted".to_owned());
        }
        let event = Event {
            message: Bytes::from(format!(r#"{{"channel":"{name}","data":{data}}}"#)),
            source: None,
        };
        let subscribed = |session: &Session| {
            let matching = |pattern: &str| channel::matches(pattern, name);
            session.subscriptions().any(matching)
        };
        let receivers: BTreeSet<_> = if name.starts_with("/service/") {
            name.contains("echo").then_some(from).into_iter().collect()
        } else {
            let matching = self
                .sessions
                .iter()
                .filter(|(_, session)| subscribed(session));
            matching.map(|(id, _)| *id).collect()
        };
        let now = self.now;
        for id in receivers {
            if let Some(session) = self.sessions.get_mut(&id) {
                let _ = session.deliver(event.clone(), now);
            }
        }
        Ok(())
    }
}
