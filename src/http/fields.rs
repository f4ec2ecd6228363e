//! The fields of a request, whatever it was written in: form, multipart or JSON.
//!
//! The declared content type decides, without guessing. A field that is given twice counts as given last. `userData[k]`
//! is the key `k` of the user data; JSON may nest it as an object too.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};

use super::{form, json, multipart};

/// The fields of a request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    plain: BTreeMap<String, String>,
    /// `userData[k]`.
    pub user_data: BTreeMap<String, String>,
}

/// Why a body gives no fields. The words never repeat what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The content type is missing, or none of the three, or of another character set than UTF-8.
    #[error(
        "the content type must be application/x-www-form-urlencoded, multipart/form-data or application/json, in UTF-8"
    )]
    MediaType,
    /// It is not what its content type says.
    #[error("the body is not {0}")]
    Malformed(&'static str),
    /// A value is an object or an array.
    #[error(
        "a value is an object or an array; only userData may be an object, and its values are strings"
    )]
    Nested,
    /// A character U+0000.
    #[error("the character U+0000 is not allowed")]
    Nul,
    /// Too many fields.
    #[error("more than {max} fields ([limits] fields)")]
    TooMany {
        /// Fields allowed.
        max: usize,
    },
}

/// Collects fields up to a limit; what the three parsers fill.
pub(super) struct Collector {
    fields: Fields,
    seen: usize,
    max: usize,
}

impl Fields {
    /// Reads the fields of a body whose headers are `headers`; `max` is `[limits] fields`, repetitions counted.
    pub async fn parse(headers: &HeaderMap, body: Bytes, max: usize) -> Result<Self, Trouble> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let (Some(declared), None) = (types.next(), types.next()) else {
            return Err(Trouble::MediaType);
        };
        let declared = declared.to_str().map_err(|_| Trouble::MediaType)?;
        let mut collector = Collector::new(max);
        match media_type(declared)?.as_str() {
            "application/x-www-form-urlencoded" => form::parse(&body, &mut collector)?,
            "application/json" => json::parse(&body, &mut collector)?,
            "multipart/form-data" => multipart::parse(declared, body, &mut collector).await?,
            _ => return Err(Trouble::MediaType),
        }
        Ok(collector.fields)
    }

    /// A field by its name; `None` if it was not given. An empty one was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.plain.get(name).map(String::as_str)
    }

    /// Every field but the user data, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plain
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Fields {
    /// Counts only: names and values are the customer's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields")
            .field("plain", &self.plain.len())
            .field("user_data", &self.user_data.len())
            .finish()
    }
}

impl Collector {
    fn new(max: usize) -> Self {
        Self {
            fields: Fields::default(),
            seen: 0,
            max,
        }
    }

    /// A field as it is written in forms: `name` or `userData[key]`.
    pub(super) fn put(&mut self, name: String, value: String) -> Result<(), Trouble> {
        match user_data_key(&name) {
            Some(key) => {
                let key = key.to_owned();
                self.put_user_data(key, value)
            }
            None => {
                self.count(&name, &value)?;
                self.fields.plain.insert(name, value);
                Ok(())
            }
        }
    }

    /// One key of the user data.
    pub(super) fn put_user_data(&mut self, key: String, value: String) -> Result<(), Trouble> {
        self.count(&key, &value)?;
        self.fields.user_data.insert(key, value);
        Ok(())
    }

    fn count(&mut self, name: &str, value: &str) -> Result<(), Trouble> {
        self.seen += 1;
        if self.seen > self.max {
            return Err(Trouble::TooMany { max: self.max });
        }
        if name.contains('\0') || value.contains('\0') {
            return Err(Trouble::Nul);
        }
        Ok(())
    }
}

/// The media type in lower case, if its character set is UTF-8 or not given.
fn media_type(declared: &str) -> Result<String, Trouble> {
    let mut parts = declared.split(';');
    let media_type = parts.next().unwrap_or_default().trim();
    for parameter in parts {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("charset")
            && !is_utf8(value.trim().trim_matches('"'))
        {
            return Err(Trouble::MediaType);
        }
    }
    Ok(media_type.to_ascii_lowercase())
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"]
        .iter()
        .any(|name| charset.eq_ignore_ascii_case(name))
}

