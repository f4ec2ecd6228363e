//! Pages of strangers, names that are not ours, and what the pages are sent with.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::table::Table;
use crate::world::{BOB, Caller, Server, within};

/// The status that each caller gets. Where a stranger's page gets 200, it may not read it: no header lets it.
///
/// A preflight is answered to everybody, and says that nothing is allowed.
///
/// *program*: no browser at all; *own page*: a page of the listener; *strange page*: of another site; *sandbox*: with
/// `Origin: null`; *rebound*: a page of a name that its owner has pointed at this machine.
const DOORS: &str = "
| request                       | program | own page | strange page | sandbox | rebound |
| internal GET /console         | 200     | 200      | 200          | 200     | 421     |
| internal GET /assets/list.js  | 200     | 200      | 200          | 200     | 421     |
| internal GET /metrics         | 200     | 200      | 200          | 200     | 421     |
| internal GET /livez           | 200     | 200      | 200          | 200     | 421     |
| internal GET /readyz          | 200     | 200      | 200          | 200     | 421     |
| internal POST /console        | 405     | 405      | 403          | 403     | 421     |
| internal POST /metrics        | 405     | 405      | 403          | 403     | 421     |
| internal POST /cometd         | 200     | 200      | 403          | 403     | 421     |
| internal UPGRADE /cometd      | 101     | 101      | 403          | 403     | 421     |
| internal PREFLIGHT /cometd    | 204     | 204      | 204          | 204     | 421     |
| internal POST /genesys/2/chat/customer-support | 404 | 404 | 403     | 403     | 421     |
| internal POST /genesys/cometd | 404     | 404      | 403          | 403     | 421     |
| public GET /                  | 200     | 200      | 200          | 200     | 200     |
| public GET /console           | 404     | 404      | 404          | 404     | 404     |
| public GET /metrics           | 404     | 404      | 404          | 404     | 404     |
| public GET /readyz            | 404     | 404      | 404          | 404     | 404     |
| public POST /cometd           | 404     | 404      | 403          | 403     | 404     |
| public POST /genesys/2/chat/customer-support | 200 | 200 | 403       | 403     | 200     |
| public PREFLIGHT /genesys/2/chat/customer-support | 204 | 204 | 204  | 204     | 204     |
| public POST /genesys/cometd   | 200     | 200      | 403          | 403     | 200     |
| public UPGRADE /genesys/cometd | 101    | 101      | 403          | 403     | 101     |
";

#[tokio::test]
async fn strangers_pages_stay_outside() {
    let server = Server::start().await;
    let table = Table::read(DOORS);
    let mut found = Vec::new();
    for (request, _) in &table.rows {
        let [listener, method, path] = request.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{request}");
        };
        let address = if listener == "internal" {
            server.internal
        } else {
            server.public
        };
        let mut row = Vec::new();
        for caller in &table.columns {
            let (host, origin) = match *caller {
                "program" => (address.to_string(), None),
                "own page" => (address.to_string(), Some(format!("http://{address}"))),
                "strange page" => (address.to_string(), Some("https://evil.example".to_owned())),
                "sandbox" => (address.to_string(), Some("null".to_owned())),
                _ => (
                    "evil.example".to_owned(),
                    Some("http://evil.example".to_owned()),
                ),
            };
            let origin = origin
                .map(|origin| format!("Origin: {origin}\r\n"))
                .unwrap_or_default();
            let answer = Answer::to(address, &written(method, path, &host, &origin)).await;
            if !origin.is_empty() {
                assert_eq!(
                    answer.header("access-control-allow-origin"),
                    "",
                    "{request}, {caller}"
                );
                assert_eq!(
                    answer.header("access-control-allow-credentials"),
                    "",
                    "{request}, {caller}"
                );
            }
            if answer.status != 101 {
                assert_eq!(
                    answer.header("x-content-type-options"),
                    "nosniff",
                    "{request}, {caller}"
                );
            }
            row.push(answer.status.to_string());
        }
        found.push(row);
    }
    table.compare(&found);
}

