//! The channel of agents, bots and supervisors: requests in, answers and events out.
//!
//! [`Request`] is what was asked; [`answer`] makes the complete Bayeux messages that come back.

pub mod answer;
mod reading;
mod request;

pub use request::{Asked, ErrorCode, Malformed, Operation, Request};

/// The one channel.
pub const CHANNEL: &str = "/service/agent";
