//! Assembly.

pub mod listen;
pub mod tls;
