//! Worlds in a test: the whole server in one thread, under one simulated clock, network and disk, all from one seed.
//!
//! Customers, agents and receivers do what real ones do; the world drops, delays and reorders, kills the server at any
//! step, fills the disk and sets the clock. A [`model`] that was written from the contract says what may be seen.
//! `tests/worlds` runs many of them; a failing one says how to see it again, and is made shorter first.

mod agent;
mod alarm;
mod bayeux;
mod config;
mod customer;
mod dice;
mod disk;
mod life;
mod model;
mod net;
mod peace;
mod receiver;
mod rest;
mod run;
mod scene;
mod story;
mod time;
mod world;
