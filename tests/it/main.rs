//! Parlor seen from outside: the real binary on random ports, driven over the network as its users do.
//!
//! Written from the contract and not from the code. Nothing here sleeps for luck: a story waits for the
//! thing itself, with a deadline. `tests/run` installs what the stories need besides Rust.
//!
//! The people: *alice* is a customer, *bob* an agent, *carol* a supervisor, *robbie* a bot, and *mallory* wants
//! what is not hers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

mod agents;
mod browser;
mod cli;
mod clients;
mod cometd;
mod crash;
mod doors;
mod hostile;
mod layers;
mod process;
mod proofs;
mod push;
mod readme;
mod rest;
mod store;
mod webhooks;
mod who;
