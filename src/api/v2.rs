//! Chat API Version 2 over REST: seed *Chat API Version 2*.
//!
//! What can be wrong with a request by itself is found first; then its key is checked, which asks nobody either, so that a
//! stranger costs no read of the store and learns nothing; only then is the hub asked.

mod chats;
mod idempotency;
pub(crate) mod path;
mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

pub use self::chats::Chats;
use self::idempotency::{fingerprint, idempotency_key};
use self::path::{Path, Target};
use self::shape::{Shape, position, previewed};
use crate::api::error::Trouble;
use crate::api::read_body;
use crate::chat::{self, Command, Policy, Rejection};
use crate::clock::Clock;
use crate::http::rate_limit::{RateLimits, Rates};
use crate::http::reply::{JSON, allowing, empty, with};
use crate::http::{Caller, Given, Response};
use crate::hub::{Also, Done, Hub, Refusal, View};
use crate::id::{ParticipantId, SessionId};
use crate::push::{Destinations, Subscription};
use crate::wire::keys::Keys;
use crate::wire::v2::reply::{self, Party, Stretch};
use crate::wire::v2::{Failure, FieldError, Fields, Operation, RequestChat, request_chat};

/// The option that bounds a request's body.
const BODY_OPTION: &str = "[limits] request-body";
const METHODS: &str = "POST, OPTIONS";
/// The customer who began a chat is its first participant.
const CUSTOMER: ParticipantId = ParticipantId(1);

/// What configuration decides about this API. One value; a reload replaces it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[server] alias`.
    pub alias: String,
    /// The configured services by name.
    pub services: BTreeMap<String, Service>,
    /// `[settings] flex-push-enabled` and `flex-push-on-join`: whether a new chat may subscribe to pushes.
    pub push_on_join: bool,
    /// Where pushes may go.
    pub destinations: Destinations,
    /// `[settings] max-reply-size`, bytes of events in one reply; one event is always sent.
    pub reply_bytes_max: usize,
    /// `[limits] body`, bytes.
    pub body_bytes_max: usize,
    /// `[limits] fields`.
    pub fields_max: usize,
    /// The limits on names and subjects.
    pub policy: Arc<Policy>,
}

/// A `[chat.NAME]`, or what it inherits from `[chat]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The tenant part of `default_chat_endpoint`.
    pub tenant: String,
    /// `typing_preview`.
    pub typing_preview: bool,
}

/// The API.
pub struct Api<C = Hub> {
    /// The chats.
    pub chats: C,
    /// What customers prove themselves with.
    pub keys: Keys,
    /// What configuration decides.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The buckets of this process.
    pub limits: Arc<RateLimits>,
    /// The clock.
    pub clock: Clock,
    /// Subscriptions that were left out, because `flex-push-enabled` or `flex-push-on-join` is false.
    pub subscriptions_ignored: Counter,
}

/// One call, and what it is judged by.
struct Call<'a> {
    settings: &'a Settings,
    path: &'a Path,
    parts: &'a Parts,
    caller: &'a Caller,
    rates: &'a Rates,
}

