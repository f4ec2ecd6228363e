//! Assembly: builds everything from the configuration, listens, and lets go in an orderly way.

mod bayeux;
pub mod counters;
pub mod listen;
mod metrics;
mod pushes;
mod rates;
pub mod route;
pub mod router;
mod settings;
pub mod socket;
pub mod tls;
mod usage;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry as Metrics;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::api::admin::{Admin, Check};
use crate::api::v2;
use crate::clock::Clock;
use crate::config::Config;
use crate::health::{Health, State};
use crate::http::rate_limit::RateLimits;
use crate::http::slots::Slots;
use crate::hub::shard::Shard;
use crate::hub::{Hub, Load, Notes, Routes};
use crate::lifecycle::{Exit, Shutdown, Start};
use crate::store::{self, embedded};
use crate::tasks::push::Poster;
use crate::tasks::shards::{Gauges, Runner};
use crate::tasks::wake;
use crate::transport::Registry;
use crate::transport::agents::Agents;
use crate::transport::customers::Customers;
use crate::wire::keys::Keys;

use bayeux::Door;
use listen::{Ids, Stage};
use router::Router;

/// Inputs that may wait for one shard; callers beyond are told that the server is busy.
const SHARD_QUEUE: usize = 16_384;
/// How long what is owed to the disk may take at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// Serves until told to go down.
pub async fn run(start: Start) -> Result<(), Exit> {
    let config = start.config.borrow().clone();
    let public = bind(config.server.public.address, "public").await?;
    let internal = bind(config.server.internal.address, "internal").await?;
    let clock = Clock::system();
    let (store, stats) = open(&config)?;
    let house = House::build(&config, &start, clock, store, stats)?;
    let (stage, stages) = watch::channel(Stage::Serving);
    let addresses = (address(&public)?, address(&internal)?);
    let mut listeners = house.listen(&config, public, internal, &stages);
    start.health.advance(State::Ready);
    let Start {
        config: configs,
        shutdown,
        health,
        announce,
        ..
    } = start;
    announce.ready(&config.server, addresses.0, addresses.1)?;
    house.live(configs, &shutdown).await?;
    health.advance(State::Draining);
    tracing::info!("draining: no new chats are taken");
    house.customers_registry.drain();
    house.agents_registry.drain();
    stage.send_replace(Stage::Draining);
    while listeners.join_next().await.is_some() {}
    house.close().await;
    tracing::info!("everything accepted is durable");
    Ok(())
}

/// Everything that lives as long as the server.
struct House {
    store: store::Shared,
    poster: Poster,
    shards: Vec<mpsc::Sender<crate::hub::shard::Input>>,
    runners: tokio::sync::Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    customers: Arc<Customers>,
    customers_registry: Arc<Registry>,
    agents: Arc<Agents>,
    agents_registry: Arc<Registry>,
    public: Arc<Router>,
    internal: Arc<Router>,
    public_tls: Option<Arc<tls::Tls>>,
    internal_tls: Option<Arc<tls::Tls>>,
    public_settings: watch::Sender<Arc<router::Settings>>,
    internal_settings: watch::Sender<Arc<router::Settings>>,
    api_settings: watch::Sender<Arc<v2::Settings>>,
    slots: (Arc<Slots>, Arc<Slots>),
    load: Arc<Load>,
    admin_sha256: [u8; 32],
}

