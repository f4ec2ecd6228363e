//! A receiver that answers as it is told, and shows what it has seen.

use std::convert::Infallible;
use std::future::pending;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

/// A receiver that answers its n-th request as told.
pub(super) struct TestReceiver {
    pub(super) url: String,
    pub(super) requests: UnboundedReceiver<Seen>,
    connections: watch::Receiver<usize>,
}

pub(super) enum Reply {
    Status {
        code: u16,
        header: Option<(&'static str, String)>,
        body: Bytes,
    },
    Never,
}

pub(super) struct Seen {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl TestReceiver {
    pub(super) async fn answering(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, requests) = unbounded_channel();
        let (count, connections) = watch::channel(0);
        tokio::spawn(serve(listener, Arc::new(reply), tell, count));
        Self {
            url,
            requests,
            connections,
        }
    }

    pub(super) fn destination(&self) -> Destination {
        destination(self.url.clone())
    }

    pub(super) async fn seen(&mut self) -> Seen {
        self.requests.recv().await.unwrap()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Reply {
    pub(super) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Reply::Status { code, body, .. } => Reply::Status {
                code,
                header: Some((name, value.to_owned())),
                body,
            },
            Reply::Never => Reply::Never,
        }
    }
}

pub(super) async fn serve(
    listener: TcpListener,
    reply: Arc<dyn Fn(usize) -> Reply + Send + Sync>,
    tell: UnboundedSender<Seen>,
    connections: watch::Sender<usize>,
) {
    let requests = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        connections.send_modify(|count| *count += 1);
        let (reply, tell, requests) = (Arc::clone(&reply), tell.clone(), Arc::clone(&requests));
        let service = service_fn(move |request| {
            let number = requests.fetch_add(1, Ordering::Relaxed);
            answer(request, reply(number), tell.clone())
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service),
        );
    }
}

pub(super) async fn answer(
    request: Request<Incoming>,
    reply: Reply,
    tell: UnboundedSender<Seen>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let headers = head.headers;
    drop(tell.send(Seen { headers, body }));
    let Reply::Status { code, header, body } = reply else {
        return pending().await;
    };
    let mut response = Response::builder().status(code);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body)).unwrap())
}

pub(super) fn status(code: u16) -> Reply {
    Reply::Status {
        code,
        header: None,
        body: Bytes::new(),
    }
}
