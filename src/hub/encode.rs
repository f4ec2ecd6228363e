//! How events of one session look to its customer, to agents, and in pushes.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::Summary;
use super::fan_out::Encode;
use super::room::Room;
use super::shard::Settings;
use crate::chat::{Event, EventKind};
use crate::push::{Delivery, Subscriber};
use crate::wire::agent::answer::{self, Listed};
use crate::wire::keys::Keys;
use crate::wire::push::{self, With};
use crate::wire::v2::cometd;
use crate::wire::v2::reply::Stretch;

/// Encodes the events of one session.
pub(super) struct Encoder<'a> {
    room: &'a Room,
    keys: &'a Keys,
}

impl Encode for Encoder<'_> {
    fn for_customer(&self, event: &Arc<Event>) -> Bytes {
        let Room {
            id,
            service,
            durable,
            ..
        } = self.room;
        let stretch = Stretch {
            events: std::slice::from_ref(event),
            next_position: event.index + 1,
            chat_ended: durable
                .customer_left
                .is_some_and(|left| event.index >= left),
            monitored: durable.monitored,
        };
        cometd::data(
            &cometd::channel(service),
            *id,
            self.room.customer_key(self.keys),
            stretch,
        )
    }

    fn for_agent(&self, event: &Event) -> Bytes {
        let joined = match event.kind {
            EventKind::ParticipantJoined => self.room.chat.participant(event.from.participant),
            _ => None,
        };
        answer::event(
            self.room.id,
            event,
            joined.map(|participant| &participant.user_data),
        )
    }
}

impl Room {
    /// What encodes this session's events.
    pub(super) fn encoder<'a>(&'a self, keys: &'a Keys) -> Encoder<'a> {
        Encoder { room: self, keys }
    }

    /// The body of a push. `event` is the one it tells of.
    pub(super) fn push_body(
        &self,
        subscriber: &Subscriber,
        delivery: &Delivery,
        event: Option<&Event>,
        settings: &Settings,
        keys: &Keys,
    ) -> Bytes {
        let subscription = &subscriber.subscription;
        let with = With {
            keys: &keys.for_service(&self.service),
            session: self.id,
            service: self.names_service().then_some(&*self.service),
            alias: &settings.alias,
            reveal: settings.reveal,
            replacement: settings
                .push_messages
                .get(&subscription.destination)
                .map_or("", String::as_str),
        };
        push::body(delivery, subscription, event, &with)
    }

    fn customer_key(&self, keys: &Keys) -> &str {
        self.key.get_or_init(|| {
            let service = self.names_service().then_some(&*self.service);
            keys.for_service(&self.service)
                .cometd(self.id, service)
                .into()
        })
    }
}

impl Summary {
    /// The entry as the wire shows it.
    pub fn listed(&self, with_user_data: bool) -> Listed<'_> {
        Listed {
            session: self.session,
            service: &self.service,
            state: self.state,
            created_at: self.created_at,
            subject: self.subject.as_deref(),
            nickname: &self.customer_nickname,
            user_data: with_user_data.then_some(&self.customer_user_data),
            async_mode: self.async_mode,
            agents: &self.agents,
        }
    }

    /// The entry as it is told unasked.
    pub(super) fn told(&self) -> Bytes {
        answer::session(&self.listed(true))
    }
}