impl<C: Chats> Api<C> {
    /// Answers a request whose path goes on with `rest` after `/genesys/2/chat/`.
    pub async fn answer<B>(
        &self,
        rest: &str,
        parts: &Parts,
        body: B,
        caller: &Caller,
        rates: &Rates,
    ) -> Response
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if parts.method == Method::OPTIONS {
            return allowing(empty(StatusCode::NO_CONTENT), METHODS);
        }
        let settings = Arc::clone(&self.settings.borrow());
        let path = Path::parse(rest);
        let done = match &path {
            Some(path) => {
                let settings = &settings;
                let call = Call {
                    settings,
                    path,
                    parts,
                    caller,
                    rates,
                };
                self.serve(&call, body).await
            }
            None => Err(Trouble::not_found("there is no such call")),
        };
        done.map_or_else(
            |trouble| {
                let chat = path.as_ref().and_then(|path| path.chat()?.parse().ok());
                let id = caller.request_id.as_str();
                note(&trouble, id);
                trouble.respond(reply::failed(&settings.alias, chat, &trouble.failure, id))
            },
            |body| with(StatusCode::OK, JSON, body),
        )
    }

    async fn serve<B>(&self, call: &Call<'_>, body: B) -> Result<Bytes, Trouble>
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let service = call.service()?;
        if call.parts.method != Method::POST {
            return Err(Trouble::method(METHODS));
        }
        let headers = &call.parts.headers;
        let body = read_body(headers, body, (call.settings.body_bytes_max, BODY_OPTION)).await?;
        let given = Given::parse(headers, body, call.settings.fields_max).await?;
        let fields = fields(given)?;
        match &call.path.target {
            Target::New => self.request_chat(call, service, fields).await,
            Target::Chat { chat, operation } => {
                self.operate(call, service, chat, operation, fields).await
            }
        }
    }

    async fn request_chat(
        &self,
        call: &Call<'_>,
        service: &Service,
        fields: Fields,
    ) -> Result<Bytes, Trouble> {
        let asked = match Operation::named("requestChat", fields)? {
            Operation::RequestChat(asked) => asked,
            _ => RequestChat::default(),
        };
        let create = request_chat(&call.path.service, asked, &call.settings.policy)
            .map_err(Failure::from)?;
        let subscription = self.subscription(call, &create.user_data)?;
        let done = self
            .chats
            .create(self.clock.now().wall, create, subscription)
            .await?;
        let view = done.view;
        // The chat exists, whatever becomes of this reading.
        let from = 1;
        let page = self
            .chats
            .read(view.session, from, call.settings.reply_bytes_max);
        let events = page.await.map(|page| page.events).unwrap_or_default();
        let stretch = stretch(&view, &events, view.next_index);
        Ok(self.told(call, service, &view, |party, _| {
            reply::requested(party, stretch)
        }))
    }

    fn subscription(
        &self,
        call: &Call<'_>,
        user_data: &chat::UserData,
    ) -> Result<Option<Subscription>, Trouble> {
        let wish = Subscription::parse(user_data, false, false, &call.settings.destinations);
        if !matches!(wish, Ok(None)) && !call.settings.push_on_join {
            self.subscriptions_ignored.inc();
            tracing::warn!(
                "a chat is begun without the pushes it wished for: flex-push-enabled or flex-push-on-join is false"
            );
            return Ok(None);
        }
        Ok(wish.map_err(|refused| Failure::finally(400, refused.to_string()))?)
    }

    async fn operate(
        &self,
        call: &Call<'_>,
        service: &Service,
        chat: &str,
        name: &str,
        fields: Fields,
    ) -> Result<Bytes, Trouble> {
        let opened = self.open(&call.path.service, chat, &fields);
        let operation = previewed(Operation::named(name, fields)?, service.typing_preview);
        let idempotency_key = idempotency_key(&call.parts.headers)?;
        let session = opened.ok_or_else(Failure::unknown_chat)?;
        let now = self.clock.now().instant;
        self.limits
            .chat(call.rates, session, call.caller.address, now)?;
        let (shape, position) = (Shape::of(&operation), position(&operation));
        let command = operation.into_command();
        let also = Also {
            idempotency: idempotency_key
                .zip(command.as_ref())
                .map(|(key, command)| fingerprint(key, command)),
        };
        let done = match command {
            Some(command) => self.submit(session, command, also, shape).await?,
            None => None,
        };
        if let Some(from) = position {
            let page = self
                .chats
                .read(session, from, call.settings.reply_bytes_max)
                .await?;
            let stretch = stretch(&page.view, &page.events, page.next_position);
            return Ok(self.shaped(call, service, &page.view, shape, stretch));
        }
        let view = done.ok_or_else(Failure::unknown_chat)?.view;
        let nothing = stretch(&view, &[], view.next_index);
        Ok(self.shaped(call, service, &view, shape, nothing))
    }

    /// The session, if the caller shows that it is its customer's.
    fn open(&self, service: &str, chat: &str, fields: &Fields) -> Option<SessionId> {
        let session = chat.parse::<SessionId>().ok();
        let asked = session.unwrap_or(SessionId::from_bytes([0; 12]));
        let key = fields.text("secureKey").unwrap_or_default();
        let right =
            self.keys
                .for_service(service)
                .check_rest_or_cometd(asked, fields.text("userId"), key);
        session.filter(|_| right)
    }

    /// Does the command. What a customer was typing as it refreshes is no reason to keep the transcript from it once the
    /// chat is over.
    async fn submit(
        &self,
        session: SessionId,
        command: Command,
        also: Also,
        shape: Shape,
    ) -> Result<Option<Done>, Trouble> {
        match self.chats.submit(session, command, also).await {
            Ok(done) => Ok(Some(done)),
            Err(Refusal::Rejected(Rejection::Closed | Rejection::Left))
                if shape == Shape::Refreshed =>
            {
                Ok(None)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn shaped(
        &self,
        call: &Call<'_>,
        service: &Service,
        view: &View,
        shape: Shape,
        stretch: Stretch<'_>,
    ) -> Bytes {
        self.told(call, service, view, |party, tenant| match shape {
            Shape::Sent => reply::sent(party, stretch),
            Shape::Refreshed => reply::refreshed(party, stretch, tenant),
            Shape::Accepted => reply::accepted(party, stretch.chat_ended),
            Shape::Disconnected => reply::disconnected(),
        })
    }

    fn told(
        &self,
        call: &Call<'_>,
        service: &Service,
        view: &View,
        tell: impl FnOnce(Party<'_>, &str) -> Bytes,
    ) -> Bytes {
        let keys = self.keys.for_service(&call.path.service);
        let secure_key = keys.rest(view.session);
        let party = Party {
            alias: &call.settings.alias,
            chat: view.session,
            user: keys.user(view.session, CUSTOMER),
            secure_key: &secure_key,
        };
        tell(party, &service.tenant)
    }
}

impl<'a> Call<'a> {
    fn service(&self) -> Result<&'a Service, Trouble> {
        let service = self.settings.services.get(&self.path.service);
        service.ok_or_else(|| Trouble::not_found("there is no such service"))
    }
}

fn fields(given: Given) -> Result<Fields, FieldError> {
    match given {
        Given::Pairs(pairs) => Fields::from_pairs(pairs),
        Given::Json(object) => Fields::from_json(&object),
    }
}

fn stretch<'a>(view: &View, events: &'a [Arc<chat::Event>], next_position: u64) -> Stretch<'a> {
    Stretch {
        events,
        next_position,
        chat_ended: view.ended,
        monitored: view.monitored,
    }
}

/// What HTTP calls a success and a chat does not is found in the log by its `referenceId`, as every other refusal is.
fn note(trouble: &Trouble, id: &str) {
    if trouble.status == StatusCode::OK {
        let Failure {
            status_code, code, ..
        } = trouble.failure;
        tracing::debug!(request_id = id, status_code, code, "a call was refused");
    }
}

#[cfg(test)]
mod tests;
