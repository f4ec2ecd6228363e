//! The README's examples, run as they are written.

use crate::world::{Server, node};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The agent's example was refused (`not-joined`), and none said which packages it needs.
#[tokio::test]
async fn the_scripts_of_the_readme_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let port = free_port();
    let hook = format!(
        "[push]\ncustomhttp.url = \"http://127.0.0.1:{port}/hook\"\ncustomhttp.secret = [\"{SECRET}\"]"
    );
    let text = std::fs::read_to_string(readme).unwrap();
    assert!(
        text.contains(&hook.replace(&port.to_string(), "9000")),
        "the configuration too is the README's"
    );
    let server = Server::with().config(&hook).start().await;
    let arguments = [
        readme,
        &server.public(""),
        &server.internal(""),
        &port.to_string(),
        SECRET,
        &server.admin_token(),
        folder.path().to_str().unwrap(),
    ];
    let said = node("readme.mjs", &arguments).await;
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

/// A port that nobody listens on for now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
