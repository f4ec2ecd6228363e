//! From an HTTP request to a WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

use crate::bayeux::ConnectionType;

use super::browser::Browser;
use super::long_poll::{authorization, plain, with};
use super::{Connection, Registry};

/// What is known of a socket's owner from its upgrade request.
pub struct Visitor {
    pub(super) connection: Connection,
    pub(super) authorization: Option<Box<str>>,
    pub(super) browser: Option<Browser>,
}

impl Visitor {
    /// Reads the upgrade request.
    pub fn new(parts: &Parts, connection: Connection) -> Self {
        Self {
            connection,
            authorization: authorization(parts).map(Box::from),
            browser: Browser::of(&parts.headers),
        }
    }
}

/// Whether a request asks for a WebSocket.
pub fn is_upgrade(parts: &Parts) -> bool {
    parts.method == Method::GET && has_token(&parts.headers, &UPGRADE, "websocket")
}

/// The answer to an upgrade request: 101, or what is wrong with it. Neither a subprotocol nor an extension is selected.
///
/// After an `Ok` the caller takes the upgraded IO and runs [`serve`](super::websocket::serve) on it. Where WebSockets are
/// not among `transports` the refusal comes at once, so that clients fall back without waiting.
pub fn upgrade(
    registry: &Registry,
    parts: &Parts,
) -> Result<Response<Full<Bytes>>, Box<Response<Full<Bytes>>>> {
    match check(registry, parts) {
        Ok(key) => Ok(switching(key)),
        Err((status, text)) => {
            let response = plain(status, text);
            Err(Box::new(with(response, SEC_WEBSOCKET_VERSION, "13")))
        }
    }
}

/// The key, or what is wrong.
fn check<'a>(
    registry: &Registry,
    parts: &'a Parts,
) -> Result<&'a [u8], (StatusCode, &'static str)> {
    let bad = |text| (StatusCode::BAD_REQUEST, text);
    let transports = &registry.config().transports;
    if !transports.contains(&ConnectionType::WebSocket) {
        return Err(bad("WebSockets are not among the configured transports"));
    }
    if registry.is_draining() {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "the server is ending"));
    }
    if !is_upgrade(parts) || !has_token(&parts.headers, &CONNECTION, "upgrade") {
        return Err(bad("not a WebSocket upgrade"));
    }
    // After HTTP/1.0 a connection is never switched, whatever is answered: some proxies speak it unless they are told.
    if parts.version < Version::HTTP_11 {
        return Err(bad(
            "a WebSocket needs HTTP/1.1, here and behind every proxy",
        ));
    }
    let version = parts.headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "only version 13"));
    }
    let key = parts.headers.get(SEC_WEBSOCKET_KEY);
    key.map(HeaderValue::as_bytes)
        .filter(|key| is_key(key))
        .ok_or(bad("no Sec-WebSocket-Key"))
}

fn switching(key: &[u8]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept_key(key)) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The answer to a key (RFC 6455, section 4.2.2).
fn accept_key(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digit)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}
