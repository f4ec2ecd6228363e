//! One side of the house: a listener, its Bayeux clients, and what configuration decides about both.

use std::ops::Range;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::listen::{self, Ledger, Stage};
use super::router::{self, Router};
use super::{route, settings, tls};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::http::slots::Slots;
use crate::transport::{Application, Registry};

/// Descriptors that are kept from connections: at least and at most.
const DESCRIPTORS_KEPT: Range<u64> = 32..1024;

/// What stands behind one listener, besides its [`Router`].
pub(super) struct Side {
    pub(super) registry: Arc<Registry>,
    pub(super) slots: Arc<Slots>,
    door: route::Door,
    tls: Option<Arc<tls::Tls>>,
    settings: watch::Sender<Arc<router::Settings>>,
}

impl Side {
    /// `application` answers the Bayeux clients.
    pub(super) fn new(
        door: route::Door,
        application: Arc<dyn Application>,
        settings: watch::Sender<Arc<router::Settings>>,
        config: &Config,
        clock: Clock,
    ) -> Self {
        let registry = Registry::new(application, settings::transport(config, door), clock);
        tokio::spawn(registry.run_timers());
        Self {
            registry,
            slots: Slots::new(settings::slots(config)),
            door,
            tls: settings::tls(listener_of(door, config)),
            settings,
        }
    }

    /// What configuration decides, as it changes.
    pub(super) fn told(&self) -> watch::Receiver<Arc<router::Settings>> {
        self.settings.subscribe()
    }

    /// Serves from now on.
    pub(super) fn listen(
        &self,
        tasks: &mut JoinSet<()>,
        listener: TcpListener,
        router: &Arc<Router>,
        config: &Config,
        (ledger, stages): (&Arc<Ledger>, &watch::Receiver<Stage>),
    ) {
        let options = listen::Options {
            tls: self.tls.clone(),
            descriptors: descriptors(self.door),
            drain: config.server.drain_timeout,
            ..listen::Options::new(self.slots.clone())
        };
        let (router, ledger, stages) = (router.clone(), ledger.clone(), stages.clone());
        tasks.spawn(listen::serve(listener, options, router, ledger, stages));
    }

    pub(super) fn reload(&self, config: &Config) {
        self.slots.configure(settings::slots(config));
        self.registry.reload(settings::transport(config, self.door));
        self.settings
            .send_replace(Arc::new(settings::router(config, self.door)));
        settings::retell(self.tls.as_ref(), listener_of(self.door, config));
    }
}

fn listener_of(door: route::Door, config: &Config) -> &config::Listener {
    match door {
        route::Door::Public => &config.server.public,
        route::Door::Internal => &config.server.internal,
    }
}

/// How many of the descriptors that the process may have are for connections. A quarter is for everything else; half of
/// that may be used by agents and whoever looks after the server, when customers have taken all that is theirs.
fn descriptors(door: route::Door) -> i32 {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return i32::MAX;
    };
    let reserve = (limit / 4).clamp(DESCRIPTORS_KEPT.start, DESCRIPTORS_KEPT.end);
    let kept = match door {
        route::Door::Public => reserve,
        route::Door::Internal => reserve / 2,
    };
    i32::try_from(limit.saturating_sub(kept)).unwrap_or(i32::MAX)
}
