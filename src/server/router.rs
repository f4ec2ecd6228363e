//! The way of a request through the server: who calls, from which page, how often, and what for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, HeaderMap, HeaderName, HeaderValue, REFERER, UPGRADE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use tokio::sync::watch;

use super::counters::Counters;
use super::listen::{Body, Service, Unheard};
use super::route::{Door, Route};
use crate::api::admin::{self, Admin};
use crate::api::assets::{self, Asset};
use crate::api::error::Trouble;
use crate::api::{read_body, v2};
use crate::chance;
use crate::clock::Clock;
use crate::http::origin::Verdict;
use crate::http::rate_limit::{RateLimits, Rates};
use crate::http::request_id::X_REQUEST_ID;
use crate::http::{
    Caller, Connection, InternalHosts, Origins, RequestId, Response, TrustedProxies, host,
};
use crate::hub::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What configuration decides about requests of a listener. One value; a reload replaces it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `[server] allowed-origins`; the internal listener has none.
    pub origins: Origins,
    /// `[server] trusted-proxies`.
    pub proxies: TrustedProxies,
    /// `[server] internal-hosts`.
    pub hosts: InternalHosts,
    /// `[rate-limit]`.
    pub rates: Rates,
    /// `[cometd] maxMessageSize`, bytes of a body to the Bayeux address.
    pub bayeux_bytes_max: usize,
}

/// A response on its way.
pub type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What answers at the Bayeux address of a listener. Origins, rates and compression have been looked at before.
pub trait Bayeux: Send + Sync + 'static {
    /// Answers a request whose body has been read. Dropping the answer means that the client has gone away.
    fn poll(&self, parts: Parts, body: Bytes, caller: &Caller) -> Answer;

    /// Answers a request to become a WebSocket, and goes on with the socket ([`hyper::upgrade::on`],
    /// [`Socket::take`](super::socket::Socket::take)) by itself. It keeps `caller.connection` as long as the socket.
    fn upgrade(&self, parts: Parts, caller: &Caller) -> Response;

    /// HTTP on this connection is over: [`Service::closed`].
    fn closed(&self, connection: &Connection, clean: bool);
}

/// Everything behind one listener.
pub struct Router {
    /// Which listener.
    pub door: Door,
    /// What configuration decides.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// REST, on the public listener.
    pub chat: Option<Arc<v2::Api>>,
    /// What operators ask, on the internal listener.
    pub admin: Option<Arc<Admin>>,
    /// Bayeux.
    pub bayeux: Arc<dyn Bayeux>,
    /// The buckets of this process.
    pub limits: Arc<RateLimits>,
    /// The clock.
    pub clock: Clock,
    /// What is counted of requests.
    pub counters: Counters,
}

/// A request, as far as it is known by looking at its head.
struct Visit {
    caller: Caller,
    verdict: Verdict,
    settings: Arc<Settings>,
}

/// How far a request got before its answer has to be waited for.
enum Progress {
    Answered(Box<Response>),
    /// A poll: nothing of its request is kept.
    Held(Answer),
}

impl Service for Router {
    fn call(
        &self,
        request: Request<Body>,
        connection: Arc<Connection>,
    ) -> impl Future<Output = Response> + Send {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let visit = Arc::new(self.receive(&parts, &connection));
        let route = self.door.route(parts.uri.path()).name();
        let method = parts.method.clone();
        // Boxed, and gone before a poll is held: tens of thousands are held at a time.
        let answer = Box::pin(self.answer(parts, body, Arc::clone(&visit)));
        async move {
            let progress = answer.await;
            let mut response = match progress {
                Ok(Progress::Held(answer)) => answer.await,
                Ok(Progress::Answered(response)) => *response,
                Err(trouble) => trouble.into_response(&visit.caller.request_id),
            };
            finish(response.headers_mut(), &visit);
            let status = response.status().as_u16();
            self.counters.answered(self.door, route, status);
            tracing::debug!(
                listener = self.door.name(),
                request_id = %visit.caller.request_id,
                %method,
                route,
                status,
                micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                "request"
            );
            response
        }
    }

    fn holds(&self, path: &str) -> bool {
        matches!(self.door.route(path), Route::Bayeux)
    }

    fn closed(&self, connection: &Connection, clean: bool) {
        self.bayeux.closed(connection, clean);
    }

    fn unheard(&self, connection: &Connection, why: Unheard) {
        self.counters.unheard(self.door, why.name());
        tracing::debug!(
            listener = self.door.name(),
            peer = %connection.peer,
            reason = why.name(),
            "a connection has ended because of a head that was no request, or did not come"
        );
    }
}

impl Router {
    fn receive(&self, parts: &Parts, connection: &Arc<Connection>) -> Visit {
        let settings = Arc::clone(&self.settings.borrow());
        let id = RequestId::accept(&parts.headers, random());
        Visit {
            caller: settings.proxies.caller(connection, &parts.headers, id),
            verdict: settings.origins.judge(&parts.headers),
            settings,
        }
    }

