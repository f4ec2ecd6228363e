//! Customers over Bayeux: Chat API Version 2 with CometD.
//!
//! A customer publishes operations on `/service/chatV2/{service}` and is told the events of its chats on the same channel. One
//! client may have several chats; they are told apart by `secureKey`. Trouble with a chat is a data message with a
//! `statusCode`; only what could not be done for now also fails its publish.

use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use serde_json::value::RawValue;

use super::viewer::{Chats, parting, viewer};
use super::{Application, Gone, Handle, Hello, Party, PublishDone, Refused};
use crate::bayeux::Event;
use crate::chat::{Caller, UserData};
use crate::clock::Clock;
use crate::hub::{Also, Hub, Refusal, View};
use crate::id::{ParticipantId, SessionId};
use crate::push::{Destinations, Subscription};
use crate::wire::keys::Keys;
use crate::wire::v2::reply::Stretch;
use crate::wire::v2::{Failure, Operation, Publish, RequestChat, cometd, request_chat};

/// Where every chat channel begins.
const CHANNELS: &str = "/service/chatV2/";
/// The customer is always the first participant.
const CUSTOMER: ParticipantId = ParticipantId(1);

/// The customers' side of the gateway.
pub struct Customers {
    shared: Arc<Shared>,
}

/// What configuration decides about customers over Bayeux; a reload replaces it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configured services.
    pub services: std::collections::BTreeMap<String, Service>,
    /// Where pushes may go.
    pub destinations: Destinations,
    /// `flex-push-enabled`: pushes may be asked for.
    pub push_enabled: bool,
    /// `flex-push-on-join`: with the request for a chat already.
    pub push_on_join: bool,
    /// `[limits] chats-per-client`.
    pub chats_max: usize,
}

/// One configured service.
#[derive(Clone, Debug)]
pub struct Service {
    /// About its sessions.
    pub policy: Arc<crate::chat::Policy>,
    /// `push_notification_include_payload`.
    pub include_payload: bool,
}

/// Whether another message of this address, to this chat, is too many.
pub trait Rates: Send + Sync {
    /// Counts one; `false`: too many.
    fn allow(&self, address: IpAddr, chat: Option<SessionId>) -> bool;
}

struct Shared {
    hub: Hub,
    keys: Keys,
    clock: Clock,
    rates: Arc<dyn Rates>,
    settings: RwLock<Arc<Settings>>,
    subscriptions_ignored: Counter,
}

/// One customer's Bayeux client.
struct Customer {
    shared: Arc<Shared>,
    handle: Handle,
    address: IpAddr,
    chats: Arc<Chats>,
}

/// One publish, until it is answered.
struct Call {
    shared: Arc<Shared>,
    handle: Handle,
    chats: Arc<Chats>,
    channel: String,
    /// The key that was given; empty for `requestChat`.
    key: String,
    done: PublishDone,
}

impl Customers {
    /// The customers' side of `hub`. `subscriptions_ignored` counts wishes for pushes that configuration does not allow.
    pub fn new(
        hub: Hub,
        keys: Keys,
        clock: Clock,
        rates: Arc<dyn Rates>,
        settings: Settings,
        subscriptions_ignored: Counter,
    ) -> Self {
        let settings = RwLock::new(Arc::new(settings));
        Self {
            shared: Arc::new(Shared {
                hub,
                keys,
                clock,
                rates,
                settings,
                subscriptions_ignored,
            }),
        }
    }

    /// Other settings from now on.
    pub fn reload(&self, settings: Settings) {
        *self
            .shared
            .settings
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(settings);
    }
}

impl Application for Customers {
    /// Everybody is welcome, but not too often: each client is remembered for a while, whatever becomes of it.
    fn handshake(&self, hello: Hello<'_>, client: Handle) -> Result<Arc<dyn Party>, Refused> {
        if !self.shared.rates.allow(hello.address, None) {
            return Err(Refused {
                error: "429::too_many_requests".to_owned(),
                advice_none: false,
            });
        }
        Ok(Arc::new(Customer {
            shared: self.shared.clone(),
            handle: client,
            address: hello.address,
            chats: Arc::default(),
        }))
    }
}

impl Shared {
    fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn service_of(&self, channel: &str) -> Option<(String, Service)> {
        let name = channel.strip_prefix(CHANNELS)?;
        self.settings()
            .services
            .get(name)
            .map(|service| (name.to_owned(), service.clone()))
    }

    fn knows(&self, channel: &str, denied: &str) -> Result<(), String> {
        match self.service_of(channel) {
            Some(_) => Ok(()),
            None => Err(format!("403:{}:{denied}", channel.replace([',', ':'], "_"))),
        }
    }
}

impl Party for Customer {
    fn may_subscribe(&self, channel: &str) -> Result<(), String> {
        self.shared.knows(channel, "subscribe_denied")
    }

    fn subscribed(&self, _channel: &str) {}

