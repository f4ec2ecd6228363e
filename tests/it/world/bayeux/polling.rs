//! The HTTP side of a Bayeux client.

use serde_json::Value;

use crate::world::{Caller, Reply};

/// A client's connections over HTTP, and the cookie of its browser.
pub(super) struct Polling {
    pub caller: Caller,
    base: String,
    pub cookie: Option<String>,
    pub set_cookie: String,
}

impl Polling {
    pub fn new(base: String) -> Self {
        Self {
            caller: Caller::new(),
            base,
            cookie: None,
            set_cookie: String::new(),
        }
    }

    /// Nothing where the connection ends before the answer, or the answer is another than a good one.
    pub async fn try_post(&mut self, messages: &Value) -> Option<Vec<Value>> {
        let reply = self.caller.try_send(self.request("/", messages)).await?;
        let good = reply.status == 200;
        good.then(|| reply.json().as_array().cloned().unwrap_or_default())
    }

    pub async fn post(&mut self, suffix: &str, messages: &Value) -> Reply {
        let reply = self.caller.send(self.request(suffix, messages)).await;
        let set = reply.header("set-cookie");
        if set.starts_with("BAYEUX_BROWSER=") {
            set.clone_into(&mut self.set_cookie);
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        reply
    }

    pub fn request(&self, suffix: &str, messages: &Value) -> reqwest::RequestBuilder {
        let url = format!("{}{suffix}", self.base);
        let mut request = self
            .caller
            .request(reqwest::Method::POST, &url)
            .header("content-type", "application/json");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        request.body(messages.to_string())
    }
}
