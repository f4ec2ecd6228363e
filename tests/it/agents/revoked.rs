//! What SIGHUP means to agents who are in.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::world::{Agent, BOB, Bayeux, Door, RestChat, Server, eventually, sha256_hex};

/// The operator took a leaked token out of the configuration and sent SIGHUP. Whoever had it open went on reading and writing
/// in all chats, for as long as the connection held.
#[tokio::test]
async fn an_agent_who_was_taken_out_of_the_configuration_is_out_at_once() {
    for door in Door::BOTH {
        let server = unhurried().await;
        let chat = RestChat::alice(&server).await;
        let mut carol = Agent::carol(&server).await;
        carol.join(&chat.id).await;
        let mut bob = Agent::with_token(&server, door, BOB).await;
        bob.join(&chat.id).await;
        reload(&server, without_bob);
        let left = carol.event("ParticipantLeft").await;
        assert_eq!(left["from"]["nickname"], "Bob");
        let request = json!({"operation": "transcript", "requestId": "x", "session": chat.id});
        let reply = bob.bayeux.publish("/service/agent", request).await;
        assert!(is_unknown(&reply), "{reply}");
        assert!(!may_come_in(&server, BOB).await);
        // The others have not noticed.
        carol.say(&chat.id, "still here").await;
        sent_away(&server, "bob").await;
    }
}

#[tokio::test]
async fn who_is_sent_away_while_listening_is_told_whether_to_come_back() {
    let server = unhurried().await;
    let replies =
        sent_away_while_listening(&server, |toml| toml.replace("\"Bob\"", "\"Robert\"")).await;
    assert!(is_unknown(&replies[0]), "to shake hands again: {replies:?}");
    let replies = sent_away_while_listening(&server, without_bob).await;
    assert_eq!(replies[0]["channel"], "/meta/disconnect", "{replies:?}");
    assert_eq!(replies[1]["advice"], json!({"reconnect": "none"}));
}

/// What bob is told who waits for news while the operator changes the configuration.
async fn sent_away_while_listening(server: &Server, change: Change) -> Vec<Value> {
    let mut bob = Agent::bob(server).await;
    let client = bob.bayeux.client_id.clone();
    let held = json!([{"id": "held", "channel": "/meta/connect", "connectionType": "websocket", "clientId": client}]);
    bob.bayeux.send(held).await;
    // What comes by one WebSocket is handled in order.
    bob.ask("sessions", json!({})).await.unwrap();
    reload(server, change);
    bob.bayeux.exchange(json!([]), "held").await
}

/// A new token is the old one's end; a new role counts from now on, and not from whenever the desktop is started again.
#[tokio::test]
async fn an_agent_whose_account_is_another_now_has_to_come_in_anew() {
    let changes: [(Change, bool); 3] = [
        (
            |toml| toml.replace(&sha256_hex(BOB), &sha256_hex("new")),
            false,
        ),
        (|toml| toml.replace("\"agent\"", "\"supervisor\""), true),
        (|toml| toml.replace("\"Bob\"", "\"Robert\""), true),
    ];
    for (change, comes_back) in changes {
        let server = unhurried().await;
        let mut bob = Agent::bob(&server).await;
        let mut carol = Agent::carol(&server).await;
        reload(&server, change);
        sent_away(&server, "bob").await;
        let reply = bob.bayeux.publish("/service/agent", json!({})).await;
        assert!(is_unknown(&reply), "{reply}");
        assert_eq!(may_come_in(&server, BOB).await, comes_back);
        carol.ask("sessions", json!({})).await.unwrap();
    }
}

/// A reload that changes nothing of an agent leaves it alone.
#[tokio::test]
async fn a_reload_about_others_is_not_noticed() {
    let server = unhurried().await;
    let chat = RestChat::alice(&server).await;
    let mut bob = Agent::bob(&server).await;
    let mut carol = Agent::carol(&server).await;
    let joined = bob.join(&chat.id).await;
    reload(&server, |toml| toml.replace("\"Carol\"", "\"Caroline\""));
    sent_away(&server, "carol").await;
    bob.say(&chat.id, "as before").await;
    assert_eq!(
        bob.join(&chat.id).await["participantId"],
        joined["participantId"]
    );
    let reply = carol.bayeux.publish("/service/agent", json!({})).await;
    assert!(is_unknown(&reply), "{reply}");
}

/// A server on which nobody leaves for want of patience.
async fn unhurried() -> Server {
    Server::with()
        .config("[cometd]\nmaxInterval = 3600000")
        .start()
        .await
}

fn without_bob(toml: String) -> String {
    let (begin, end) = (toml.find("[agent.bob]"), toml.find("[agent.carol]"));
    [&toml[..begin.unwrap()], &toml[end.unwrap()..]].concat()
}

/// What an operator does to the configuration.
type Change = fn(String) -> String;

/// The operator writes the configuration anew and sends SIGHUP.
fn reload(server: &Server, change: impl FnOnce(String) -> String) {
    let toml = std::fs::read_to_string(server.config_file()).unwrap();
    std::fs::write(server.config_file(), change(toml)).unwrap();
    server.signal(Signal::HUP);
}

/// The log names an agent who has been sent away.
async fn sent_away(server: &Server, agent: &str) {
    let named = format!("agent=\"{agent}\"");
    eventually("the line in the log", || async {
        let log = server.log();
        let mut lines = log.lines().filter(|line| line.contains("was sent away"));
        lines.any(|line| line.contains(&named)).then_some(())
    })
    .await;
}

/// The server does not know the session any more.
fn is_unknown(reply: &Value) -> bool {
    let error = reply["error"].as_str().unwrap_or_default();
    reply["successful"] == false
        && error.starts_with("402:")
        && reply["advice"]["reconnect"] == "handshake"
}

async fn may_come_in(server: &Server, token: &str) -> bool {
    let ext = json!({"authentication": {"token": token}});
    let client = Bayeux::handshake(Door::Socket, server.internal, "/cometd", Some(ext)).await;
    client.greeting["successful"] == true
}
