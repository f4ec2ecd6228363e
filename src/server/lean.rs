//! HTTP/1.1 for polls that are held: without hyper, which keeps a buffer to read into, a buffer to write from and the
//! request's head for as long as a response is awaited, some twenty kilobytes for each of very many connections.
//!
//! Here a connection holds no buffer while it waits, be it for an answer or for the next request. Only the plain case is
//! served: a POST with a `Content-Length`, or an OPTIONS without a body, to a path where requests are held
//! ([`Service::holds`]), arriving whole and soon. Everything else goes to hyper, with what has been read of it in front,
//! and the connection stays there: whatever is unusual, malformed or slow is answered as hyper answers it.

pub(crate) mod head;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::Request;
use hyper::header::{CONNECTION, HeaderValue};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use self::head::Judged;
use super::listen::{Guest, Service, Stage, Unheard, reached};
use super::wire::Wire;
use crate::http::Response;

/// How long the rest of a request may take before it is left to hyper, which has patience.
const PATIENCE: Duration = Duration::from_secs(1);
/// Room for reading.
const ROOM: usize = 2048;

/// One connection, as long as its requests are plain.
pub(super) struct Lean<S> {
    pub(super) wire: Wire,
    pub(super) guest: Guest<S>,
    /// Until when the first request must have come; none once it has.
    pub(super) first_until: Option<Instant>,
}

/// How it went on.
pub(super) enum Outcome {
    /// The connection is over; whether cleanly.
    Over(bool),
    /// The rest is hyper's, from these bytes on.
    Beyond(Vec<u8>),
}

/// What comes next on a connection.
enum Next {
    Request(Box<Request<Full<Bytes>>>),
    Gone(Outcome),
}

impl<S: Service> Lean<S> {
    /// Serves requests until one is not plain, or the connection is over.
    pub(super) async fn serve(&mut self) -> Outcome {
        let mut read = Vec::new();
        loop {
            let request = match self.next(&mut read).await {
                Next::Request(request) => request,
                Next::Gone(outcome) => return outcome,
            };
            self.first_until = None;
            // Like hyper, it does not look beyond a request that came too early.
            let Some(response) = self.answer(request, read.is_empty()).await else {
                return Outcome::Over(false);
            };
            match self.write(response).await {
                Ok(true) => {}
                Ok(false) => return Outcome::Over(!self.is_draining()),
                Err(_) => return Outcome::Over(false),
            }
        }
    }

    /// The next request. `read` is what has been read of it, then what has been read beyond it.
    async fn next(&mut self, read: &mut Vec<u8>) -> Next {
        let mut until = self
            .first_until
            .unwrap_or(Instant::now() + self.guest.options.idle);
        let mut begun = false;
        let late = self.guest.connection.late;
        loop {
            match self.judge(read) {
                Judged::Whole(request, length) => {
                    *read = read[length..].to_vec();
                    return Next::Request(request);
                }
                Judged::Beyond => return beyond(read),
                Judged::Partial if !begun && !read.is_empty() => {
                    begun = true;
                    until = until.min(Instant::now() + PATIENCE);
                }
                Judged::Partial => {}
            }
            let outcome = tokio::select! {
                // First, so that a request that is there already is answered before the connection is let go.
                biased;
                readable = timeout_at(until, self.wire.readable()) => match readable {
                    Ok(_) => self.take(read),
                    Err(_) if begun => return beyond(read),
                    Err(_) => Some(self.late()),
                },
                () = reached(&mut self.guest.told, Stage::Draining), if !begun && !late => Some(Outcome::Over(false)),
            };
            if let Some(outcome) = outcome {
                return Next::Gone(outcome);
            }
        }
    }

    /// Nothing has come for too long.
    fn late(&self) -> Outcome {
        let first = self.first_until.is_some();
        if first {
            let Guest { service, .. } = &self.guest;
            service.unheard(&self.guest.connection, Unheard::Slow);
        }
        // Later there was time enough for what was written before to have been acknowledged.
        Outcome::Over(!first)
    }

    fn judge(&self, read: &[u8]) -> Judged {
        let Guest {
            options, service, ..
        } = &self.guest;
        head::judge(read, options.head_bytes, |path| service.holds(path))
    }

    /// Reads what is there.
    fn take(&mut self, read: &mut Vec<u8>) -> Option<Outcome> {
        read.reserve(ROOM);
        match self.wire.try_read(read) {
            Ok(0) if read.is_empty() => Some(Outcome::Over(true)),
            // hyper knows what half a request is worth.
            Ok(0) => Some(Outcome::Beyond(std::mem::take(read))),
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if read.is_empty() {
                    *read = Vec::new();
                }
                None
            }
            Err(_) => Some(Outcome::Over(false)),
        }
    }

    /// The answer, unless the other end goes before.
    async fn answer(
        &mut self,
        request: Box<Request<Full<Bytes>>>,
        watched: bool,
    ) -> Option<Response> {
        let request = request.map(Either::Right);
        let connection = Arc::clone(&self.guest.connection);
        let answer = self.guest.service.call(request, connection);
        tokio::select! {
            biased;
            response = answer => Some(response),
            () = self.wire.ended(), if watched => None,
        }
    }

    /// Writes a response; whether another request may follow.
    async fn write(&mut self, response: Response) -> io::Result<bool> {
        let (mut parts, body) = response.into_parts();
        if self.is_draining() && !head::closes(&parts.headers) {
            let close = HeaderValue::from_static("close");
            parts.headers.append(CONNECTION, close);
        }
        let Ok(body) = body.collect().await;
        let date = httpdate::fmt_http_date(SystemTime::now());
        let bytes = head::encode(&parts, &body.to_bytes(), &date);
        self.wire.write_all(&bytes).await?;
        if head::closes(&parts.headers) {
            self.wire.shutdown().await?;
            return Ok(false);
        }
        Ok(true)
    }

    fn is_draining(&self) -> bool {
        *self.guest.told.borrow() >= Stage::Draining
    }
}

fn beyond(read: &mut Vec<u8>) -> Next {
    Next::Gone(Outcome::Beyond(std::mem::take(read)))
}
