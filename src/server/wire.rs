//! The TCP connection below HTTP, which remembers whether it broke.
//!
//! hyper takes a connection that is reset between two requests for one that was closed in order. It is not the same: what
//! was written last may not have arrived.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection, watched for errors.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    broken: Arc<AtomicBool>,
    /// What was read of it before, and is to be read again.
    unread: Vec<u8>,
}

impl Wire {
    /// Watches `stream`; `broken` is set when it breaks.
    pub fn new(stream: TcpStream, broken: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            broken,
            unread: Vec::new(),
        }
    }

    /// Puts back what was read of it.
    pub fn unread(&mut self, bytes: Vec<u8>) {
        self.unread = bytes;
    }

    /// The stream, watched no longer, and what was put back and not read again.
    pub fn into_inner(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }

    /// Waits until there may be something to read. Safe to give up.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Reads what is there into the room that `into` has, or says that nothing is.
    pub fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        let room = into.capacity() - into.len();
        let mut read = None;
        let result = self.stream.try_io(Interest::READABLE, || {
            // Not `read`, on whose way through the kernel more lies that files need.
            let (bytes, _) = recv(&self.stream, spare_capacity(into), RecvFlags::empty())?;
            // Room was left, so the socket is empty: saying so now spares the call that would find it out.
            match bytes > 0 && bytes < room {
                true => {
                    read = Some(bytes);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                false => Ok(bytes),
            }
        });
        match (read, result) {
            (Some(bytes), _) => Ok(bytes),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            (None, result) => self.noted(result),
        }
    }

    /// Completes when the other end has finished the connection or broken it. What it sends before stays unread, and nothing
    /// is noticed behind that. Safe to give up.
    pub async fn ended(&self) {
        if self
            .noted(self.stream.peek(&mut [0]).await)
            .is_ok_and(|bytes| bytes > 0)
        {
            pending().await
        }
    }

    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        result
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        result.map(|result| self.noted(result))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let now = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread[..now]);
            self.unread = self.unread.split_off(now);
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.note(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(result)
    }

    /// The other end may have gone in good order before.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
