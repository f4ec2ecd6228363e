//! Customers and agents of a Parlor, as Bayeux clients.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::bayeux::{Door, Newcomer, Transport};
use crate::mark::Mark;
use crate::net::{Setup, request};
use crate::server::{AGENT_TOKEN, Parlor};

/// The channel of the service that every Parlor has.
pub const SERVICE: &str = "/service/chatV2/customer-support";
/// The channel of agents.
pub const AGENT: &str = "/service/agent";

/// Where customers knock.
pub fn public(parlor: &Parlor) -> Door {
    Door {
        at: parlor.public,
        path: "/genesys/cometd".to_owned(),
        token: None,
    }
}

/// Where agents knock.
pub fn internal(parlor: &Parlor) -> Door {
    Door {
        at: parlor.internal,
        path: "/cometd".to_owned(),
        token: Some(AGENT_TOKEN),
    }
}

/// A chat, as its customer knows it.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The session, as agents name it.
    pub id: String,
    /// What the customer proves itself with.
    pub key: String,
}

/// A customer who has begun a chat.
pub fn customer(parlor: &Parlor, transport: Transport, writes: bool) -> Result<(Newcomer, Chat)> {
    let mut newcomer = Newcomer::handshake(&public(parlor), transport, writes)?;
    newcomer.subscribe(SERVICE)?;
    let request = json!({"operation": "requestChat", "nickname": "Ana", "subject": "Load"});
    let chat = newcomer.publish(SERVICE, request, |message| {
        let data = &message["data"];
        Some(Chat {
            id: data["chatId"].as_str()?.to_owned(),
            key: data["secureKey"].as_str()?.to_owned(),
        })
    })?;
    Ok((newcomer, chat))
}

/// An agent who has joined these sessions.
pub fn agent<'a>(parlor: &Parlor, sessions: impl IntoIterator<Item = &'a str>) -> Result<Newcomer> {
    let mut newcomer = Newcomer::handshake(&internal(parlor), Transport::Websocket, true)?;
    newcomer.subscribe(AGENT)?;
    for session in sessions {
        let request = json!({"operation": "join", "requestId": session, "session": session, "visibility": "ALL"});
        let answer = newcomer.publish(AGENT, request, |message| {
            (message["data"]["requestId"] == session).then(|| message["data"].clone())
        })?;
        (answer["ok"] == true)
            .then_some(())
            .with_context(|| format!("the agent may not join: {answer}"))?;
    }
    Ok(newcomer)
}

/// The data of a customer's message. Keys are base64 or hexadecimal, and texts plain: nothing needs escaping.
pub fn send_message(chat: &Chat, mark: Mark, size: usize) -> String {
    format!(
        "{{\"operation\":\"sendMessage\",\"secureKey\":\"{}\",\"message\":\"{}\"}}",
        chat.key,
        mark.text(size)
    )
}

/// The data of an agent's message.
pub fn agent_message(chat: &Chat, mark: Mark, size: usize) -> String {
    format!(
        "{{\"operation\":\"message\",\"requestId\":\"{}\",\"session\":\"{}\",\"text\":\"{}\"}}",
        mark.number,
        chat.id,
        mark.text(size)
    )
}

/// Where chats begin over REST.
pub const REST: &str = "/genesys/2/chat/customer-support";
/// The media type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The user id and the chat of the answer to a request for a chat over REST.
pub fn begun(reply: &Value) -> Result<(String, Chat)> {
    let field = |name: &str| {
        reply[name]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no chat: {reply}"))
    };
    Ok((
        field("userId")?,
        Chat {
            id: field("chatId")?,
            key: field("secureKey")?,
        },
    ))
}

/// A call of one chat.
pub fn rest_path(chat: &Chat, call: &str) -> String {
    format!("{REST}/{}/{call}", chat.id)
}

/// The body of a message over REST.
pub fn rest_message(chat: &Chat, user: &str, mark: Mark, size: usize) -> String {
    let text = mark
        .text(size)
        .replace(' ', "+")
        .replace('<', "%3C")
        .replace('>', "%3E");
    // Keys are base64 or hexadecimal.
    let key = chat.key.replace('+', "%2B");
    format!("userId={user}&secureKey={key}&alias=1&message={text}")
}

/// The whole request of one.
pub fn rest_send(to: &SocketAddr, chat: &Chat, user: &str, mark: Mark, size: usize) -> String {
    request(
        to,
        &rest_path(chat, "send"),
        FORM,
        &rest_message(chat, user, mark, size),
    )
}

/// The body that begins an async chat with a push subscription over REST.
pub fn subscribing(number: usize) -> String {
    format!(
        "nickname=Ana&subject=Load&userData[GCTI_Chat_AsyncMode]=true&userData[GCTI_Chat_PushSubscribe]=true\
         &userData[GCTI_GMS_PushDeviceId]=device-{number}&userData[GCTI_GMS_PushDeviceType]=customhttp\
         &userData[GCTI_GMS_PushIncludePayload]=true"
    )
}

/// What the server says of itself, as Prometheus would read it.
pub fn metrics(parlor: &Parlor) -> Result<String> {
    Setup::http(parlor.internal, "/metrics")?.fetch()
}

/// One number of [`metrics`], by its name without labels.
pub fn metric(metrics: &str, name: &str) -> Result<f64> {
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("the server's metrics have no {name}"))
}
