//! What is done without being asked.

pub mod push;
