//! REST and the pages.

pub mod admin;
pub mod assets;
pub mod error;
