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
    /// `include_payload` is `push_notification_include_payload` of the service: what CometD chats get without a key.
    pub fn parse(
        user_data: &UserData,
        cometd: bool,
        include_payload: bool,
        known: &Destinations,
    ) -> Result<Option<Self>, Refused> {
        let _ = (user_data, cometd, include_payload, known);
        Ok(None)
    }
}
