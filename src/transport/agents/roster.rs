//! Who is in, so that a reload finds those whom it no longer lets in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Agent, Settings};
use crate::id::ClientId;

/// The connections of agents; never more than there are clients (`[limits] clients`).
#[derive(Default)]
pub(super) struct Roster(Mutex<HashMap<ClientId, Weak<Agent>>>);

impl Roster {
    /// It is in, until it [leaves](Self::leave).
    pub(super) fn enter(&self, agent: &Arc<Agent>) {
        self.lock().insert(agent.handle.id(), Arc::downgrade(agent));
    }

    /// It is gone.
    pub(super) fn leave(&self, client: ClientId) {
        self.lock().remove(&client);
    }

    /// Those who are in, and of whom `settings` know nothing.
    pub(super) fn strangers(&self, settings: &Settings) -> Vec<Arc<Agent>> {
        let agents = self.lock();
        let agents = agents.values().filter_map(Weak::upgrade);
        agents.filter(|agent| !settings.knows(agent)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Weak<Agent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
