//! Options: where they come from, what is wrong with them, and when they are read again.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::world::{RestChat, Server, blocking, certificate, eventually};

#[tokio::test]
async fn flags_beat_the_environment_which_beats_the_file() {
    let base = || Server::with().config("[settings]\nmax-message-size = 10");
    let variable = "PARLOR__SETTINGS__MAX_MESSAGE_SIZE";
    let starts = [
        (10, base()),
        (20, base().environment(variable, "20")),
        (
            30,
            base()
                .environment(variable, "20")
                .set("settings.max-message-size=30"),
        ),
    ];
    for (limit, start) in starts {
        let server = start.start().await;
        let chat = RestChat::alice(&server).await;
        chat.say(&"x".repeat(limit)).await;
        assert_eq!(
            chat.call("send", &[("message", &"x".repeat(limit + 1))])
                .await
                .json()["statusCode"],
            2,
            "{limit}"
        );
    }
}

#[tokio::test]
async fn exit_codes_say_what_is_wrong() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[settings]\nflex-push-resend-delay = 0\n").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (data, file, other) = (
        path(&server.data_dir()),
        path(&file),
        path(&folder.path().join("data")),
    );
    let (any, taken) = ("127.0.0.1:0".to_owned(), server.public.to_string());
    let cases = [
        (64, vec!["serve", "--no-such-flag"], "--no-such-flag"),
        (
            78,
            vec!["serve", "--config", &file, "--data-dir", &other],
            "bad.toml:2",
        ),
        (
            78,
            vec![
                "serve",
                "--set",
                "settings.no-such-option=1",
                "--data-dir",
                &other,
            ],
            "no-such-option",
        ),
        (
            74,
            vec![
                "serve",
                "--data-dir",
                &data,
                "--public",
                &any,
                "--internal",
                &any,
            ],
            "lock",
        ),
        (
            69,
            vec![
                "serve",
                "--data-dir",
                &other,
                "--public",
                &taken,
                "--internal",
                &any,
            ],
            &taken,
        ),
    ];
    for (code, arguments, said) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
        command.args(&arguments).stdin(Stdio::null());
        let output = blocking(move || command.output().unwrap()).await;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {complaint}"
        );
        assert!(
            complaint.contains(said),
            "{arguments:?} names what is wrong: {complaint}"
        );
        assert!(output.stdout.is_empty(), "no ready line");
    }
}

#[tokio::test]
async fn certificates_are_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str, kind: &str| std::fs::read(certificate(name, kind)).unwrap();
    let place = |name: &str| {
        for kind in ["crt", "key"] {
            let file = folder.path().join(format!("server.{kind}"));
            std::fs::write(file, fixture(name, kind)).unwrap();
        }
    };
    place("localhost");
    let path = |kind: &str| {
        folder
            .path()
            .join(format!("server.{kind}"))
            .display()
            .to_string()
    };
    let server = Server::with()
        .set(&format!("server.public-tls-certificate={}", path("crt")))
        .set(&format!("server.public-tls-key={}", path("key")))
        .start()
        .await;
    let url = format!(
        "https://localhost:{}/genesys/2/chat/none",
        server.public.port()
    );
    let trusted = |name: &str| {
        let certificate = reqwest::Certificate::from_pem(&fixture(name, "crt")).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([certificate]);
        let request = client.build().unwrap().post(&url).send();
        async move { request.await.is_ok() }
    };
    assert!(trusted("localhost").await && !trusted("other").await);

    std::fs::write(folder.path().join("server.crt"), "no certificate").unwrap();
    server.signal(Signal::HUP);
    eventually("the refusal", || {
        std::future::ready(server.log().contains("server.crt").then_some(()))
    })
    .await;
    assert!(trusted("localhost").await, "the running certificate stays");

    place("other");
    server.signal(Signal::HUP);
    eventually("the new certificate", || async {
        trusted("other").await.then_some(())
    })
    .await;
    assert!(!trusted("localhost").await);
}

#[tokio::test]
async fn sighup_takes_the_configuration_whole_or_not_at_all() {
    let server = Server::with()
        .config("[settings]\nmax-message-size = 100")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    let accepts = |bytes: usize| {
        let chat = chat.clone();
        async move {
            chat.call("send", &[("message", &"x".repeat(bytes))])
                .await
                .json()["statusCode"]
                == 0
        }
    };
    assert!(accepts(100).await && !accepts(101).await);

    let good = std::fs::read_to_string(server.config_file()).unwrap();
    std::fs::write(
        server.config_file(),
        good.replace(
            "max-message-size = 100",
            "max-message-size = 200\nno-such-option = 1",
        ),
    )
    .unwrap();
    server.signal(Signal::HUP);
    eventually("the refusal, with the line at fault", || {
        let log = server.log();
        std::future::ready(
            (log.contains("no-such-option") && log.contains("parlor.toml:3")).then_some(()),
        )
    })
    .await;
    assert!(!accepts(150).await, "the running configuration stays");

    std::fs::write(
        server.config_file(),
        good.replace("max-message-size = 100", "max-message-size = 200"),
    )
    .unwrap();
    server.signal(Signal::HUP);
    eventually("the new limit", || async {
        accepts(150).await.then_some(())
    })
    .await;
}
