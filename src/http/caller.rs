//! Who calls: the address behind trusted proxies, and whether the way to it is encrypted.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::{Connection, RequestId};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The customer's address, as far as trusted proxies tell it.
    pub address: IpAddr,
    /// The customer's leg of the way is TLS.
    pub secure: bool,
    /// The name of this request.
    pub request_id: RequestId,
    /// The connection that it came by.
    pub connection: Arc<Connection>,
}

/// `[server] trusted-proxies`: the only ones whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Who sent a request with these headers over `connection`.
    pub fn caller(
        &self,
        connection: &Arc<Connection>,
        headers: &HeaderMap,
        request_id: RequestId,
    ) -> Caller {
        let peer = connection.peer.ip().to_canonical();
        let believed = self.trust(peer);
        Caller {
            address: if believed {
                self.forwarded_for(peer, headers)
            } else {
                peer
            },
            secure: believed
                .then(|| forwarded_proto(headers))
                .flatten()
                .unwrap_or(connection.secure),
            request_id,
            connection: Arc::clone(connection),
        }
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Proxies append, so the list is read from its end: the first address that is no proxy of ours is the customer.
    /// What stands before it, or cannot be read, was written by strangers.
    fn forwarded_for(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer;
        for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            let Ok(line) = line.to_str() else {
                return nearest;
            };
            for entry in line.rsplit(',') {
                let Some(address) = address(entry.trim()) else {
                    return nearest;
                };
                nearest = address;
                if !self.trust(address) {
                    return nearest;
                }
            }
        }
        nearest
    }
}

/// An address as proxies write it: bare, bracketed, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().or_else(|_| {
        text.parse::<std::net::SocketAddr>()
            .map(|socket| socket.ip())
    });
    address.ok().map(|address| address.to_canonical())
}

/// The customer's own leg is the first of the list.
fn forwarded_proto(headers: &HeaderMap) -> Option<bool> {
    let line = headers.get(X_FORWARDED_PROTO)?.to_str().ok()?;
    let first = line.split(',').next()?.trim();
    Some(first.eq_ignore_ascii_case("https") || first.eq_ignore_ascii_case("wss"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn strangers_are_not_believed() {
        let caller = caller("203.0.113.9", &["192.0.2.1"], Some("https"));
        assert_eq!(caller.address, ip("203.0.113.9"));
        assert!(!caller.secure);
    }

    #[test]
    fn a_trusted_proxy_names_the_customer() {
        let caller = caller("10.0.0.1", &["192.0.2.1"], Some("https"));
        assert_eq!(caller.address, ip("192.0.2.1"));
        assert!(caller.secure);
    }

    #[test]
    fn what_the_customer_wrote_before_the_proxies_counts_for_nothing() {
        let cases: [(&[&str], &str); 7] = [
            (&["1.1.1.1, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&["1.1.1.1", "192.0.2.1,10.0.0.2"], "192.0.2.1"),
            (&["1.1.1.1, rubbish, 10.0.0.2"], "10.0.0.2"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["192.0.2.1:5000"], "192.0.2.1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&[], "10.0.0.1"),
        ];
        for (lines, expected) in cases {
            assert_eq!(
                caller("10.0.0.1", lines, None).address,
                ip(expected),
                "{lines:?}"
            );
        }
    }

    fn caller(peer: &str, forwarded_for: &[&str], proto: Option<&str>) -> Caller {
        let mut headers = HeaderMap::new();
        for line in forwarded_for {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        if let Some(proto) = proto {
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_str(proto).unwrap());
        }
        let connection = Arc::new(Connection::new(1, (ip(peer), 4000).into(), false, None));
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        proxies.caller(&connection, &headers, RequestId::made_of(1))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