    fn unsubscribed(&self, _channel: &str) {}

    fn may_publish(&self, channel: &str) -> Result<(), String> {
        self.shared.knows(channel, "publish_denied")
    }

    fn publish(&self, channel: &str, data: Box<RawValue>, done: PublishDone) {
        let call = Call {
            shared: self.shared.clone(),
            handle: self.handle.clone(),
            chats: self.chats.clone(),
            channel: channel.to_owned(),
            key: String::new(),
            done,
        };
        call.run(&data, self.address);
    }

    fn confirmed(&self, stream: u64, position: u64) {
        self.chats
            .confirmed(&self.shared.hub, self.handle.id(), stream, position);
    }

    fn rewind(&self, stream: u64, position: u64) {
        self.chats
            .rewind(&self.shared.hub, self.handle.id(), stream, position);
    }

    fn drained(&self) {
        self.chats.room(&self.shared.hub, self.handle.id());
    }

    fn gone(&self, how: Gone) {
        if let Gone::Disconnected { ext: Some(ext) } = &how
            && let Some(position) = transcript_position(ext)
        {
            // The position says what one chat's customer has; with several it cannot be told whose.
            if let [session] = self.chats.all()[..] {
                self.shared
                    .hub
                    .confirmed(session, self.handle.id(), position);
            }
        }
        self.chats
            .gone(&self.shared.hub, self.handle.id(), parting(&how));
    }
}

impl Call {
    fn run(mut self, data: &RawValue, address: IpAddr) {
        let Some((name, service)) = self.shared.service_of(&self.channel) else {
            return self.done.fail("403::publish_denied");
        };
        let publish = Publish::parse(data.get());
        let keys = self.shared.keys.for_service(&name);
        let session = keys.open(&publish.secure_key);
        self.key = publish.secure_key;
        if !self.shared.rates.allow(address, session) {
            return self.refuse(session, &Failure::too_often());
        }
        let operation = match publish.operation {
            Ok(operation) => operation,
            Err(error) => return self.refuse(session, &error.into()),
        };
        match (operation, session) {
            (Operation::RequestChat(request), _) => self.request_chat(&name, &service, request),
            (_, None) => self.refuse(None, &Failure::unknown_chat()),
            (
                Operation::RequestNotifications {
                    position,
                    user_data,
                },
                Some(session),
            ) => self.watch(session, position, &name, &service, &user_data),
            (operation, Some(session)) => self.command(session, operation),
        }
    }

    fn request_chat(self, name: &str, service: &Service, request: RequestChat) {
        let settings = self.shared.settings();
        let create = match request_chat(name, request, &service.policy) {
            Ok(create) => create,
            Err(error) => return self.refuse(None, &error.into()),
        };
        let subscription = match self.wish(name, service, &create.user_data, settings.push_on_join)
        {
            Ok(wish) => wish,
            Err(failure) => return self.refuse(None, &failure),
        };
        if !self.chats.ask(None, settings.chats_max) {
            return self.too_many_chats(None, settings.chats_max);
        }
        let (hub, at) = (self.shared.hub.clone(), self.shared.clock.now().wall);
        let viewer = viewer(&self.handle, &self.chats);
        hub.create(
            at,
            create,
            subscription,
            Some(viewer),
            Box::new(move |done| {
                self.chats.answered();
                match done {
                    // The first event, which the viewer was told, is the answer.
                    Ok(_) => self.done.ok(),
                    Err(refusal) => self.refused(None, &refusal),
                }
            }),
        );
    }

    fn too_many_chats(self, session: Option<SessionId>, max: usize) {
        let advice = format!("limit reached: [limits] chats-per-client = {max}");
        self.refuse(session, &Failure::finally(400, advice));
    }

    /// The wish for pushes in `user_data`, if there is one and configuration allows it.
    fn wish(
        &self,
        name: &str,
        service: &Service,
        user_data: &UserData,
        on_join: bool,
    ) -> Result<Option<Subscription>, Failure> {
        let settings = self.shared.settings();
        let wish = Subscription::parse(
            user_data,
            true,
            service.include_payload,
            &settings.destinations,
        );
        let is_allowed = settings.push_enabled && on_join;
        if !matches!(wish, Ok(None)) && !is_allowed {
            self.shared.subscriptions_ignored.inc();
            tracing::warn!(
                service = name,
                "a push subscription was ignored: [settings] flex-push-enabled or flex-push-on-join is false"
            );
            return Ok(None);
        }
        wish.map_err(|refused| Failure::finally(400, refused.to_string()))
    }

