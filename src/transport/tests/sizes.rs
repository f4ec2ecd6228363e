//! What an idle customer keeps in memory. Very many are idle at a time: what grows here grows by as many.

use std::mem::size_of;

use tokio::net::TcpStream;

use crate::bayeux::Session;
use crate::transport::client::Client;
use crate::transport::websocket::serve;

#[test]
fn an_idle_socket_is_small() {
    fn of<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }
    // It was five times as much, with six kilobytes of buffers beside it.
    let task = of(serve::<TcpStream>);
    assert!(task <= 640, "{task}");
}

#[test]
fn a_session_is_small() {
    let session = size_of::<Session>();
    assert!(session <= 384, "{session}");
    let client = size_of::<Client>();
    assert!(client <= 576, "{client}");
}
