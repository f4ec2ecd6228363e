use super::wish::{NOTIFY_REQUESTOR, PAYLOAD, RESEND, SUBSCRIBE};
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

/// An app that only told its new device token lost payload and resends, and was told that all was well.
#[test]
fn a_new_device_takes_the_place_of_the_old_one_and_nothing_else() {
    let present = present("main.debug.customhttp");
    let device = ("push_notification_deviceid", "tablet");
    let expected = Subscription {
        device_id: "tablet".to_owned(),
        ..present.clone()
    };
    for more in [&[][..], &[("push_notification_type", "customhttp")]] {
        let keys = [&[device], more].concat();
        assert_eq!(renewed(&keys, Some(&present)), Ok(Some(expected.clone())));
    }
}

#[test]
fn each_field_takes_the_place_of_its_own() {
    let before = present("main.customhttp");
    let cases: [(&[(&str, &str)], Subscription); 6] = [
        (
            &[(RESEND, "false")],
            Subscription {
                resend: false,
                ..before.clone()
            },
        ),
        (
            &[(RESEND, "false"), (PAYLOAD, "false")],
            Subscription {
                resend: false,
                include_payload: false,
                ..before.clone()
            },
        ),
        (
            &[(NOTIFY_REQUESTOR, "false")],
            Subscription {
                notify_requestor: false,
                ..before.clone()
            },
        ),
        (
            &[("push_notification_debug", "true")],
            present("main.debug.customhttp"),
        ),
        (
            &[("push_notification_provider", "single")],
            present("single.customhttp"),
        ),
        (&[("push_notification_type", "customhttp")], before.clone()),
    ];
    for (keys, after) in cases {
        assert_eq!(renewed(keys, Some(&before)), Ok(Some(after)), "{keys:?}");
    }
    // Resends are told by a payload.
    let without = renewed(&[(PAYLOAD, "false")], Some(&before));
    assert_eq!(without, Ok(Some(before.clone())));
}

/// Otherwise nobody could go back to the destination that has no provider.
#[test]
fn a_type_with_a_provider_or_a_debug_flag_chooses_the_destination_anew() {
    let before = present("main.customhttp");
    let kind = ("push_notification_type", "customhttp");
    let destination = |more| {
        let renewed = renewed(&[kind, more], Some(&before));
        renewed.unwrap().unwrap().destination
    };
    assert_eq!(
        destination(("push_notification_debug", "true")),
        "debug.customhttp"
    );
    assert_eq!(
        destination(("push_notification_debug", "false")),
        "customhttp"
    );
    assert_eq!(
        destination(("push_notification_provider", "single")),
        "single.customhttp"
    );
}

#[test]
fn what_a_renewal_cannot_have_is_refused_by_the_key_it_gave() {
    let before = present("single.customhttp");
    for (key, value) in [
        ("push_notification_type", "pigeon"),
        ("push_notification_provider", "nobody"),
        ("GCTI_GMS_PushDebug", "true"),
    ] {
        assert_eq!(refused(renewed(&[(key, value)], Some(&before))), key);
    }
}

#[test]
fn without_a_subscription_there_is_nothing_to_renew() {
    let device = ("push_notification_deviceid", "tablet");
    let kind = ("push_notification_type", "customhttp");
    for keys in [
        &[device][..],
        &[kind],
        &[("push_notification_type", "pigeon")],
        &[(RESEND, "true")],
    ] {
        assert_eq!(renewed(keys, None), Ok(None), "{keys:?}");
    }
    let wish = renewed(&[device, kind], None).unwrap().unwrap();
    assert_eq!(
        (&*wish.device_id, &*wish.destination),
        ("tablet", "customhttp")
    );
    assert_eq!(
        Wish::read(&data(&[("push_notification_language", "en")]), true),
        None
    );
}

#[test]
fn a_destination_is_taken_apart_as_it_was_put_together() {
    for provider in [None, Some("main"), Some("a.b"), Some("debugger")] {
        for debug in [false, true] {
            let name = Destinations::name(provider, debug);
            assert_eq!(Destinations::parts(&name), (provider, debug), "{name}");
        }
    }
}

fn present(destination: &str) -> Subscription {
    Subscription {
        device_id: "dev-42".to_owned(),
        destination: destination.to_owned(),
        include_payload: true,
        resend: true,
        notify_requestor: true,
    }
}

fn renewed(
    keys: &[(&str, &str)],
    present: Option<&Subscription>,
) -> Result<Option<Subscription>, Refused> {
    let renewal = Renewal {
        wish: Wish::read(&data(keys), true).unwrap(),
        include_payload: false,
        known: known(),
    };
    renewal.of(present)
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
    Subscription::parse(&data(keys), cometd, service, &known())
}

fn known() -> Destinations {
    let names = [
        "customhttp",
        "debug.customhttp",
        "main.customhttp",
        "main.debug.customhttp",
        "single.customhttp",
    ];
    Destinations {
        names: names.map(str::to_owned).into(),
    }
}

fn refused(wish: Result<Option<Subscription>, Refused>) -> &'static str {
    wish.unwrap_err().key
}

fn data(keys: &[(&str, &str)]) -> UserData {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    keys.iter().map(own).collect()
}
