//! Signatures, checked by the Standard Webhooks libraries that receivers use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::world::{Agent, Post, Receiver, RestChat, Server, node, python};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn the_published_libraries_accept_what_is_sent_and_nothing_else() {
    let mut receiver = Receiver::start().await;
    let toml = format!(
        "[push]\ncustomhttp.url = \"{}\"\ncustomhttp.secret = [\"{SECRET}\", \"{OLD_SECRET}\"]",
        receiver.url()
    );
    let server = Server::with().config(&toml).start().await;
    let fields = [
        ("nickname", "Zoë 🦀"),
        ("userData[GCTI_Chat_PushSubscribe]", "true"),
        ("userData[GCTI_GMS_PushDeviceId]", "dev-42"),
        ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
        ("userData[GCTI_GMS_PushIncludePayload]", "true"),
    ];
    let chat = RestChat::request(&server, &fields).await;
    let mut bob = Agent::bob(&server).await;
    bob.join(&chat.id).await;
    bob.say(&chat.id, "grüße, 你好, \u{1F44B}").await;
    let posts: Vec<Value> = vec![
        as_json(&receiver.next().await),
        as_json(&receiver.next().await),
    ];

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("posts.json");
    std::fs::write(
        &file,
        json!({"secrets": [SECRET, OLD_SECRET], "posts": posts}).to_string(),
    )
    .unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        node("webhooks.mjs", &[file]).await.trim(),
        "verified 4, refused 4"
    );
    assert_eq!(
        python("webhooks.py", &[file]).await.trim(),
        "verified 4, refused 4"
    );
}

fn as_json(post: &Post) -> Value {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: serde_json::Map<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!(post.header(name))))
        .collect();
    json!({"headers": headers, "body": STANDARD.encode(&post.body)})
}
