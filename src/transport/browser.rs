//! The `BAYEUX_BROWSER` cookie: it binds HTTP clients to the browser they began in.

use std::hash::RandomState;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::COOKIE;

use crate::id::ClientId;

use super::SameSite;
use super::sharded::Sharded;

const NAME: &str = "BAYEUX_BROWSER";

/// A browser, by 128 random bits. As good as a password, and shown to nobody but its owner.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Browser(u128);

/// Who holds polls, by browser.
pub struct Seats {
    taken: Sharded<Browser, Vec<ClientId>, RandomState>,
}

/// The right to hold a poll; given back when dropped.
pub struct Seat {
    seats: Arc<Seats>,
    browser: Browser,
    client: ClientId,
}

impl Browser {
    pub fn new(random: u128) -> Self {
        Self(random)
    }

    /// The browser that sends a request; none where the cookie is missing or not one of ours.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == NAME)
            .find_map(|(_, value)| Self::parse(value))
    }

    fn parse(value: &str) -> Option<Self> {
        let digits = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (high, low) = value.split_at_checked(16).filter(|_| digits)?;
        let half = |text| u64::from_str_radix(text, 16).ok().map(u128::from);
        Some(Self(half(high)? << 64 | half(low)?))
    }

    /// The cookie to set, over a connection that is `secure` or not.
    pub fn cookie(self, same_site: SameSite, secure: bool) -> String {
        let attributes = match (same_site, secure) {
            (SameSite::None, _) | (SameSite::Auto, true) => "SameSite=None; Secure; Partitioned",
            (SameSite::Auto, false) | (SameSite::Lax, false) => "SameSite=Lax",
            (SameSite::Lax, true) => "SameSite=Lax; Secure",
            (SameSite::Strict, false) => "SameSite=Strict",
            (SameSite::Strict, true) => "SameSite=Strict; Secure",
        };
        format!("{NAME}={:032x}; Path=/; HttpOnly; {attributes}", self.0)
    }
}

impl Seats {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            taken: Sharded::new(),
        })
    }

    /// A seat for one more poll, unless `max` other clients of the browser hold one.
    pub fn take(self: &Arc<Self>, browser: Browser, client: ClientId, max: usize) -> Option<Seat> {
        let mut shard = self.taken.of(&browser);
        let holders = shard.entry(browser).or_default();
        if !holders.contains(&client) {
            let mut others = holders.clone();
            others.sort_unstable();
            others.dedup();
            if others.len() >= max {
                return None;
            }
        }
        holders.push(client);
        Some(Seat {
            seats: Arc::clone(self),
            browser,
            client,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut shard = self.seats.taken.of(&self.browser);
        let Some(holders) = shard.get_mut(&self.browser) else {
            return;
        };
        if let Some(place) = holders.iter().position(|client| *client == self.client) {
            holders.swap_remove(place);
        }
        if holders.is_empty() {
            shard.remove(&self.browser);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_039_the_cookie_follows_the_option() {
        let cookie = |same_site, secure| Browser(255).cookie(same_site, secure);
        let start = "BAYEUX_BROWSER=000000000000000000000000000000ff; Path=/; HttpOnly; ";
        let auto = cookie(SameSite::Auto, true);
        assert_eq!(auto, format!("{start}SameSite=None; Secure; Partitioned"));
        assert_eq!(
            cookie(SameSite::Auto, false),
            format!("{start}SameSite=Lax")
        );
        assert_eq!(cookie(SameSite::None, false), auto);
        assert!(cookie(SameSite::Strict, false).ends_with("SameSite=Strict"));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        let value = "a=b; BAYEUX_BROWSER=000000000000000000000000000000ff; c=d";
        headers.insert(COOKIE, value.parse().expect("a header"));
        assert!(Browser::of(&headers) == Some(Browser(255)));
        let others = "BAYEUX_BROWSER=2abc9xyz; BAYEUX_BROWSER=000000000000000000000000000000ff";
        headers.insert(COOKIE, others.parse().expect("a header"));
        assert!(
            Browser::of(&headers) == Some(Browser(255)),
            "beside that of another server"
        );
        for bad in [
            "BAYEUX_BROWSER=1",
            "BAYEUX_BROWSER=+00000000000000000000000000000ff",
            "x",
        ] {
            headers.insert(COOKIE, bad.parse().expect("a header"));
            assert!(Browser::of(&headers).is_none(), "{bad}");
        }
    }

    #[test]
    fn row_062_a_seat_that_is_given_back_can_be_taken() {
        let seats = Seats::new();
        let client = |number| ClientId::new(number);
        let first = seats.take(Browser(1), client(1), 1);
        assert!(first.is_some());
        assert!(seats.take(Browser(1), client(1), 1).is_some());
        assert!(seats.take(Browser(1), client(2), 1).is_none());
        assert!(seats.take(Browser(2), client(2), 1).is_some());
        drop(first);
        assert!(seats.take(Browser(1), client(2), 1).is_some());
        assert_eq!(seats.taken.len(), 0);
    }
}
