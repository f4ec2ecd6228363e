//! Agents, bots and supervisors: who gets in, who waits, who sees what, and what becomes of a lost connection.

mod entrance;
mod joins;
mod leaving;
mod list;
mod lost;
mod many;
mod revoked;
mod talk;
