//! `multipart/form-data`: RFC 7578.

use bytes::Bytes;
use futures_util::stream;
use multer::{Multipart, parse_boundary};

use super::fields::{Pairs, Trouble};

const KIND: &str = "multipart/form-data";

/// Reads the fields of a multipart body that is here as a whole, and so is bounded already.
pub(super) async fn parse(declared: &str, body: Bytes, pairs: &mut Pairs) -> Result<(), Trouble> {
    let boundary = parse_boundary(declared).map_err(|_| Trouble::Malformed(KIND))?;
    let whole = stream::iter([Ok::<_, std::io::Error>(body)]);
    let mut parts = Multipart::new(whole, boundary);
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let name = part.name().ok_or(Trouble::Malformed(KIND))?.to_owned();
        let value = part.bytes().await.map_err(malformed)?;
        let value = String::from_utf8(value.into()).map_err(|_| Trouble::Malformed("UTF-8"))?;
        pairs.put(name, value)?;
    }
    Ok(())
}

fn malformed(_: multer::Error) -> Trouble {
    Trouble::Malformed(KIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fields::tests::{pairs, parse};

    #[tokio::test]
    async fn parts_are_fields() {
        let body = part("nickname", "John") + &part("userData[k]", "a\r\nb") + "--X--\r\n";
        let given = parse("multipart/form-data; boundary=X", &body).await;
        let expected = pairs(&[("nickname", "John"), ("userData[k]", "a\r\nb")]);
        assert_eq!(given, Ok(expected));
    }

    #[tokio::test]
    async fn what_breaks_off_is_refused() {
        let cut = part("nickname", "John");
        let nameless = "--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--\r\n";
        for body in [&cut[..cut.len() - 4], "rubbish", nameless] {
            let read = parse("multipart/form-data; boundary=X", body).await;
            assert_eq!(read, Err(Trouble::Malformed(KIND)), "{body}");
        }
        let read = parse("multipart/form-data", "--X--").await;
        assert_eq!(read, Err(Trouble::Malformed(KIND)));
    }

    fn part(name: &str, value: &str) -> String {
        format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }
}