impl House {
    fn build(
        config: &Config,
        start: &Start,
        clock: Clock,
        store: store::Shared,
        stats: Arc<embedded::Stats>,
    ) -> Result<Self, Exit> {
        let keys = Keys::new(store.secret());
        let admin_sha256 = start.admin.sha256();
        let gauges = Arc::new(Gauges::default());
        let shards = settings::shards(config);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(SHARD_QUEUE)).unzip();
        let notes: Vec<Arc<Notes>> = (0..shards).map(|_| Arc::default()).collect();
        let mut metrics = Metrics::default();
        let poster = pushes::poster(config, clock, &senders, &mut metrics)?;
        let load = Arc::new(Load::new(
            store
                .open_count()
                .map_err(|error| Exit::data(&config.store.path, error))?,
        ));
        settings::load(config, &load);
        let hub = Hub::new(Routes {
            load: load.clone(),
            shards: senders.clone(),
            notes: notes.clone(),
            store: store.clone(),
            health: start.health.clone(),
            random: Box::new(random),
        });
        let mut runners = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        for ((inputs, sender), notes) in receivers.into_iter().zip(&senders).zip(notes) {
            let runner = Runner {
                shard: Shard::new(
                    Arc::new(settings::hub(config)),
                    keys.clone(),
                    load.clone(),
                    clock.now(),
                ),
                inputs,
                sender: sender.clone(),
                store: store.clone(),
                pushes: Arc::new(pushes::Pushes(poster.clone())),
                clock,
                notes,
                stop: stopped.clone(),
                gauges: gauges.clone(),
            };
            runners.spawn(runner.run());
        }
        tokio::spawn(wake::run(store.clone(), senders.clone(), clock));
        let limits = Arc::new(RateLimits::default());
        let (public_settings, public_settings_told) =
            watch::channel(Arc::new(settings::router(config, true)));
        let (internal_settings, internal_settings_told) =
            watch::channel(Arc::new(settings::router(config, false)));
        let (api_settings, api_settings_told) = watch::channel(Arc::new(settings::api(config)));
        let rates = Arc::new(rates::Counted {
            limits: limits.clone(),
            settings: public_settings_told.clone(),
            clock,
        });
        let subscriptions_ignored = Counter::default();
        let customers = Arc::new(Customers::new(
            hub.clone(),
            keys.clone(),
            clock,
            rates.clone(),
            settings::customers(config),
            subscriptions_ignored.clone(),
        ));
        let agents = Arc::new(Agents::new(
            hub.clone(),
            rates,
            settings::agents(config, admin_sha256),
        ));
        let customers_registry =
            Registry::new(customers.clone(), settings::transport(config), clock);
        let agents_registry = Registry::new(agents.clone(), settings::transport(config), clock);
        tokio::spawn(customers_registry.run_timers());
        tokio::spawn(agents_registry.run_timers());
        let api = v2::Api {
            chats: hub,
            keys,
            settings: api_settings_told,
            limits: limits.clone(),
            clock,
            subscriptions_ignored: subscriptions_ignored.clone(),
        };
        let slots = (
            Slots::new(settings::slots(config)),
            Slots::new(settings::slots(config)),
        );
        let watched = metrics::Watched {
            stats,
            load: load.clone(),
            customers: customers_registry.clone(),
            agents: agents_registry.clone(),
            gauges,
            limits: limits.clone(),
            slots: [slots.0.clone(), slots.1.clone()],
        };
        let counters = counters::Counters::default();
        counters.register(&mut metrics);
        metrics::register(&mut metrics, watched, subscriptions_ignored);
        let admin = Admin::new(
            checks(start.health.clone(), store.clone(), load.clone()),
            || {},
            Arc::new(Mutex::new(metrics)),
        );
        let public = Router {
            counters: counters.clone(),
            door: route::Door::Public,
            settings: public_settings_told,
            chat: Some(Arc::new(api)),
            admin: None,
            bayeux: Arc::new(Door(customers_registry.clone())),
            limits: limits.clone(),
            clock,
        };
        let internal = Router {
            counters,
            door: route::Door::Internal,
            settings: internal_settings_told,
            chat: None,
            admin: Some(Arc::new(admin)),
            bayeux: Arc::new(Door(agents_registry.clone())),
            limits,
            clock,
        };
        Ok(Self {
            store,
            poster,
            shards: senders,
            runners: tokio::sync::Mutex::new(runners),
            stop,
            customers,
            customers_registry,
            agents,
            agents_registry,
            public: Arc::new(public),
            internal: Arc::new(internal),
            public_tls: settings::tls(&config.server.public),
            internal_tls: settings::tls(&config.server.internal),
            public_settings,
            internal_settings,
            api_settings,
            slots,
            load,
            admin_sha256,
        })
    }

    fn listen(
        &self,
        config: &Config,
        public: TcpListener,
        internal: TcpListener,
        stages: &watch::Receiver<Stage>,
    ) -> JoinSet<()> {
        let ids = Arc::new(Ids::default());
        let options = |tls: &Option<Arc<tls::Tls>>, slots: &Arc<Slots>| listen::Options {
            tls: tls.clone(),
            drain: config.server.drain_timeout,
            ..listen::Options::new(slots.clone())
        };
        let mut listeners = JoinSet::new();
        listeners.spawn(listen::serve(
            public,
            options(&self.public_tls, &self.slots.0),
            self.public.clone(),
            ids.clone(),
            stages.clone(),
        ));
        listeners.spawn(listen::serve(
            internal,
            options(&self.internal_tls, &self.slots.1),
            self.internal.clone(),
            ids,
            stages.clone(),
        ));
        listeners
    }

    /// Takes every accepted configuration over, until it is time to go.
    async fn live(
        &self,
        mut configs: watch::Receiver<Arc<Config>>,
        shutdown: &Shutdown,
    ) -> Result<(), Exit> {
        loop {
            tokio::select! {
                () = shutdown.draining() => return Ok(()),
                exit = self.shard_died() => return Err(exit),
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

    /// Nobody answers for the sessions of a shard that has ended: the process ends too, and what is durable stays.
    async fn shard_died(&self) -> Exit {
        let ended = self.runners.lock().await.join_next().await;
        let why = match ended {
            Some(Err(error)) => error.to_string(),
            Some(Ok(())) | None => "it ended".to_owned(),
        };
        tracing::error!(error = why, "a shard has died; the process ends");
        Exit::unavailable("a shard has died", why)
    }

    async fn reload(&self, config: &Config) {
        if let Err(error) = self.poster.reload(settings::destinations(config)) {
            return tracing::error!(%error, "the push destinations stay as they were");
        }
        let hub = Arc::new(settings::hub(config));
        for shard in &self.shards {
            let _ = shard
                .send(crate::hub::shard::Input::Settings(hub.clone()))
                .await;
        }
        settings::load(config, &self.load);
        self.slots.0.configure(settings::slots(config));
        self.slots.1.configure(settings::slots(config));
        self.customers.reload(settings::customers(config));
        self.agents
            .reload(settings::agents(config, self.admin_sha256));
        self.customers_registry.reload(settings::transport(config));
        self.agents_registry.reload(settings::transport(config));
        self.public_settings
            .send_replace(Arc::new(settings::router(config, true)));
        self.internal_settings
            .send_replace(Arc::new(settings::router(config, false)));
        self.api_settings
            .send_replace(Arc::new(settings::api(config)));
        settings::retell(self.public_tls.as_ref(), &config.server.public);
        settings::retell(self.internal_tls.as_ref(), &config.server.internal);
    }

    /// What was accepted becomes durable, and what sleeps is written down.
    async fn close(&self) {
        let ended = async {
            self.poster.drain().await;
            self.stop.send_replace(true);
            // Each gives its lane of the store back before the store is closed.
            let mut runners = self.runners.lock().await;
            while let Some(ended) = runners.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a shard has died; the next start reads its log");
                }
            }
            if let Err(error) = self.store.close().await {
                tracing::error!(%error, "the store could not be closed; the next start reads its log");
            }
        };
        if tokio::time::timeout(CLOSE_WITHIN, ended).await.is_err() {
            tracing::error!("the end took too long; the next start reads the log");
        }
    }
}

