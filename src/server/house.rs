//! The house: the heart and both sides, built from one configuration, and taking over every later one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry as Metrics;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::bayeux::Door;
use super::checks::checks;
use super::counters::Counters;
use super::heart::Heart;
use super::listen::{Ledger, Stage};
use super::metrics::{self, Watched};
use super::rates::Counted;
use super::route;
use super::router::{self, Router};
use super::settings;
use super::side::Side;
use crate::api::admin::Admin;
use crate::api::v2;
use crate::clock::Clock;
use crate::config::Config;
use crate::health::Health;
use crate::http::rate_limit::RateLimits;
use crate::lifecycle::{Exit, Shutdown};
use crate::store::{self, embedded};
use crate::tasks::push::Couriers;
use crate::transport::agents::Agents;
use crate::transport::customers::Customers;
use crate::wire::keys::Keys;

/// How long what is owed to the disk may take at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// Everything that lives as long as the server.
pub(super) struct House {
    pub(super) heart: Heart,
    customers: Arc<Customers>,
    agents: Arc<Agents>,
    pub(super) public: Side,
    pub(super) internal: Side,
    /// Of the public side, and of the internal.
    pub(super) routers: (Arc<Router>, Arc<Router>),
    api_settings: watch::Sender<Arc<v2::Settings>>,
    admin_sha256: [u8; 32],
}

/// What a house stands on.
pub(super) struct Ground {
    pub(super) clock: Clock,
    pub(super) store: store::Shared,
    pub(super) stats: Arc<embedded::Stats>,
    /// What carries the pushes.
    pub(super) couriers: Couriers,
    pub(super) health: Arc<Health>,
    /// Of the admin token.
    pub(super) admin_sha256: [u8; 32],
}

/// What both sides share.
struct Common {
    clock: Clock,
    keys: Keys,
    limits: Arc<RateLimits>,
    counters: Counters,
    subscriptions_ignored: Counter,
}

impl House {
    pub(super) fn build(config: &Config, ground: Ground) -> Result<Self, Exit> {
        let clock = ground.clock;
        let common = Common::new(clock, Keys::new(ground.store.secret()));
        let admin_sha256 = ground.admin_sha256;
        let mut metrics = Metrics::default();
        let (store, stats) = (ground.store.clone(), ground.stats.clone());
        let health = ground.health.clone();
        let heart = Heart::start(config, ground, &common.keys, &mut metrics)?;
        let decided = |door| watch::Sender::new(Arc::new(settings::router(config, door)));
        let public_settings = decided(route::Door::Public);
        let rates = common.rates(&public_settings);
        let customers = common.customers(&heart, rates.clone(), config);
        let agents = settings::agents(config, admin_sha256);
        let agents = Arc::new(Agents::new(heart.hub.clone(), rates, agents));
        let door = route::Door::Public;
        let public = Side::new(door, customers.clone(), public_settings, config, clock);
        let door = route::Door::Internal;
        let internal = Side::new(door, agents.clone(), decided(door), config, clock);
        let sides = [&public, &internal];
        common.count(&mut metrics, stats, &heart, sides, agents.clone());
        let api_settings = watch::Sender::new(Arc::new(settings::api(config)));
        let api = common.api(&heart, &api_settings);
        let checks = checks(health, store, heart.load.clone());
        let admin = Admin::new(checks, || {}, Arc::new(Mutex::new(metrics)));
        let routers = (
            common.router(route::Door::Public, &public, Some(api), None),
            common.router(route::Door::Internal, &internal, None, Some(admin)),
        );
        Ok(Self {
            heart,
            customers,
            agents,
            public,
            internal,
            routers,
            api_settings,
            admin_sha256,
        })
    }

    /// Serves by both listeners; the tasks end when the stage says so.
    pub(super) fn listen(
        &self,
        config: &Config,
        public: TcpListener,
        internal: TcpListener,
        stages: &watch::Receiver<Stage>,
    ) -> JoinSet<()> {
        let ledger = Arc::new(Ledger::default());
        let mut tasks = JoinSet::new();
        let told = (&ledger, stages);
        self.public
            .listen(&mut tasks, public, &self.routers.0, config, told);
        self.internal
            .listen(&mut tasks, internal, &self.routers.1, config, told);
        tasks
    }

