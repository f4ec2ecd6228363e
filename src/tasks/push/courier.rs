//! What carries a post to its destination: HTTP, or in a test whatever plays the receiver.

use std::pin::Pin;

use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url, retry};

use crate::clock::Wall;
use crate::push::{self, Answer, Destination};

/// The answer to a post, when it comes.
pub type Answered<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Carries posts to one destination.
pub trait Courier: Send + Sync {
    /// Posts the body once and waits for the answer, all within `customhttp.timeout`. `now` is what a date in
    /// `Retry-After` counts from.
    fn post(&self, headers: HeaderMap, body: Bytes, now: Wall) -> Answered<'_>;
}

/// Finds the courier of a destination, by its name.
pub type Couriers =
    Box<dyn Fn(&str, &Destination) -> Result<Box<dyn Courier>, BadDestination> + Send + Sync>;

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

/// HTTP/1.1 over kept connections, straight to the receiver.
struct Http {
    url: Url,
    client: Client,
}

/// A courier over the network; it connects to nothing yet.
///
/// # Errors
///
/// The destination has no usable URL, or TLS cannot be set up.
pub fn by_http(name: &str, destination: &Destination) -> Result<Box<dyn Courier>, BadDestination> {
    let url = Url::parse(&destination.url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| BadDestination::Url {
            destination: name.to_owned(),
        })?;
    let client = client(destination).map_err(|error| BadDestination::Client {
        destination: name.to_owned(),
        reason: error.without_url().to_string(),
    })?;
    Ok(Box::new(Http { url, client }))
}

impl Courier for Http {
    fn post(&self, headers: HeaderMap, body: Bytes, now: Wall) -> Answered<'_> {
        let request = self
            .client
            .post(self.url.clone())
            .headers(headers)
            .body(body);
        Box::pin(async move {
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
        })
    }
}

/// Whether and when to try again is not the client's business.
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
