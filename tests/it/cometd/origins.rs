//! Pages of other origins: which may poll, call back and open WebSockets.

use reqwest::Method;

use crate::world::{Caller, Server};

const SHOP: &str = "[server]\nallowed-origins = [\"https://shop.example\"]";

#[tokio::test]
async fn another_origins_page_gets_no_websocket() {
    for (config, friend) in [("", None), (SHOP, Some("https://shop.example"))] {
        let server = Server::with().config(config).start().await;
        let caller = Caller::new();
        let upgrade = |origin: &str| {
            let request = caller
                .request(Method::GET, &server.public("/genesys/cometd"))
                .header("origin", origin);
            let request = request
                .header("connection", "Upgrade")
                .header("upgrade", "websocket");
            request
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        };
        for origin in ["https://evil.example", "null", "https://shop.example.evil"] {
            let reply = caller.send(upgrade(origin)).await;
            assert_eq!(reply.status, 403, "{origin}");
        }
        let own = server.public("");
        for origin in friend.into_iter().chain([own.as_str()]) {
            let reply = upgrade(origin).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), 101, "{origin}");
        }
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_poll_with_their_cookies() {
    let server = Server::with().config(SHOP).start().await;
    let (caller, url) = (Caller::new(), server.public("/genesys/cometd/connect"));
    let ask = |method: Method, origin: &str| {
        let request = caller.request(method, &url).header("origin", origin);
        let request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        caller.send(request.body("[]"))
    };
    for (method, status) in [(Method::OPTIONS, 204), (Method::POST, 200)] {
        let friend = ask(method.clone(), "https://shop.example").await;
        assert_eq!(friend.status, status);
        assert_eq!(
            friend.header("access-control-allow-origin"),
            "https://shop.example"
        );
        assert_eq!(friend.header("access-control-allow-credentials"), "true");
        for origin in ["https://evil.example", "null"] {
            let stranger = ask(method.clone(), origin).await;
            assert_eq!(stranger.header("access-control-allow-origin"), "");
            assert_eq!(stranger.header("access-control-allow-credentials"), "");
        }
    }
    let preflight = ask(Method::OPTIONS, "https://shop.example").await;
    let header = |name: &str| preflight.header(name).to_lowercase();
    assert!(header("access-control-allow-methods").contains("post"));
    assert!(header("access-control-allow-headers").contains("content-type"));
}

#[tokio::test]
async fn callbacks_are_for_the_pages_that_may_call() {
    let server = Server::with()
        .config(
            "[server]\nallowed-origins = [\"https://shop.example\"]\n[cometd]\n\
             transports = [\"websocket\", \"long-polling\", \"callback-polling\"]",
        )
        .start()
        .await;
    let caller = Caller::new();
    let ask = |callback: &str, page: Option<&str>| {
        let url = server.public(&format!("/genesys/cometd?jsonp={callback}&message=%5B%5D"));
        let mut request = caller.request(Method::GET, &url);
        if let Some(page) = page {
            request = request
                .header("sec-fetch-site", "cross-site")
                .header("referer", page);
        }
        caller.send(request)
    };
    let own = ask("jsonp.1", None).await;
    assert_eq!((own.status, own.text()), (200, "jsonp.1([])".to_owned()));
    assert!(own.header("content-type").starts_with("text/javascript"));
    assert_eq!(
        ask("cb", Some("https://shop.example/chat")).await.status,
        200
    );
    assert_eq!(
        ask("cb", Some("https://evil.example/chat")).await.status,
        403
    );
    for bad in ["alert(1)", "", &"a".repeat(65)] {
        assert_eq!(ask(bad, None).await.status, 400, "{bad}");
    }
}
