//! What the edges that speak HTTP share: bounded bodies and fields, origins, hosts, callers, request ids and rates.
//!
//! Nothing here opens a socket, reads a clock or makes randomness; it judges what the edges hand in.

pub mod body;
pub mod caller;
pub mod connection;
pub mod fields;
pub mod form;
pub mod host;
pub mod internal_hosts;
mod json;
mod multipart;
pub mod origin;
pub mod rate_limit;
pub mod reply;
pub mod request_id;
pub mod slots;

pub use caller::{Caller, TrustedProxies};
pub use connection::Connection;
pub use fields::Given;
pub use internal_hosts::InternalHosts;
pub use origin::Origins;
pub use reply::{Body, Response};
pub use request_id::RequestId;
