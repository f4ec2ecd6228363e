//! Which host a request is for. What stands between us and the caller (a proxy, a cache) may take a request that names
//! none, or two, for another one than we do.

use hyper::Version;
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

/// Whether the request names its host as RFC 9112 §3.2 demands: exactly one valid `Host`; before HTTP/1.1 there may be none.
pub fn is_named(parts: &Parts) -> bool {
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => parts.version < Version::HTTP_11,
        (Some(host), None) => is_valid(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// `uri-host [":" port]`, which may be empty, and never names a user.
fn is_valid(host: &[u8]) -> bool {
    host.is_empty() || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn a_request_names_one_host() {
        let named: [(&[&str], bool); 9] = [
            (&["shop.example"], true),
            (&["127.0.0.1:8080"], true),
            (&["[::1]:8080"], true),
            (&[""], true),
            (&[], false),
            (&["a", "b"], false),
            (&["a", "a"], false),
            (&["user@a"], false),
            (&["a/b c"], false),
        ];
        for (hosts, expected) in named {
            assert_eq!(
                is_named(&request(Version::HTTP_11, hosts)),
                expected,
                "{hosts:?}"
            );
        }
        assert!(is_named(&request(Version::HTTP_10, &[])));
        assert!(!is_named(&request(Version::HTTP_10, &["a", "b"])));
    }

    fn request(version: Version, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().version(version).uri("/");
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }
}
