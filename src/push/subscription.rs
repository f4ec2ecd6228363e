//! Who asked for pushes, and how: seed *Push notifications via GMS to HTTP server*, contract §3.

use std::collections::BTreeSet;

use crate::chat::UserData;

/// A valid wish for pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `GCTI_GMS_PushDeviceId`, `push_notification_deviceid`: comes back as `deviceId`.
    pub device_id: String,
    /// The destination's name as in metrics and logs: `customhttp`, `debug.customhttp`, `main.customhttp`, `main.debug.customhttp`.
    pub destination: String,
    /// The event itself is in the body.
    pub include_payload: bool,
    /// Pushes are repeated until they are fetched, and carry no event.
    pub resend: bool,
    /// The customer's own events are pushed too.
    pub notify_requestor: bool,
}

/// The destinations that configuration knows, by name; a subscription to any other is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Names as in [`Subscription::destination`], of enabled types with a URL.
    pub names: BTreeSet<String>,
}

/// Why a wish for pushes is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {advice}")]
pub struct Refused {
    /// The user-data key at fault.
    pub key: &'static str,
    /// What would be right.
    pub advice: String,
}

impl Subscription {
    /// The wish in `user_data` of a chat begun over REST (`cometd` false) or CometD; `Ok(None)` where there is none.
    ///
    /// Over REST `GCTI_Chat_PushSubscribe` = `true` with device and type is the wish, over CometD device and type are. `include_payload` is `push_notification_include_payload` of the service: what CometD chats get
    /// without a key. What is wished but cannot be had is refused; the default never takes its place.
    pub fn parse(
        user_data: &UserData,
        cometd: bool,
        include_payload: bool,
        known: &Destinations,
    ) -> Result<Option<Self>, Refused> {
        let keys = Keys { user_data, cometd };
        let Some((device_id, device_type)) = keys.wish() else {
            return Ok(None);
        };
        let destination = keys.destination(device_type, known)?;
        let resend = keys.is_true(RESEND);
        let payload = keys
            .gcti(PAYLOAD)
            .map_or(cometd && include_payload, is_true);
        if resend && !payload {
            tracing::warn!("{RESEND} without {PAYLOAD}: the latter is taken as true");
        }
        Ok(Some(Self {
            device_id: device_id.to_owned(),
            destination,
            include_payload: payload || resend,
            resend,
            notify_requestor: keys.is_true(NOTIFY_REQUESTOR),
        }))
    }
}

impl Destinations {
    /// The name of a destination, as in metrics and logs.
    pub fn name(provider: Option<&str>, debug: bool) -> String {
        let provider = provider.map(|name| format!("{name}."));
        let debug = if debug { "debug." } else { "" };
        format!("{}{debug}{TYPE}", provider.unwrap_or_default())
    }
}

/// The user data of one chat, read by the rules of its door.
#[derive(Clone, Copy)]
struct Keys<'a> {
    user_data: &'a UserData,
    cometd: bool,
}

impl<'a> Keys<'a> {
    /// Device and type of somebody who wants pushes.
    fn wish(self) -> Option<(&'a str, &'a str)> {
        let (device, kind) = (self.value(DEVICE), self.value(DEVICE_TYPE));
        if self.cometd {
            return device.zip(kind);
        }
        if !self.is_true(SUBSCRIBE) {
            return None;
        }
        let wish = device.zip(kind);
        if wish.is_none() {
            let (device, kind) = (DEVICE.gcti, DEVICE_TYPE.gcti);
            tracing::warn!("{SUBSCRIBE} without {device} or {kind}: no pushes for this chat");
        }
        wish
    }

    fn destination(self, device_type: &str, known: &Destinations) -> Result<String, Refused> {
        let provider = self.value(PROVIDER);
        let debug = self.value(DEBUG).is_some_and(is_true);
        let name = Destinations::name(provider, debug);
        let is_known = |provider, debug| known.names.contains(&Destinations::name(provider, debug));
        // `debug` is the twin's part of a destination's name, and must not be reached as a provider.
        let reaches = provider.is_some_and(|name| name == "debug" || name.ends_with(".debug"));
        if device_type == TYPE && !reaches && known.names.contains(&name) {
            return Ok(name);
        }
        let (key, advice) = if device_type != TYPE || known.names.is_empty() {
            (DEVICE_TYPE, "is not a type of push that is enabled here")
        } else if debug && is_known(provider, false) {
            (DEBUG, "is not available: there is no debug destination")
        } else if provider.is_some() {
            (PROVIDER, "is not a provider that is known here")
        } else {
            (DEVICE_TYPE, "is not a type of push that is enabled here")
        };
        Err(Refused {
            key: self.given(key),
            advice: advice.to_owned(),
        })
    }

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

    fn is_true(self, name: &str) -> bool {
        self.gcti(name).is_some_and(is_true)
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

const TYPE: &str = "customhttp";

const SUBSCRIBE: &str = "GCTI_Chat_PushSubscribe";
const PAYLOAD: &str = "GCTI_GMS_PushIncludePayload";
const RESEND: &str = "GCTI_GMS_PushResend";
const NOTIFY_REQUESTOR: &str = "GCTI_GMS_NotifyRequestor";

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

#[cfg(test)]
mod tests;
