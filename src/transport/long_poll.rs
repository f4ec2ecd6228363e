//! Bayeux over HTTP: long-polling, and callback-polling where it is configured.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue,
    SET_COOKIE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::oneshot;

use crate::bayeux::{
    self, Carrier, Config, ConnectionId, ConnectionType, ExchangeId, Malformed, Message, Request,
    unknown_client,
};

use crate::limit;

use super::browser::{Browser, Seat};
use super::client::Client;
use super::driver::random;
use super::reception::Visit;
use super::waiting::Answer;
use super::{Connection, Registry, form};

const CALLBACK_MAX: usize = 64;

/// Answers one request to the CometD address, whatever its sub-path.
///
/// Origins, rates and compression have been looked at, for callback-polling also `Sec-Fetch-Site` and the Referer. The
/// body has been read with a bound; above `maxMessageSize` it is refused here. Dropping the future means that the client
/// has gone away: what it would have got waits for its next connect. `request_id` is the name of the request, which its
/// publishes are told.
pub fn handle(
    registry: &Arc<Registry>,
    parts: Parts,
    body: Bytes,
    connection: Connection,
    request_id: &str,
) -> impl Future<Output = Response<Full<Bytes>>> + Send + use<> {
    // The request is read and forgotten before anything waits: a held poll keeps nothing of it.
    let begun = begin(registry, &parts, &body, (connection, request_id))
        .unwrap_or_else(|refusal| Begun::Answered(refusal.response()));
    async move {
        match begun {
            Begun::Answered(response) => response,
            Begun::Waiting(mut waiting, callback) => respond(waiting.answer().await, callback),
        }
    }
}

/// How far a request got at once.
enum Begun {
    Answered(Response<Full<Bytes>>),
    Waiting(Box<Waiting>, Option<Box<str>>),
}

/// A request whose answer is owed. Dropped before, it tells the session that nobody waits any more.
struct Waiting {
    registry: Arc<Registry>,
    client: Arc<Client>,
    exchange: ExchangeId,
    connection: ConnectionId,
    answer: oneshot::Receiver<Answer>,
    answered: bool,
    _seat: Option<Seat>,
}

/// Why a request is not one of Bayeux.
enum Refusal {
    Malformed(Malformed),
    TooLarge,
    /// A GET that names no callback, or where none may be named.
    NoCallback,
    /// Another method; GET is one of ours only with callback-polling.
    Method {
        callbacks: bool,
    },
}

/// What the messages are in, and how to wrap the answer.
struct Body<'a> {
    texts: Vec<Cow<'a, str>>,
    callback: Option<Box<str>>,
}

fn begin(
    registry: &Arc<Registry>,
    parts: &Parts,
    body: &Bytes,
    (connection, request_id): (Connection, &str),
) -> Result<Begun, Refusal> {
    registry.heard(connection.id);
    let config = registry.config();
    let Body { texts, callback } = read(&config, parts, body)?;
    let max = config.batch_max;
    let mut messages = Vec::new();
    for text in &texts {
        messages.append(&mut bayeux::parse(text, max).map_err(Refusal::Malformed)?);
    }
    if messages.len() > max {
        return Err(Refusal::Malformed(Malformed::too_many(max)));
    }
    // The request itself was counted, and pays for its first message.
    registry.count(
        messages.get_mut(1..).unwrap_or_default(),
        connection.address,
    );
    if let Some(handshake) = messages.iter().find(|message| message.is_handshake()) {
        let response = greet(registry, parts, handshake, connection, callback);
        return Ok(Begun::Answered(response));
    }
    let browser = Browser::of(&parts.headers);
    let trust = config.trust_client_session;
    match registry.client_of_browser(&messages, browser, trust) {
        Some(client) if !messages.is_empty() => {
            let seat = seat(registry, &config, &client, (&messages, browser));
            let from = (seat, connection, request_id);
            let waiting = submit(registry, client, &messages, from);
            Ok(Begun::Waiting(Box::new(waiting), callback))
        }
        _ => {
            let answer = Answer::Messages(unknown_client(&messages, registry.now().wall));
            Ok(Begun::Answered(respond(answer, callback)))
        }
    }
}

/// The texts that hold the messages.
fn read<'a>(config: &Config, parts: &Parts, body: &'a Bytes) -> Result<Body<'a>, Refusal> {
    let callbacks = config.transports.contains(&ConnectionType::CallbackPolling);
    if parts.method == Method::GET {
        return read_callback(parts, callbacks, config.max_message_size);
    }
    if parts.method != Method::POST {
        return Err(Refusal::Method { callbacks });
    }
    if body.len() > config.max_message_size {
        return Err(Refusal::too_large());
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed(Malformed::Json))?;
    let texts = if is_form(parts) {
        form_texts(text)
    } else {
        Some(vec![text.into()])
    };
    Ok(Body {
        texts: texts.ok_or(Refusal::Malformed(Malformed::NotMessages))?,
        callback: None,
    })
}

fn read_callback(parts: &Parts, allowed: bool, max: usize) -> Result<Body<'static>, Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    if query.len() > max {
        return Err(Refusal::too_large());
    }
    let mut names = form::values(query, "jsonp").ok_or(Refusal::NoCallback)?;
    let name = names.pop().filter(|name| allowed && is_callback(name));
    Ok(Body {
        callback: Some(name.ok_or(Refusal::NoCallback)?.into()),
        texts: form_texts(query).ok_or(Refusal::Malformed(Malformed::NotMessages))?,
    })
}

