//! Callers of the REST interface.

use std::fmt::Write;
use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::{Server, within};

const CHAT: &str = "/genesys/2/chat/customer-support";

/// An HTTP reply, read whole.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as JSON, `Null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The JSON body of a reply that must have been a good one: HTTP 200 and `statusCode` 0.
    pub fn good(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        let body = self.json();
        assert_eq!(body["statusCode"], 0, "{body}");
        body
    }
}

/// Somebody with an HTTP client.
#[derive(Clone)]
pub struct Caller {
    client: Client,
}

impl Caller {
    /// A client that goes straight to the server, whatever proxies are about, and follows no redirect.
    pub fn new() -> Self {
        let builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            client: builder.build().unwrap(),
        }
    }

    /// A request of any kind, to be completed and given to [`send`](Self::send).
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request and reads its reply.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        within("an HTTP reply", async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Reply {
                status,
                headers,
                bytes: response.bytes().await.unwrap().to_vec(),
            }
        })
        .await
    }

    /// The same, or nothing where the connection ends before the reply has come.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Reply> {
        within("an HTTP reply, or the end of its connection", async {
            let response = request.send().await.ok()?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let bytes = response.bytes().await.ok()?.to_vec();
            Some(Reply {
                status,
                headers,
                bytes,
            })
        })
        .await
    }

    /// The same with a form.
    pub async fn try_form(&self, url: &str, fields: &[(&str, &str)]) -> Option<Reply> {
        let request = self
            .request(Method::POST, url)
            .header("content-type", "application/x-www-form-urlencoded");
        self.try_send(request.body(form(fields))).await
    }

    /// GET.
    pub async fn get(&self, url: &str) -> Reply {
        self.send(self.request(Method::GET, url)).await
    }

    /// POST of a body with its content type.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        self.send(
            self.request(Method::POST, url)
                .header("content-type", content_type)
                .body(body),
        )
        .await
    }

    /// POST of a form.
    pub async fn form(&self, url: &str, fields: &[(&str, &str)]) -> Reply {
        self.post(url, "application/x-www-form-urlencoded", form(fields))
            .await
    }
}

/// A chat that a customer holds over REST.
#[derive(Clone)]
pub struct RestChat {
    /// The client it is held with.
    pub caller: Caller,
    /// `chatId`.
    pub id: String,
    /// `userId`.
    pub user: String,
    /// `secureKey`.
    pub key: String,
    base: String,
}

impl RestChat {
    /// A chat of *alice*.
    pub async fn alice(server: &Server) -> Self {
        Self::request(server, &[("nickname", "Alice")]).await
    }

    /// A chat requested with these fields.
    pub async fn request(server: &Server, fields: &[(&str, &str)]) -> Self {
        let reply = Caller::new()
            .form(&server.public(CHAT), fields)
            .await
            .good();
        let text = |name: &str| {
            reply[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name} in {reply}"))
        };
        Self::of(server, text("chatId"), text("userId"), text("secureKey"))
    }

    /// The same, or nothing where the connection ends before the reply has come, or the chat is refused.
    pub async fn try_request(server: SocketAddr, fields: &[(&str, &str)]) -> Option<Self> {
        let base = format!("http://{server}{CHAT}");
        let caller = Caller::new();
        let reply = caller.try_form(&base, fields).await?.json();
        let text = |name: &str| reply[name].as_str().map(str::to_owned);
        Some(Self {
            id: text("chatId")?,
            user: text("userId")?,
            key: text("secureKey")?,
            caller,
            base,
        })
    }

    /// An operation as [`call`](Self::call), or nothing where the connection ends before the reply has come.
    pub async fn try_call(&self, operation: &str, fields: &[(&str, &str)]) -> Option<Reply> {
        let mut all = self.credentials().to_vec();
        all.extend_from_slice(fields);
        self.caller.try_form(&self.url(operation), &all).await
    }

    /// A chat that somebody knows, or pretends to know.
    pub fn of(server: &Server, id: &str, user: &str, key: &str) -> Self {
        server.keep_secret(key);
        let (id, user, key) = (id.to_owned(), user.to_owned(), key.to_owned());
        Self {
            caller: Caller::new(),
            id,
            user,
            key,
            base: server.public(CHAT),
        }
    }

    /// Calls an operation, with the chat's own credentials and further fields.
    pub async fn call(&self, operation: &str, fields: &[(&str, &str)]) -> Reply {
        let mut all = self.credentials().to_vec();
        all.extend_from_slice(fields);
        self.caller.form(&self.url(operation), &all).await
    }

    /// The address of an operation.
    pub fn url(&self, operation: &str) -> String {
        format!("{}/{}/{operation}", self.base, self.id)
    }

    /// `userId`, `secureKey` and `alias` as fields.
    pub fn credentials(&self) -> [(&str, &str); 3] {
        [
            ("userId", &self.user),
            ("secureKey", &self.key),
            ("alias", "1"),
        ]
    }

    /// Says something; it must succeed.
    pub async fn say(&self, text: &str) -> Value {
        self.call("send", &[("message", text)]).await.good()
    }

    /// All events from a position on.
    pub async fn transcript(&self, position: u64) -> Vec<Value> {
        let reply = self
            .call("refresh", &[("transcriptPosition", &position.to_string())])
            .await;
        super::events(&reply.good())
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    pairs.join("&")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                escaped.push(char::from(byte))
            }
            b' ' => escaped.push('+'),
            _ => write!(escaped, "%{byte:02X}").unwrap(),
        }
    }
    escaped
}

/// A `multipart/form-data` body and its content type.
pub fn multipart(fields: &[(&str, &str)]) -> (String, String) {
    let boundary = "boundary-of-the-tests";
    let mut body = String::new();
    for (name, value) in fields {
        write!(
            body,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
        .unwrap();
    }
    write!(body, "--{boundary}--\r\n").unwrap();
    (format!("multipart/form-data; boundary={boundary}"), body)
}
