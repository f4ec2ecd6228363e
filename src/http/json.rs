//! A JSON object whose values are scalars, and `userData` an object of scalars.
//!
//! It is read without building a tree: nesting is refused where it is met, so that a deep or wide body costs no more than
//! its own bytes.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fields::{Collector, Trouble};

/// Reads the fields of a JSON object. Numbers and booleans become their text, `null` is not given.
pub(super) fn parse(body: &[u8], collector: &mut Collector) -> Result<(), Trouble> {
    let mut trouble = None;
    let mut json = serde_json::Deserializer::from_slice(body);
    let object = Object {
        collector,
        trouble: &mut trouble,
        user_data: false,
    };
    let read = object.deserialize(&mut json).and_then(|()| json.end());
    match (trouble, read) {
        (Some(trouble), _) => Err(trouble),
        (None, Err(_)) => Err(Trouble::Malformed("a JSON object")),
        (None, Ok(())) => Ok(()),
    }
}

/// The whole body, or `userData` in it.
struct Object<'a> {
    collector: &'a mut Collector,
    trouble: &'a mut Option<Trouble>,
    user_data: bool,
}

/// One value that is not nested; `None` is `null`.
struct Scalar(Option<String>);

struct ScalarVisitor;

impl Object<'_> {
    fn below(&mut self) -> Object<'_> {
        Object {
            collector: self.collector,
            trouble: self.trouble,
            user_data: true,
        }
    }

    fn put(&mut self, name: String, value: String) -> Result<(), Trouble> {
        if self.user_data {
            self.collector.put_user_data(name, value)
        } else {
            self.collector.put(name, value)
        }
    }
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if !self.user_data && name == "userData" {
                map.next_value_seed(self.below())?;
                continue;
            }
            let result = match map.next_value::<Scalar>() {
                Ok(Scalar(Some(value))) => self.put(name, value),
                Ok(Scalar(None)) => Ok(()),
                Err(error) if error.to_string().starts_with(NESTED) => Err(Trouble::Nested),
                Err(error) => return Err(error),
            };
            if let Err(trouble) = result {
                *self.trouble = Some(trouble);
                return Err(M::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// How a refused nesting is told through the deserializer, which knows only texts.
const NESTED: &str = "nested value";

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(ScalarVisitor)
    }
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(Some(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar(Some(text)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(Some(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar(Some(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar(Some(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar(Some(value.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Scalar, A::Error> {
        Err(A::Error::custom(NESTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        // The key must be looked at, or the deserializer reports the unread object instead.
        let _ = map.next_key::<IgnoredAny>()?;
        Err(A::Error::custom(NESTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fields::tests::parse;

    const JSON: &str = "application/json";

    #[tokio::test]
    async fn scalars_become_strings() {
        let fields = parse(
            JSON,
            r#"{"a":5,"b":-5,"c":1.5,"d":true,"e":null,"userData":{"k":7,"n":null}}"#,
        )
        .await
        .unwrap();
        assert_eq!(fields.get("a"), Some("5"));
        assert_eq!(fields.get("b"), Some("-5"));
        assert_eq!(fields.get("c"), Some("1.5"));
        assert_eq!(fields.get("d"), Some("true"));
        assert_eq!(fields.get("e"), None);
        assert_eq!(fields.user_data["k"], "7");
        assert_eq!(fields.user_data.len(), 1);
    }

    #[tokio::test]
    async fn objects_and_arrays_are_refused() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for body in [
            r#"{"a":{}}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":[1]}"#,
            r#"{"userData":{"k":{}}}"#,
            r#"{"userData":{"k":[]}}"#,
            &deep,
        ] {
            assert_eq!(
                parse(JSON, body).await,
                Err(Trouble::Nested),
                "{:.20}",
                body
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_object_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "42",
            "\"x\"",
            "{",
            "{}x",
            "{\"a\":1,}",
            r#"{"userData":"k"}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"\ud800"}"#,
        ] {
            assert_eq!(
                parse(JSON, body).await,
                Err(Trouble::Malformed("a JSON object")),
                "{body}"
            );
        }
        assert!(parse(JSON, " {} ").await.is_ok());
    }
}
