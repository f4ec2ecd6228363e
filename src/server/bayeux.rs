//! The Bayeux address of a listener: requests and sockets, handed to a registry of clients.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::http::request::Parts;

use super::router::{Answer, Bayeux};
use super::socket::Socket;
use crate::bayeux::ConnectionId;
use crate::http::{Caller, Connection, Response};
use crate::transport::{self, Registry, long_poll, websocket};

/// The clients of one listener.
pub(super) struct Door(pub(super) Arc<Registry>);

impl Bayeux for Door {
    fn poll(&self, parts: Parts, body: Bytes, caller: &Caller) -> Answer {
        Box::pin(long_poll::handle(
            &self.0,
            parts,
            body,
            of(caller),
            caller.request_id.as_str(),
        ))
    }

    fn upgrade(&self, parts: Parts, caller: &Caller) -> Response {
        let response = match websocket::upgrade(&self.0, &parts) {
            Ok(response) => response,
            Err(response) => return *response,
        };
        let visitor = websocket::Visitor::new(&parts, of(caller));
        let (registry, connection) = (self.0.clone(), caller.connection.clone());
        // Boxed, so that what the upgrade needs is given back before the socket's long life begins.
        let switched = Box::pin(switch(Request::from_parts(parts, ())));
        tokio::spawn(async move {
            match switched.await {
                Ok((socket, early)) => websocket::serve(registry, socket, early, visitor).await,
                Err(error) => tracing::debug!(%error, "a WebSocket did not come to be"),
            }
            // Its place among the connections is free only now.
            drop(connection);
        });
        response
    }

    fn closed(&self, connection: &Connection, clean: bool) {
        self.0.closed(ConnectionId(connection.id), clean);
    }
}

async fn switch(request: Request<()>) -> io::Result<(Socket, Bytes)> {
    let upgraded = hyper::upgrade::on(request).await;
    Socket::take(upgraded.map_err(io::Error::other)?)
}

fn of(caller: &Caller) -> transport::Connection {
    transport::Connection {
        id: ConnectionId(caller.connection.id),
        address: caller.address,
        secure: caller.secure,
    }
}
