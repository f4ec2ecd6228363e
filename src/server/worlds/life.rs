//! One life of the server: a runtime whose time passes only when nothing else is left to do, and the house in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::disk::Disk;
use super::receiver::Receivers;
use super::time::Time;
use crate::config::Config;
use crate::health::{Health, State};
use crate::server::house::{Ground, House};
use crate::store::embedded::Stats;

/// The admin token's digest: nobody has the token.
const NOBODY: [u8; 32] = [0; 32];

/// A server from its start to its end.
pub(super) struct Life {
    pub(super) runtime: Runtime,
    pub(super) house: Arc<House>,
    health: Arc<Health>,
    time: Time,
    ended: Arc<AtomicBool>,
}

impl Life {
    pub(super) fn begin(config: &Config, disk: &Disk, receivers: &Receivers, time: &Time) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let health = Arc::<Health>::default();
        let house = runtime.block_on(async {
            let clock = time.begin_life();
            receivers.begin_life();
            let ground = Ground {
                clock,
                store: disk.store(),
                stats: Arc::<Stats>::default(),
                couriers: receivers.couriers(),
                health: health.clone(),
                admin_sha256: NOBODY,
            };
            House::build(config, ground).unwrap()
        });
        health.advance(State::Ready);
        Self {
            runtime,
            house: Arc::new(house),
            health,
            time: time.clone(),
            ended: Arc::default(),
        }
    }

    /// Lets it go down in an orderly way, as at SIGTERM; `busy` says whether requests are under way.
    pub(super) fn drain(&self, drain_timeout: Duration, busy: impl Fn() -> bool + Send + 'static) {
        self.health.advance(State::Draining);
        let (house, ended) = (self.house.clone(), self.ended.clone());
        self.runtime.spawn(async move {
            house.drain();
            let until = tokio::time::Instant::now() + drain_timeout;
            while busy() && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            house.close().await;
            ended.store(true, Ordering::SeqCst);
        });
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Everything in the process is gone at once.
    pub(super) fn end(self) {
        let Self {
            runtime,
            house,
            time,
            ..
        } = self;
        runtime.block_on(async { time.end_life() });
        let entered = runtime.enter();
        drop(house);
        drop(entered);
        drop(runtime);
    }
}
