//! Connections, in the thousands, in one thread.

mod crowd;
pub mod http;
mod receiver;
mod setup;
pub mod websocket;
mod wire;

pub use crowd::{Crowd, Id};
pub use receiver::Receiver;
pub use setup::{Setup, request};
pub use wire::Wire;
