//! Assembly.

pub mod counters;
pub mod listen;
pub mod route;
pub mod router;
pub mod socket;
pub mod tls;
