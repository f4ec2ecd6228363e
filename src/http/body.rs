//! Reading a body without ever holding more of it than allowed.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};
use tokio::time::timeout;

use crate::limit;

/// Bytes of a refused body that are read and thrown away before the answer closes the connection.
const PASSED_OVER_MAX: usize = 4 << 20;
/// And for how long: some wait for the answer before they send anything.
const PASSED_OVER_FOR: Duration = Duration::from_secs(1);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Longer than allowed; known from `Content-Length` before anything is read, else as soon as it is passed.
    #[error("the body is too large; limit reached: {option} = {max}")]
    TooLarge {
        /// The option, with its section.
        option: &'static str,
        /// Bytes allowed.
        max: usize,
    },
    /// `Content-Encoding` is not `identity`.
    #[error("compressed bodies are not accepted")]
    Compressed,
    /// `Transfer-Encoding` is more than `chunked`, once. All other codings that are registered compress, so it is refused as
    /// what is compressed is, and not with the 501 of RFC 9112 §6.1 for those that nobody knows. HTTP itself looks no
    /// further than at the last one.
    #[error("of transfer codings only chunked is accepted, once")]
    Coded,
    /// The connection broke, or the framing is wrong.
    #[error("the body ended early or is framed wrongly")]
    Broken,
    /// It did not arrive in time. Not told by [`read`], but by who limits it.
    #[error("the body did not arrive in time")]
    Slow,
}

/// Reads a body of at most `max` bytes.
pub async fn read<B>(
    headers: &HeaderMap,
    body: B,
    (max, option): (usize, &'static str),
) -> Result<Bytes, Trouble>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if is_compressed(headers) {
        return Err(Trouble::Compressed);
    }
    if is_coded(headers) {
        return Err(Trouble::Coded);
    }
    let mut body = pin!(body);
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        let _ = timeout(PASSED_OVER_FOR, pass_over(body)).await;
        return Err(too_large(option, max));
    }
    match Limited::new(body.as_mut(), max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let _ = timeout(PASSED_OVER_FOR, pass_over(body)).await;
            Err(too_large(option, max))
        }
        Err(_) => Err(Trouble::Broken),
    }
}

fn too_large(option: &'static str, max: usize) -> Trouble {
    limit::reached(option);
    Trouble::TooLarge { option, max }
}

/// Reads on without keeping anything: whoever is still writing when the connection closes never sees the answer.
async fn pass_over<B: Body>(mut body: Pin<&mut B>) {
    let mut passed = 0;
    while passed < PASSED_OVER_MAX {
        let Some(Ok(frame)) = body.as_mut().frame().await else {
            return;
        };
        passed += frame.data_ref().map_or(1, Buf::remaining);
    }
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// An empty element of the list counts for nothing (RFC 9110 §5.6.1).
fn is_coded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut codings = codings
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    let first = codings.next().unwrap_or(b"chunked");
    !first.eq_ignore_ascii_case(b"chunked") || codings.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use hyper::header::HeaderValue;

    const MAX: (usize, &str) = (8, "[limits] request-body");
    const TOO_LARGE: Trouble = Trouble::TooLarge {
        option: MAX.1,
        max: MAX.0,
    };

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read() {
        let body = Full::new(Bytes::from_static(b"12345678"));
        let read = read(&HeaderMap::new(), body, MAX).await;
        assert_eq!(read, Ok(Bytes::from_static(b"12345678")));
    }

    #[tokio::test]
    async fn a_declared_length_beyond_the_limit_is_refused_unread() {
        let body = Full::new(Bytes::from_static(b"123456789"));
        let read = read(&HeaderMap::new(), body, MAX).await;
        assert_eq!(read, Err(TOO_LARGE));
    }

    #[tokio::test]
    async fn a_chunked_body_is_refused_when_it_passes_the_limit() {
        let endless =
            stream::repeat_with(|| Ok::<_, Unlucky>(Frame::data(Bytes::from_static(b"123"))));
        let read = read(&HeaderMap::new(), StreamBody::new(endless), MAX).await;
        assert_eq!(read, Err(TOO_LARGE));
    }

    #[tokio::test]
    async fn a_broken_body_is_said_to_be_broken() {
        let broken = stream::iter([Err::<Frame<Bytes>, _>(Unlucky)]);
        let read = read(&HeaderMap::new(), StreamBody::new(broken), MAX).await;
        assert_eq!(read, Err(Trouble::Broken));
    }

    #[tokio::test]
    async fn compressed_bodies_are_refused() {
        let headers =
            |coding| HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        let body = || Full::new(Bytes::new());
        assert_eq!(
            read(&headers("gzip"), body(), MAX).await,
            Err(Trouble::Compressed)
        );
        assert!(read(&headers("Identity"), body(), MAX).await.is_ok());
    }

    /// HTTP looks at the last coding only: a body that was compressed before it was cut into chunks was read as it came.
    #[tokio::test]
    async fn of_transfer_codings_only_chunked_is_accepted() {
        for (lines, read_as) in [
            (&["chunked"][..], Ok(Bytes::new())),
            (&["Chunked"], Ok(Bytes::new())),
            (&[" , chunked"], Ok(Bytes::new())),
            (&["gzip, chunked"], Err(Trouble::Coded)),
            (&["gzip", "chunked"], Err(Trouble::Coded)),
            (&["chunked, chunked"], Err(Trouble::Coded)),
            (&["x;a=\"b\", chunked"], Err(Trouble::Coded)),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static(line));
            }
            let body = Full::new(Bytes::new());
            assert_eq!(read(&headers, body, MAX).await, read_as, "{headers:?}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("reset")]
    struct Unlucky;
}
