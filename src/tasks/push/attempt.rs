//! One attempt: the connection, the headers, the answer.

use std::fmt::{self, Write as _};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url, retry};

use super::Job;
use crate::clock::Wall;
use crate::push::{self, Answer, Destination};

/// A destination with its connections.
pub(super) struct Receiver {
    pub(super) destination: Destination,
    url: Url,
    client: Client,
}

/// Why nothing can be posted to a destination. Never shows its URL, which may hold credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDestination {
    /// Its URL is none.
    #[error("{destination}.url is not an http or https URL with a host")]
    Url {
        /// The destination's name.
        destination: String,
    },
    /// The TLS set-up of this machine does not work.
    #[error("{destination} cannot be reached: TLS cannot be set up ({reason})")]
    Client {
        /// The destination's name.
        destination: String,
        /// In words.
        reason: String,
    },
}

impl Receiver {
    /// Connects to nothing yet.
    pub(super) fn new(name: &str, destination: Destination) -> Result<Self, BadDestination> {
        let url = Url::parse(&destination.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| BadDestination::Url {
                destination: name.to_owned(),
            })?;
        let client = client(&destination).map_err(|error| BadDestination::Client {
            destination: name.to_owned(),
            reason: error.without_url().to_string(),
        })?;
        Ok(Self {
            destination,
            url,
            client,
        })
    }

    /// Posts the body once and waits for the answer, all within `customhttp.timeout`.
    pub(super) async fn post(&self, job: &Job, now: Wall) -> Answer {
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers(job, now))
            .body(job.body.clone());
        match request.send().await {
            Ok(response) => {
                let answer = Answer::Status {
                    code: response.status().as_u16(),
                    retry_after: retry_after(&response, now),
                };
                read(response).await;
                answer
            }
            Err(error) if error.is_timeout() => Answer::TimedOut,
            Err(error) if error.is_connect() => Answer::NotConnected,
            Err(_) => Answer::Broken,
        }
    }

    fn headers(&self, job: &Job, now: Wall) -> HeaderMap {
        let mut id = String::with_capacity(ID_BYTES);
        let _ = write!(id, "{}", job.delivery);
        let seconds = now.0 / 1000;
        let signature = push::sign(&self.destination.secrets, &id, seconds, &job.body);
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        let traceparent = job.traceparent.to_string();
        for (name, value) in [(ID, id), (SIGNATURE, signature), (TRACEPARENT, traceparent)] {
            if !value.is_empty()
                && let Ok(value) = HeaderValue::try_from(value)
            {
                headers.insert(name, value);
            }
        }
        headers
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)
    }
}

/// HTTP/1.1 over kept connections, straight to the receiver. Whether and when to try again is not the client's business.
fn client(destination: &Destination) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("Parlor/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_proxy()
        .connect_timeout(destination.timeout)
        .timeout(destination.timeout)
        .pool_max_idle_per_host(destination.concurrency)
        .build()
}

/// Reads the rest of an answer so that the connection can be kept; a longer one costs the receiver its connection.
async fn read(mut response: Response) {
    let mut left = ANSWER_BYTES_MAX;
    while let Ok(Some(chunk)) = response.chunk().await {
        if chunk.len() > left {
            return;
        }
        left -= chunk.len();
    }
}

fn retry_after(response: &Response, now: Wall) -> Option<std::time::Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    push::retry_after(value, now)
}

const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A `webhook-id` is hardly longer.
const ID_BYTES: usize = 32;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
