//! Reading cookies: RFC 6265 §5.4, as lenient as browsers are.

use hyper::header::{COOKIE, HeaderMap};

/// The first cookie of this name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| unquoted(value.trim()))
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn the_cookie_is_found_among_others() {
        let cases = [
            ("BAYEUX_BROWSER=abc", Some("abc")),
            ("theme=dark; BAYEUX_BROWSER=abc; x=y", Some("abc")),
            ("BAYEUX_BROWSER=\"abc\"", Some("abc")),
            ("BAYEUX_BROWSER=a=b", Some("a=b")),
            ("BAYEUX_BROWSER=first; BAYEUX_BROWSER=second", Some("first")),
            ("NOT_BAYEUX_BROWSER=abc", None),
            ("BAYEUX_BROWSER", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(line))]);
            assert_eq!(cookie(&headers, "BAYEUX_BROWSER"), expected, "{line}");
        }
    }
}
