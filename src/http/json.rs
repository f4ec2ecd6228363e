//! Whether a body is a JSON object with not too many members. It is looked through without building anything of it.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Trouble;
use crate::json::{DEPTH_MAX, deeper_than};

const OBJECT: Trouble = Trouble::Malformed("a JSON object");
const SHALLOW: Trouble = Trouble::Malformed("JSON of at most 128 levels");

/// The text of an object whose members, those of its `userData` included, are at most `max`.
pub(super) fn parse(body: &[u8], max: usize) -> Result<String, Trouble> {
    let text = std::str::from_utf8(body).map_err(|_| Trouble::Malformed("UTF-8"))?;
    if deeper_than(text, DEPTH_MAX) {
        return Err(SHALLOW);
    }
    let mut left = max.saturating_add(1);
    let mut json = serde_json::Deserializer::from_str(text);
    let counted = Members {
        left: &mut left,
        nested: false,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    match counted {
        _ if left == 0 => Err(Trouble::too_many(max)),
        Err(_) => Err(OBJECT),
        Ok(()) => Ok(text.to_owned()),
    }
}

/// Counts down, and stops at nothing left.
struct Members<'a> {
    left: &'a mut usize,
    nested: bool,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if !self.nested && name.eq_ignore_ascii_case("userData") {
                let user_data: &RawValue = map.next_value()?;
                count_user_data(user_data, self.left).map_err(M::Error::custom)?;
                continue;
            }
            *self.left -= 1;
            if *self.left == 0 {
                return Err(M::Error::custom("too many members"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Of what is no object there is nothing to count; whether it has to be one is for the contract to say.
fn count_user_data(user_data: &RawValue, left: &mut usize) -> serde_json::Result<()> {
    match user_data.get().starts_with('{') {
        true => {
            let nested = true;
            Members { left, nested }
                .deserialize(&mut serde_json::Deserializer::from_str(user_data.get()))
        }
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_at_both_levels() {
        assert!(parse(br#"{"a":[1,2,3,4],"userData":{"b":1,"c":2}}"#, 3).is_ok());
        let many = Err(Trouble::TooMany { max: 3 });
        assert_eq!(parse(br#"{"a":1,"b":2,"c":3,"d":4}"#, 3), many);
        assert_eq!(parse(br#"{"a":1,"userData":{"b":1,"c":2,"d":3}}"#, 3), many);
        assert_eq!(parse(br#"{"a":1,"a":1,"a":1,"a":1}"#, 3), many);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "42",
            "\"x\"",
            "{",
            "{}x",
            "{\"a\":1,}",
            "{\"a\":\"\u{1}\"}",
        ] {
            assert_eq!(parse(body.as_bytes(), 9), Err(OBJECT), "{body}");
        }
        assert_eq!(
            parse(b"{\"a\":\"\xFF\"}", 9),
            Err(Trouble::Malformed("UTF-8"))
        );
        assert!(parse(b" {} ", 9).is_ok());
    }

    #[test]
    fn user_data_that_is_no_object_is_not_judged_here() {
        for value in ["null", "\"k\"", "[1,2]", "7"] {
            let body = format!("{{\"userData\":{value}}}");
            assert_eq!(parse(body.as_bytes(), 1), Ok(body), "{value}");
        }
    }

    // What nobody asks for was taken however deep it was nested, while Bayeux bounds it.
    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX - 1).as_bytes(), 9).is_ok());
        assert_eq!(parse(nested(DEPTH_MAX).as_bytes(), 9), Err(SHALLOW));
        assert_eq!(parse("[".repeat(100_000).as_bytes(), 9), Err(SHALLOW));
    }
}
