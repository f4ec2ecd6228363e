//! What the contracts look like, and the conversions to and from the domain: pure, and held to golden files.
//!
//! [`keys`] makes and checks the keys of a chat, [`v2`] speaks Chat API Version 2 over REST and CometD, [`agent`] speaks
//! to agents and bots, and [`push`] makes the bodies of push notifications. An event has one shape, seen by customers,
//! by pushes and by agents with more or less on it: [`event`].

#[cfg(test)]
#[macro_use]
mod testing;

pub mod agent;
pub mod event;
mod json;
pub mod keys;
pub mod push;
pub mod v2;
