//! `[cometd] maxInactivity`, CometD's activity extension.

use serde_json::json;

use crate::world::{Agent, Customer, Door, Server};

/// A page that was left open held its session for ever, because listening alone keeps one alive. An agent may listen all day.
#[tokio::test]
async fn row_140_a_client_that_only_listens_is_sent_away() {
    let server = Server::with()
        .config("[cometd]\nmaxInactivity = 1500")
        .start()
        .await;
    let mut carol = Agent::carol(&server).await;
    for door in Door::BOTH {
        let mut alice = Customer::alice(&server, door).await;
        let begun = std::time::Instant::now();
        let mut advice = json!("retry");
        while advice != "none" {
            let reply = alice.bayeux.meta_connect(None).await;
            assert_eq!(reply["successful"], true, "it is told at once: {reply}");
            advice = reply["advice"]["reconnect"].clone();
        }
        let waited = begun.elapsed();
        assert!(waited.as_millis() > 1000, "{waited:?}");
        let reply = alice.bayeux.meta_connect(Some(0)).await;
        let error = reply["error"].as_str().unwrap();
        assert!(error.starts_with("402:"), "it is gone: {reply}");
        let mut again = Customer::resume(&server, door, &alice.key, 1).await;
        again.say("the chat goes on").await;
    }
    carol.ask("sessions", json!({})).await.unwrap();
}
