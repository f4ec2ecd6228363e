//! Agents, supervisors and bots, and those who are none.

use serde_json::{Value, json};

use super::table::Table;
use crate::world::{Agent, BOB, Bayeux, CAROL, Door, ROBBIE, RestChat, Server};

/// `done`, the code of the refusal, or the code of the publish's error.
///
/// *agent*, *supervisor* and *bot* are in the chat with ALL, *coach* is an agent in it with INT, and *monitor* a supervisor
/// with VIP; *agent out*, *supervisor out* and *bot out* are not in it. *customer*: whoever has the public listener;
/// *nobody*: without a handshake.
const ON_THE_AGENTS_CHANNEL: &str = "
| request             | agent     | agent out  | coach     | supervisor | supervisor out | monitor   | bot       | bot out    | customer | nobody |
| sessions            | done      | done       | done      | done       | done           | done      | done      | done       | 403      | 402    |
| join ALL            | done      | done       | done      | done       | done           | done      | done      | done       | 403      | 402    |
| join INT            | done      | done       | done      | done       | done           | done      | done      | done       | 403      | 402    |
| join VIP            | forbidden | forbidden  | forbidden | done       | done           | done      | forbidden | forbidden  | 403      | 402    |
| monitor             | forbidden | forbidden  | forbidden | done       | done           | done      | forbidden | forbidden  | 403      | 402    |
| transcript          | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| message             | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| message ALL         | done      | not-joined | forbidden | done       | not-joined     | forbidden | done      | not-joined | 403      | 402    |
| message INT         | done      | not-joined | done      | done       | not-joined     | forbidden | done      | not-joined | 403      | 402    |
| message VIP         | forbidden | not-joined | forbidden | done       | not-joined     | done      | forbidden | not-joined | 403      | 402    |
| message to customer | done      | not-joined | forbidden | done       | not-joined     | forbidden | done      | not-joined | 403      | 402    |
| typing-started      | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| typing-stopped      | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| push-url            | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| custom              | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| nickname            | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| read-confirm        | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| file-uploaded       | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| file-deleted        | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| configure-session   | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| release oneself     | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| release the customer | done     | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| release a bot       | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| release an agent    | forbidden | not-joined | forbidden | done       | not-joined     | done      | forbidden | not-joined | 403      | 402    |
| release a supervisor | forbidden | not-joined | forbidden | done      | not-joined     | done      | forbidden | not-joined | 403      | 402    |
| force-close         | done      | not-joined | done      | done       | not-joined     | done      | done      | not-joined | 403      | 402    |
| another chat        | unknown-session | unknown-session | unknown-session | unknown-session | unknown-session | unknown-session | unknown-session | unknown-session | 403 | 402 |
";

#[tokio::test]
async fn each_role_has_its_requests() {
    let server = Server::start().await;
    let table = Table::read(ON_THE_AGENTS_CHANNEL);
    let mut others = [
        Agent::bob(&server).await,
        Agent::carol(&server).await,
        Agent::robbie(&server).await,
    ];
    let mut found = vec![Vec::new(); table.rows.len()];
    for caller in &table.columns {
        for (place, (request, _)) in table.rows.iter().enumerate() {
            let chat = RestChat::alice(&server).await;
            let mut asked = requested(request, &chat.id);
            if let Some(whom) = request.strip_prefix("release a") {
                let whom = ["n agent", " supervisor", " bot"]
                    .iter()
                    .position(|role| *role == whom)
                    .unwrap();
                asked["participantId"] = others[whom].join(&chat.id).await["participantId"].clone();
            }
            found[place].push(outcome(&server, caller, &chat.id, asked).await);
        }
    }
    table.compare(&found);
}

