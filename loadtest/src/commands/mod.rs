//! The sub-commands.

pub mod bayeux;
pub mod chat;
pub mod compare;
pub mod cost;
pub mod dormant;
pub mod idle;
pub mod push;
pub mod soak;
pub mod stall;