/// The fields `message` of a form, if there is one.
fn form_texts(form: &str) -> Option<Vec<Cow<'static, str>>> {
    let texts = form::values(form, "message").filter(|texts| !texts.is_empty())?;
    Some(texts.into_iter().map(Cow::Owned).collect())
}

/// Other messages beside a handshake are ignored, as the Bayeux text has it.
fn greet(
    registry: &Arc<Registry>,
    parts: &Parts,
    handshake: &Message<'_>,
    connection: Connection,
    callback: Option<Box<str>>,
) -> Response<Full<Bytes>> {
    let known = Browser::of(&parts.headers);
    let browser = known.or_else(|| random().map(Browser::new));
    let visit = Visit {
        carrier: Carrier::Http,
        connection,
        authorization: authorization(parts),
        browser,
        socket: None,
    };
    let (reply, client) = registry.handshake(handshake, &visit);
    let mut response = respond(Answer::Messages(vec![reply]), callback);
    if let (Some(_), None, Some(browser)) = (client, known, browser) {
        let cookie = browser.cookie(registry.options().same_site, connection.secure);
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
    }
    response
}

/// The place that a connect takes among those of its browser; `Some(None)`: there is none left.
fn seat(
    registry: &Registry,
    config: &Config,
    client: &Client,
    from: (&[Message<'_>], Option<Browser>),
) -> Option<Option<Seat>> {
    match from {
        ([only], Some(browser)) if only.is_connect() => {
            let max = config.max_sessions_per_browser;
            Some(registry.seats.take(browser, client.id(), max))
        }
        _ => None,
    }
}

fn submit(
    registry: &Arc<Registry>,
    client: Arc<Client>,
    messages: &[Message<'_>],
    (seat, connection, request_id): (Option<Option<Seat>>, Connection, &str),
) -> Waiting {
    let exchange = registry.next_exchange();
    registry.polls.fetch_add(1, Ordering::Relaxed);
    let request = Request {
        exchange,
        connection: connection.id,
        carrier: Carrier::Http,
        crowded: matches!(seat, Some(None)),
        messages,
    };
    let publishes = messages.iter().any(|message| message.data.is_some());
    let answer = client.request(request, publishes.then(|| request_id.into()));
    Waiting {
        registry: Arc::clone(registry),
        client,
        exchange,
        connection: connection.id,
        answer,
        answered: false,
        _seat: seat.flatten(),
    }
}

impl Waiting {
    async fn answer(&mut self) -> Answer {
        let answer = (&mut self.answer).await;
        self.answered = true;
        // The sender goes only with the client, at the end of the process.
        answer.unwrap_or(Answer::Overtaken)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.registry.polls.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.client.abandoned(self.exchange, self.connection);
        }
    }
}

/// The `Authorization` header, if it is text.
pub(super) fn authorization(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION)?.to_str().ok()
}

fn respond(answer: Answer, callback: Option<Box<str>>) -> Response<Full<Bytes>> {
    let messages = match answer {
        Answer::Messages(messages) => messages,
        Answer::Overtaken => return plain(StatusCode::CONFLICT, "a newer connect has come"),
    };
    let array = bayeux::array(&messages);
    match callback {
        None => response(StatusCode::OK, "application/json", array.into()),
        Some(callback) => {
            let array = String::from_utf8(array).unwrap_or_default();
            // JSON may have these as they are in a text; the scripts of old browsers may not.
            let array = array.replace('\u{2028}', "\\u2028");
            let array = array.replace('\u{2029}', "\\u2029");
            response(
                StatusCode::OK,
                "text/javascript;charset=UTF-8",
                format!("{callback}({array})").into(),
            )
        }
    }
}

impl Refusal {
    fn too_large() -> Self {
        limit::reached("[cometd] maxMessageSize");
        Self::TooLarge
    }

    fn response(self) -> Response<Full<Bytes>> {
        match self {
            Self::Malformed(why) => plain(StatusCode::BAD_REQUEST, &why.to_string()),
            Self::NoCallback => plain(StatusCode::BAD_REQUEST, "use POST"),
            Self::TooLarge => {
                let text = "the body is larger than maxMessageSize";
                let response = plain(StatusCode::PAYLOAD_TOO_LARGE, text);
                with(response, CONNECTION, "close")
            }
            Self::Method { callbacks } => {
                let response = plain(StatusCode::METHOD_NOT_ALLOWED, "use POST");
                with(
                    response,
                    ALLOW,
                    if callbacks { "POST, GET" } else { "POST" },
                )
            }
        }
    }
}

/// A response with one more header.
pub(super) fn with(
    mut response: Response<Full<Bytes>>,
    name: HeaderName,
    value: &'static str,
) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

pub(super) fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain;charset=UTF-8", text.to_owned().into())
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let form = b"application/x-www-form-urlencoded";
    kind.and_then(|kind| kind.get(..form.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(form))
}

fn is_callback(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= CALLBACK_MAX && name.bytes().all(allowed)
}
