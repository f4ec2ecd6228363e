//! Who asked for pushes, and how: seed *Push notifications via GMS to HTTP server*, contract §3.

mod wish;

use std::collections::BTreeSet;

use crate::chat::UserData;
pub use wish::{Renewal, Wish};

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
    /// Over REST `GCTI_Chat_PushSubscribe` = `true` with device and type is the wish, over CometD device and type are.
    /// `include_payload` is `push_notification_include_payload` of the service: what CometD chats get without a key. What is wished but cannot be had is refused; the default never takes its place.
    pub fn parse(
        user_data: &UserData,
        cometd: bool,
        include_payload: bool,
        known: &Destinations,
    ) -> Result<Option<Self>, Refused> {
        if !cometd && !wish::wishes_over_rest(user_data) {
            return Ok(None);
        }
        let Some(wish) = Wish::read(user_data, cometd) else {
            return Ok(None);
        };
        wish.subscription(None, cometd && include_payload, known)
    }
}

impl Destinations {
    /// The name of a destination, as in metrics and logs.
    pub fn name(provider: Option<&str>, debug: bool) -> String {
        let provider = provider.map(|name| format!("{name}."));
        let debug = if debug { "debug." } else { "" };
        format!("{}{debug}{TYPE}", provider.unwrap_or_default())
    }

    /// The reverse of [`name`](Self::name): provider, and whether it is the debug twin.
    fn parts(name: &str) -> (Option<&str>, bool) {
        let place = name.strip_suffix(TYPE).unwrap_or_default();
        let (provider, debug) = match place.strip_suffix("debug.") {
            Some(provider) => (provider, true),
            None => (place, false),
        };
        (provider.strip_suffix('.'), debug)
    }
}

const TYPE: &str = "customhttp";

#[cfg(test)]
mod tests;