fn requested(request: &str, session: &str) -> Value {
    let mut asked = match request.split_once(' ').unwrap_or((request, "")) {
        ("sessions", _) => json!({"operation": "sessions"}),
        ("join", visibility) => json!({"operation": "join", "visibility": visibility}),
        ("monitor", _) => json!({"operation": "monitor"}),
        ("transcript", _) => json!({"operation": "transcript", "position": 1}),
        ("message", "to customer") => json!({"operation": "message", "text": "hello", "to": 1}),
        ("message", "") => json!({"operation": "message", "text": "hello"}),
        ("message", visibility) => {
            json!({"operation": "message", "text": "hello", "visibility": visibility})
        }
        ("release", "oneself") => json!({"operation": "release"}),
        ("release", _) => json!({"operation": "release", "participantId": 1}),
        ("force-close", _) => {
            json!({"operation": "release", "participantId": 1, "afterAction": "force-close"})
        }
        ("another", _) => json!({"operation": "transcript"}),
        (notice, _) => {
            json!({"operation": "notice", "notice": notice, "text": "https://x.example/",
            "userData": {"last-event-id": "1", "file-name": "a.txt", "GCTI_LanguageCode": "en"}})
        }
    };
    let unknown = request == "another chat";
    asked["session"] = json!(if unknown { "0000000000000000" } else { session });
    asked["requestId"] = json!("1");
    asked
}

async fn outcome(server: &Server, caller: &str, session: &str, asked: Value) -> String {
    let (token, visibility) = match caller {
        "customer" | "nobody" => return denied(server, caller, asked).await,
        "agent" => (BOB, "ALL"),
        "agent out" => (BOB, ""),
        "coach" => (BOB, "INT"),
        "supervisor" => (CAROL, "ALL"),
        "supervisor out" => (CAROL, ""),
        "monitor" => (CAROL, "VIP"),
        "bot" => (ROBBIE, "ALL"),
        "bot out" => (ROBBIE, ""),
        other => panic!("{other}"),
    };
    let mut agent = Agent::with_token(server, Door::Socket, token).await;
    if !visibility.is_empty() {
        let join = json!({"session": session, "visibility": visibility});
        agent.ask("join", join).await.unwrap();
    }
    let operation = asked["operation"].as_str().unwrap().to_owned();
    let outcome = agent.ask(&operation, asked).await;
    agent.bayeux.disconnect(None).await;
    outcome.map_or_else(|code| code, |_| "done".to_owned())
}

async fn denied(server: &Server, caller: &str, asked: Value) -> String {
    let reply = if caller == "customer" {
        let mut customer =
            Bayeux::connect(Door::Socket, server.public, "/genesys/cometd", None).await;
        customer.publish("/service/agent", asked).await
    } else {
        let mut stranger = Bayeux::handshake(Door::Socket, server.internal, "/cometd", None).await;
        stranger.publish("/service/agent", asked).await
    };
    assert_eq!(reply["successful"], false, "{reply}");
    let error = reply["error"].as_str().unwrap();
    error.split(':').next().unwrap().to_owned()
}

/// Every token that is not right gets the same answer, and so does no token at all.
#[tokio::test]
async fn a_refused_token_is_told_nothing() {
    let server = Server::start().await;
    let admin = server.admin_token();
    let tokens = [
        Value::Null,
        json!(""),
        json!("guess"),
        json!(7),
        json!([BOB]),
        json!({"token": BOB}),
        json!(BOB.to_uppercase()),
        json!(&BOB[..BOB.len() - 1]),
        json!(format!("{BOB} ")),
        json!(&admin[1..]),
        json!("x".repeat(10_000)),
    ];
    for door in Door::BOTH {
        let mut told = Vec::new();
        for token in &tokens {
            let ext = json!({"authentication": {"token": token}});
            let mut greeting = Bayeux::handshake(door, server.internal, "/cometd", Some(ext))
                .await
                .greeting;
            assert_eq!(greeting["advice"]["reconnect"], "none", "{greeting}");
            greeting["id"] = Value::Null;
            told.push(greeting.to_string());
        }
        told.push({
            let mut greeting = Bayeux::handshake(door, server.internal, "/cometd", None)
                .await
                .greeting;
            greeting["id"] = Value::Null;
            greeting.to_string()
        });
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("\"403::handshake_denied\""), "{told:?}");
    }
}
