//! Both pages in headless Chromium, as people use them. Screenshots are left in `target/screenshots`.

use std::path::Path;

use crate::world::{Agent, RestChat, Server, blocking, eventually, node, target, texts};

#[tokio::test]
async fn a_customer_and_an_agent_talk_page_to_page() {
    let server = Server::start().await;
    let said = play(&server, "conversation", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn every_state_of_both_pages_is_accessible() {
    let server = Server::start().await;
    let said = play(&server, "states", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

/// The console had no way to transfer a chat, and nobody was told why an agent had left.
#[tokio::test]
async fn an_agent_holds_transfers_and_leaves_by_keyboard() {
    let server = Server::start().await;
    let said = play(&server, "keyboard", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

/// Right-to-left text was laid out from the left, with its full stops at the wrong end.
#[tokio::test]
async fn every_language_and_very_long_words_keep_the_pages_whole() {
    let server = Server::start().await;
    let said = play(&server, "languages", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn five_hundred_messages_are_shown_each_once_and_in_order() {
    let server = Server::start().await;
    let said = play(&server, "many", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn where_websockets_do_not_pass_the_pages_poll() {
    let server = Server::start().await;
    let said = play(&server, "polling", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

/// Of two tabs with one chat the older was told nothing any more: what was written there stood as unsent for ever.
#[tokio::test]
async fn two_tabs_with_one_chat_both_show_what_is_written_in_them() {
    let server = Server::start().await;
    let said = play(&server, "tabs", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn what_others_write_is_text_and_nothing_else() {
    let server = Server::start().await;
    let evil =
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    let chat = RestChat::request(
        &server,
        &[("nickname", evil), ("subject", evil), ("userData[k]", evil)],
    )
    .await;
    chat.say(evil).await;
    chat.call(
        "pushUrl",
        &[("pushUrl", "javascript:document.title='owned'")],
    )
    .await;
    let said = play(&server, "hostile", &[evil]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn a_strange_page_can_do_nothing_to_ours() {
    let server = Server::start().await;
    let said = play(&server, "strangers", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn inside_of_the_pages_nothing_runs_but_their_own_files() {
    let server = Server::start().await;
    let said = play(&server, "inside", &[]).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

#[tokio::test]
async fn the_pages_outlive_a_killed_server() {
    let mut server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (ready, cut) = (folder.path().join("ready"), folder.path().join("cut"));
    let (public, internal, token) = (server.public(""), server.internal(""), server.admin_token());
    let arguments = [path(&ready), path(&cut)];
    let script = async {
        node(
            "browser.mjs",
            &[
                "restart",
                &public,
                &internal,
                &token,
                &screenshots().await,
                &arguments[0],
                &arguments[1],
            ],
        )
        .await
    };
    let (said, ()) = tokio::join!(script, async {
        appears("the pages in a chat", &ready).await;
        server.kill9().await;
        appears("the pages without a server", &cut).await;
        server.start_again().await;
    });
    assert_eq!(said.lines().last(), Some("done"), "{said}");

    let mut carol = Agent::carol(&server).await;
    let list = carol.ask("sessions", serde_json::json!({})).await.unwrap();
    let session = list["sessions"][0]["session"].as_str().unwrap().to_owned();
    let joined = carol.join(&session).await;
    let heard = texts(joined["transcript"].as_array().unwrap());
    assert_eq!(
        heard,
        ["before", "while it was down", "and you?", "after"],
        "each once"
    );
}

async fn play(server: &Server, scenario: &str, more: &[&str]) -> String {
    let (public, internal, token, shots) = (
        server.public(""),
        server.internal(""),
        server.admin_token(),
        screenshots().await,
    );
    let mut arguments = vec![scenario, &public, &internal, &token, &shots];
    arguments.extend_from_slice(more);
    node("browser.mjs", &arguments).await
}

async fn screenshots() -> String {
    let folder = target().join("screenshots");
    let made = folder.clone();
    blocking(move || std::fs::create_dir_all(made).unwrap()).await;
    path(&folder)
}

async fn appears(what: &str, file: &Path) {
    eventually(what, || std::future::ready(file.exists().then_some(()))).await;
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
