//! Customers over Bayeux: Chat API Version 2 with CometD.
//!
//! A customer publishes operations on `/service/chatV2/{service}` and is told the events of its chats on the same channel. One
//! client may have several chats; they are told apart by `secureKey`. Trouble with a chat is a data message with a
//! `statusCode`; only what could not be done for now also fails its publish.

mod call;

use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use prometheus_client::metrics::counter::Counter;
use serde_json::value::RawValue;

use super::viewer::{Chats, parting};
use super::{Application, Gone, Handle, Hello, Party, PublishDone, Refused};
use crate::clock::Clock;
use crate::hub::{Hub, Refusal};
use crate::id::{ParticipantId, SessionId};
use crate::push::Destinations;
use crate::wire::keys::Keys;
use crate::wire::v2::Failure;
use call::Call;

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

/// How often one may speak.
pub trait Rates: Send + Sync {
    /// Counts one message of this address; `false`: it is one too many.
    fn allow(&self, address: IpAddr) -> bool;
    /// Counts one message to this chat, from this address; `false`: it is one too many.
    fn allow_to(&self, chat: SessionId, address: IpAddr) -> bool;
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
    /// Everybody is welcome.
    fn handshake(&self, hello: Hello<'_>, client: Handle) -> Result<Arc<dyn Party>, Refused> {
        Ok(Arc::new(Customer {
            shared: self.shared.clone(),
            handle: client,
            address: hello.address,
            chats: Arc::default(),
        }))
    }

    fn may_send(&self, address: IpAddr) -> bool {
        self.shared.rates.allow(address)
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
        let name = channel.strip_prefix(CHANNELS).unwrap_or_default();
        match self.settings().services.contains_key(name) {
            true => Ok(()),
            false => Err(format!("403:{}:{denied}", channel.replace([',', ':'], "_"))),
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
        Call::of(self, channel, done).run(&data, self.address);
    }

    fn too_often(&self, channel: &str, data: &RawValue, done: PublishDone) {
        Call::of(self, channel, done).too_often(data);
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

/// What a refusal is called at this door.
pub(super) fn failure_of(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Unknown | Refusal::NotJoined => Failure::unknown_chat(),
        Refusal::Rejected(rejection) => rejection.into(),
        Refusal::Push(refused) => Failure::finally(400, refused.to_string()),
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
