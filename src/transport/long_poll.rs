//! Bayeux over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::{Connection, Registry};

/// Answers one request to the CometD address, whatever its sub-path.
///
/// The body has been read, up to `maxMessageSize`; origins, rates and compression have been looked at. Dropping the
/// future means that the client has gone away: what it would have got waits for its next connect.
pub fn handle(
    registry: &Arc<Registry>,
    parts: Parts,
    body: Bytes,
    connection: Connection,
) -> impl Future<Output = Response<Full<Bytes>>> + Send + use<> {
    let _ = (registry, parts, body, connection);
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    std::future::ready(response)
}
