//! A receiver of webhooks that answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::{HeaderMap, HeaderName};
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::within;

/// What a receiver does with one request.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    after: Duration,
    header: Option<(&'static str, String)>,
}

impl Answer {
    /// This status, at once.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            after: Duration::ZERO,
            header: None,
        }
    }

    /// Later.
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.header = Some((name, value.to_owned()));
        self
    }
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Post {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, to the byte.
    pub body: Bytes,
    /// When it was read.
    pub at: Instant,
}

impl Post {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The only event in it.
    pub fn event(&self) -> Value {
        let body = self.json();
        let events = super::events(&body["message"]);
        assert_eq!(events.len(), 1, "one event per push: {body}");
        events[0].clone()
    }
}

/// A receiver on a port of its own.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    posts: mpsc::UnboundedReceiver<Post>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Answers 204 unless told otherwise.
    pub async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    /// At a given address, e.g. one where there was nobody before.
    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, posts) = mpsc::unbounded_channel();
        let script = Arc::new(Mutex::new(VecDeque::new()));
        let serving = tokio::spawn(serve(listener, sender, Arc::clone(&script)));
        Self {
            address,
            posts,
            script,
            serving,
        }
    }

    /// The address to configure.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What to answer to the next requests, in order; 204 afterwards.
    pub fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().extend(answers);
    }

    /// The next request.
    pub async fn next(&mut self) -> Post {
        within("a push", self.posts.recv()).await.unwrap()
    }

    /// The next request if it comes in time.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Post> {
        tokio::time::timeout(patience, self.posts.recv())
            .await
            .ok()
            .flatten()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

// The connections end with the task, as those of a process that was killed do.
async fn serve(
    listener: TcpListener,
    posts: mpsc::UnboundedSender<Post>,
    script: Arc<Mutex<VecDeque<Answer>>>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (posts, script) = (posts.clone(), Arc::clone(&script));
        let service =
            service_fn(move |request| answer(request, posts.clone(), Arc::clone(&script)));
        connections.spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    posts: mpsc::UnboundedSender<Post>,
    script: Arc<Mutex<VecDeque<Answer>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Response::new(Empty::new()));
    };
    let answer = script
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or(Answer::status(204));
    // A story that has ended does not listen any more.
    let _ = posts.send(Post {
        headers: head.headers,
        body: body.to_bytes(),
        at: Instant::now(),
    });
    tokio::time::sleep(answer.after).await;
    let mut response = Response::new(Empty::new());
    *response.status_mut() = answer.status.try_into().unwrap();
    if let Some((name, value)) = answer.header {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    Ok(response)
}
