//! Assembly: builds everything from the configuration, listens, and lets go in an orderly way.

mod bayeux;
mod checks;
pub mod counters;
mod heart;
mod house;
pub(crate) mod lean;
pub mod listen;
mod metrics;
mod pushes;
mod rates;
pub mod route;
pub mod router;
mod settings;
mod side;
pub mod socket;
mod steady;
pub mod tls;
mod usage;
mod wire;
#[cfg(test)]
mod worlds;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::chance;
use crate::config::Config;
use crate::health::State;
use crate::lifecycle::{Exit, Start};
use crate::store::{self, embedded};
use crate::tasks::push::by_http;

use house::{Ground, House};
use listen::Stage;
use steady::Steady;

/// Serves until told to go down.
pub async fn run(start: Start) -> Result<(), Exit> {
    let config = start.config.borrow().clone();
    let public = bind(config.server.public.address, "public").await?;
    let internal = bind(config.server.internal.address, "internal").await?;
    let addresses = (address(&public)?, address(&internal)?);
    let (store, stats) = open(&config)?;
    let steady = Steady::resume(&config.store.path);
    let ground = Ground {
        clock: steady.clock,
        store,
        stats,
        couriers: Box::new(by_http),
        health: start.health.clone(),
        admin_sha256: start.admin.sha256(),
    };
    let house = House::build(&config, ground)?;
    let (stage, stages) = watch::channel(Stage::Serving);
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
    tokio::select! {
        lived = house.live(configs, &shutdown) => lived?,
        never = steady.keep() => match never {},
    }
    health.advance(State::Draining);
    house.drain();
    tracing::info!("draining: no new chats are taken");
    stage.send_replace(Stage::Draining);
    while listeners.join_next().await.is_some() {}
    house.close().await;
    steady.note().await;
    tracing::info!("everything accepted is durable");
    Ok(())
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

/// Random bits for identifiers.
fn random() -> u64 {
    chance::bits64().unwrap_or_else(|error| {
        // Without randomness no identifier can be made that nobody guesses.
        tracing::error!(%error, "the system gives no random numbers");
        std::process::abort()
    })
}
