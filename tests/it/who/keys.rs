//! What keys and identifiers are worth: nobody finds one, and a wrong one costs the server next to nothing.

use std::collections::HashSet;

use super::customers::{CHANNEL, OVER_COMETD, OVER_REST, REST, ask, send, two_services};
use super::table::Table;
use crate::world::{Bayeux, Caller, Door, RestChat, Server};

/// A key that opens nothing costs no read of the store, whatever is asked with it, and whether or not the chat is in memory.
#[tokio::test]
async fn a_wrong_key_never_reaches_the_store() {
    let mut server = two_services().await;
    let alice = RestChat::alice(&server).await;
    alice.say("on the disk").await;
    let mallory = RestChat::request(&server, &[("nickname", "Mallory")]).await;
    assert_eq!(server.stop().await.code(), Some(0));
    server.start_again().await;
    let mut client = Bayeux::connect(Door::Socket, server.public, "/genesys/cometd", None).await;
    let before = reads(&server).await;
    for (call, _) in Table::read(OVER_REST).rows {
        for (user, key) in [
            (&alice.user, &mallory.key),
            (&mallory.user, &mallory.key),
            (&alice.user, &String::new()),
        ] {
            let who = RestChat::of(&server, &alice.id, user, key);
            assert_eq!(
                send(&server, who, REST, call, None).await.json()["statusCode"],
                2
            );
        }
    }
    for (operation, _) in Table::read(OVER_COMETD).rows {
        let key = alice.key[..24].to_owned() + &mallory.key[24..];
        assert_eq!(
            ask(&mut client, CHANNEL, operation, &key).await,
            "unknown",
            "{operation}"
        );
    }
    assert_eq!(
        reads(&server).await,
        before,
        "a stranger made the store read"
    );
    alice.transcript(1).await;
    assert!(
        reads(&server).await > before,
        "and who may read makes it read"
    );
}

async fn reads(server: &Server) -> u64 {
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("parlor_store_reads_total "));
    line.unwrap().parse().unwrap()
}

/// What opens a chat is made of a secret and of chance: no two are alike, and from one nothing of the next is known.
#[tokio::test]
async fn identifiers_and_keys_have_nothing_in_common() {
    let server = Server::start().await;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for _ in 0..200 {
        let chat = RestChat::alice(&server).await;
        let secret = &chat.key[24..];
        assert_eq!(
            (secret.len(), chat.user.len()),
            (32, 16),
            "128 bits, and 64"
        );
        seen.push(format!("{secret}{}", chat.user).into_bytes());
    }
    // Of 200 fair draws each of 16 digits is in every place 12.5 times on average; none is there 50 times by chance.
    for place in 0..seen[0].len() {
        for digit in b"0123456789abcdef" {
            let count = seen
                .iter()
                .filter(|text| text[place].eq_ignore_ascii_case(digit))
                .count();
            assert!(count < 50, "digit {digit} stands {count} times at {place}");
        }
    }
    let mut clients = HashSet::new();
    for _ in 0..50 {
        let client = Bayeux::handshake(Door::Polling, server.public, "/genesys/cometd", None).await;
        assert_eq!(client.client_id.len(), 22, "128 bits");
        assert!(clients.insert(client.client_id.clone()));
        assert!(clients.insert(client.cookie().to_owned()));
    }
}
