//! The fields of a request as they were given: pairs of a form or of multipart, or a JSON object.
//!
//! The declared content type decides, without guessing. What the fields mean is the contract's affair.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};

use super::{form, json, multipart};
use crate::limit;

/// What was given.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// Names and values, in order.
    Pairs(Vec<(String, String)>),
    /// The text of a JSON object.
    Json(String),
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
    /// Too many fields.
    #[error("limit reached: [limits] fields = {max}")]
    TooMany {
        /// Fields allowed.
        max: usize,
    },
}

impl Trouble {
    pub(super) fn too_many(max: usize) -> Self {
        limit::reached("[limits] fields");
        Self::TooMany { max }
    }
}

/// Collects pairs up to a limit.
pub(super) struct Pairs {
    pairs: Vec<(String, String)>,
    max: usize,
}

impl Given {
    /// Reads the fields of a body whose headers are `headers`; `max` is `[limits] fields`: every one counts, also a
    /// repeated one, and of JSON each key of `userData`.
    pub async fn parse(headers: &HeaderMap, body: Bytes, max: usize) -> Result<Self, Trouble> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let declared = match (types.next(), types.next()) {
            (Some(declared), None) => declared,
            // Nothing is of no type.
            (None, _) if body.is_empty() => return Ok(Given::Pairs(Vec::new())),
            _ => return Err(Trouble::MediaType),
        };
        let declared = declared.to_str().map_err(|_| Trouble::MediaType)?;
        let mut pairs = Pairs {
            pairs: Vec::new(),
            max,
        };
        match media_type(declared)?.as_str() {
            "application/x-www-form-urlencoded" => form::parse(&body, &mut pairs)?,
            "multipart/form-data" => multipart::parse(declared, body, &mut pairs).await?,
            "application/json" => return json::parse(&body, max).map(Given::Json),
            _ => return Err(Trouble::MediaType),
        }
        Ok(Given::Pairs(pairs.pairs))
    }
}

impl std::fmt::Debug for Given {
    /// The kind only: names and values are the customer's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Given::Pairs(_) => "Pairs",
            Given::Json(_) => "Json",
        })
    }
}

impl Pairs {
    /// One more pair.
    pub(super) fn put(&mut self, name: String, value: String) -> Result<(), Trouble> {
        if self.pairs.len() >= self.max {
            return Err(Trouble::too_many(self.max));
        }
        self.pairs.push((name, value));
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    #[tokio::test]
    async fn forms_and_multipart_mean_the_same() {
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhé llo\r\n\
             --b\r\nContent-Disposition: form-data; name=\"userData[k]\"\r\n\r\nv\r\n--b--\r\n";
        let ways = [
            (FORM, "message=h%C3%A9+llo&userData%5Bk%5D=v"),
            (
                "Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"",
                "message=hé%20llo&userData[k]=v",
            ),
            ("multipart/form-data; boundary=b", multipart),
        ];
        for (media_type, body) in ways {
            let given = parse(media_type, body).await.unwrap();
            assert_eq!(
                given,
                pairs(&[("message", "hé llo"), ("userData[k]", "v")]),
                "{media_type}"
            );
        }
    }

    #[tokio::test]
    async fn json_stays_as_it_is() {
        let object = r#" {"message":"hello","userData":{"k":[]}} "#;
        assert_eq!(parse(JSON, object).await, Ok(Given::Json(object.into())));
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
        let none = Given::parse(&HeaderMap::new(), Bytes::from_static(b"a=1"), 9).await;
        assert_eq!(none, Err(Trouble::MediaType));
        let nothing = Given::parse(&HeaderMap::new(), Bytes::new(), 9).await;
        assert_eq!(nothing, Ok(Given::Pairs(Vec::new())));
        assert_eq!(
            parse(JSON, "message=hello").await,
            Err(Trouble::Malformed("a JSON object"))
        );
    }

    #[tokio::test]
    async fn there_is_a_limit_on_the_number_of_fields() {
        assert!(parse(FORM, &["a=1"; 9].join("&")).await.is_ok());
        assert_eq!(
            parse(FORM, &["a=1"; 10].join("&")).await,
            Err(Trouble::TooMany { max: 9 })
        );
    }

    #[tokio::test]
    async fn debug_output_shows_nothing_that_was_sent() {
        let given = parse(FORM, "message=secret").await.unwrap();
        assert_eq!(format!("{given:?}"), "Pairs");
    }

    pub(in crate::http) fn pairs(pairs: &[(&str, &str)]) -> Given {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Given::Pairs(pairs.iter().map(owned).collect())
    }

    pub(in crate::http) async fn parse(declared: &str, body: &str) -> Result<Given, Trouble> {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(declared).unwrap())]);
        Given::parse(&headers, Bytes::copy_from_slice(body.as_bytes()), 9).await
    }
}
