//! One publish of a customer: what it asks, and how it is answered.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{CHANNELS, CUSTOMER, Customer, Service, Shared, failure_of};
use crate::bayeux::Offer;
use crate::chance;
use crate::chat::{Caller, UserData};
use crate::hub::{Also, Refusal, View};
use crate::id::SessionId;
use crate::limit;
use crate::push::{Renewal, Subscription, Wish};
use crate::transport::viewer::{Chats, viewer};
use crate::transport::{Handle, PublishDone};
use crate::wire::v2::reply::Stretch;
use crate::wire::v2::{Failure, Operation, Publish, RequestChat, cometd, request_chat};

/// What is longer is no key of ours, and is not repeated to whoever gave it.
const KEY_BYTES_MAX: usize = 256;

/// One publish, until it is answered.
pub(super) struct Call {
    shared: Arc<Shared>,
    handle: Handle,
    chats: Arc<Chats>,
    channel: String,
    /// The key that was given; empty where it could be none, and for `requestChat`.
    key: String,
    done: PublishDone,
}

impl Call {
    pub(super) fn of(customer: &Customer, channel: &str, done: PublishDone) -> Self {
        Self {
            shared: customer.shared.clone(),
            handle: customer.handle.clone(),
            chats: customer.chats.clone(),
            channel: channel.to_owned(),
            key: String::new(),
            done,
        }
    }

    /// Says under the chat's key that its customer asks too often.
    pub(super) fn too_often(mut self, data: &RawValue) {
        let name = self.channel.strip_prefix(CHANNELS).unwrap_or_default();
        let keys = self.shared.keys.for_service(name);
        self.key = Publish::parse(data.get()).secure_key;
        let session = keys.open(&self.key);
        self.refuse(session, &Failure::too_often());
    }

    pub(super) fn run(mut self, data: &RawValue, address: IpAddr) {
        let Some((name, service)) = self.shared.service_of(&self.channel) else {
            return self.done.fail("403::publish_denied");
        };
        let publish = Publish::parse(data.get());
        let keys = self.shared.keys.for_service(&name);
        let session = keys.open(&publish.secure_key);
        self.key = publish.secure_key;
        let rates = &self.shared.rates;
        if session.is_some_and(|session| !rates.allow_to(session, address)) {
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
        let subscription = match self.wish(name, service, &create.user_data) {
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
        limit::reached("[limits] chats-per-client");
        let advice = format!("limit reached: [limits] chats-per-client = {max}");
        self.refuse(session, &Failure::finally(400, advice));
    }

    /// The wish for pushes beside the request for a chat, if there is one and configuration allows it.
    fn wish(
        &self,
        name: &str,
        service: &Service,
        user_data: &UserData,
    ) -> Result<Option<Subscription>, Failure> {
        let settings = self.shared.settings();
        let wish = Subscription::parse(
            user_data,
            true,
            service.include_payload,
            &settings.destinations,
        );
        let is_allowed = settings.push_enabled && settings.push_on_join;
        if !matches!(wish, Ok(None)) && !is_allowed {
            self.ignored(name);
            return Ok(None);
        }
        wish.map_err(|refused| Failure::finally(400, refused.to_string()))
    }

    /// The push fields beside `requestNotifications`, if there are any and configuration allows it.
    fn renewal(&self, name: &str, service: &Service, user_data: &UserData) -> Option<Box<Renewal>> {
        let wish = Wish::read(user_data, true)?;
        let settings = self.shared.settings();
        if !settings.push_enabled {
            self.ignored(name);
            return None;
        }
        Some(Box::new(Renewal {
            wish,
            include_payload: service.include_payload,
            known: settings.destinations.clone(),
        }))
    }

    fn ignored(&self, name: &str) {
        self.shared.subscriptions_ignored.inc();
        tracing::warn!(
            service = name,
            "a push subscription was ignored: [settings] flex-push-enabled or flex-push-on-join is false"
        );
    }

    /// New push fields beside it take the place of those of the chat's subscription, each of its own.
    fn watch(
        self,
        session: SessionId,
        position: Option<u64>,
        name: &str,
        service: &Service,
        user_data: &UserData,
    ) {
        let renewal = self.renewal(name, service, user_data);
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
            renewal,
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
        let told = match view.ended && !follows {
            true => self.tell(&view, view.next_index, true),
            false => self.tell(&view, from.min(view.next_index), false),
        };
        self.end(told);
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
                    let told = !ends || self.tell(&done.view, done.view.next_index, true);
                    self.end(told);
                }
                Err(refusal) => self.refused(Some(session), &refusal),
            }),
        );
    }

    /// A data message without events; whether there was room for it.
    fn tell(&self, view: &View, next_position: u64, ended: bool) -> bool {
        let key = self.key_of(view.session, view.names_service.then_some(&*view.service));
        let stretch = Stretch {
            events: &[],
            next_position,
            chat_ended: ended,
            monitored: view.monitored,
        };
        self.answer(cometd::data(&self.channel, view.session, &key, stretch))
    }

    fn refused(self, session: Option<SessionId>, refusal: &Refusal) {
        self.refuse(session, &failure_of(refusal));
    }

    /// Says what is wrong, under the key that was given: by it a client knows which of its chats is meant. A failure that
    /// may pass fails the publish too, so that nobody takes it for done and its repetition is no repetition.
    fn refuse(self, session: Option<SessionId>, failure: &Failure) {
        let key = match self.key.len() {
            1..=KEY_BYTES_MAX => self.key.clone(),
            _ => self.shared.keys.opens_nothing(random()),
        };
        let reference = match &self.done.source().request_id {
            Some(id) => id.to_string(),
            None => format!("{:016x}", random()),
        };
        tracing::debug!(
            reference_id = reference,
            client = ?self.handle.id(),
            status_code = failure.status_code,
            code = failure.code,
            "a publish was refused"
        );
        let told = self.answer(cometd::failed(
            &self.channel,
            session,
            &key,
            failure,
            &reference,
        ));
        match failure.status_code {
            1 => self.done.fail(for_now(failure)),
            _ => self.end(told),
        }
    }

    /// A publish whose answer found no room has failed, whatever else came of it: its client reads, and asks again.
    fn end(self, told: bool) {
        match told {
            true => self.done.ok(),
            false => self.done.fail("503::too_many_answers_unread"),
        }
    }

    fn key_of(&self, session: SessionId, service: Option<&str>) -> String {
        let name = self.channel.strip_prefix(CHANNELS).unwrap_or_default();
        self.shared.keys.for_service(name).cometd(session, service)
    }

    /// Queues an answer, however many events wait; whether it found room among the answers that do.
    fn answer(&self, message: Bytes) -> bool {
        let is_full = self.handle.try_answer(message) == Offer::Full;
        if is_full && self.chats.refuses_first() {
            tracing::warn!(
                client = ?self.handle.id(),
                "publishes of a client that does not read its answers fail; limit reached: [limits] queue-size"
            );
        }
        !is_full
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
    chance::bits64().unwrap_or_default()
}
