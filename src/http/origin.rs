//! Which pages may call: `[server] allowed-origins`, and what CORS wants said about it.

use std::collections::BTreeSet;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};
use hyper::{Method, StatusCode};

use super::reply::{self, Response};

/// The origins that may call beside the listener's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    listed: BTreeSet<String>,
}

/// An entry of `allowed-origins` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: write scheme://host or scheme://host:port, or \"*\"")]
pub struct NoOrigin(pub String);

/// What is known about where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No page of another origin: no `Origin`, or the listener's own.
    Own,
    /// A listed origin, with credentials.
    Listed(HeaderValue),
    /// Any origin may, without credentials.
    Any,
    /// It may not.
    Refused,
}

impl Origins {
    /// The origins of `entries`; `"*"` is any, without credentials.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, NoOrigin> {
        let mut origins = Self::default();
        for entry in entries {
            if entry == "*" {
                origins.any = true;
            } else {
                let origin = normal(entry).ok_or_else(|| NoOrigin(entry.to_owned()))?;
                origins.listed.insert(origin);
            }
        }
        Ok(origins)
    }

    /// Judges a request. `Origin: null` is nobody's: sandboxed frames and files of strangers send it.
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        let mut given = headers.get_all(ORIGIN).iter();
        let (Some(value), more) = (given.next(), given.next()) else {
            return Verdict::Own;
        };
        let origin = value.to_str().ok().and_then(normal);
        match origin {
            Some(_) if more.is_some() => Verdict::Refused,
            Some(origin) if is_own(&origin, headers) => Verdict::Own,
            Some(origin) if self.listed.contains(&origin) => {
                Verdict::Listed(reply::by_itself(value))
            }
            Some(_) if self.any => Verdict::Any,
            _ => Verdict::Refused,
        }
    }

    /// Whether the page at this address, as a `Referer` names it, is of an origin that may call.
    pub fn allow_referer(&self, referer: &str, headers: &HeaderMap) -> bool {
        let Some((scheme, rest)) = referer.split_once("://") else {
            return false;
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        normal(&format!("{scheme}://{host}")).is_some_and(|origin| {
            self.any || self.listed.contains(&origin) || is_own(&origin, headers)
        })
    }
}

impl Verdict {
    /// Adds what a browser must read before it hands the response to its page.
    pub fn mark(&self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        match self {
            Verdict::Listed(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(
                    ACCESS_CONTROL_ALLOW_CREDENTIALS,
                    HeaderValue::from_static("true"),
                );
            }
            Verdict::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Verdict::Own | Verdict::Refused => return,
        }
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("X-Request-Id, Retry-After"),
        );
    }

    /// The answer to a preflight; `None` if the request is none. What a page may send is the origin's affair, so whatever
    /// headers it asks for are allowed: widgets add `apikey`, authorisation and headers of their own.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = reply::empty(StatusCode::NO_CONTENT);
        let answer = response.headers_mut();
        answer.append(
            VARY,
            HeaderValue::from_static(
                "Access-Control-Request-Method, Access-Control-Request-Headers",
            ),
        );
        if matches!(self, Verdict::Listed(_) | Verdict::Any) {
            answer.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST"),
            );
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
            if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
        Some(response)
    }
}

/// An origin in lower case without its scheme's default port; `None` if the text is none (`null` is not).
fn normal(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, host) = text.split_once("://")?;
    let scheme_ok = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let host_ok = !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ', ',', '\\']);
    if !scheme_ok || !host_ok {
        return None;
    }
    Some(format!("{scheme}://{}", without_default_port(scheme, host)))
}

fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return host,
    };
    host.strip_suffix(port).unwrap_or(host)
}