fn user_data_key(name: &str) -> Option<&str> {
    name.strip_prefix("userData[")?.strip_suffix(']')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    #[tokio::test]
    async fn the_three_ways_to_write_it_mean_the_same() {
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhé llo\r\n\
             --b\r\nContent-Disposition: form-data; name=\"userData[k]\"\r\n\r\nv\r\n--b--\r\n";
        let ways = [
            (FORM, "message=h%C3%A9+llo&userData%5Bk%5D=v"),
            (
                "Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"",
                "message=hé%20llo&userData[k]=v",
            ),
            (JSON, r#"{"message":"hé llo","userData":{"k":"v"}}"#),
            (JSON, r#"{"message":"h\u00e9 llo","userData[k]":"v"}"#),
            ("multipart/form-data; boundary=b", multipart),
        ];
        for (media_type, body) in ways {
            let fields = parse(media_type, body).await.unwrap();
            assert_eq!(fields.get("message"), Some("hé llo"), "{media_type} {body}");
            assert_eq!(fields.user_data["k"], "v", "{media_type} {body}");
            assert_eq!(fields.get("userData"), None);
        }
    }

    #[tokio::test]
    async fn other_media_types_are_refused_without_guessing() {
        for declared in [
            "",
            "text/plain",
            "application/xml",
            "application/jsonp",
            "application/json; charset=latin1",
        ] {
            assert_eq!(
                parse(declared, "{}").await,
                Err(Trouble::MediaType),
                "{declared}"
            );
        }
        let none = Fields::parse(&HeaderMap::new(), Bytes::new(), 9).await;
        assert_eq!(none, Err(Trouble::MediaType));
        assert_eq!(
            parse(JSON, "message=hello").await,
            Err(Trouble::Malformed("a JSON object"))
        );
    }

    #[tokio::test]
    async fn the_last_of_a_repeated_field_counts() {
        let fields = parse(FORM, "message=1&message=2&userData[k]=3&userData[k]=4")
            .await
            .unwrap();
        assert_eq!(
            (fields.get("message"), fields.user_data["k"].as_str()),
            (Some("2"), "4")
        );
        let fields = parse(JSON, r#"{"message":"1","message":"2"}"#)
            .await
            .unwrap();
        assert_eq!(fields.get("message"), Some("2"));
    }

    #[tokio::test]
    async fn nul_is_refused_and_other_control_characters_are_kept() {
        assert_eq!(parse(FORM, "message=a%00b").await, Err(Trouble::Nul));
        assert_eq!(
            parse(JSON, r#"{"userData":{"k":"\u0000"}}"#).await,
            Err(Trouble::Nul)
        );
        let fields = parse(FORM, "message=a%01%0D%0Ab").await.unwrap();
        assert_eq!(fields.get("message"), Some("a\u{1}\r\nb"));
    }

    #[tokio::test]
    async fn there_is_a_limit_on_the_number_of_fields() {
        assert!(parse(FORM, &["a=1"; 9].join("&")).await.is_ok());
        let too_many = Err(Trouble::TooMany { max: 9 });
        assert_eq!(parse(FORM, &["a=1"; 10].join("&")).await, too_many);
        assert_eq!(
            parse(
                JSON,
                r#"{"a":1,"b":2,"c":3,"userData":{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7}}"#
            )
            .await,
            too_many
        );
    }

    #[tokio::test]
    async fn debug_output_shows_nothing_that_was_sent() {
        let fields = parse(FORM, "message=secret&userData[pin]=1234")
            .await
            .unwrap();
        assert_eq!(format!("{fields:?}"), "Fields { plain: 1, user_data: 1 }");
    }

    pub(in crate::http) async fn parse(declared: &str, body: &str) -> Result<Fields, Trouble> {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(declared).unwrap())]);
        Fields::parse(&headers, Bytes::copy_from_slice(body.as_bytes()), 9).await
    }
}
