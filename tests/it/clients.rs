//! Clients that others wrote, unchanged: CometD's JavaScript client (newest and older majors), Faye's,
//! and aiocometd of Python.

use serde_json::json;

use crate::world::{Agent, BOB, Server, certificate, node, python};

const TRANSPORTS: [&str; 2] = ["websocket", "long-polling"];

#[tokio::test]
async fn row_142_and_143_cometd_clients_of_three_generations_hold_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for version in ["cometd", "cometd-7", "cometd-3"] {
        for transport in TRANSPORTS.into_iter().chain(["any"]) {
            let said = node("cometd.mjs", &[version, transport, &url]).await;
            is_done(&said, &format!("{version} over {transport}"));
        }
    }
}

#[tokio::test]
async fn row_142_a_cometd_client_with_acknowledgements_holds_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in TRANSPORTS.into_iter().chain(["any"]) {
        let said = node("cometd.mjs", &["cometd", transport, &url, "ack"]).await;
        is_done(&said, transport);
    }
}

#[tokio::test]
async fn a_cometd_client_holds_a_chat_over_tls() {
    let path = |kind| certificate("localhost", kind).display().to_string();
    let server = Server::with()
        .set(&format!("server.public-tls-certificate={}", path("crt")))
        .set(&format!("server.public-tls-key={}", path("key")))
        .start()
        .await;
    let url = format!("https://{}/genesys/cometd", server.public);
    for transport in TRANSPORTS {
        let said = node("cometd.mjs", &["cometd", transport, &url]).await;
        is_done(&said, transport);
    }
}

#[tokio::test]
async fn row_144_a_faye_client_holds_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in TRANSPORTS {
        is_done(&node("faye.mjs", &[transport, &url]).await, transport);
    }
}

#[tokio::test]
async fn row_145_an_aiocometd_client_holds_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in TRANSPORTS {
        let said = python("cometd.py", &[transport, &url, "chat"]).await;
        is_done(&said, transport);
    }
}

#[tokio::test]
async fn row_146_where_no_websocket_passes_a_client_falls_back() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    let mut took = Vec::new();
    for status in ["400", "403", "404"] {
        let said = node("cuts.mjs", &["any", &url, "refuse", status]).await;
        is_done(&said, status);
        let millis: u64 = said.lines().next().unwrap().parse().unwrap();
        took.push(millis);
    }
    // A machine that is busy makes one of them slow; a pause of the client's would be in all.
    assert!(took.iter().min() < Some(&1_000), "{took:?}");
}

#[tokio::test]
async fn row_146_where_websockets_are_switched_off_a_client_falls_back() {
    let config = "[cometd]\ntransports = [\"long-polling\"]";
    let server = Server::with().config(config).start().await;
    let url = server.public("/genesys/cometd");
    let said = node("cuts.mjs", &["any", &url, "refuse"]).await;
    is_done(&said, "any");
}

#[tokio::test]
async fn row_147_what_is_said_during_a_cut_is_heard_after_it() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in TRANSPORTS {
        let cometd = node("cuts.mjs", &[transport, &url, "cut"]).await;
        is_done(&cometd, &format!("CometD over {transport}"));
        let faye = node("faye.mjs", &[transport, &url, "cut"]).await;
        is_done(&faye, &format!("Faye over {transport}"));
        let aiocometd = python("cometd.py", &[transport, &url, "cut"]).await;
        is_done(&aiocometd, &format!("aiocometd over {transport}"));
    }
}

#[tokio::test]
async fn row_148_after_a_cut_that_outlasts_its_session_a_client_begins_anew() {
    for transport in TRANSPORTS {
        let server = Server::with()
            .set("cometd.timeout=500")
            .set("cometd.maxInterval=1000")
            .start()
            .await;
        let (url, metrics) = (
            server.public("/genesys/cometd"),
            server.internal("/metrics"),
        );
        let said = node("cuts.mjs", &[transport, &url, "expire", &metrics]).await;
        is_done(&said, transport);
    }
}

#[tokio::test]
async fn a_stock_client_can_be_an_agent() {
    let server = Server::start().await;
    let mut carol = Agent::carol(&server).await;
    let chat = crate::world::RestChat::alice(&server).await;
    let said = node("agent.mjs", &[&server.internal("/cometd"), BOB, &chat.id]).await;
    is_done(&said, "agent");
    let joined = carol
        .ask("join", json!({"session": chat.id}))
        .await
        .unwrap();
    assert_eq!(
        crate::world::texts(joined["transcript"].as_array().unwrap()),
        ["hello from a stock client"]
    );
}

/// Its last word.
fn is_done(said: &str, who: &str) {
    assert_eq!(said.lines().last(), Some("done"), "{who}:\n{said}");
}
