//! One attempt: what is posted, and by whom.

use std::fmt::{self, Write as _};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::Job;
use super::courier::Courier;
use crate::clock::Wall;
use crate::push::{self, Answer, Destination};

/// A destination and the way to it.
pub(super) struct Receiver {
    pub(super) destination: Destination,
    courier: Box<dyn Courier>,
}

impl Receiver {
    pub(super) fn new(destination: Destination, courier: Box<dyn Courier>) -> Self {
        Self {
            destination,
            courier,
        }
    }

    /// Posts the body once and waits for the answer, all within `customhttp.timeout`.
    pub(super) async fn post(&self, job: &Job, now: Wall) -> Answer {
        let headers = self.headers(job, now);
        self.courier.post(headers, job.body.clone(), now).await
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

/// A `webhook-id` is hardly longer.
const ID_BYTES: usize = 32;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
