//! Chat API Version 2 over REST: seed *Chat API Version 2*.
//!
//! A request becomes a [`Plan`](operation::Plan) without asking anybody; then its key is checked, which asks nobody
//! either, so that a stranger costs no read of the store and learns nothing; only then is the hub asked.

mod operation;
mod path;
mod reply;
mod request_chat;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use self::operation::{Operation, Plan, Shape};
use self::path::{Path, Target};
use self::reply::Reply;
use crate::api::error::Trouble;
use crate::api::read_body;
use crate::chat::{self, Command, Create, Rejection};
use crate::clock::Clock;
use crate::http::rate_limit::{RateLimits, Rates};
use crate::http::reply::{JSON, with};
use crate::http::{Caller, Fields, Response};
use crate::hub::{Also, Done, Hub, Page, Refusal};
use crate::id::{ParticipantId, SessionId, UserId};
use crate::push::{Destinations, Subscription};

const METHODS: &str = "POST, OPTIONS";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Bytes of an `Idempotency-Key` at most.
const IDEMPOTENCY_KEY_MAX: usize = 255;
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
    /// `[limits] nickname`, characters of a nickname and of each other name.
    pub name_chars_max: usize,
    /// `[limits] subject`, characters.
    pub subject_chars_max: usize,
}

/// A `[chat.NAME]`, or what it inherits from `[chat]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The tenant part of `default_chat_endpoint`.
    pub tenant: String,
    /// `typing_preview`.
    pub typing_preview: bool,
}

/// What a customer proves itself with. The work does not depend on what is wrong with it.
pub trait Keys: Send + Sync + 'static {
    /// The `secureKey` of a chat over REST.
    fn rest(&self, session: SessionId) -> String;
    /// The `userId` of a participant.
    fn user(&self, session: SessionId, participant: ParticipantId) -> UserId;
    /// Whether this user and this key, of either door, are those of the session's customer; in constant time.
    fn open(&self, session: SessionId, user: Option<&str>, key: &str) -> bool;
}

/// What this API asks of the [`Hub`].
pub trait Chats: Send + Sync + 'static {
    /// [`Hub::create`].
    fn create(
        &self,
        create: Create,
        subscription: Option<Subscription>,
    ) -> impl Future<Output = Result<Done, Refusal>> + Send;
    /// [`Hub::submit`], as the customer.
    fn submit(
        &self,
        session: SessionId,
        command: Command,
        also: Also,
    ) -> impl Future<Output = Result<Done, Refusal>> + Send;
    /// [`Hub::read`], as the customer; every position from 1 on acknowledges.
    fn read(
        &self,
        session: SessionId,
        from: u64,
        bytes_max: usize,
    ) -> impl Future<Output = Result<Page, Refusal>> + Send;
}

/// The API.
pub struct Api<C = Hub> {
    /// The chats.
    pub chats: C,
    /// What customers prove themselves with.
    pub keys: Arc<dyn Keys>,
    /// What configuration decides.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The buckets of this process.
    pub limits: Arc<RateLimits>,
    /// The clock.
    pub clock: Clock,
    /// Subscriptions that were left out, because `flex-push-enabled` or `flex-push-on-join` is false.
    pub subscriptions_ignored: Counter,
}

/// One call, as far as it goes before the body is read.
struct Call<'a> {
    settings: Arc<Settings>,
    service: &'a Service,
    headers: &'a HeaderMap,
    caller: &'a Caller,
    rates: &'a Rates,
}

impl<C: Chats> Api<C> {
    /// Answers a request whose path goes on with `rest` after `/genesys/2/chat/`.
    pub async fn answer(
        &self,
        rest: &str,
        parts: &Parts,
        body: Incoming,
        caller: &Caller,
        rates: &Rates,
    ) -> Response {
        let settings = Arc::clone(&self.settings.borrow());
        let path = Path::parse(rest);
        let answer = self.body(path.as_ref(), &settings, parts, body, caller, rates);
        match answer.await {
            Ok(body) => with(hyper::StatusCode::OK, JSON, body),
            Err(trouble) => {
                let chat = path.as_ref().and_then(Path::chat);
                let id = caller.request_id.as_str();
                trouble.respond(reply::of_trouble(&trouble, &settings.alias, chat, id))
            }
        }
    }

    async fn body(
        &self,
        path: Option<&Path>,
        settings: &Arc<Settings>,
        parts: &Parts,
        body: Incoming,
        caller: &Caller,
        rates: &Rates,
    ) -> Result<Vec<u8>, Trouble> {
        let path = path.ok_or_else(|| Trouble::not_found("there is no such call"))?;
        let service = settings.services.get(&path.service);
        let service = service.ok_or_else(|| Trouble::not_found("there is no such service"))?;
        if parts.method != Method::POST {
            return Err(Trouble::method(METHODS));
        }
        let bytes = read_body(&parts.headers, body, settings.body_bytes_max).await?;
        let fields = Fields::parse(&parts.headers, bytes, settings.fields_max).await?;
        let call = Call {
            settings: Arc::clone(settings),
            service,
            headers: &parts.headers,
            caller,
            rates,
        };
        match &path.target {
            Target::New => self.request_chat(&call, &path.service, fields).await,
            Target::Chat { chat, operation } => self.operate(&call, chat, *operation, &fields).await,
        }
    }

