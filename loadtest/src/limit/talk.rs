//! What is said: of each message the channel, the identifiers and where its data stand, found without parsing it.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use memchr::memmem;

/// A connection, by its number.
pub type Line = usize;

/// How a client is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Requests and responses: events go with the response to a connect.
    Http,
    /// Events go at once.
    WebSocket,
}

/// Everybody, and the channels they listen to.
#[derive(Default)]
pub struct Talk {
    // Over HTTP too one's own event goes with the reply to its publish.
    rides: bool,
    clients: Vec<Client>,
    channels: HashMap<Vec<u8>, Vec<usize>>,
}

struct Client {
    carrier: Carrier,
    line: Line,
    // The identifier of the connect that waits for an event, over HTTP.
    held: Option<Vec<u8>>,
    // What has come while no connect waited, each with a comma behind it.
    waiting: Vec<u8>,
}

impl Talk {
    /// Nobody yet. Over HTTP one's own event goes with the next connect, or `rides` with the reply to its publish.
    pub fn new(rides: bool) -> Self {
        Self {
            rides,
            ..Self::default()
        }
    }

    /// One message came over `line`; `say` takes what is to be said, and over which line.
    pub fn heard(
        &mut self,
        line: Line,
        carrier: Carrier,
        message: &[u8],
        say: &mut impl FnMut(Line, &[u8]),
    ) -> Result<()> {
        let channel = field(message, b"\"channel\":\"").context("a message without a channel")?;
        let id = field(message, b"\"id\":\"").context("a message without an id")?;
        if channel == b"/meta/handshake" {
            say(line, &self.handshake(line, carrier, id));
            return Ok(());
        }
        let client = self.client(message)?;
        match channel {
            b"/meta/connect" => self.connect(client, line, id, message, say),
            b"/meta/subscribe" => {
                let subscription = field(message, b"\"subscription\":\"");
                let subscription = subscription.context("a subscription to nothing")?.to_vec();
                say(line, &reply(id, channel));
                self.channels.entry(subscription).or_default().push(client);
            }
            b"/meta/disconnect" => {
                self.channels
                    .values_mut()
                    .for_each(|listeners| listeners.retain(|&listener| listener != client));
                say(line, &reply(id, channel));
            }
            _ => self.publish((client, line), id, channel, message, say)?,
        }
        Ok(())
    }

    /// Nobody is at the other end of it any more.
    pub fn gone(&mut self, line: Line) {
        let clients = &self.clients;
        for listeners in self.channels.values_mut() {
            listeners.retain(|client| clients[*client].line != line);
        }
    }

    fn client(&self, message: &[u8]) -> Result<usize> {
        let client = field(message, b"\"clientId\":\"").context("a message without a client")?;
        let client: usize = std::str::from_utf8(client)?.parse()?;
        (client < self.clients.len())
            .then_some(client)
            .context("a client that was never here")
    }

    fn handshake(&mut self, line: Line, carrier: Carrier, id: &[u8]) -> Vec<u8> {
        let client = self.clients.len();
        self.clients.push(Client {
            carrier,
            line,
            held: None,
            waiting: Vec::new(),
        });
        let mut said = reply(id, b"/meta/handshake");
        said.truncate(said.len() - b"}]".len());
        said.extend_from_slice(format!(",\"clientId\":\"{client}\"}}]").as_bytes());
        said
    }

    fn connect(
        &mut self,
        client: usize,
        line: Line,
        id: &[u8],
        message: &[u8],
        say: &mut impl FnMut(Line, &[u8]),
    ) {
        let client = &mut self.clients[client];
        client.line = line;
        let at_once = memmem::find(message, b"\"timeout\":0").is_some();
        if at_once || !client.waiting.is_empty() {
            client.answer(id, say);
        } else if client.carrier == Carrier::Http {
            client.held = Some(id.to_vec());
        }
    }

