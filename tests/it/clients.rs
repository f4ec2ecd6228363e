//! Clients that others wrote, unchanged: CometD's JavaScript client (newest and older majors) and Faye's.

use serde_json::json;

use crate::world::{Agent, BOB, Server, node};

#[tokio::test]
async fn cometd_clients_of_three_generations_hold_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for version in ["cometd", "cometd-7", "cometd-3"] {
        for transport in ["websocket", "long-polling"] {
            let said = node("cometd.mjs", &[version, transport, &url]).await;
            assert_eq!(
                said.lines().last(),
                Some("done"),
                "{version} over {transport}:\n{said}"
            );
        }
    }
}

#[tokio::test]
async fn a_cometd_client_with_acknowledgements_holds_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in ["websocket", "long-polling"] {
        let said = node("cometd.mjs", &["cometd", transport, &url, "ack"]).await;
        assert_eq!(said.lines().last(), Some("done"), "{transport}:\n{said}");
    }
}

#[tokio::test]
async fn row_146_where_no_websocket_passes_a_client_falls_back() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    let said = node("cuts.mjs", &["any", &url, "refuse"]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn row_147_and_148_what_is_said_during_a_cut_is_heard_after_it() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in ["websocket", "long-polling"] {
        let said = node("cuts.mjs", &[transport, &url, "cut"]).await;
        assert_eq!(said.lines().last(), Some("done"), "{transport}:\n{said}");
    }
    let server = Server::with()
        .set("cometd.timeout=500")
        .set("cometd.maxInterval=1000")
        .start()
        .await;
    let url = server.public("/genesys/cometd");
    for transport in ["websocket", "long-polling"] {
        let said = node("cuts.mjs", &[transport, &url, "expire"]).await;
        assert_eq!(said.lines().last(), Some("done"), "{transport}:\n{said}");
    }
}

#[tokio::test]
async fn a_faye_client_holds_a_chat() {
    let server = Server::start().await;
    let url = server.public("/genesys/cometd");
    for transport in ["websocket", "long-polling"] {
        let said = node("faye.mjs", &[transport, &url]).await;
        assert_eq!(said.lines().last(), Some("done"), "{transport}:\n{said}");
    }
}

#[tokio::test]
async fn a_stock_client_can_be_an_agent() {
    let server = Server::start().await;
    let mut carol = Agent::carol(&server).await;
    let chat = crate::world::RestChat::alice(&server).await;
    let said = node("agent.mjs", &[&server.internal("/cometd"), BOB, &chat.id]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
    let joined = carol
        .ask("join", json!({"session": chat.id}))
        .await
        .unwrap();
    assert_eq!(
        crate::world::texts(joined["transcript"].as_array().unwrap()),
        ["hello from a stock client"]
    );
}
