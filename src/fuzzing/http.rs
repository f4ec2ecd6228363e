//! What comes in HTTP requests beside their framing: bodies, query strings, cookies, paths, names of hosts and origins.

use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::text;
use crate::api::v2::path::Path;
use crate::http::{Connection, Given, InternalHosts, Origins, RequestId, TrustedProxies, form};
use crate::transport::SameSite;
use crate::transport::browser::Browser;
use crate::wire::v2::{Fields, Operation};

/// `[limits] fields`.
const FIELDS_MAX: usize = 200;
const FORM: &str = "application/x-www-form-urlencoded";
const OPERATIONS: [&str; 6] = [
    "requestChat",
    "send",
    "refresh",
    "updateData",
    "pushUrl",
    "readReceipt",
];

/// Bodies of forms, multipart and JSON; the first line is the content type. What is read is not longer than what was sent,
/// and says the same when it comes as a form.
pub fn body(bytes: &[u8]) {
    let (declared, body) = first_line(bytes);
    let Some(given) = parse(declared, body) else {
        return;
    };
    if let Given::Pairs(pairs) = &given {
        assert!(pairs.len() <= FIELDS_MAX);
        let size: usize = pairs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(
            size <= body.len(),
            "{size} bytes of fields in {} of body",
            body.len()
        );
        assert!(
            parse(FORM.as_bytes(), encoded(pairs).as_bytes()).as_ref() == Some(&given),
            "not the same as a form"
        );
    }
    let fields = match given {
        Given::Pairs(pairs) => Fields::from_pairs(pairs),
        Given::Json(object) => {
            assert_eq!(object.as_bytes(), body);
            Fields::from_json(&object)
        }
    };
    if let Ok(fields) = fields {
        for name in OPERATIONS {
            let operation = Operation::named(name, fields.clone());
            // A backslash is shown as two, and may well stand before a 0.
            let shown = format!("{operation:?}").replace(r"\\", "");
            assert!(!shown.contains(r"\0"), "a NUL came through");
        }
    }
}

fn parse(declared: &[u8], body: &[u8]) -> Option<Given> {
    let declared = HeaderValue::from_bytes(declared).ok()?;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, declared)]);
    let body = Bytes::copy_from_slice(body);
    let given = Given::parse(&headers, body, FIELDS_MAX).now_or_never();
    assert!(given.is_some(), "a body that is here has to be waited for");
    given?.ok()
}

fn encoded(pairs: &[(String, String)]) -> String {
    let escaped = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect::<String>()
    };
    let pair = |(name, value): &(String, String)| format!("{}={}", escaped(name), escaped(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Query strings, paths, cookies, and the headers that say who calls from where; each line is all of them.
pub fn urls(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        decoding(line);
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers(&value);
        }
    }
}

fn decoding(line: &[u8]) {
    for plus in [false, true] {
        assert!(form::decoded(line, plus).len() <= line.len());
    }
    let Some(line) = text(line) else { return };
    let values = crate::transport::form::values(line, "message").unwrap_or_default();
    assert!(values.iter().map(String::len).sum::<usize>() <= line.len());
    if let Some(path) = Path::parse(line) {
        assert!(!path.service.is_empty() && path.chat().is_none_or(|chat| !chat.is_empty()));
        assert!(path.service.len() + path.chat().map_or(0, str::len) <= line.len());
    }
}

fn headers(value: &HeaderValue) {
    let named = |name: HeaderName| named_as(name, value);
    if let Some(browser) = Browser::of(&named(COOKIE)) {
        let cookie = browser.cookie(SameSite::Lax, false);
        let again =
            HeaderValue::try_from(cookie).map(|cookie| Browser::of(&named_as(COOKIE, &cookie)));
        assert!(
            again.is_ok_and(|again| again == Some(browser)),
            "another browser than was written"
        );
    }
    let strange = Origins::parse(["https://partner.example"]).unwrap_or_default();
    let verdict = strange.judge(&named(ORIGIN));
    let lower = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let known = lower.contains("partner.example") || lower.contains("shop.example");
    assert!(
        known || verdict == crate::http::origin::Verdict::Refused,
        "a strange origin may call"
    );
    let hosts = InternalHosts::new(["desk.example"]);
    let answered = hosts.answer_to(&hyper::Uri::from_static("/"), &named(HOST));
    let plain = lower.contains("desk.example")
        || lower.contains("localhost")
        || lower.contains(|c: char| c.is_ascii_digit() || c == ':');
    assert!(
        plain || !answered,
        "the internal listener answers to a strange name"
    );
    let peer = ([10, 0, 0, 1], 4000).into();
    let connection = std::sync::Arc::new(Connection::new(1, peer, false, None));
    let forwarded = named(HeaderName::from_static("x-forwarded-for"));
    let caller = TrustedProxies::default().caller(&connection, &forwarded, RequestId::made_of(1));
    assert_eq!(caller.address, peer.ip(), "a stranger is believed");
    let believing = TrustedProxies(vec![peer.ip().into()]);
    let _ = believing.caller(&connection, &forwarded, RequestId::made_of(1));
    let id = RequestId::accept(&named(HeaderName::from_static("x-request-id")), 1);
    assert!(id.as_str().len() <= 128 && id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
}

fn named_as(name: HeaderName, value: &HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(name, value.clone())]);
    headers
        .entry(HOST)
        .or_insert(HeaderValue::from_static("shop.example"));
    headers
}

fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}
