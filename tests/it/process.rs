//! The process: its first start, its ready line, its signals, its options, its health.

mod drain;
mod folder;
mod options;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::world::{Agent, Bayeux, CAROL, Caller, Customer, Door, RestChat, Server, python};

#[tokio::test]
async fn the_first_start_makes_a_data_folder_and_shows_the_console_once() {
    let mut server = Server::start().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.data_dir()), 0o700);
    assert_eq!(mode(&server.data_dir().join("admin-token")), 0o600);
    let token = server.admin_token();
    assert!(token.len() >= 32, "at least 128 bits");
    let console = format!("{}#token={token}", server.internal("/console"));
    assert_eq!(
        server.log().matches(&console).count(),
        1,
        "{}",
        server.log()
    );

    server.stop().await;
    server.start_again().await;
    assert_eq!(
        (server.admin_token(), server.log().matches(&token).count()),
        (token, 1),
        "not again"
    );
}

#[tokio::test]
async fn health_tells_the_truth() {
    let server = Server::start().await;
    let caller = Caller::new();
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            caller.get(&server.internal(path)).await.status,
            200,
            "{path}"
        );
        assert_eq!(
            caller.get(&server.public(path)).await.status,
            404,
            "not for customers: {path}"
        );
    }
    RestChat::alice(&server).await;
    let metrics = caller.get(&server.internal("/metrics")).await;
    assert!(
        metrics
            .text()
            .lines()
            .any(|line| line.starts_with("parlor_")),
        "{}",
        metrics.text()
    );
}

/// What an operator looks at on the first day.
#[tokio::test]
async fn the_metrics_of_the_first_day_are_there() {
    let server = Server::with()
        .set("push.customhttp.url=http://127.0.0.1:9/hook")
        .start()
        .await;
    RestChat::alice(&server).await.say("counted").await;
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    for line in [
        "parlor_events_total{type=\"ParticipantJoined\"} 1",
        "parlor_events_total{type=\"Message\"} 1",
        "parlor_events_total{type=\"IdleClose\"} 0",
        "parlor_connections{listener=\"public\"} ",
        "parlor_websockets{listener=\"public\"} 0",
        "parlor_long_polls{listener=\"internal\"} 0",
        "parlor_sessions_live 1",
        "parlor_sessions_dormant 0",
        "parlor_store_commit_seconds_bucket{",
        "parlor_store_commit_records_bucket{",
        "parlor_store_free_bytes ",
        "parlor_store_queue_full_total 0",
        "parlor_shard_queue_full_total 0",
        "parlor_queue_full_total 0",
        "parlor_push_deliveries_total{destination=\"customhttp\",outcome=\"delivered\"} 0",
        "parlor_push_deliveries_total{destination=\"customhttp\",outcome=\"dead\"} 0",
        "parlor_push_dead_letters_total{destination=\"customhttp\"} 0",
        "parlor_push_owed{destination=\"customhttp\"} 0",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
    ] {
        let there = metrics.lines().any(|one| one.starts_with(line));
        assert!(there, "{line} in {metrics}");
    }
}

// Two histograms had no bucket for all: Prometheus' own parser refused the whole page, and no percentile could be told.
#[tokio::test]
async fn the_metrics_are_what_prometheus_reads() {
    let server = Server::start().await;
    RestChat::alice(&server).await.say("counted").await;
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &metrics).unwrap();
    let families = python("metrics.py", &[file.path().to_str().unwrap()]).await;
    assert!(families.trim().parse::<u32>().unwrap() > 20, "{families}");
    assert!(
        metrics.contains("parlor_store_commit_seconds_bucket{le=\"+Inf\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_internal_listener_knows_its_names() {
    let server = Server::with()
        .config("[server]\ninternal-hosts = [\"agents.example\"]")
        .start()
        .await;
    let caller = Caller::new();
    let ask = |host: &str| {
        caller.send(
            caller
                .request(reqwest::Method::GET, &server.internal("/livez"))
                .header("host", host),
        )
    };
    for host in [
        "127.0.0.1",
        "localhost:8081",
        "[::1]:8081",
        "agents.example",
    ] {
        assert_eq!(ask(host).await.status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        assert!(matches!(ask(host).await.status, 403 | 421), "{host}");
    }
}

#[tokio::test]
async fn the_pages_come_with_a_strict_policy() {
    let server = Server::start().await;
    let caller = Caller::new();
    let pages = [
        server.public("/"),
        server.public("/assets/customer.js"),
        server.public("/assets/customer.css"),
        server.public("/assets/bayeux.js"),
        server.internal("/console"),
        server.internal("/assets/console.js"),
        server.internal("/assets/console.css"),
        server.internal("/assets/bayeux.js"),
    ];
    for url in pages {
        let reply = caller.get(&url).await;
        let policy = reply.header("content-security-policy");
        assert_eq!(reply.status, 200, "{url}");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{url}: {policy}"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
    let console = caller.get(&server.internal("/console")).await;
    assert!(
        console
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(caller.get(&server.public("/console")).await.status, 404);
    assert_eq!(
        caller
            .get(&server.public("/assets/console.js"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn no_secret_and_no_word_of_a_chat_reaches_the_log() {
    let server = Server::with().set("log.level=trace").start().await;
    let fields = [
        ("nickname", "Alice-planted"),
        ("subject", "subject-planted"),
        ("userData[k]", "data-planted"),
    ];
    let rest = RestChat::request(&server, &fields).await;
    rest.say("text-planted").await;
    rest.call("refresh", &[("transcriptPosition", "bad-planted")])
        .await;
    let mut comet = Customer::alice(&server, Door::Socket).await;
    comet.say("text-planted").await;
    let mut carol = Agent::carol(&server).await;
    carol.join(&rest.id).await;
    carol.say(&rest.id, "text-planted").await;
    let refused = Bayeux::handshake(
        Door::Socket,
        server.internal,
        "/cometd",
        Some(json!({"authentication": {"token": "guess-planted"}})),
    );
    assert_eq!(refused.await.greeting["successful"], false);

    let first_lines = server
        .log()
        .replace(&format!("#token={}", server.admin_token()), "");
    for secret in [
        "planted",
        &rest.key,
        &comet.key,
        CAROL,
        &server.admin_token(),
        &comet.bayeux.client_id,
        &carol.bayeux.client_id,
    ] {
        assert!(!first_lines.contains(secret), "{secret} is in the log");
    }
}