/// The page was served by this listener: same host and port. The scheme is not compared, since a proxy may add TLS.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme, origin_host)) = origin.split_once("://") else {
        return false;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        let host = host.to_ascii_lowercase();
        without_default_port(scheme, &host) == origin_host
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_call() {
        let listed = Origins::parse(["https://shop.example", "http://dev.example:3000"]).unwrap();
        let any = Origins::parse(["*"]).unwrap();
        let table = [
            (&listed, "https://shop.example", "listed"),
            (&listed, "HTTPS://Shop.Example:443", "listed"),
            (&listed, "http://dev.example:3000", "listed"),
            (&listed, "http://dev.example", "refused"),
            (&listed, "http://shop.example", "refused"),
            (&listed, "https://shop.example.evil.example", "refused"),
            (&listed, "https://chat.example", "own"),
            (&listed, "http://chat.example", "own"),
            (&listed, "https://chat.example:8443", "refused"),
            (&listed, "null", "refused"),
            (&any, "null", "refused"),
            (&any, "", "refused"),
            (&any, "https://anybody.example", "any"),
            (&any, "https://chat.example", "own"),
        ];
        for (origins, origin, expected) in table {
            assert_eq!(verdict(origins, &[origin]), expected, "{origin}");
        }
        assert_eq!(verdict(&listed, &[]), "own");
        assert_eq!(
            verdict(&any, &["https://a.example", "https://b.example"]),
            "refused"
        );
    }

    #[test]
    fn what_is_no_origin_is_refused_by_name() {
        for text in [
            "shop.example",
            "https://",
            "https://shop.example/path",
            "https://*.example",
            "null",
            "://x",
        ] {
            assert_eq!(Origins::parse([text]), Err(NoOrigin(text.to_owned())));
        }
    }

    #[test]
    fn a_listed_origin_gets_credentials_and_any_does_not() {
        let mut listed = HeaderMap::new();
        Verdict::Listed(HeaderValue::from_static("https://shop.example")).mark(&mut listed);
        assert_eq!(listed[ACCESS_CONTROL_ALLOW_ORIGIN], "https://shop.example");
        assert_eq!(listed[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        let mut any = HeaderMap::new();
        Verdict::Any.mark(&mut any);
        assert_eq!(any[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!any.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert_eq!(any[VARY], "Origin");
    }

    #[test]
    fn a_preflight_of_a_listed_origin_allows_the_headers_of_widgets() {
        let asked = HeaderMap::from_iter([
            (
                ACCESS_CONTROL_REQUEST_METHOD,
                HeaderValue::from_static("POST"),
            ),
            (
                ACCESS_CONTROL_REQUEST_HEADERS,
                HeaderValue::from_static("apikey,authorization,x-own"),
            ),
        ]);
        let listed = Verdict::Listed(HeaderValue::from_static("https://shop.example"));
        let answer = listed.preflight(&Method::OPTIONS, &asked).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS],
            "apikey,authorization,x-own"
        );
        let refused = Verdict::Refused
            .preflight(&Method::OPTIONS, &asked)
            .unwrap();
        assert!(!refused.headers().contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
        assert!(listed.preflight(&Method::POST, &asked).is_none());
        assert!(
            listed
                .preflight(&Method::OPTIONS, &HeaderMap::new())
                .is_none()
        );
    }

    #[test]
    fn a_referer_counts_by_its_origin() {
        let origins = Origins::parse(["https://shop.example"]).unwrap();
        let own = host();
        assert!(origins.allow_referer("https://shop.example/basket?x#y", &own));
        assert!(origins.allow_referer("https://chat.example/", &own));
        assert!(!origins.allow_referer("https://shop.example@evil.example/", &own));
        assert!(!origins.allow_referer("about:blank", &own));
    }

    fn verdict(origins: &Origins, given: &[&str]) -> &'static str {
        let mut headers = host();
        for origin in given {
            headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        match origins.judge(&headers) {
            Verdict::Own => "own",
            Verdict::Listed(_) => "listed",
            Verdict::Any => "any",
            Verdict::Refused => "refused",
        }
    }

    fn host() -> HeaderMap {
        HeaderMap::from_iter([(HOST, HeaderValue::from_static("chat.example"))])
    }
}
