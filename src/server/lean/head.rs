//! What is served without hyper, and how its answer looks: the same, byte for byte, as hyper's.

use bytes::Bytes;
use http_body_util::Full;
use httparse::{EMPTY_HEADER, Header, Status};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode, Uri};

/// Header lines of a request, as many as hyper takes.
const LINES_MAX: usize = 100;
/// A request with a longer body is left to hyper.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// What has been read of a request.
pub(crate) enum Judged {
    /// There is more to come.
    Partial,
    /// A request, and how many bytes it took.
    Whole(Box<Request<Full<Bytes>>>, usize),
    /// Whatever it is, hyper knows what to do with it.
    Beyond,
}

/// What the head of a plain request says about its frame.
struct Frame<'a> {
    method: Method,
    target: &'a str,
    body: usize,
}

/// Looks at what has been read. Heads longer than `head_max` and requests to paths that are not `held` are not served here.
pub(crate) fn judge(bytes: &[u8], head_max: usize, held: impl Fn(&str) -> bool) -> Judged {
    if !begins_plainly(bytes) {
        return Judged::Beyond;
    }
    let mut lines = [EMPTY_HEADER; LINES_MAX];
    let mut parsed = httparse::Request::new(&mut lines);
    let head = match parsed.parse(bytes) {
        Ok(Status::Complete(head)) if head <= head_max => head,
        Ok(Status::Partial) if bytes.len() < head_max => return Judged::Partial,
        _ => return Judged::Beyond,
    };
    let Some(frame) = Frame::of(&parsed).filter(|frame| held(frame.path())) else {
        return Judged::Beyond;
    };
    let whole = head + frame.body;
    match bytes.get(..whole) {
        None => Judged::Partial,
        Some(whole) => frame
            .request(parsed.headers, whole, head)
            .map_or(Judged::Beyond, |request| {
                Judged::Whole(Box::new(request), whole.len())
            }),
    }
}

