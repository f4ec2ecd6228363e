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
mod tests {
    use super::*;

    #[test]
    fn rest_subscribes_with_the_wish_a_device_and_a_type() {
        let wish = rest(&[]).unwrap().unwrap();
        assert_eq!(wish.device_id, "dev-42");
        assert_eq!(wish.destination, "customhttp");
        assert!(!wish.include_payload && !wish.resend && !wish.notify_requestor);
    }

    #[test]
    fn rest_without_the_wish_is_no_subscription_whatever_else_is_there() {
        assert_eq!(rest(&[(SUBSCRIBE, "")]), Ok(None));
        assert_eq!(
            rest(&[(SUBSCRIBE, "false"), ("GCTI_GMS_PushDeviceType", "fcm")]),
            Ok(None)
        );
        assert_eq!(parse(&[], false, false), Ok(None));
    }

    #[test]
    fn without_device_or_type_a_chat_over_rest_has_no_subscription() {
        assert_eq!(rest(&[("GCTI_GMS_PushDeviceId", "")]), Ok(None));
        assert_eq!(rest(&[("GCTI_GMS_PushDeviceType", "")]), Ok(None));
    }

    #[test]
    fn cometd_subscribes_with_device_and_type_and_with_one_alone_does_not() {
        let wish = cometd(&[], false).unwrap().unwrap();
        assert_eq!(
            (&*wish.device_id, &*wish.destination),
            ("dev-42", "customhttp")
        );
        assert_eq!(cometd(&[("push_notification_type", "")], false), Ok(None));
        assert_eq!(
            cometd(&[("push_notification_deviceid", "")], false),
            Ok(None)
        );
    }

    #[test]
    fn the_keys_of_rest_work_over_cometd_too() {
        let keys = [
            (PAYLOAD, "true"),
            (RESEND, "true"),
            (NOTIFY_REQUESTOR, "true"),
        ];
        let wish = cometd(&keys, false).unwrap().unwrap();
        assert!(wish.include_payload && wish.resend && wish.notify_requestor);
    }

    #[test]
    fn payload_is_asked_for_by_key_and_over_cometd_else_by_the_service() {
        let payload =
            |wish: Result<Option<Subscription>, Refused>| wish.unwrap().unwrap().include_payload;
        assert!(payload(rest(&[(PAYLOAD, "true")])));
        assert!(!payload(rest(&[])));
        assert!(payload(cometd(&[], true)));
        assert!(!payload(cometd(&[(PAYLOAD, "false")], true)));
        assert!(payload(cometd(&[(PAYLOAD, "true")], false)));
    }

    #[test]
    fn resend_implies_the_payload() {
        let wish = rest(&[(RESEND, "true")]).unwrap().unwrap();
        assert!(wish.resend && wish.include_payload);
    }

    #[test]
    fn provider_and_debug_choose_the_destination() {
        let name = |keys: &[(&str, &str)]| rest(keys).unwrap().unwrap().destination;
        let (provider, debug) = (
            ("GCTI_GMS_PushProvider", "main"),
            ("GCTI_GMS_PushDebug", "true"),
        );
        assert_eq!(name(&[debug]), "debug.customhttp");
        assert_eq!(name(&[provider]), "main.customhttp");
        assert_eq!(name(&[provider, debug]), "main.debug.customhttp");
        let over_cometd = cometd(
            &[
                ("push_notification_provider", "main"),
                ("push_notification_debug", "false"),
            ],
            false,
        );
        assert_eq!(over_cometd.unwrap().unwrap().destination, "main.customhttp");
    }

    #[test]
    fn an_unknown_type_provider_or_debug_twin_is_refused_by_key() {
        let cases = [
            (
                &[("GCTI_GMS_PushDeviceType", "fcm")][..],
                "GCTI_GMS_PushDeviceType",
            ),
            (
                &[("GCTI_GMS_PushProvider", "nobody")],
                "GCTI_GMS_PushProvider",
            ),
            (
                &[("GCTI_GMS_PushProvider", "debug")],
                "GCTI_GMS_PushProvider",
            ),
            (
                &[
                    ("GCTI_GMS_PushProvider", "single"),
                    ("GCTI_GMS_PushDebug", "true"),
                ],
                "GCTI_GMS_PushDebug",
            ),
        ];
        for (keys, key) in cases {
            assert_eq!(refused(rest(keys)), key);
        }
        assert_eq!(
            refused(cometd(&[("push_notification_type", "ios")], false)),
            "push_notification_type"
        );
    }

    #[test]
    fn where_push_is_off_the_type_is_at_fault() {
        let none = Destinations::default();
        let user_data = data(&REST);
        let refused = Subscription::parse(&user_data, false, false, &none).unwrap_err();
        assert_eq!(refused.key, "GCTI_GMS_PushDeviceType");
        assert!(!refused.to_string().contains("dev-42"));
    }

    const REST: [(&str, &str); 3] = [
        (SUBSCRIBE, "true"),
        ("GCTI_GMS_PushDeviceId", "dev-42"),
        ("GCTI_GMS_PushDeviceType", "customhttp"),
    ];

    fn rest(more: &[(&str, &str)]) -> Result<Option<Subscription>, Refused> {
        parse(&[&REST, more].concat(), false, false)
    }

    fn cometd(more: &[(&str, &str)], service: bool) -> Result<Option<Subscription>, Refused> {
        let keys = [
            ("push_notification_deviceid", "dev-42"),
            ("push_notification_type", "customhttp"),
        ];
        parse(&[&keys, more].concat(), true, service)
    }

    fn parse(
        keys: &[(&str, &str)],
        cometd: bool,
        service: bool,
    ) -> Result<Option<Subscription>, Refused> {
        let names = [
            "customhttp",
            "debug.customhttp",
            "main.customhttp",
            "main.debug.customhttp",
            "single.customhttp",
        ];
        let known = Destinations {
            names: names.map(str::to_owned).into(),
        };
        Subscription::parse(&data(keys), cometd, service, &known)
    }

    fn refused(wish: Result<Option<Subscription>, Refused>) -> &'static str {
        wish.unwrap_err().key
    }

    fn data(keys: &[(&str, &str)]) -> UserData {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        keys.iter().map(own).collect()
    }
}
