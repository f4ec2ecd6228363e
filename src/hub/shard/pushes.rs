//! The push side: what is acknowledged, what is owed, what is handed out to be posted.
//!
//! One delivery of a chat is under way at a time, and only once its record is durable. A chat whose push waits, for its
//! next attempt or for room at its destination, may sleep.

use super::*;
use crate::hub::fan_out::CUSTOMER;
use crate::push::{Content, Delivery, GivenUp, Look, Subscriber};

/// Where the event of a push has to be read from the store, so much is read at once: a chat that catches up does not read
/// for each of its pushes.
const READ_BYTES: usize = 16 * 1024;

impl Shard {
    /// The customer has everything before `position`.
    pub(super) fn acknowledge(&mut self, session: SessionId, position: u64, now: Now) {
        let Some(room) = self.room(session) else {
            return;
        };
        let Some(subscriber) = &mut room.push else {
            return;
        };
        let push = subscriber.on_acknowledged(position);
        if push.is_empty() {
            return;
        }
        push.iter().for_each(|change| subscriber.apply(change));
        if room.vouched() {
            // A live client acknowledges often; should this be lost, a push comes twice at worst.
            room.unstored.extend(push);
        } else if self.failing.is_none() {
            self.commit(
                session,
                Decision {
                    push,
                    applied: true,
                    ..Decision::default()
                },
                Vec::new(),
                now,
            );
        }
    }

    /// The customer's Bayeux client has expired: what it had not acknowledged is owed now.
    pub(super) fn viewer_gone(&mut self, session: SessionId, now: Now) {
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        let look = room.look(&settings);
        let Some(subscriber) = &room.push else { return };
        let push = subscriber.on_viewer_gone(look, now);
        self.commit_push(session, push, now);
    }

    /// Resends whose time has come, and a push that may be attempted again.
    pub(super) fn push_due(&mut self, session: SessionId, now: Now) {
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        let look = room.look(&settings);
        let Some(subscriber) = &room.push else { return };
        let push = subscriber.due(&settings.resend, look, now);
        self.commit_push(session, push, now);
        self.offer_push(session, now);
    }

    fn commit_push(&mut self, session: SessionId, push: Vec<push::Change>, now: Now) {
        if !push.is_empty() && self.failing.is_none() {
            self.commit(
                session,
                Decision {
                    push,
                    ..Decision::default()
                },
                Vec::new(),
                now,
            );
        }
    }

    /// Hands out the first delivery of a chat, if it is durable and its time has come.
    pub(super) fn offer_push(&mut self, session: SessionId, now: Now) {
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        if room.settled.is_some() {
            return self.record_again(session, now);
        }
        let Some(subscriber) = &room.push else { return };
        let Some(delivery) = subscriber.head().filter(|delivery| {
            room.pushing.is_none() && delivery.number < room.durable.next_delivery
        }) else {
            return;
        };
        let destination = &subscriber.subscription.destination;
        let recovered = self.recovered.contains(destination);
        if delivery.ready_at(recovered).max(self.resume_at) > now.instant {
            self.push_retries
                .entry(destination.clone())
                .or_default()
                .insert(session);
            return self.reschedule(session);
        }
        if let Some(waiting) = self.push_retries.get_mut(destination) {
            waiting.remove(&session);
        }
        let number = delivery.number;
        room.pushing = Some(number);
        match room.event_to_push(&self.settings) {
            Some(index) => match room.read_ahead(index) {
                Some(event) => self.hand_out(session, Some(&event)),
                None => self.fetch(session, index, READ_BYTES, Purpose::Push(number)),
            },
            None => self.hand_out(session, None),
        }
    }

    /// The event of a push has come from memory or from the store.
    pub(super) fn push_fetched(
        &mut self,
        session: SessionId,
        number: u64,
        result: Result<Vec<Event>, store::Error>,
        now: Now,
    ) {
        match result {
            Ok(events) => {
                let mut events = events.into_iter().map(Arc::new);
                let event = events.next();
                if let Some(room) = self.room(session) {
                    room.keep_ahead(events);
                }
                self.hand_out(session, event.as_deref());
            }
            Err(error) => {
                tracing::error!(%session, number, %error, "the event of a push cannot be read");
                self.settled(
                    DeliveryId { session, number },
                    Outcome::Dead {
                        reason: "event unreadable".into(),
                    },
                    now,
                );
            }
        }
    }

    pub(super) fn hand_out(&mut self, session: SessionId, event: Option<&Event>) {
        let settings = self.settings.clone();
        let Some(room) = self.rooms.get(&session) else {
            return;
        };
        let Slot::Awake(room) = room else { return };
        let Some(push) = room.posted(event, &settings, &self.keys) else {
            return;
        };
        if let Some(room) = self.room(session) {
            room.posted = Some((push.delivery.number, push.body.clone()));
        }
        self.outputs.push_back(Output::Push(push));
    }

    /// The change that new push fields are; none where there is nothing to change, or nobody left to push for.
    pub(super) fn resubscription(
        &mut self,
        session: SessionId,
        renewal: Option<Box<Renewal>>,
    ) -> Result<Option<push::Change>, push::Refused> {
        let (Some(room), Some(renewal)) = (self.room(session), renewal) else {
            return Ok(None);
        };
        if !room
            .chat
            .customer()
            .is_some_and(|customer| customer.is_present())
        {
            return Ok(None);
        }
        let present = room.push.as_ref().map(|push| &push.subscription);
        let renewed = renewal.of(present)?;
        let changed = renewed.filter(|renewed| present != Some(renewed));
        Ok(changed.map(push::Change::Subscribed))
    }

