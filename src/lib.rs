//! Parlor, a push-first chat gateway.
//!
//! Read the modules in this order; each uses only those above it, and `tests/it/layers.rs` holds them to it.
//!
//! | layer | modules |
//! |---|---|
//! | ground | [`clock`], [`chance`], [`health`], [`json`]; on them [`id`], which hold times |
//! | protocols (pure) | [`bayeux`] |
//! | domain (pure) | [`chat`] |
//! | consequences (pure) | [`push`] |
//! | contract | [`wire`] |
//! | memory | [`store`] |
//! | heart | [`hub`] |
//! | shared by the edges | [`http`] |
//! | edges (IO) | [`transport`], [`api`], [`tasks`] |
//! | assembly | [`config`], [`server`], [`lifecycle`] |
//!
//! What is true everywhere, and mostly an absence:
//!
//! * Only `transport`, `api`, `tasks`, `store`, `config`, `lifecycle`, `server` and `main` open sockets or files.
//!   Everything else is told the time and handed its randomness, and runs in a unit test without a runtime.
//! * `bayeux` has never heard of a chat, and `chat` has never heard of Bayeux.
//! * Nothing is told before it is stored: not to a viewer, not to a webhook, not to the sender.
//! * A session has one owner at a time, and the owner handles its commands one after another.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that cannot go on fails")
)]

pub mod chance;
pub mod clock;
pub mod health;
pub mod id;
pub mod json;
pub mod limit;

pub mod bayeux;

pub mod chat;

pub mod push;

pub mod wire;

pub mod store;

pub mod hub;

pub mod http;

pub mod api;
pub mod tasks;
pub mod transport;

pub mod config;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod lifecycle;
pub mod server;
