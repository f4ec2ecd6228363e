//! What a customer says about pushes, each field for itself: with the request for its chat, and later.

use super::{Destinations, Refused, Subscription, TYPE};
use crate::chat::UserData;

/// The push fields of a chat's user data. Only with device and type are they a subscription, or beside one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    device_id: Option<String>,
    device_type: Option<String>,
    provider: Option<String>,
    debug: Option<bool>,
    include_payload: Option<bool>,
    resend: Option<bool>,
    notify_requestor: Option<bool>,
    named: Named,
}

/// Push fields beside `requestNotifications`, and what they are judged by. What they make of the chat's subscription can be
/// said only where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// What is said.
    pub wish: Wish,
    /// `push_notification_include_payload` of the service, for a chat that has no subscription yet.
    pub include_payload: bool,
    /// What configuration knows.
    pub known: Destinations,
}

/// The names under which the customer gave these keys, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    device_type: &'static str,
    provider: &'static str,
    debug: &'static str,
}

impl Wish {
    /// What stands in `user_data` of a chat that is spoken to over REST (`cometd` false) or CometD; `None`: nothing.
    pub fn read(user_data: &UserData, cometd: bool) -> Option<Self> {
        let keys = Keys { user_data, cometd };
        let own = |key| keys.value(key).map(str::to_owned);
        let flag = |name| keys.gcti(name).map(is_true);
        let wish = Self {
            device_id: own(DEVICE),
            device_type: own(DEVICE_TYPE),
            provider: own(PROVIDER),
            debug: keys.value(DEBUG).map(is_true),
            include_payload: flag(PAYLOAD),
            resend: flag(RESEND),
            notify_requestor: flag(NOTIFY_REQUESTOR),
            named: Named {
                device_type: keys.given(DEVICE_TYPE),
                provider: keys.given(PROVIDER),
                debug: keys.given(DEBUG),
            },
        };
        let is_given = [&wish.device_id, &wish.device_type, &wish.provider]
            .iter()
            .any(|text| text.is_some())
            || [
                wish.debug,
                wish.include_payload,
                wish.resend,
                wish.notify_requestor,
            ]
            .iter()
            .any(Option::is_some);
        is_given.then_some(wish)
    }

    /// The subscription that this makes of the one that is `present`: each field that is given takes the place of what was
    /// there, and the rest stays. Where none is present, device and type are needed, or there is none: `Ok(None)`.
    ///
    /// `include_payload` is for a new one that says nothing about it.
    ///
    /// # Errors
    ///
    /// What is wished but cannot be had; the default never takes its place.
    pub fn subscription(
        &self,
        present: Option<&Subscription>,
        include_payload: bool,
        known: &Destinations,
    ) -> Result<Option<Subscription>, Refused> {
        let device_id = self.device_id.as_ref();
        let device_id = device_id.or(present.map(|present| &present.device_id));
        let has_type = self.device_type.is_some() || present.is_some();
        let (Some(device_id), true) = (device_id, has_type) else {
            return Ok(None);
        };
        let destination = self.destination(present, known)?;
        let or_present =
            |given: Option<bool>, of: fn(&Subscription) -> bool| given.or_else(|| present.map(of));
        let resend = or_present(self.resend, |present| present.resend).unwrap_or(false);
        let payload = or_present(self.include_payload, |present| present.include_payload);
        let payload = payload.unwrap_or(include_payload);
        if resend && !payload {
            tracing::warn!("{RESEND} without {PAYLOAD}: the latter is taken as true");
        }
        let notify = or_present(self.notify_requestor, |present| present.notify_requestor);
        Ok(Some(Subscription {
            device_id: device_id.clone(),
            destination,
            include_payload: payload || resend,
            resend,
            notify_requestor: notify.unwrap_or(false),
        }))
    }

    /// Where pushes go. Provider and debug twin are chosen anew by whoever names a type and one of them, as in the request
    /// for a chat; otherwise what is not named stays.
    fn destination(
        &self,
        present: Option<&Subscription>,
        known: &Destinations,
    ) -> Result<String, Refused> {
        let chooses = self.provider.is_some() || self.debug.is_some();
        let present = present.map(|present| present.destination.as_str());
        let (provider, debug) = match present {
            Some(present) if !chooses && self.device_type.is_none() => {
                return Ok(present.to_owned());
            }
            Some(present) if !chooses || self.device_type.is_none() => Destinations::parts(present),
            _ => (None, false),
        };
        let provider = self.provider.as_deref().or(provider);
        self.chosen(provider, self.debug.unwrap_or(debug), known)
    }

