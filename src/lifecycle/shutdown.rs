//! Going down, soft first, then hard: a value that is handed to whoever must know.

use tokio::sync::watch;

/// How far the process is on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is not.
    Running,
    /// What is under way is finished; nothing new is begun.
    Draining,
    /// It ends now.
    Ended,
}

/// Tells how far the process is on its way down; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Stage>);

/// The other end. Once it is gone, the process counts as ended.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Stage>);

/// Both ends.
pub fn shutdown() -> (Stopper, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Stopper(sender), Shutdown(receiver))
}

impl Shutdown {
    /// How far it is now.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Waits until draining has begun, or the end has come.
    pub async fn draining(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits until the end has come.
    pub async fn ended(&self) {
        self.reached(Stage::Ended).await;
    }

    async fn reached(&self, stage: Stage) {
        let mut stages = self.0.clone();
        let _ = stages.wait_for(|now| *now >= stage).await;
    }
}

impl Stopper {
    /// One stage further; answers which that is.
    pub fn advance(&self) -> Stage {
        self.0.send_modify(|stage| {
            *stage = match stage {
                Stage::Running => Stage::Draining,
                Stage::Draining | Stage::Ended => Stage::Ended,
            };
        });
        *self.0.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_down_in_two_steps() {
        let (stopper, shutdown) = shutdown();
        assert_eq!(shutdown.stage(), Stage::Running);
        assert_eq!(stopper.advance(), Stage::Draining);
        shutdown.draining().await;
        assert_eq!(stopper.advance(), Stage::Ended);
        assert_eq!(stopper.advance(), Stage::Ended);
        shutdown.draining().await;
        shutdown.ended().await;
    }

    #[tokio::test]
    async fn a_lost_stopper_is_the_end() {
        let (stopper, shutdown) = shutdown();
        drop(stopper);
        shutdown.ended().await;
    }
}
