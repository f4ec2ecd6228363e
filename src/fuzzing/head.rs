//! Heads of plain requests, which are read without hyper: they have to be read as hyper reads them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;

use super::socket::Script;
use crate::server::lean::head::{BODY_MAX, Judged, judge};

/// As the listener has it.
const HEAD_MAX: usize = 16 * 1024;

/// A request as far as it matters.
#[derive(Debug, PartialEq)]
struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What is taken for a whole request has come whole, and hyper sees the same request in the same bytes.
pub fn head(bytes: &[u8]) {
    let mut rest = bytes;
    while let Judged::Whole(request, length) = judge(rest, HEAD_MAX, |_| true) {
        assert!((1..=rest.len()).contains(&length));
        assert!(length <= HEAD_MAX + BODY_MAX);
        let before = judge(&rest[..length - 1], HEAD_MAX, |_| true);
        assert!(
            matches!(before, Judged::Partial),
            "whole before its last byte"
        );
        let ours = seen(*request);
        assert_eq!(
            by_hyper(&rest[..length]),
            Some(ours),
            "hyper reads something else"
        );
        rest = &rest[length..];
    }
    if let Judged::Partial = judge(rest, HEAD_MAX, |_| true) {
        assert!(
            rest.len() <= HEAD_MAX + BODY_MAX,
            "more is wanted without end"
        );
    }
}

fn seen(request: Request<Full<Bytes>>) -> Seen {
    let (parts, body) = request.into_parts();
    let body = body.collect().now_or_never();
    let Some(Ok(body)) = body else {
        panic!("a body that is here has to be waited for");
    };
    Seen {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: body.to_bytes(),
    }
}

/// The one request that hyper finds in these bytes.
fn by_hyper(bytes: &[u8]) -> Option<Seen> {
    let found = Arc::new(Mutex::new(None));
    let finding = Arc::clone(&found);
    let service = service_fn(move |request: Request<Incoming>| {
        let finding = Arc::clone(&finding);
        async move {
            let (parts, body) = request.into_parts();
            if let Ok(body) = body.collect().await {
                let seen = Seen {
                    method: parts.method,
                    uri: parts.uri,
                    headers: parts.headers,
                    body: body.to_bytes(),
                };
                *finding.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let io = TokioIo::new(io(bytes));
    let mut http = http1::Builder::new();
    let _ = http
        .max_buf_size(HEAD_MAX)
        .serve_connection(io, service)
        .now_or_never();
    found.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn io(bytes: &[u8]) -> impl AsyncRead + tokio::io::AsyncWrite + Unpin + use<> {
    Script::new(bytes.to_vec(), usize::MAX)
}
