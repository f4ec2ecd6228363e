//! Customers, over REST and over CometD.

use reqwest::Method;
use serde_json::{Value, json};

use super::table::Table;
use crate::world::{Bayeux, Customer, Door, Reply, RestChat, Server, events};

pub(super) const REST: &str = "/genesys/2/chat/customer-support";
pub(super) const CHANNEL: &str = "/service/chatV2/customer-support";
const OTHER: &str = "/service/chatV2/other";

/// `done`; `unknown`: the same bytes as for a chat that never was; else the HTTP status.
///
/// *cometd key*: alice with the key of that door. *mallory*: another customer, with what opens a chat of her own;
/// *mallory, half*: with alice's `userId` and her own key. *old key*: of a chat that is over. *other service*: what opens
/// the chat, under another service's name. *strange page*: in a browser, from a page that is not among the allowed origins.
pub(super) const OVER_REST: &str = "
| call           | alice | cometd key | mallory | mallory, half | old key | nobody  | other service | strange page | sandbox |
| send           | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| startTyping    | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| stopTyping     | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| refresh        | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| disconnect     | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| pushUrl        | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| updateNickname | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| customNotice   | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| updateData     | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
| readReceipt    | done  | done       | unknown | unknown       | unknown | unknown | unknown       | 403          | 403     |
";

/// `done`; `unknown`: told that there is no such chat, or that it is over; `missing`: told that the key is; else the code of
/// the publish's error. An old key opens the chat that it was of, which can be read for a while.
///
/// *elsewhere*: alice with another client; *rest key*: with the key of that door. *mallory*: with the key of her own chat,
/// changed so that it names alice's. *stolen client*: alice's client id and key, over HTTP without her cookie.
pub(super) const OVER_COMETD: &str = "
| operation            | alice | elsewhere | rest key | mallory | old key | no key  | other service | stolen client |
| sendMessage          | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| startTyping          | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| stopTyping           | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| requestNotifications | done  | done      | done     | unknown | done    | missing | unknown       | 402           |
| disconnect           | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| pushUrl              | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| updateNickname       | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| customNotice         | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| updateData           | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
| readReceipt          | done  | done      | done     | unknown | unknown | missing | unknown       | 402           |
";

pub(super) async fn two_services() -> Server {
    Server::with().config("[chat.other]").start().await
}

#[tokio::test]
async fn over_rest_a_chat_is_its_customer_s() {
    let server = two_services().await;
    let table = Table::read(OVER_REST);
    let mallory = RestChat::request(&server, &[("nickname", "Mallory")]).await;
    let old = RestChat::request(&server, &[("nickname", "Mallory")]).await;
    old.call("disconnect", &[]).await.good();
    let never = send(
        &server,
        RestChat::of(&server, "0000000000000000", "", ""),
        REST,
        "refresh",
        None,
    )
    .await;
    let never = seen(&never, "0000000000000000");
    let mut found = Vec::new();
    for (call, _) in &table.rows {
        let mut row = Vec::new();
        for caller in &table.columns {
            let alice = chat_of(&server, caller).await;
            let with = |user: &str, key: &str| RestChat::of(&server, &alice.id, user, key);
            let (who, path, origin) = match *caller {
                "mallory" => (with(&mallory.user, &mallory.key), REST, None),
                "mallory, half" => (with(&alice.user, &mallory.key), REST, None),
                "old key" => (with(&old.user, &old.key), REST, None),
                "nobody" => (with("", ""), REST, None),
                "other service" => (alice.clone(), "/genesys/2/chat/other", None),
                "strange page" => (alice.clone(), REST, Some("https://evil.example")),
                "sandbox" => (alice.clone(), REST, Some("null")),
                _ => (alice.clone(), REST, None),
            };
            let reply = send(&server, who, path, call, origin).await;
            let outcome = match (reply.status, reply.json()["statusCode"].as_u64()) {
                (200, Some(0)) => "done".to_owned(),
                (200, _) if seen(&reply, &alice.id) == never => "unknown".to_owned(),
                (200, _) => reply.text(),
                (status, _) => status.to_string(),
            };
            if !["alice", "cometd key"].contains(caller) {
                untouched(&alice, call).await;
            }
            row.push(outcome);
        }
        found.push(row);
    }
    table.compare(&found);
}

async fn chat_of(server: &Server, caller: &str) -> RestChat {
    if caller != "cometd key" {
        return RestChat::alice(server).await;
    }
    let begun = Customer::alice(server, Door::Socket).await;
    RestChat::of(server, &begun.chat, "deprecated", &begun.key)
}

pub(super) async fn send(
    server: &Server,
    who: RestChat,
    path: &str,
    call: &str,
    origin: Option<&str>,
) -> Reply {
    let mut fields: Vec<_> = who
        .credentials()
        .map(|(name, value)| (name, json!(value)))
        .into();
    fields.extend([
        ("message", json!("let me in")),
        ("pushUrl", json!("https://evil.example/")),
        ("nickname", json!("Mallory")),
        ("userData", json!({"owned": "yes"})),
        ("transcriptPosition", json!(1)),
    ]);
    let body: serde_json::Map<_, _> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let url = server.public(&format!("{path}/{}/{call}", who.id));
    let mut request = who
        .caller
        .request(Method::POST, &url)
        .header("content-type", "application/json")
        .header("x-request-id", "same");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    who.caller
        .send(request.body(Value::from(body).to_string()))
        .await
}