    fn publish(
        &mut self,
        (publisher, line): (usize, Line),
        id: &[u8],
        channel: &[u8],
        message: &[u8],
        say: &mut impl FnMut(Line, &[u8]),
    ) -> Result<()> {
        let data = memmem::find(message, b"\"data\":").context("a publish without data")?;
        let data = message.get(data..message.len() - b"}]".len());
        let data = data.context("a message that ends too soon")?;
        let event = [b"{\"channel\":\"", channel, b"\",", data, b"}"].concat();
        let alone = [b"[", &*event, b"]"].concat();
        let mut own = reply(id, channel);
        for &listener in self.channels.get(channel).into_iter().flatten() {
            let client = &mut self.clients[listener];
            match client.carrier {
                carrier
                    if listener == publisher && (self.rides || carrier == Carrier::WebSocket) =>
                {
                    own.splice(1..1, [&*event, b","].concat());
                }
                Carrier::WebSocket => say(client.line, &alone),
                Carrier::Http => {
                    client.waiting.extend_from_slice(&event);
                    client.waiting.push(b',');
                    if let Some(id) = client.held.take() {
                        client.answer(&id, say);
                    }
                }
            }
        }
        say(line, &own);
        Ok(())
    }
}

impl Client {
    // The reply to a connect, with what has come.
    fn answer(&mut self, id: &[u8], say: &mut impl FnMut(Line, &[u8])) {
        let mut said = reply(id, b"/meta/connect");
        said.splice(1..1, self.waiting.drain(..));
        say(self.line, &said);
    }
}

fn reply(id: &[u8], channel: &[u8]) -> Vec<u8> {
    [
        b"[{\"id\":\"",
        id,
        b"\",\"channel\":\"",
        channel,
        b"\",\"successful\":true}]",
    ]
    .concat()
}

// The text behind `name`, up to its closing quote.
fn field<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = memmem::find(message, name)? + name.len();
    let length = memchr::memchr(b'"', &message[start..])?;
    Some(&message[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(talk: &mut Talk, line: Line, carrier: Carrier, message: &str) -> Vec<(Line, String)> {
        let mut all = Vec::new();
        talk.heard(line, carrier, message.as_bytes(), &mut |line, body| {
            all.push((line, String::from_utf8(body.to_vec()).unwrap()));
        })
        .unwrap();
        all
    }

    const HANDSHAKE: &str = r#"[{"channel":"/meta/handshake","id":"1"}]"#;
    const SUBSCRIBE: &str =
        r#"[{"channel":"/meta/subscribe","clientId":"0","id":"2","subscription":"/a"}]"#;
    const CONNECT: &str = r#"[{"id":"3","clientId":"0","channel":"/meta/connect"}]"#;
    const PUBLISH: &str = r#"[{"id":"4","clientId":"0","channel":"/a","data":{"x":1}}]"#;

    #[test]
    fn over_http_an_event_goes_with_the_connect() {
        let mut talk = Talk::new(false);
        for message in [HANDSHAKE, SUBSCRIBE] {
            assert_eq!(said(&mut talk, 0, Carrier::Http, message).len(), 1);
        }
        assert_eq!(said(&mut talk, 0, Carrier::Http, CONNECT), []);
        let event = r#"[{"channel":"/a","data":{"x":1}},{"id":"3","channel":"/meta/connect","successful":true}]"#;
        let own = r#"[{"id":"4","channel":"/a","successful":true}]"#;
        let both = [(0, event.to_owned()), (1, own.to_owned())];
        assert_eq!(said(&mut talk, 1, Carrier::Http, PUBLISH), both);
        // Without a connect it waits for the next.
        assert_eq!(said(&mut talk, 1, Carrier::Http, PUBLISH), both[1..]);
        assert_eq!(said(&mut talk, 0, Carrier::Http, CONNECT), both[..1]);
    }

    #[test]
    fn over_http_it_may_ride_on_the_reply() {
        let mut talk = Talk::new(true);
        for message in [HANDSHAKE, SUBSCRIBE, CONNECT] {
            said(&mut talk, 0, Carrier::Http, message);
        }
        let own =
            r#"[{"channel":"/a","data":{"x":1}},{"id":"4","channel":"/a","successful":true}]"#;
        let said = said(&mut talk, 1, Carrier::Http, PUBLISH);
        assert_eq!(said, [(1, own.to_owned())]);
    }

    #[test]
    fn over_a_websocket_it_goes_at_once_and_to_oneself_with_the_reply() {
        let mut talk = Talk::new(false);
        for message in [HANDSHAKE, SUBSCRIBE] {
            said(&mut talk, 0, Carrier::WebSocket, message);
        }
        let own =
            r#"[{"channel":"/a","data":{"x":1}},{"id":"4","channel":"/a","successful":true}]"#;
        assert_eq!(
            said(&mut talk, 0, Carrier::WebSocket, PUBLISH),
            [(0, own.to_owned())]
        );
        talk.gone(0);
        assert_eq!(said(&mut talk, 5, Carrier::WebSocket, PUBLISH).len(), 1);
    }
}
