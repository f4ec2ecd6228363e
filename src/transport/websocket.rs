//! Bayeux over WebSocket.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, Registry};

/// What is known of a socket's owner from its upgrade request.
pub struct Visitor {
    connection: Connection,
    authorization: Option<Box<str>>,
}

impl Visitor {
    /// Reads the upgrade request.
    pub fn new(parts: &Parts, connection: Connection) -> Self {
        let _ = parts;
        Self {
            connection,
            authorization: None,
        }
    }
}

/// The answer to an upgrade request: 101, or what is wrong with it.
///
/// After an `Ok` the caller takes the upgraded IO and runs [`serve`] on it.
pub fn upgrade(parts: &Parts) -> Result<Response<Full<Bytes>>, Response<Full<Bytes>>> {
    let _ = parts;
    Err(Response::new(Full::default()))
}

/// Serves one WebSocket until it ends. `early` is what was read of it already.
pub async fn serve<S>(registry: Arc<Registry>, io: S, early: Bytes, visitor: Visitor)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let _ = (
        registry,
        io,
        early,
        visitor.connection,
        visitor.authorization,
    );
}