fn written(method: &str, path: &str, host: &str, origin: &str) -> String {
    let head = |method: &str, more: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{origin}{more}\r\n")
    };
    match method {
        "UPGRADE" => head(
            "GET",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        "PREFLIGHT" => head("OPTIONS", "Access-Control-Request-Method: POST\r\n"),
        "POST" => {
            // What a page may send without asking before: a form, or JSON that says it is text.
            let (kind, body) = match path.ends_with("cometd") {
                true => (
                    "text/plain",
                    format!(
                        r#"[{{"id":"1","channel":"/meta/handshake","version":"1.0","ext":{{"authentication":{{"token":"{BOB}"}}}}}}]"#
                    ),
                ),
                false => (
                    "application/x-www-form-urlencoded",
                    "nickname=Mallory".to_owned(),
                ),
            };
            head(
                "POST",
                &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()),
            ) + &body
        }
        _ => head(method, ""),
    }
}

/// The head of an answer to a request as it stands.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
}

impl Answer {
    async fn to(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        within("the head of an answer", async {
            while !read.windows(4).any(|end| end == b"\r\n\r\n") {
                assert!(
                    stream.read_buf(&mut read).await.unwrap() > 0,
                    "closed without an answer: {request}"
                );
            }
        })
        .await;
        let head = String::from_utf8_lossy(&read);
        let lines = head.lines().skip(1).take_while(|line| !line.is_empty());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: head[9..12].parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A script element can send no `Origin` and reads whatever answers with JavaScript.
#[tokio::test]
async fn a_script_of_a_strange_page_reads_no_replies() {
    let server = Server::with()
        .set("cometd.transports=[\"long-polling\", \"callback-polling\"]")
        .start()
        .await;
    let path = "/genesys/cometd?jsonp=cb&message=%5B%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%2C%22version%22%3A%221.0%22%7D%5D";
    for (more, status) in [
        ("", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        (
            "Sec-Fetch-Site: cross-site\r\nReferer: https://evil.example/\r\n",
            403,
        ),
    ] {
        let answer = Answer::to(
            server.public,
            &format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n",
                server.public
            ),
        )
        .await;
        assert_eq!(answer.status, status, "{more}");
    }
}

#[tokio::test]
async fn every_file_of_the_pages_is_fenced_in() {
    let server = Server::start().await;
    let fences = [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    let policies = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ];
    let files = |listener: &str, names: &[&str]| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("{listener}{name}"))
            .collect()
    };
    let public = files(
        &server.public(""),
        &[
            "/",
            "/assets/bayeux.js",
            "/assets/talk.js",
            "/assets/customer.js",
            "/assets/customer.css",
            "/assets/icon.svg",
        ],
    );
    let internal = files(
        &server.internal(""),
        &[
            "/console",
            "/assets/bayeux.js",
            "/assets/talk.js",
            "/assets/list.js",
            "/assets/console.js",
            "/assets/console.css",
            "/assets/icon.svg",
        ],
    );
    for url in public.iter().chain(&internal) {
        let reply = Caller::new().get(url).await;
        assert_eq!(reply.status, 200, "{url}");
        for (name, value) in fences {
            assert_eq!(reply.header(name), value, "{url}");
        }
        let policy = reply.header("content-security-policy");
        let parts: Vec<_> = policy.split(';').map(str::trim).collect();
        assert!(
            policies.iter().all(|part| parts.contains(part)) && !policy.contains("unsafe"),
            "{url}: {policy}"
        );
        assert_eq!(reply.header("set-cookie"), "", "{url}");
    }
}

#[tokio::test]
async fn the_cookie_is_out_of_the_reach_of_scripts_and_strangers() {
    let server = Server::with()
        .config("[server]\ntrusted-proxies = [\"127.0.0.1\"]")
        .start()
        .await;
    let hello = r#"[{"channel":"/meta/handshake","version":"1.0"}]"#;
    for (proto, attributes) in [
        ("http", "Path=/; HttpOnly; SameSite=Lax"),
        (
            "https",
            "Path=/; HttpOnly; SameSite=None; Secure; Partitioned",
        ),
    ] {
        let caller = Caller::new();
        let request = caller.request(reqwest::Method::POST, &server.public("/genesys/cometd"));
        let reply = caller
            .send(
                request
                    .header("x-forwarded-proto", proto)
                    .header("content-type", "application/json")
                    .body(hello),
            )
            .await;
        let (browser, rest) = reply.header("set-cookie").split_once("; ").unwrap();
        assert_eq!(
            (browser.len(), rest),
            ("BAYEUX_BROWSER=".len() + 32, attributes),
            "{proto}"
        );
    }
}