    fn chosen(
        &self,
        provider: Option<&str>,
        debug: bool,
        known: &Destinations,
    ) -> Result<String, Refused> {
        let name = Destinations::name(provider, debug);
        let is_known = |provider, debug| known.names.contains(&Destinations::name(provider, debug));
        let is_type = self.device_type.as_deref().is_none_or(|kind| kind == TYPE);
        // `debug` is the twin's part of a destination's name, and must not be reached as a provider.
        let reaches = provider.is_some_and(|name| name == "debug" || name.ends_with(".debug"));
        if is_type && !reaches && known.names.contains(&name) {
            return Ok(name);
        }
        let no_type = (
            self.named.device_type,
            "is not a type of push that is enabled here",
        );
        let (key, advice) = if !is_type || known.names.is_empty() {
            no_type
        } else if debug && is_known(provider, false) {
            (
                self.named.debug,
                "is not available: there is no debug destination",
            )
        } else if provider.is_some() {
            (self.named.provider, "is not a provider that is known here")
        } else {
            no_type
        };
        Err(Refused {
            key,
            advice: advice.to_owned(),
        })
    }
}

impl Renewal {
    /// What becomes of the subscription that is `present`; `Ok(None)`: there is none, and is none now.
    ///
    /// # Errors
    ///
    /// As [`Wish::subscription`].
    pub fn of(&self, present: Option<&Subscription>) -> Result<Option<Subscription>, Refused> {
        self.wish
            .subscription(present, self.include_payload, &self.known)
    }
}

/// Whether a chat over REST wishes for pushes; one that does so without device or type gets none.
pub(super) fn wishes_over_rest(user_data: &UserData) -> bool {
    let cometd = false;
    let keys = Keys { user_data, cometd };
    if !keys.gcti(SUBSCRIBE).is_some_and(is_true) {
        return false;
    }
    let wishes = keys.value(DEVICE).and(keys.value(DEVICE_TYPE)).is_some();
    if !wishes {
        let (device, kind) = (DEVICE.gcti, DEVICE_TYPE.gcti);
        tracing::warn!("{SUBSCRIBE} without {device} or {kind}: no pushes for this chat");
    }
    wishes
}

/// The user data of one chat, read by the rules of its door.
#[derive(Clone, Copy)]
struct Keys<'a> {
    user_data: &'a UserData,
    cometd: bool,
}

impl<'a> Keys<'a> {
    /// The value of a key that has a name of its own over CometD; there the other name works too. An empty one is absent.
    fn value(self, key: Key) -> Option<&'a str> {
        let cometd = self.cometd.then(|| self.gcti(key.cometd)).flatten();
        cometd.or_else(|| self.gcti(key.gcti))
    }

    /// The name under which the customer gave a key, or would have.
    fn given(self, key: Key) -> &'static str {
        let by_gcti = self.gcti(key.cometd).is_none() && self.gcti(key.gcti).is_some();
        if self.cometd && !by_gcti {
            key.cometd
        } else {
            key.gcti
        }
    }

    fn gcti(self, name: &str) -> Option<&'a str> {
        let value = self.user_data.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// One key by the two names that it has.
#[derive(Clone, Copy)]
struct Key {
    gcti: &'static str,
    cometd: &'static str,
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

pub(super) const SUBSCRIBE: &str = "GCTI_Chat_PushSubscribe";
pub(super) const PAYLOAD: &str = "GCTI_GMS_PushIncludePayload";
pub(super) const RESEND: &str = "GCTI_GMS_PushResend";
pub(super) const NOTIFY_REQUESTOR: &str = "GCTI_GMS_NotifyRequestor";

const DEVICE: Key = Key {
    gcti: "GCTI_GMS_PushDeviceId",
    cometd: "push_notification_deviceid",
};
const DEVICE_TYPE: Key = Key {
    gcti: "GCTI_GMS_PushDeviceType",
    cometd: "push_notification_type",
};
const PROVIDER: Key = Key {
    gcti: "GCTI_GMS_PushProvider",
    cometd: "push_notification_provider",
};
const DEBUG: Key = Key {
    gcti: "GCTI_GMS_PushDebug",
    cometd: "push_notification_debug",
};
