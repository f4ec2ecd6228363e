//! Channel names: `/meta/…` is the protocol, `/service/…` is between one client and the server, all else is broadcast.
//!
//! The characters are those CometD accepts, which is more than the Bayeux text names: deployments use dots and spaces.
//! What makes CometD stumble (empty segments, wildcards in the middle) is refused.

/// The longest channel name, in bytes.
pub const LENGTH_MAX: usize = 256;

/// Bytes of a channel name, by their value. Every message is looked at, so it is a table.
const ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b" !#$()*+-./@_{}~";
    let mut place = 0;
    while place < others.len() {
        allowed[others[place] as usize] = true;
        place += 1;
    }
    allowed
};

/// A channel a message can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel<'a> {
    /// The protocol itself.
    Meta(Meta),
    /// Between one client and the server; the whole name.
    Service(&'a str),
    /// To everybody subscribed; the whole name.
    Broadcast(&'a str),
}

/// The channels of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// `/meta/handshake`
    Handshake,
    /// `/meta/connect`
    Connect,
    /// `/meta/disconnect`
    Disconnect,
    /// `/meta/subscribe`
    Subscribe,
    /// `/meta/unsubscribe`
    Unsubscribe,
    /// Any other; nobody may use it.
    Unknown,
}

/// Not the name of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a channel name")]
pub struct Invalid;

impl<'a> Channel<'a> {
    /// Reads the name of one channel, without wildcards. A trailing slash does not count.
    pub fn parse(name: &'a str) -> Result<Self, Invalid> {
        let name = pattern(name)?;
        if wildcard(name).is_some() {
            return Err(Invalid);
        }
        Ok(match name {
            "/meta/handshake" => Self::Meta(Meta::Handshake),
            "/meta/connect" => Self::Meta(Meta::Connect),
            "/meta/disconnect" => Self::Meta(Meta::Disconnect),
            "/meta/subscribe" => Self::Meta(Meta::Subscribe),
            "/meta/unsubscribe" => Self::Meta(Meta::Unsubscribe),
            _ if is_meta(name) => Self::Meta(Meta::Unknown),
            _ if name.starts_with("/service/") => Self::Service(name),
            _ => Self::Broadcast(name),
        })
    }
}

/// Reads what can be subscribed to: a channel, or a pattern whose last segment is `*` or `**`.
pub fn pattern(name: &str) -> Result<&str, Invalid> {
    let name = match name.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter,
        _ => name,
    };
    let bytes = name.as_bytes();
    let begins = bytes.first() == Some(&b'/');
    let allowed = |byte: &u8| ALLOWED[usize::from(*byte)];
    if !begins || bytes.len() > LENGTH_MAX || !bytes.iter().all(allowed) {
        return Err(Invalid);
    }
    let has_empty_segment = bytes.ends_with(b"/") || bytes.windows(2).any(|pair| pair == b"//");
    if has_empty_segment || (bytes.contains(&b'*') && !middle_is_plain(name)) {
        return Err(Invalid);
    }
    Ok(name)
}

/// Whether no segment but the last is a wildcard.
fn middle_is_plain(name: &str) -> bool {
    let (before, _) = name.rsplit_once('/').unwrap_or_default();
    before
        .split('/')
        .all(|segment| segment != "*" && segment != "**")
}

/// Whether the name (of a channel or pattern) lies in the protocol's own space.
pub fn is_meta(name: &str) -> bool {
    name == "/meta" || name.starts_with("/meta/")
}

/// Whether a subscription to `pattern` gets what is published to `channel`. Services are never matched by a wildcard.
pub fn matches(pattern: &str, channel: &str) -> bool {
    let Some((parent, deep)) = wildcard(pattern) else {
        return pattern == channel;
    };
    if channel.starts_with("/service/") || is_meta(channel) {
        return false;
    }
    match channel
        .strip_prefix(parent)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        Some(rest) => deep || !rest.contains('/'),
        None => false,
    }
}

/// The part before `/*` or `/**`, and whether it is the latter.
fn wildcard(pattern: &str) -> Option<(&str, bool)> {
    if let Some(parent) = pattern.strip_suffix("/**") {
        return Some((parent, true));
    }
    pattern.strip_suffix("/*").map(|parent| (parent, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(
            Channel::parse("/meta/connect"),
            Ok(Channel::Meta(Meta::Connect))
        );
        assert_eq!(
            Channel::parse("/meta/subscribe/x"),
            Ok(Channel::Meta(Meta::Unknown))
        );
        assert_eq!(
            Channel::parse("/service/a b"),
            Ok(Channel::Service("/service/a b"))
        );
        assert_eq!(
            Channel::parse("/metallic"),
            Ok(Channel::Broadcast("/metallic"))
        );
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        let long = format!("/{}", "a".repeat(LENGTH_MAX));
        for name in [
            "",
            "/",
            "//",
            "nope",
            "/bad%chan",
            "/é",
            "/a//b",
            "//a",
            "/a/*/b",
            "/a/**/b",
            "/*/b",
            &long,
        ] {
            assert_eq!(pattern(name), Err(Invalid), "{name}");
        }
        assert_eq!(Channel::parse("/a/*"), Err(Invalid));
    }

    #[test]
    fn row_080_a_trailing_slash_does_not_count() {
        assert_eq!(pattern("/a/"), Ok("/a"));
        assert_eq!(Channel::parse("/a/"), Ok(Channel::Broadcast("/a")));
    }

    #[test]
    fn row_074_one_star_is_one_segment() {
        assert!(matches("/w/*", "/w/x"));
        assert!(!matches("/w/*", "/w") && !matches("/w/*", "/w/x/y"));
    }

    #[test]
    fn row_075_two_stars_are_one_segment_or_more() {
        assert!(matches("/d/**", "/d/x") && matches("/d/**", "/d/x/y"));
        assert!(!matches("/d/**", "/d") && !matches("/d/**", "/dd/x"));
    }

    #[test]
    fn row_101_wildcards_match_no_service_and_no_meta() {
        for pattern in ["/**", "/*", "/service/*", "/service/**"] {
            assert!(!matches(pattern, "/service/x"), "{pattern}");
        }
        assert!(!matches("/**", "/meta/connect"));
        assert!(matches("/**", "/x") && matches("/service/x", "/service/x"));
    }
}
