//! HTTP/1.1 as measuring needs it: responses for a client, requests for the servers that are our own.

use anyhow::{Context as _, Result, bail};
use memchr::memmem;

/// The front of a buffer, where it holds a whole response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The head ends here: its lines, without the empty one.
    pub head: usize,
    /// Where the body stands; chunks are joined into `joined` instead.
    pub body: (usize, usize),
    /// The body of a response that came in chunks.
    pub joined: Option<Vec<u8>>,
    /// How many bytes to take away.
    pub end: usize,
}

/// A whole response, or `None` until there is one.
pub fn parse(bytes: &[u8]) -> Result<Option<Response>> {
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).context("a response head that is not ASCII")?;
    let status = text
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .context("a response without a status")?;
    let start = head + 4;
    if header(text, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        return Ok(chunks(&bytes[start..])?.map(|(joined, length)| Response {
            status,
            head,
            body: (start, start),
            joined: Some(joined),
            end: start + length,
        }));
    }
    let length = match header(text, "content-length") {
        Some(length) => length
            .parse::<usize>()
            .context("a Content-Length that is no number")?,
        None if status == 101 || status == 204 => 0,
        None => bail!("a response without a length"),
    };
    let end = start + length;
    let whole = Response {
        status,
        head,
        body: (start, end),
        joined: None,
        end,
    };
    Ok((bytes.len() >= end).then_some(whole))
}

/// The value of the first header of this name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Where the body of the first request begins and ends, if all of it is there.
pub fn request(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(bytes, b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = match header(text, "content-length") {
        Some(length) => length.parse().ok()?,
        None => 0,
    };
    let end = head + 4 + length;
    (bytes.len() >= end).then_some((head + 4, end))
}

fn chunks(mut bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let (mut joined, all) = (Vec::new(), bytes.len());
    loop {
        let Some(line) = memmem::find(bytes, b"\r\n") else {
            return Ok(None);
        };
        let digits = std::str::from_utf8(&bytes[..line])?
            .split(';')
            .next()
            .unwrap_or_default();
        let size = usize::from_str_radix(digits.trim(), 16).context("a chunk without a size")?;
        let Some(chunk) = bytes.get(line + 2..line + 2 + size + 2) else {
            return Ok(None);
        };
        joined.extend_from_slice(&chunk[..size]);
        bytes = &bytes[line + 2 + size + 2..];
        if size == 0 {
            return Ok(Some((joined, all - bytes.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_whole_when_its_length_is_there() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]HTTP/1.1 200";
        let response = parse(bytes).unwrap().unwrap();
        assert_eq!(
            (response.status, &bytes[response.body.0..response.body.1]),
            (200, &b"[]"[..])
        );
        assert_eq!(&bytes[response.end..], b"HTTP/1.1 200");
        assert_eq!(parse(&bytes[..response.end - 1]).unwrap(), None);
    }

    #[test]
    fn a_request_is_whole_when_its_body_is_there() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]GET / HTTP/1.1\r\n\r\n";
        let (start, end) = request(bytes).unwrap();
        assert_eq!(&bytes[start..end], b"[]");
        assert_eq!(request(&bytes[..end - 1]), None);
        assert_eq!(request(&bytes[end..]), Some((18, 18)));
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let response = parse(bytes).unwrap().unwrap();
        assert_eq!(response.joined.as_deref(), Some(&b"abcde"[..]));
        assert_eq!(response.end, bytes.len());
        assert_eq!(parse(&bytes[..bytes.len() - 1]).unwrap(), None);
    }
}