async fn bind(address: SocketAddr, listener: &str) -> Result<TcpListener, Exit> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Exit::unavailable(format!("the {listener} listener cannot use {address} (is it taken? see [server] {listener})"), error))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Exit> {
    listener
        .local_addr()
        .map_err(|error| Exit::unavailable("the listener's address", error))
}

fn open(config: &Config) -> Result<(store::Shared, Arc<embedded::Stats>), Exit> {
    let path = &config.store.path;
    let options = embedded::Options {
        folder: path.clone(),
        worker_threads: settings::shards(config),
        sizes: embedded::Sizes::default(),
        dead_letters_kept: config.push.dead_letters_kept,
    };
    let store = embedded::Embedded::open(&options).map_err(|error| Exit::data(path, error))?;
    let stats = store.stats();
    Ok((Arc::new(store), stats))
}

fn checks(
    health: Arc<Health>,
    store: store::Shared,
    load: Arc<Load>,
) -> impl Fn() -> Vec<Check> + Send + Sync {
    move || {
        let lifecycle = match health.state() {
            State::Ready => None,
            State::Starting => Some("starting".to_owned()),
            State::Draining => Some("draining".to_owned()),
        };
        let writable = match store.condition() {
            store::Condition::Writable => None,
            store::Condition::NoSpace => Some(store::Error::NoSpace.to_string()),
            store::Condition::ReadOnly => Some(store::Error::ReadOnly.to_string()),
        };
        vec![
            Check::new("lifecycle", lifecycle),
            Check::new("store", writable),
            Check::new(
                "limits",
                load.is_reached()
                    .then(|| "limit reached: [settings] limit-for-sessions".to_owned()),
            ),
        ]
    }
}

/// Random bits for identifiers.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|error| {
        // Without randomness no identifier can be made that nobody guesses.
        tracing::error!(%error, "the system gives no random numbers");
        std::process::abort()
    })
}
