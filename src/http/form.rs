//! `application/x-www-form-urlencoded`, as the URL standard reads it, but strict about UTF-8.

use super::fields::{Pairs, Trouble};

/// Reads the fields of a form; other readers of forms (the Bayeux `message=` parameter) use [`decoded`] on their own.
pub(super) fn parse(body: &[u8], pairs: &mut Pairs) -> Result<(), Trouble> {
    for pair in body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        pairs.put(text(name)?, text(value)?)?;
    }
    Ok(())
}

fn text(encoded: &[u8]) -> Result<String, Trouble> {
    String::from_utf8(decoded(encoded, true)).map_err(|_| Trouble::Malformed("UTF-8"))
}

/// Replaces `%41` by what it stands for, and `+` by a space where `plus` says so. A `%` that begins no escape stands for
/// itself, as in browsers.
pub fn decoded(encoded: &[u8], plus: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) if plus => text.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    text.push(high << 4 | low);
                    rest = after;
                }
                _ => text.push(b'%'),
            },
            _ => text.push(*first),
        }
    }
    text
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fields::tests::{pairs, parse};

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn escapes_are_read_as_browsers_do() {
        let cases = [
            ("a+b", "a b"),
            ("a%2Bb", "a+b"),
            ("%e2%82%AC", "€"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%%41", "%A"),
        ];
        for (encoded, expected) in cases {
            assert_eq!(
                decoded(encoded.as_bytes(), true),
                expected.as_bytes(),
                "{encoded}"
            );
        }
        assert_eq!(decoded(b"a+b", false), b"a+b");
    }

    #[tokio::test]
    async fn odd_pairs_are_fields_too() {
        let expected = pairs(&[("a", ""), ("b", ""), ("c", "1=2"), ("", "x")]);
        assert_eq!(parse(FORM, "&&a&b=&c=1=2&=x").await, Ok(expected));
    }

    #[tokio::test]
    async fn what_is_not_utf8_is_refused() {
        assert_eq!(
            parse(FORM, "message=%FF").await,
            Err(Trouble::Malformed("UTF-8"))
        );
    }
}