    async fn answer(
        &self,
        parts: Parts,
        body: Body,
        visit: Arc<Visit>,
    ) -> Result<Progress, Trouble> {
        if !host::is_named(&parts) {
            return Err(Trouble::http(
                StatusCode::BAD_REQUEST,
                "an HTTP/1.1 request needs exactly one valid Host header",
            ));
        }
        if self.door == Door::Internal
            && !visit.settings.hosts.answer_to(&parts.uri, &parts.headers)
        {
            return Err(misdirected());
        }
        if let Some(preflight) = visit.verdict.preflight(&parts.method, &parts.headers) {
            return Ok(preflight.into());
        }
        let path = parts.uri.path().to_owned();
        let route = self.door.route(&path);
        if visit.caller.connection.late && !matches!(route, Route::Admin(_)) {
            return Err(Refusal::Draining.into());
        }
        if visit.verdict == Verdict::Refused && route.minds_origin(&parts.method) {
            return Err(Trouble::http(
                StatusCode::FORBIDDEN,
                "this origin is not allowed ([server] allowed-origins)",
            ));
        }
        let response = match route {
            Route::Chat(rest) => self.chat(rest, parts, body, &visit).await,
            Route::Bayeux => return self.bayeux(parts, body, &visit).await,
            Route::Asset(asset) => page(asset, &parts),
            Route::Admin(page) => self
                .admin
                .as_ref()
                .ok_or_else(nowhere)?
                .answer(page, &parts.method)
                .ok_or(Trouble::method(admin::METHODS)),
            Route::Nowhere => Err(nowhere()),
        };
        Ok(response?.into())
    }

    async fn chat(
        &self,
        rest: &str,
        parts: Parts,
        body: Body,
        visit: &Visit,
    ) -> Result<Response, Trouble> {
        let api = self.chat.as_ref().ok_or_else(nowhere)?;
        self.count(visit)?;
        let mut response = api
            .answer(rest, &parts, body, &visit.caller, &visit.settings.rates)
            .await;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn bayeux(&self, parts: Parts, body: Body, visit: &Visit) -> Result<Progress, Trouble> {
        self.count(visit)?;
        if wants_websocket(&parts) {
            return Ok(self.bayeux.upgrade(parts, &visit.caller).into());
        }
        if parts.method == Method::GET
            && is_of_a_strange_page(&parts.headers, &visit.settings.origins)
        {
            return Err(Trouble::http(
                StatusCode::FORBIDDEN,
                "callback-polling is not allowed from this page",
            ));
        }
        let max = (visit.settings.bayeux_bytes_max, "[cometd] maxMessageSize");
        let body = read_body(&parts.headers, body, max).await?;
        Ok(Progress::Held(self.bayeux.poll(parts, body, &visit.caller)))
    }

    fn count(&self, visit: &Visit) -> Result<(), Trouble> {
        let now = self.clock.now().instant;
        let address = visit.caller.address;
        Ok(self.limits.address(&visit.settings.rates, address, now)?)
    }
}

impl From<Response> for Progress {
    fn from(response: Response) -> Self {
        Self::Answered(Box::new(response))
    }
}

fn page(asset: &Asset, parts: &Parts) -> Result<Response, Trouble> {
    asset
        .answer(&parts.method, &parts.headers)
        .ok_or(Trouble::method(assets::METHODS))
}

/// What every response carries, whatever it is.
fn finish(headers: &mut HeaderMap, visit: &Visit) {
    headers.insert(X_REQUEST_ID, visit.caller.request_id.header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if visit.caller.connection.late {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    visit.verdict.mark(headers);
}

fn wants_websocket(parts: &Parts) -> bool {
    parts.method == Method::GET
        && parts
            .headers
            .get_all(UPGRADE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// A script element of another site, whose page is not of an allowed origin: a reply to it would be readable there.
fn is_of_a_strange_page(headers: &HeaderMap, origins: &Origins) -> bool {
    let cross_site = headers
        .get(SEC_FETCH_SITE)
        .is_some_and(|site| site.as_bytes() == b"cross-site");
    let referer = headers
        .get(REFERER)
        .and_then(|referer| referer.to_str().ok());
    cross_site && !referer.is_some_and(|referer| origins.allow_referer(referer, headers))
}

fn nowhere() -> Trouble {
    Trouble::not_found("there is nothing at this address")
}

fn misdirected() -> Trouble {
    Trouble::http(
        StatusCode::MISDIRECTED_REQUEST,
        "this listener answers to addresses, to localhost and to the names in [server] internal-hosts",
    )
}

/// Without randomness the ids of requests are all alike, which harms nobody.
fn random() -> u128 {
    chance::name128().unwrap_or_default()
}

#[cfg(test)]
mod tests;