    async fn request_chat(&self, call: &Call<'_>, service: &str, fields: Fields) -> Result<Vec<u8>, Trouble> {
        let create = request_chat::create(service, fields, &call.settings)?;
        let subscription = self.subscription(call, &create.user_data)?;
        let done = self.chats.create(create, subscription).await?;
        let session = done.view.session;
        // The chat exists, whatever becomes of this reading.
        let page = self.chats.read(session, 1, call.settings.reply_bytes_max).await;
        let events = page.map(|page| page.events).unwrap_or_default();
        Ok(self.reply(call, &done.view).with_events(&events).with_position(done.view.next_index).encode())
    }

    fn subscription(&self, call: &Call<'_>, user_data: &chat::UserData) -> Result<Option<Subscription>, Trouble> {
        let parsed = Subscription::parse(user_data, false, false, &call.settings.destinations);
        let wish = parsed.map_err(|refused| Trouble::chat(2, 400, refused.to_string()))?;
        if wish.is_some() && !call.settings.push_on_join {
            self.subscriptions_ignored.inc();
            tracing::warn!("a chat wished for pushes, and got none: flex-push-enabled or flex-push-on-join is false");
            return Ok(None);
        }
        Ok(wish)
    }

    async fn operate(
        &self,
        call: &Call<'_>,
        chat: &str,
        operation: Operation,
        fields: &Fields,
    ) -> Result<Vec<u8>, Trouble> {
        let plan = Plan::of(operation, fields, call.service.typing_preview)?;
        let key = idempotency_key(call.headers)?;
        let session = self.admit(chat, fields)?;
        let now = self.clock.now().instant;
        self.limits.chat(call.rates, session, call.caller.address, now)?;
        let also = Also {
            idempotency: key.map(|key| operation.fingerprint(key, fields)),
            position: plan.position.filter(|position| *position > 0),
        };
        self.carry_out(call, session, plan, also).await
    }

    /// The session, if the caller is its customer.
    fn admit(&self, chat: &str, fields: &Fields) -> Result<SessionId, Trouble> {
        let session = chat.parse::<SessionId>();
        let asked = session.unwrap_or(SessionId::from_bytes([0; 12]));
        let key = fields.get("secureKey").unwrap_or_default();
        let opened = self.keys.open(asked, fields.get("userId"), key);
        match (opened, session) {
            (true, Ok(session)) => Ok(session),
            _ => Err(Trouble::no_chat()),
        }
    }

    async fn carry_out(
        &self,
        call: &Call<'_>,
        session: SessionId,
        plan: Plan,
        also: Also,
    ) -> Result<Vec<u8>, Trouble> {
        let done = match plan.command {
            Some(command) => self.command(session, command, also, plan.shape).await?,
            None => None,
        };
        if let Some(from) = plan.position {
            let page = self.chats.read(session, from, call.settings.reply_bytes_max).await?;
            let reply = self.reply(call, &page.view).with_events(&page.events);
            return Ok(reply.shaped(plan.shape).with_position(page.next_position).encode());
        }
        let Some(done) = done else {
            return Err(Trouble::no_chat());
        };
        let reply = self.reply(call, &done.view).shaped(plan.shape);
        Ok(match plan.shape {
            Shape::Disconnected => reply::disconnected(),
            Shape::Sent => reply.with_events(&[]).with_position(done.view.next_index).encode(),
            Shape::Refreshed | Shape::Told => reply.encode(),
        })
    }

    /// Does the command. What a customer is typing while it refreshes is no reason to keep the transcript from it once
    /// the chat is over.
    async fn command(
        &self,
        session: SessionId,
        command: Command,
        also: Also,
        shape: Shape,
    ) -> Result<Option<Done>, Trouble> {
        match self.chats.submit(session, command, also).await {
            Ok(done) => Ok(Some(done)),
            Err(Refusal::Rejected(Rejection::Closed | Rejection::Left)) if shape == Shape::Refreshed => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn reply<'a>(&self, call: &'a Call<'_>, view: &crate::hub::View) -> Reply<'a> {
        Reply::new(
            &call.settings.alias,
            &call.service.tenant,
            view,
            self.keys.user(view.session, CUSTOMER),
            self.keys.rest(view.session),
        )
    }
}

impl Chats for Hub {
    async fn create(&self, create: Create, subscription: Option<Subscription>) -> Result<Done, Refusal> {
        Hub::create(self, create, subscription).await
    }

    async fn submit(&self, session: SessionId, command: Command, also: Also) -> Result<Done, Refusal> {
        Hub::submit(self, session, chat::Caller::Participant(CUSTOMER), command, also).await
    }

    async fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Result<Page, Refusal> {
        Hub::read(self, session, CUSTOMER, from, bytes_max, from > 0).await
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Trouble> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key.as_bytes();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX {
        return Err(Trouble::bad_request(format!(
            "Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_MAX} characters"
        )));
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests;
