//! Subscriptions: asked of the application, all channels of a request or none.

use bytes::Bytes;

use crate::bayeux::Message;
use crate::bayeux::channel;
use crate::bayeux::error::Error;
use crate::bayeux::message::Subscription;
use crate::bayeux::reply::{Reply, refusal};
use crate::bayeux::timestamp::Timestamp;
use crate::limit;

use super::exchange::Slot;
use super::{Output, Session};

const SUBSCRIBE: &str = "/meta/subscribe";
const UNSUBSCRIBE: &str = "/meta/unsubscribe";

impl Session {
    pub(super) fn subscribed(&mut self, question: u64, result: Result<(), String>) {
        let now = Timestamp(self.wall);
        let asked = self
            .exchanges
            .iter_mut()
            .flat_map(|exchange| &mut exchange.slots)
            .find(|slot| matches!(slot, Slot::Subscribe { question: q, .. } if *q == question));
        if let Some(slot) = asked
            && let Slot::Subscribe {
                id,
                subscription,
                channels,
                stamped,
                ..
            } = slot
        {
            let error = result.as_ref().err().map(String::as_str);
            let reply = Reply {
                timestamp: stamped.then_some(now),
                ..subscription_reply(SUBSCRIBE, id.as_deref(), Some(subscription), error)
            };
            let reply = reply.encode();
            let granted = std::mem::take(channels);
            *slot = Slot::Ready(reply);
            if result.is_ok() {
                self.grant(granted);
            }
        }
        self.finish_exchanges();
    }

    pub(super) fn subscribe(&mut self, message: &Message<'_>) -> Slot {
        let (subscription, channels) = match self.subscribable(message) {
            Ok(asked) => asked,
            Err((subscription, error)) => {
                let error = Some(error.to_string());
                let (subscription, error) = (subscription.as_ref(), error.as_deref());
                return Slot::Ready(self.reply_to(message, SUBSCRIBE, subscription, error));
            }
        };
        if channels.is_empty() {
            return Slot::Ready(self.reply_to(message, SUBSCRIBE, Some(&subscription), None));
        }
        let question = self.number();
        self.outputs.push_back(Output::Subscribe {
            question,
            channels: channels.clone(),
        });
        Slot::Subscribe {
            question,
            id: message.id.clone(),
            subscription,
            channels,
            stamped: message.stamped,
        }
    }

    /// What is asked for, and what of it is new; all or nothing.
    #[expect(
        clippy::type_complexity,
        reason = "an error with what is echoed beside it, used once"
    )]
    fn subscribable(
        &self,
        message: &Message<'_>,
    ) -> Result<(Subscription, Vec<Box<str>>), (Option<Subscription>, Error)> {
        let subscription = message.subscription().map_err(|error| (None, error))?;
        match self.new_channels(&subscription) {
            Ok(channels) => Ok((subscription, channels)),
            Err(error) => Err((Some(subscription), error)),
        }
    }

    fn new_channels(&self, subscription: &Subscription) -> Result<Vec<Box<str>>, Error> {
        let mut channels: Vec<Box<str>> = Vec::new();
        for name in subscription.names() {
            let name = channel::pattern(name).map_err(|_| Error::SubscriptionInvalid)?;
            if channel::is_meta(name) {
                return Err(Error::SubscribeDenied(name.to_owned()));
            }
            if !self.subscriptions().any(|known| known == name)
                && !channels.iter().any(|known| **known == *name)
            {
                channels.push(name.into());
            }
        }
        let max = self.config.subscriptions_max;
        if self.subscriptions.len() + channels.len() > max {
            limit::reached("[limits] subscriptions-per-client");
            return Err(Error::SubscriptionLimit(max));
        }
        Ok(channels)
    }

    fn grant(&mut self, channels: Vec<Box<str>>) {
        for channel in channels {
            if !self.over && !self.subscriptions.contains(&channel) {
                self.subscriptions.reserve_exact(1);
                self.subscriptions.push(channel);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, message: &Message<'_>) -> Bytes {
        let subscription = match message.subscription() {
            Ok(subscription) => subscription,
            Err(error) => return refusal(message, &error, self.wall),
        };
        for name in subscription.names() {
            let name = channel::pattern(name).unwrap_or_default();
            if let Some(place) = self.subscriptions.iter().position(|known| **known == *name) {
                let channel = self.subscriptions.swap_remove(place);
                self.outputs.push_back(Output::Unsubscribed { channel });
            }
        }
        self.reply_to(message, UNSUBSCRIBE, Some(&subscription), None)
    }

    fn reply_to(
        &self,
        message: &Message<'_>,
        channel: &str,
        subscription: Option<&Subscription>,
        error: Option<&str>,
    ) -> Bytes {
        Reply {
            timestamp: self.timestamp(message.stamped),
            ..subscription_reply(channel, message.id.as_deref(), subscription, error)
        }
        .encode()
    }
}

fn subscription_reply<'a>(
    channel: &'a str,
    id: Option<&'a str>,
    subscription: Option<&'a Subscription>,
    error: Option<&'a str>,
) -> Reply<'a> {
    Reply {
        id,
        channel: Some(channel),
        subscription,
        successful: error.is_none(),
        error,
        ..Reply::default()
    }
}
