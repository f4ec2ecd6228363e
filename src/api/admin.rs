//! What operators and their machines ask the internal listener: alive, ready, measured.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::http::reply::{self, Response};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The methods that these paths answer to.
pub const METHODS: &str = "GET, HEAD";

/// One thing that readiness depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `store`, `lifecycle`, `limits`, …
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// In words, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answers of the internal listener to operators.
pub struct Admin {
    checks: Box<dyn Fn() -> Vec<Check> + Send + Sync>,
    /// Called before the metrics are written, for those that are looked up and not counted.
    refresh: Box<dyn Fn() + Send + Sync>,
    metrics: Arc<Mutex<Registry>>,
}

/// One of the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/livez`: the process answers.
    Live,
    /// `/readyz`: it should be sent customers.
    Ready,
    /// `/metrics`.
    Metrics,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<Check>,
}

impl Check {
    /// A check that is as it should be where `reason` is `None`.
    pub fn new(name: &'static str, reason: Option<String>) -> Self {
        Self {
            name,
            ok: reason.is_none(),
            reason,
        }
    }
}

impl Page {
    /// The page at `path`.
    pub fn find(path: &str) -> Option<Self> {
        match path {
            "/livez" => Some(Self::Live),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

impl Admin {
    /// Answers from these checks and these metrics.
    pub fn new(
        checks: impl Fn() -> Vec<Check> + Send + Sync + 'static,
        refresh: impl Fn() + Send + Sync + 'static,
        metrics: Arc<Mutex<Registry>>,
    ) -> Self {
        Self {
            checks: Box::new(checks),
            refresh: Box::new(refresh),
            metrics,
        }
    }

    /// Answers a `GET` or `HEAD`; `None` for other methods.
    pub fn answer(&self, page: Page, method: &Method) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let mut response = match page {
            Page::Live => reply::with(StatusCode::OK, reply::TEXT, "alive\n"),
            Page::Ready => self.ready(),
            Page::Metrics => self.metrics(),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }

    fn ready(&self) -> Response {
        let checks = (self.checks)();
        let ready = checks.iter().all(|check| check.ok);
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let body = serde_json::to_vec(&Readiness { ready, checks }).unwrap_or_default();
        reply::with(status, reply::JSON, body)
    }

    fn metrics(&self) -> Response {
        (self.refresh)();
        let registry = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => reply::with(StatusCode::OK, OPENMETRICS, text),
            Err(_) => reply::empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use prometheus_client::metrics::counter::Counter;

    #[tokio::test]
    async fn readiness_says_which_check_fails() {
        let admin = admin(vec![
            Check::new("store", Some("no space on the disk".into())),
            Check::new("lifecycle", None),
        ]);
        let (status, body) = ask(&admin, Page::Ready).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            r#"{"ready":false,"checks":[{"name":"store","ok":false,"reason":"no space on the disk"},{"name":"lifecycle","ok":true}]}"#
        );
    }

    #[tokio::test]
    async fn a_server_that_is_not_ready_is_alive_all_the_same() {
        let admin = admin(vec![Check::new("lifecycle", Some("draining".into()))]);
        assert_eq!(ask(&admin, Page::Live).await.0, StatusCode::OK);
        assert!(admin.answer(Page::Live, &Method::POST).is_none());
    }

    #[tokio::test]
    async fn metrics_are_written_for_prometheus() {
        let (status, body) = ask(&admin(Vec::new()), Page::Metrics).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("parlor_tests_total 1"), "{body}");
    }

    fn admin(checks: Vec<Check>) -> Admin {
        let counter = Counter::<u64>::default();
        let mut registry = Registry::default();
        registry.register("parlor_tests", "Tests", counter.clone());
        Admin::new(
            move || checks.clone(),
            move || {
                counter.inc();
            },
            Arc::new(Mutex::new(registry)),
        )
    }

    async fn ask(admin: &Admin, page: Page) -> (StatusCode, String) {
        let response = admin.answer(page, &Method::GET).unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}
