//! The transports over real sockets, with a toy application behind them.

mod answers;
mod floods;
mod framing;
mod http;
mod partings;
mod server;
mod sizes;
mod sockets;
mod toy;

use serde_json::{Value, json};

use server::Server;

fn handshake() -> Value {
    json!({"id": "1", "channel": "/meta/handshake", "version": "1.0"})
}

fn connect(client: &str) -> Value {
    json!({"id": "2", "channel": "/meta/connect", "clientId": client})
}

/// One that is answered at once, with what waits.
fn connect_at_once(client: &str) -> Value {
    json!({"id": "0", "channel": "/meta/connect", "clientId": client, "advice": {"timeout": 0}})
}

fn publish(client: &str, id: &str, data: impl Into<Value>) -> Value {
    json!({"id": id, "channel": "/service/echo", "clientId": client, "data": data.into()})
}

/// The data of the events among messages.
fn data(messages: &[Value]) -> Vec<Value> {
    let events = messages
        .iter()
        .filter(|message| message["successful"].is_null());
    events.map(|event| event["data"].clone()).collect()
}
