//! A word to the task of a WebSocket.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How a WebSocket's task is told that there is something to do.
#[derive(Debug, Default)]
pub struct Signal {
    wake: Notify,
    closing: AtomicU8,
}

/// Why a WebSocket is closed from within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The client goes on over another connection.
    Superseded,
    /// The server ends.
    GoingAway,
}

impl Signal {
    /// There is something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Asks the socket's task to close it.
    pub fn close(&self, why: Closing) {
        self.closing.store(why as u8 + 1, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether that was asked for.
    pub fn closing(&self) -> Option<Closing> {
        match self.closing.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Closing::Superseded),
            _ => Some(Closing::GoingAway),
        }
    }

    /// Waits for something to do.
    pub fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }
}
