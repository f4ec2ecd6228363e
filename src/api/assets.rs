//! The pages: embedded in the program, so that it needs no folder beside it.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, StatusCode};
use sha2::{Digest, Sha256};

use crate::http::reply::{self, Response};

const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

/// No script or style but our own files, no frames, nothing sent elsewhere. `'self'` covers WebSockets of the same host
/// in today's browsers; those that read it otherwise fall back to long-polling.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// One embedded file.
pub struct Asset {
    path: &'static str,
    media_type: &'static str,
    body: &'static [u8],
    tag: LazyLock<HeaderValue>,
}

macro_rules! asset {
    ($path:literal, $media_type:expr, $file:literal) => {
        Asset {
            path: $path,
            media_type: $media_type,
            body: include_bytes!(concat!("../../static/", $file)),
            tag: LazyLock::new(|| tag(include_bytes!(concat!("../../static/", $file)))),
        }
    };
}

/// The pages of the public listener: the demonstration page.
pub static PUBLIC: [Asset; 6] = [
    asset!("/", HTML, "customer.html"),
    asset!("/assets/bayeux.js", SCRIPT, "bayeux.js"),
    asset!("/assets/talk.js", SCRIPT, "talk.js"),
    asset!("/assets/customer.js", SCRIPT, "customer.js"),
    asset!("/assets/customer.css", STYLE, "customer.css"),
    asset!("/assets/icon.svg", ICON, "icon.svg"),
];

/// The pages of the internal listener: the console.
pub static INTERNAL: [Asset; 7] = [
    asset!("/console", HTML, "console.html"),
    asset!("/assets/bayeux.js", SCRIPT, "bayeux.js"),
    asset!("/assets/talk.js", SCRIPT, "talk.js"),
    asset!("/assets/list.js", SCRIPT, "list.js"),
    asset!("/assets/console.js", SCRIPT, "console.js"),
    asset!("/assets/console.css", STYLE, "console.css"),
    asset!("/assets/icon.svg", ICON, "icon.svg"),
];

/// The methods that a page answers to.
pub const METHODS: &str = "GET, HEAD";

/// The page at `path`; a slash at its end is forgiven.
pub fn find(assets: &'static [Asset], path: &str) -> Option<&'static Asset> {
    let bare = match path.strip_suffix('/') {
        Some("") | None => path,
        Some(bare) => bare,
    };
    assets.iter().find(|asset| asset.path == bare)
}

impl Asset {
    /// Answers a `GET` or `HEAD`; `None` for other methods.
    pub fn answer(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let known = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|tags| matches(tags, &self.tag));
        let mut response = if known {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            // hyper leaves the body of an answer to HEAD away, and keeps its length.
            reply::with(
                StatusCode::OK,
                self.media_type,
                Bytes::from_static(self.body),
            )
        };
        self.harden(response.headers_mut());
        Some(response)
    }

    fn harden(&self, headers: &mut HeaderMap) {
        headers.insert(ETAG, self.tag.clone());
        let fixed = [
            // The names carry no version: ask each time, which is answered 304.
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
            (COOP, "same-origin"),
            (CORP, "same-origin"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// `If-None-Match` compares weakly, RFC 9110 §13.1.2.
fn matches(tags: &HeaderValue, own: &HeaderValue) -> bool {
    let (Ok(tags), Ok(own)) = (tags.to_str(), own.to_str()) else {
        return false;
    };
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
}

fn tag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let hex: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::CONTENT_TYPE;

    #[test]
    fn each_listener_has_its_own_pages() {
        assert!(find(&PUBLIC, "/").is_some());
        assert!(find(&PUBLIC, "/console").is_none());
        assert!(find(&INTERNAL, "/console/").is_some());
        assert!(find(&INTERNAL, "/").is_none());
        assert!(find(&PUBLIC, "/assets/../Cargo.toml").is_none());
    }

    #[test]
    fn a_page_is_strict_about_what_may_happen_in_it() {
        let console = find(&INTERNAL, "/console").unwrap();
        let response = console.answer(&Method::GET, &HeaderMap::new()).unwrap();
        let headers = response.headers();
        assert_eq!(headers[CONTENT_TYPE], HTML);
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn pages_keep_to_the_policy() {
        for asset in PUBLIC
            .iter()
            .chain(&INTERNAL)
            .filter(|asset| asset.media_type == HTML)
        {
            let page = std::str::from_utf8(asset.body).unwrap();
            for forbidden in ["<style", " style=", " onclick=", "javascript:", "<script>"] {
                assert!(!page.contains(forbidden), "{}: {forbidden}", asset.path);
            }
        }
    }

    #[test]
    fn what_is_known_already_is_not_sent_again() {
        let page = find(&PUBLIC, "/").unwrap();
        let first = page.answer(&Method::GET, &HeaderMap::new()).unwrap();
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".into(),
        ] {
            let headers =
                HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(&known).unwrap())]);
            let again = page.answer(&Method::GET, &headers).unwrap();
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        }
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("\"x\""))]);
        assert_eq!(
            page.answer(&Method::GET, &headers).unwrap().status(),
            StatusCode::OK
        );
        assert!(page.answer(&Method::POST, &headers).is_none());
    }
}