    /// New push fields beside it take the place of the chat's subscription.
    fn watch(
        self,
        session: SessionId,
        position: Option<u64>,
        name: &str,
        service: &Service,
        user_data: &UserData,
    ) {
        let subscription = match self.wish(name, service, user_data, true) {
            Ok(wish) => wish,
            Err(failure) => return self.refuse(Some(session), &failure),
        };
        let max = self.shared.settings().chats_max;
        if !self.chats.ask(Some(session), max) {
            return self.too_many_chats(Some(session), max);
        }
        let hub = self.shared.hub.clone();
        let viewer = viewer(&self.handle, &self.chats);
        let from = position.unwrap_or(0).max(1);
        hub.watch(
            session,
            viewer,
            from,
            subscription,
            Box::new(move |view| {
                self.chats.answered();
                match view {
                    Ok(view) => self.welcome(view, from),
                    Err(refusal) => self.refused(Some(session), &refusal),
                }
            }),
        );
    }

    /// Answers `requestNotifications`. The events from `from` on follow by themselves, and the last of them says whether the
    /// chat has ended: an app that is told so before goes away without them.
    fn welcome(self, view: View, from: u64) {
        let follows = view.customer_left.is_some_and(|left| from <= left);
        match view.ended && !follows {
            true => self.tell(&view, view.next_index, true),
            false => self.tell(&view, from.min(view.next_index), false),
        }
        self.done.ok();
    }

    fn command(self, session: SessionId, operation: Operation) {
        let ends = operation == Operation::Disconnect;
        let Some(command) = operation.into_command() else {
            return self.refuse(
                Some(session),
                &Failure::finally(400, "the operation is unknown"),
            );
        };
        let hub = self.shared.hub.clone();
        hub.command(
            session,
            Caller::Participant(CUSTOMER),
            command,
            Also::default(),
            Box::new(move |done| match done {
                Ok(done) => {
                    if ends {
                        self.tell(&done.view, done.view.next_index, true);
                    }
                    self.done.ok();
                }
                Err(refusal) => self.refused(Some(session), &refusal),
            }),
        );
    }

    /// A data message without events.
    fn tell(&self, view: &View, next_position: u64, ended: bool) {
        let key = self.key_of(view.session, view.names_service.then_some(&*view.service));
        let stretch = Stretch {
            events: &[],
            next_position,
            chat_ended: ended,
            monitored: view.monitored,
        };
        self.deliver(cometd::data(&self.channel, view.session, &key, stretch));
    }

    fn refused(self, session: Option<SessionId>, refusal: &Refusal) {
        self.refuse(session, &failure_of(refusal));
    }

    /// Says what is wrong; a failure that may pass fails the publish too, so that nobody takes it for done and its
    /// repetition is no repetition.
    fn refuse(self, session: Option<SessionId>, failure: &Failure) {
        let key = match session {
            Some(_) => self.key.clone(),
            None => self.shared.keys.opens_nothing(random()),
        };
        let reference = format!("{:016x}", random());
        tracing::debug!(
            reference_id = reference,
            client = ?self.handle.id(),
            status_code = failure.status_code,
            code = failure.code,
            "a publish was refused"
        );
        self.deliver(cometd::failed(
            &self.channel,
            session,
            &key,
            failure,
            &reference,
        ));
        match failure.status_code {
            1 => self.done.fail(for_now(failure)),
            _ => self.done.ok(),
        }
    }

    fn key_of(&self, session: SessionId, service: Option<&str>) -> String {
        let name = self.channel.strip_prefix(CHANNELS).unwrap_or_default();
        self.shared.keys.for_service(name).cometd(session, service)
    }

    fn deliver(&self, message: Bytes) {
        if self.handle.deliver(Event {
            message,
            source: None,
        }) == crate::bayeux::Offer::Full
        {
            // A client that asks on without reading its answers is not owed them.
            tracing::debug!(client = ?self.handle.id(), "an answer found no room");
        }
    }
}

/// The error of a publish that may be sent again: 429, or 503 with what the data message has as its code.
fn for_now(failure: &Failure) -> String {
    match failure.code {
        code @ (429 | 503) => format!("{code}::{}", failure.advice),
        code => format!("503:{code}:{}", failure.advice),
    }
}

/// Without randomness references and keys that open nothing are all alike, which harms nobody.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// What a refusal is called at this door.
pub(super) fn failure_of(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Unknown | Refusal::NotJoined => Failure::unknown_chat(),
        Refusal::Rejected(rejection) => rejection.into(),
        Refusal::LoadLimit => Failure::load_limit(),
        Refusal::Store(crate::store::Error::Damaged { .. }) => Failure::unknown_chat(),
        Refusal::Store(_) | Refusal::Draining | Refusal::Busy => Failure::unavailable(),
    }
}

/// `ext.transcriptPosition` of a `/meta/disconnect`: a number, or one in a string.
fn transcript_position(ext: &RawValue) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Ext<'a> {
        #[serde(rename = "transcriptPosition", borrow)]
        position: Option<&'a RawValue>,
    }
    let ext: Ext<'_> = serde_json::from_str(ext.get()).ok()?;
    ext.position?.get().trim_matches('"').parse().ok()
}
