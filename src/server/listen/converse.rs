//! One connection with hyper.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Either;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Guest, Options, Service, Stage, Unheard, reached};

/// Speaks HTTP until the connection ends or is upgraded; whether it ended cleanly. The head of the first request must have
/// come by `first_until`.
pub(super) async fn converse<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    guest: Guest<S>,
    first_until: Option<Instant>,
) -> bool {
    let Guest {
        connection,
        options,
        service,
        mut told,
    } = guest;
    let late = connection.late;
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let (host, visitor) = (Arc::clone(&service), Arc::clone(&connection));
    let unheard = |why| host.unheard(&visitor, why);
    let answer = service_fn(move |request: Request<Incoming>| {
        seen.store(true, Ordering::Relaxed);
        let (service, connection) = (Arc::clone(&service), Arc::clone(&connection));
        let request = request.map(Either::Left);
        async move { Ok::<_, Infallible>(service.call(request, connection).await) }
    });
    let http = builder(&options).serve_connection(TokioIo::new(stream), answer);
    let mut http = pin!(http.with_upgrades());
    // Boxed, so that it costs nothing once the first request has come.
    let mut first_head = first_until.map(|until| Box::pin(sleep_until(until)));
    let mut dismissed = late;
    loop {
        tokio::select! {
            // First, so that what was read before is seen before a drain takes the connection for one without a request.
            biased;
            end = http.as_mut() => {
                if let Some(why) = end.as_ref().err().and_then(Unheard::of) {
                    unheard(why);
                }
                return is_clean(end) && !dismissed;
            }
            () = reached(&mut told, Stage::Draining), if !dismissed => {
                dismissed = true;
                http.as_mut().graceful_shutdown();
            }
            () = waited(&mut first_head), if first_head.is_some() => {
                first_head = None;
                if !asked.load(Ordering::Relaxed) {
                    unheard(Unheard::Slow);
                    return false;
                }
            }
        }
    }
}

async fn waited(sleep: &mut Option<Pin<Box<Sleep>>>) {
    if let Some(sleep) = sleep {
        sleep.await;
    }
}

fn builder(options: &Options) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // Counts from the last response, and so bounds idle connections as well as slow heads.
        .header_read_timeout(options.idle)
        .max_buf_size(options.head_bytes)
        .half_close(false);
    http
}

/// A timeout between two requests is an orderly end: what was written before had been acknowledged long since.
fn is_clean(end: hyper::Result<()>) -> bool {
    match end {
        Ok(()) => true,
        Err(error) => error.is_timeout(),
    }
}
