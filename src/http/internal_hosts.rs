//! Which names the internal listener answers to.
//!
//! A page of an attacker can give its own name the address of a machine that only the visitor reaches (DNS rebinding);
//! the browser then lets it read what answers. It cannot make the browser send another `Host`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use hyper::Uri;
use hyper::header::{HOST, HeaderMap};

/// The names of `[server] internal-hosts`, beside addresses and `localhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalHosts {
    names: BTreeSet<String>,
}

impl InternalHosts {
    /// Answers to these names too.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::to_ascii_lowercase).collect();
        Self { names }
    }

    /// Whether a request is meant for this listener: its one `Host`, and the host of an absolute request target.
    pub fn answer_to(&self, target: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let named = host.to_str().is_ok_and(|host| self.has(host));
        named
            && target
                .authority()
                .is_none_or(|host| self.has(host.as_str()))
    }

    fn has(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        is_address(&name) || name == "localhost" || self.names.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => matches!(host.parse(), Ok(IpAddr::V4(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn addresses_localhost_and_configured_names_are_answered() {
        for host in [
            "127.0.0.1",
            "10.0.0.7:8081",
            "[::1]",
            "[fe80::1]:8081",
            "localhost:8081",
            "LocalHost",
            "Desk.example:8081",
        ] {
            assert!(answers(host, "/console"), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "::1",
            "[::1",
            "",
            "desk.example.",
        ] {
            assert!(!answers(host, "/console"), "{host}");
        }
    }

    #[test]
    fn an_absolute_target_must_be_right_too() {
        assert!(answers("localhost", "http://localhost:8081/console"));
        assert!(!answers("localhost", "http://evil.example/console"));
        assert!(!hosts().answer_to(&Uri::from_static("/"), &HeaderMap::new()));
    }

    fn answers(host: &str, target: &str) -> bool {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        hosts().answer_to(&target.parse().unwrap(), &headers)
    }

    fn hosts() -> InternalHosts {
        InternalHosts::new(["desk.Example"])
    }
}