/// All that a caller sees of a reply, with the chat that was named left out.
fn seen(reply: &Reply, chat: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = reply.headers.iter().filter(|(name, _)| *name != "date");
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (
        reply.status,
        headers.collect(),
        reply.text().replace(chat, "CHAT"),
    )
}

async fn untouched(alice: &RestChat, by: &str) {
    let reply = alice.call("refresh", &[]).await.good();
    assert_eq!(
        (events(&reply).len(), &reply["chatEnded"]),
        (1, &json!(false)),
        "{by} changed the chat: {reply}"
    );
}

#[tokio::test]
async fn over_cometd_a_chat_is_its_customer_s() {
    let server = two_services().await;
    let table = Table::read(OVER_COMETD);
    let mut own = Customer::request(&server, Door::Socket, json!({"nickname": "Mallory"})).await;
    let mut old = Customer::request(&server, Door::Socket, json!({"nickname": "Mallory"})).await;
    old.publish("disconnect", json!({})).await;
    own.say("mine").await;
    let mut found = Vec::new();
    for (operation, _) in &table.rows {
        let mut row = Vec::new();
        for caller in &table.columns {
            let door = if *caller == "stolen client" {
                Door::Polling
            } else {
                Door::Socket
            };
            let (mut alice, rest) = begin(&server, door, *caller == "rest key").await;
            let outcome = match *caller {
                "alice" | "rest key" => {
                    let key = alice.key.clone();
                    ask(&mut alice.bayeux, CHANNEL, operation, &key).await
                }
                "stolen client" => {
                    alice.bayeux.pretend(None);
                    let key = alice.key.clone();
                    let outcome = ask(&mut alice.bayeux, CHANNEL, operation, &key).await;
                    alice = Customer::resume(&server, Door::Socket, &key, 1).await;
                    outcome
                }
                other => {
                    let key = match other {
                        "mallory" => forged(&alice.key, &own.key),
                        "old key" => old.key.clone(),
                        "no key" => String::new(),
                        _ => alice.key.clone(),
                    };
                    let channel = if other == "other service" {
                        OTHER
                    } else {
                        CHANNEL
                    };
                    let mut client =
                        Bayeux::connect(Door::Socket, server.public, "/genesys/cometd", None).await;
                    ask(&mut client, channel, operation, &key).await
                }
            };
            if !["alice", "elsewhere", "rest key"].contains(caller) {
                alice.say("still mine").await;
                assert_eq!(
                    alice.seen.len(),
                    2,
                    "{operation} by {caller} changed the chat: {:?}",
                    alice.seen
                );
            }
            drop(rest);
            row.push(outcome);
        }
        found.push(row);
    }
    table.compare(&found);
}

/// Alice in a chat, begun at the one door or at the other.
async fn begin(server: &Server, door: Door, at_rest: bool) -> (Customer, Option<RestChat>) {
    if !at_rest {
        return (Customer::alice(server, door).await, None);
    }
    let rest = RestChat::alice(server).await;
    let mut alice = Customer::knock(server, door).await;
    alice.key.clone_from(&rest.key);
    (alice, Some(rest))
}

/// What names the one chat, and would open the other: the first twelve bytes of a key are its chat's.
fn forged(names: &str, opens: &str) -> String {
    names[..16].to_owned() + &opens[16..]
}

pub(super) async fn ask(client: &mut Bayeux, channel: &str, operation: &str, key: &str) -> String {
    let data = json!({"operation": operation, "secureKey": key, "message": "let me in", "pushUrl": "https://evil.example/",
        "nickname": "Mallory", "userData": {"owned": "yes"}, "transcriptPosition": 1});
    let reply = client.publish(channel, data).await;
    if reply["successful"] != true {
        let error = reply["error"].as_str().unwrap_or_default();
        return error.split(':').next().unwrap_or_default().to_owned();
    }
    // What is wrong is told before the publish is acknowledged, and is there with the next reply at the latest.
    client.meta_connect(Some(0)).await;
    let trouble = client
        .arrived()
        .into_iter()
        .find(|message| message["data"]["statusCode"] != 0);
    match trouble {
        None => "done".to_owned(),
        Some(told) if told["data"]["errors"][0]["code"] == 249 => {
            assert_eq!(
                (&told["data"]["chatEnded"], &told["data"]["messages"]),
                (&json!(true), &json!([])),
                "{told}"
            );
            "unknown".to_owned()
        }
        Some(told) if told["data"]["errors"][0]["advice"] == "secureKey is missing" => {
            assert_eq!(told["data"]["chatId"], "", "{told}");
            "missing".to_owned()
        }
        Some(told) => told.to_string(),
    }
}

/// Channels that are nobody's, or somebody else's.
#[tokio::test]
async fn customers_have_no_other_channel() {
    let server = two_services().await;
    for door in Door::BOTH {
        let mut mallory = Bayeux::connect(door, server.public, "/genesys/cometd", None).await;
        for channel in [
            "/service/agent",
            "/service/chatV2/nobody",
            "/service/chatV2/",
            "/service/chatV2/customer-support/x",
            "/a",
            "/service/chatV2/**",
            "/**",
        ] {
            let subscribed = mallory
                .request(json!({"channel": "/meta/subscribe", "subscription": channel}))
                .await;
            let published = mallory
                .publish(channel, json!({"operation": "sessions", "requestId": "1"}))
                .await;
            for reply in [subscribed, published] {
                let error = reply["error"].as_str().unwrap_or_default();
                assert!(
                    error.starts_with("403:") || error.starts_with("405:"),
                    "{channel}: {reply}"
                );
            }
        }
    }
}
