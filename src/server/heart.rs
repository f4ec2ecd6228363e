//! The heart of the server: the shards that own the chats, and what posts their pushes.

use std::sync::Arc;

use prometheus_client::registry::Registry as Metrics;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use super::house::Ground;
use super::{pushes, random, settings};
use crate::clock::Clock;
use crate::config::Config;
use crate::hub::shard::{Input, Shard};
use crate::hub::{Hub, Load, Notes, Routes};
use crate::lifecycle::Exit;
use crate::store;
use crate::tasks::push::Poster;
use crate::tasks::shards::{Gauges, Runner};
use crate::tasks::wake;
use crate::wire::keys::Keys;

/// Inputs that may wait for one shard; callers beyond are told that the server is busy.
const SHARD_QUEUE: usize = 16_384;

/// What beats as long as the server lives.
pub(super) struct Heart {
    pub(super) hub: Hub,
    pub(super) load: Arc<Load>,
    pub(super) gauges: Arc<Gauges>,
    store: store::Shared,
    poster: Poster,
    shards: Vec<mpsc::Sender<Input>>,
    runners: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Heart {
    /// Starts a shard for each thread, the poster, and what wakes sleeping chats.
    pub(super) fn start(
        config: &Config,
        ground: Ground,
        keys: &Keys,
        metrics: &mut Metrics,
    ) -> Result<Self, Exit> {
        let (clock, store) = (ground.clock, ground.store);
        let count = settings::shards(config);
        let (shards, inputs): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(SHARD_QUEUE)).unzip();
        let notes: Vec<Arc<Notes>> = (0..count).map(|_| Arc::default()).collect();
        let poster = pushes::poster(config, clock, ground.couriers, &shards, metrics)?;
        let load = load(config, &store)?;
        let hub = Hub::new(Routes {
            load: load.clone(),
            shards: shards.clone(),
            notes: notes.clone(),
            store: store.clone(),
            health: ground.health,
            random: Box::new(random),
        });
        let (stop, stopped) = watch::channel(false);
        let heart = Self {
            hub,
            load,
            gauges: Arc::default(),
            store,
            poster,
            shards,
            runners: Mutex::default(),
            stop,
        };
        let runner = |((inputs, sender), notes): ((_, &mpsc::Sender<Input>), _)| Runner {
            shard: heart.shard(config, keys, clock),
            inputs,
            sender: sender.clone(),
            store: heart.store.clone(),
            pushes: Arc::new(pushes::Pushes(heart.poster.clone())),
            clock,
            notes,
            stop: stopped.clone(),
            gauges: heart.gauges.clone(),
        };
        let inputs = inputs.into_iter().zip(&heart.shards).zip(notes);
        let runners = inputs.map(runner).map(Runner::run).collect();
        tokio::spawn(wake::run(
            heart.store.clone(),
            heart.shards.clone(),
            heart.gauges.clone(),
            clock,
        ));
        Ok(Self {
            runners: Mutex::new(runners),
            ..heart
        })
    }

    fn shard(&self, config: &Config, keys: &Keys, clock: Clock) -> Shard {
        let settings = Arc::new(settings::hub(config));
        Shard::new(settings, keys.clone(), self.load.clone(), clock.now())
    }

    /// Takes another configuration over; where its push destinations cannot be used, nothing of it.
    pub(super) async fn reload(&self, config: &Config) -> Result<(), Exit> {
        self.poster
            .reload(settings::destinations(config))
            .map_err(|error| Exit::unavailable("the push destinations", error))?;
        let hub = Arc::new(settings::hub(config));
        for shard in &self.shards {
            let _ = shard.send(Input::Settings(hub.clone())).await;
        }
        settings::load(config, &self.load);
        Ok(())
    }

    /// Nobody answers for the sessions of a shard that has ended: the process ends too, and what is durable stays.
    pub(super) async fn died(&self) -> Exit {
        let ended = self.runners.lock().await.join_next().await;
        let why = match ended {
            Some(Err(error)) => error.to_string(),
            Some(Ok(())) | None => "it ended".to_owned(),
        };
        tracing::error!(error = why, "a shard has died; the process ends");
        Exit::unavailable("a shard has died", why)
    }

    /// What was accepted becomes durable, and what sleeps is written down.
    pub(super) async fn stop(&self) {
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
    }
}

fn load(config: &Config, store: &store::Shared) -> Result<Arc<Load>, Exit> {
    let open = store
        .open_count()
        .map_err(|error| Exit::data(&config.store.path, error))?;
    let load = Arc::new(Load::new(open));
    settings::load(config, &load);
    Ok(load)
}
