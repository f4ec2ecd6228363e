//! The heart: decides, stores, then tells.
//!
//! Every door ends here. A [`Hub`] gives a command to the [`Shard`](shard::Shard) that owns the session; the shard decides, the store makes
//! it durable, and only then are the viewers told and the caller answered. The shard is a pure machine; a driver at the edge
//! runs it (`tasks::shards`).
//!
//! * [`shard`]: the owner loop: one command after another, and what to do when the disk has answered;
//! * [`room`]: one session that is awake, with its push side and its seats;
//! * [`seat`]: who is looking, and how far each has come;
//! * [`notes`]: what those who look say of themselves, which is never lost;
//! * [`fan_out`]: who may see an event, and what it looks like to them.

mod answer;
mod encode;
mod fan_out;
mod handle;
mod list;
mod load;
mod notes;
mod room;
mod seat;
pub mod shard;
mod tally;

pub use answer::{Also, Done, Joined, Page, Refusal, Reply, Summary, View};
pub use handle::{Hub, Routes, shard_of};
pub use load::Load;
pub use notes::Notes;
pub use seat::{Offer, Parting, Told, Viewer, ViewerId};
pub use tally::Tally;
