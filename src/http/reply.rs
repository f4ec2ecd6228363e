//! Making responses, which cannot fail.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};

/// The body of every response: complete when the head is sent. A held poll is held before its response exists.
pub type Body = Full<Bytes>;

/// What the edges answer.
pub type Response = hyper::Response<Body>;

/// The media type of JSON bodies.
pub const JSON: &str = "application/json";

/// The media type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// A response with a body of this media type.
pub fn with(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = hyper::Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = hyper::Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Adds the methods that would have been right.
pub fn allowing(mut response: Response, methods: &'static str) -> Response {
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// Adds when to come again, in whole seconds.
pub fn retry_after(mut response: Response, seconds: u64) -> Response {
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The value of a request's header, for its response. It shares no memory with the request, which a held poll does not keep.
pub fn by_itself(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}