    /// The chat's subscription becomes another; what is owed already goes there too.
    pub(super) fn resubscribe(
        &mut self,
        session: SessionId,
        subscribed: push::Change,
        then: Then,
        now: Now,
    ) {
        if let Some(error) = &self.failing {
            return then.fail(error.clone().into());
        }
        // It may wait for another destination from now on.
        for waiting in self.push_retries.values_mut() {
            waiting.remove(&session);
        }
        let decision = Decision {
            push: vec![subscribed],
            ..Decision::default()
        };
        self.commit(session, decision, vec![then], now);
    }

    pub(super) fn forget_push(&mut self, room: &Room) {
        if let Some(subscriber) = &room.push
            && let Some(waiting) = self
                .push_retries
                .get_mut(&subscriber.subscription.destination)
        {
            waiting.remove(&room.id);
        }
    }
}

impl Room {
    /// What a command means for the push side: the changes are added to `push`, and folded in.
    pub(super) fn consequences(
        &mut self,
        changes: &[chat::Change],
        settings: &Settings,
        now: Now,
        push: &mut Vec<push::Change>,
        given_up: &mut Vec<GivenUp>,
    ) {
        let look = self.look(settings);
        let Some(subscriber) = &mut self.push else {
            return;
        };
        for change in changes {
            let chat::Change::Event(event) = change else {
                continue;
            };
            if !chat::customer_may_see(CUSTOMER, event) {
                continue;
            }
            let own = event.from.participant == CUSTOMER;
            for change in subscriber.on_event(event, own, look, now) {
                given_up.extend(subscriber.given_up(&change));
                subscriber.apply(&change);
                push.push(change);
            }
        }
    }

    pub(super) fn look(&self, settings: &Settings) -> Look {
        let to_active = settings
            .services
            .get(&*self.service)
            .is_some_and(|service| service.push_to_active_client);
        Look {
            next_index: self.chat.next_index(),
            ended: Durable::of(&self.chat, None).is_over_for_customer(),
            viewer_live: (self.vouched() || self.viewer_coming) && !to_active,
        }
    }

    /// When the push side wants to be looked after.
    pub(super) fn push_timeout(&self, settings: &Settings) -> Option<Instant> {
        let subscriber = self.push.as_ref()?;
        let resend = subscriber.poll_timeout(&settings.resend, self.look(settings).viewer_live);
        // One that is not durable yet is offered when it is.
        let waits = self.pushing.is_none() && !self.push_queued && self.committing == 0;
        let attempt = subscriber
            .head()
            .filter(|_| waits)
            .map(|delivery| delivery.ready_at(false));
        resend.into_iter().chain(attempt).min()
    }

    /// A push is owed, or will be: the session is still needed.
    pub(super) fn owes(&self, settings: &Settings) -> bool {
        self.push.as_ref().is_some_and(|subscriber| {
            let resend = subscriber.poll_timeout(&settings.resend, false);
            subscriber.head().is_some() || resend.is_some()
        })
    }

    /// The event that the body of the first delivery tells, if it tells one.
    fn event_to_push(&self, settings: &Settings) -> Option<u64> {
        self.event_to_tell(self.push.as_ref()?.head()?, settings)
    }

    /// The event that the body of a delivery tells, if it tells one.
    pub(super) fn event_to_tell(&self, delivery: &Delivery, settings: &Settings) -> Option<u64> {
        let subscriber = self.push.as_ref()?;
        let replaced = settings
            .push_messages
            .contains_key(&subscriber.subscription.destination);
        match delivery.content {
            Content::Event { index, .. }
                if subscriber.subscription.include_payload && !replaced =>
            {
                Some(index)
            }
            Content::Event { .. } | Content::Notify { .. } => None,
        }
    }

    /// The first delivery as it is posted.
    fn posted(
        &self,
        event: Option<&Event>,
        settings: &Settings,
        keys: &wire::keys::Keys,
    ) -> Option<Push> {
        let subscriber = self.push.as_ref()?;
        let delivery = subscriber
            .head()
            .filter(|delivery| self.pushing == Some(delivery.number))?;
        Some(Push {
            delivery: DeliveryId {
                session: self.id,
                number: delivery.number,
            },
            destination: subscriber.subscription.destination.clone(),
            body: self.push_body(subscriber, delivery, event, settings, keys),
            owed_at: delivery.owed_at,
            failed: delivery.failed,
        })
    }
}

/// Folds steps of a push side in; the first is its subscription. What they give up is added to `given_up`.
pub(super) fn fold(
    push: &mut Option<Subscriber>,
    changes: &[push::Change],
    given_up: &mut Vec<GivenUp>,
) {
    for change in changes {
        match (&mut *push, change) {
            (Some(subscriber), change) => {
                given_up.extend(subscriber.given_up(change));
                subscriber.apply(change);
            }
            (None, push::Change::Subscribed(subscription)) => {
                *push = Some(Subscriber::new(subscription.clone()))
            }
            (None, _) => {}
        }
    }
}