/// The head and the body of a response.
pub(super) fn encode(parts: &Parts, body: &[u8], date: &str) -> Vec<u8> {
    let bodiless = matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    let reason = parts.status.canonical_reason().unwrap_or("<none>");
    let mut bytes = Vec::with_capacity(32 + 48 * (parts.headers.len() + 2) + body.len());
    put(
        &mut bytes,
        &["HTTP/1.1 ", parts.status.as_str(), " ", reason],
    );
    for (name, value) in &parts.headers {
        put(&mut bytes, &["\r\n", name.as_str(), ": "]);
        bytes.extend_from_slice(value.as_bytes());
    }
    if !bodiless && !parts.headers.contains_key(CONTENT_LENGTH) {
        put(
            &mut bytes,
            &["\r\ncontent-length: ", &body.len().to_string()],
        );
    }
    put(&mut bytes, &["\r\ndate: ", date, "\r\n\r\n"]);
    if !bodiless {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// Whether the connection ends with a response of these headers.
pub(super) fn closes(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION);
    values
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// Whether it may become one of the requests that are served here.
fn begins_plainly(bytes: &[u8]) -> bool {
    [&b"POST /"[..], b"OPTIONS /"].iter().any(|plain| {
        let common = plain.len().min(bytes.len());
        plain[..common] == bytes[..common]
    })
}

impl<'a> Frame<'a> {
    /// `None`: a frame with something unusual.
    fn of(head: &httparse::Request<'_, 'a>) -> Option<Self> {
        let mut length = None;
        for line in head.headers.iter() {
            if is(line, "content-length") {
                if length.is_some() {
                    return None;
                }
                length = Some(number(line.value)?);
            } else if is(line, "connection") {
                if !line.value.eq_ignore_ascii_case(b"keep-alive") {
                    return None;
                }
            } else if ["transfer-encoding", "expect", "upgrade", "trailer"]
                .iter()
                .any(|unusual| is(line, unusual))
            {
                return None;
            }
        }
        let (method, body) = match (head.method?, length) {
            ("POST", Some(length)) => (Method::POST, length),
            ("OPTIONS", None | Some(0)) => (Method::OPTIONS, 0),
            _ => return None,
        };
        (head.version == Some(1) && body <= BODY_MAX).then_some(Self {
            method,
            target: head.path?,
            body,
        })
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The request that is `whole`, the first `head` bytes of it its head. It is copied once, and all its parts share that.
    fn request(
        self,
        lines: &[Header<'_>],
        whole: &[u8],
        head: usize,
    ) -> Option<Request<Full<Bytes>>> {
        let copy = Bytes::copy_from_slice(whole);
        let part = |part: &[u8]| {
            let from = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
            (from + part.len() <= copy.len()).then(|| copy.slice(from..from + part.len()))
        };
        let mut request = Request::new(Full::new(copy.slice(head..)));
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from_maybe_shared(part(self.target.as_bytes())?).ok()?;
        let headers = request.headers_mut();
        headers.reserve(lines.len());
        for line in lines {
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            let value = HeaderValue::from_maybe_shared(part(line.value)?).ok()?;
            headers.append(name, value);
        }
        Some(request)
    }
}

fn is(line: &Header<'_>, name: &str) -> bool {
    line.name.eq_ignore_ascii_case(name)
}

fn number(digits: &[u8]) -> Option<usize> {
    let plain = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}

fn put(bytes: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        bytes.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD_MAX: usize = 8192;
    const POLL: &str = "POST /poll?x=1 HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\n[{\"id\":\"1\"}]";

    #[test]
    fn a_request_is_whole_with_its_last_byte_and_not_before() {
        for end in 0..POLL.len() {
            assert!(matches!(look(&POLL[..end]), Judged::Partial), "{end}");
        }
        let two = [POLL, POLL].concat();
        for end in POLL.len()..two.len() {
            let Judged::Whole(request, length) = look(&two[..end]) else {
                panic!("{end}");
            };
            assert_eq!(length, POLL.len());
            assert_eq!(request.uri(), "/poll?x=1");
            assert_eq!(request.headers()[CONTENT_LENGTH], "12");
            assert_eq!(request.headers()["x-empty"], "");
        }
    }

    #[test]
    fn what_is_not_plain_is_hyper_s_as_soon_as_that_is_known() {
        let long = format!("POST /poll HTTP/1.1\r\nX: {}", "x".repeat(HEAD_MAX));
        let large = "POST /poll HTTP/1.1\r\nContent-Length: 65537\r\n\r\n";
        let beyond = [
            "G",
            "POST *",
            "POST /other HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "POST /poll HTTP/1.1\r\n\r\n",
            "POST /poll HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
            "POST /poll HTTP/1.1\r\nContent-Length: 0\r\nUpgrade: h2c\r\n\r\n",
            "POST /poll HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
            "OPTIONS /poll HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
            large,
            &long,
        ];
        for text in beyond {
            assert!(matches!(look(text), Judged::Beyond), "{text}");
        }
    }

    proptest! {
        /// Whatever bytes come, and however they are damaged: what is taken is there.
        #[test]
        fn nothing_is_taken_that_has_not_come(place in 0..POLL.len(), damage: Vec<u8>, end in 0..400usize) {
            let mut bytes = POLL.as_bytes().to_vec();
            bytes.splice(place..place, damage);
            bytes.extend_from_slice(POLL.as_bytes());
            bytes.truncate(end);
            if let Judged::Whole(_, length) = judge(&bytes, HEAD_MAX, |_| true) {
                prop_assert!(length <= bytes.len());
                let before = judge(&bytes[..length - 1], HEAD_MAX, |_| true);
                prop_assert!(matches!(before, Judged::Partial));
            }
        }
    }

    fn look(text: &str) -> Judged {
        judge(text.as_bytes(), HEAD_MAX, |path| path == "/poll")
    }
}
