//! REST and the pages.

pub mod admin;
pub mod assets;
pub mod error;
pub mod v2;

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::HeaderMap;

use crate::http::body::{self, Trouble};

/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Reads a request's body of at most `max.0` bytes, the value of the option `max.1`, which must arrive within half a minute.
pub async fn read_body<B>(
    headers: &HeaderMap,
    incoming: B,
    max: (usize, &'static str),
) -> Result<Bytes, Trouble>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    tokio::time::timeout(BODY_TIME_MAX, body::read(headers, incoming, max))
        .await
        .unwrap_or(Err(Trouble::Slow))
}
