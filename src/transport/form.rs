//! `application/x-www-form-urlencoded`, as far as Bayeux needs it.

/// The values of `name` in `form`, in order; what is not UTF-8 after decoding is refused with `None`.
pub fn values(form: &str, name: &str) -> Option<Vec<String>> {
    form.split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| decode(value))
        .collect()
}

fn decode(value: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => 16 * digit(bytes.next()?)? + digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_006_one_or_several_messages_are_found() {
        let form = "message=%5B%7B%22a%22%3A+1%7D%5D&x=1&message=%C3%A9";
        let found = values(form, "message").expect("UTF-8");
        assert_eq!(found, ["[{\"a\": 1}]", "é"]);
        assert_eq!(values("message=%f", "message"), None);
        assert_eq!(values("message=%ff", "message"), None);
        assert_eq!(values("", "message"), Some(Vec::new()));
    }
}