    /// Takes every accepted configuration over, until it is time to go.
    pub(super) async fn live(
        &self,
        mut configs: watch::Receiver<Arc<Config>>,
        shutdown: &Shutdown,
    ) -> Result<(), Exit> {
        loop {
            tokio::select! {
                () = shutdown.draining() => return Ok(()),
                exit = self.heart.died() => return Err(exit),
                changed = configs.changed() => match changed {
                    Ok(()) => {
                        let config = configs.borrow_and_update().clone();
                        self.reload(&config).await;
                    }
                    Err(_) => {
                        shutdown.draining().await;
                        return Ok(());
                    }
                },
            }
        }
    }

    async fn reload(&self, config: &Config) {
        if let Err(error) = self.heart.reload(config).await {
            return tracing::error!(%error, "the running configuration stays");
        }
        self.customers.reload(settings::customers(config));
        self.agents
            .reload(settings::agents(config, self.admin_sha256));
        self.public.reload(config);
        self.internal.reload(config);
        self.api_settings
            .send_replace(Arc::new(settings::api(config)));
    }

    /// No new Bayeux sessions; those there are, are sent away with advice.
    pub(super) fn drain(&self) {
        self.public.registry.drain();
        self.internal.registry.drain();
    }

    /// What was accepted becomes durable, and what sleeps is written down.
    pub(super) async fn close(&self) {
        let stopped = tokio::time::timeout(CLOSE_WITHIN, self.heart.stop());
        if stopped.await.is_err() {
            tracing::error!("the end took too long; the next start reads the log");
        }
    }
}

impl Common {
    fn new(clock: Clock, keys: Keys) -> Self {
        Self {
            clock,
            keys,
            limits: Arc::default(),
            counters: Counters::default(),
            subscriptions_ignored: Counter::default(),
        }
    }

    /// The rates of the public side count for what comes over Bayeux, by either.
    fn rates(&self, settings: &watch::Sender<Arc<router::Settings>>) -> Arc<Counted> {
        Arc::new(Counted {
            limits: self.limits.clone(),
            settings: settings.subscribe(),
            clock: self.clock,
        })
    }

    fn customers(&self, heart: &Heart, rates: Arc<Counted>, config: &Config) -> Arc<Customers> {
        Arc::new(Customers::new(
            heart.hub.clone(),
            self.keys.clone(),
            self.clock,
            rates,
            settings::customers(config),
            self.subscriptions_ignored.clone(),
        ))
    }

    fn api(&self, heart: &Heart, settings: &watch::Sender<Arc<v2::Settings>>) -> v2::Api {
        v2::Api {
            chats: heart.hub.clone(),
            keys: self.keys.clone(),
            settings: settings.subscribe(),
            limits: self.limits.clone(),
            clock: self.clock,
            subscriptions_ignored: self.subscriptions_ignored.clone(),
        }
    }

    /// Makes known what is counted.
    fn count(
        &self,
        metrics: &mut Metrics,
        stats: Arc<embedded::Stats>,
        heart: &Heart,
        [public, internal]: [&Side; 2],
        desks: Arc<Agents>,
    ) {
        let watched = Watched {
            stats,
            load: heart.load.clone(),
            customers: public.registry.clone(),
            agents: internal.registry.clone(),
            desks,
            gauges: heart.gauges.clone(),
            limits: self.limits.clone(),
            slots: [public.slots.clone(), internal.slots.clone()],
        };
        self.counters.register(metrics);
        metrics::register(metrics, watched, self.subscriptions_ignored.clone());
    }

    fn router(
        &self,
        door: route::Door,
        side: &Side,
        chat: Option<v2::Api>,
        admin: Option<Admin>,
    ) -> Arc<Router> {
        Arc::new(Router {
            counters: self.counters.clone(),
            door,
            settings: side.told(),
            chat: chat.map(Arc::new),
            admin: admin.map(Arc::new),
            bayeux: Arc::new(Door(side.registry.clone())),
            limits: self.limits.clone(),
            clock: self.clock,
        })
    }
}
