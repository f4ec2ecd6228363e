//! The command line: what it prints, where, and with which exit code it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use tempfile::{NamedTempFile, TempDir};

#[test]
fn a_wrong_command_line_is_64_and_help_is_not_wrong() {
    for wrong in [
        &["serv"][..],
        &["--port", "1"],
        &["config"],
        &["--set", "log.level"],
        &["agent", "token", "a/b"],
        &["agent", "token", "ann", "--role", "boss"],
    ] {
        let output = parlor(wrong);
        assert_eq!(code(&output), 64, "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    for right in [
        &["--help"][..],
        &["--version"],
        &["serve", "--help"],
        &["config", "check", "--help"],
        &["config", "show", "--help"],
        &["config", "default", "--help"],
        &["agent", "token", "--help"],
    ] {
        let output = parlor(right);
        assert_eq!(code(&output), 0, "{right:?}");
        let is_help = right.contains(&"--help");
        assert_eq!(stdout(&output).contains("xample:"), is_help, "{right:?}");
    }
}

#[test]
fn a_flag_that_is_no_assignment_is_refused_without_repeating_a_value() {
    let output = parlor(&[
        "config",
        "check",
        "--set",
        "cassandra.password=hunter2",
        "--set",
        "log.level=1",
    ]);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).starts_with("--set log.level: [log] level must be one of"));
    assert!(!stderr(&output).contains("hunter2"));
}

#[test]
fn the_default_file_is_a_valid_configuration() {
    let default = parlor(&["config", "default"]);
    let file = file(&stdout(&default));
    let output = parlor(&["config", "check", "--config", path(&file)]);
    assert_eq!(
        (code(&output), stdout(&output)),
        (0, "configuration is valid\n".into())
    );
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let file = file("[server]\nalias = \"a b\"\n\n[log]\nlevl = \"info\"\n");
    let path = path(&file);
    let output = Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["config", "check", "--config", path])
        .env("PARLOR__STORE__WORKER_THREADS", "many")
        .output()
        .unwrap();
    assert_eq!((code(&output), stdout(&output)), (78, String::new()));
    let told = stderr(&output);
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with(&format!(
        "{path}:2: [server] alias must be a text of 1 to 64"
    )));
    assert_eq!(
        lines[1],
        format!("{path}:5: unknown option levl in [log]; did you mean level?")
    );
    assert_eq!(
        lines[2],
        "environment variable PARLOR__STORE__WORKER_THREADS: \
         [store] worker-threads must be a whole number from 0 to 1024, not this text"
    );
}

#[test]
fn a_missing_file_is_named() {
    let output = parlor(&["config", "check", "--config", "/nowhere/parlor.toml"]);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).starts_with("/nowhere/parlor.toml: cannot be read: "));
}

#[test]
fn what_does_nothing_yet_is_a_warning() {
    let output = parlor(&[
        "config",
        "check",
        "--set",
        "settings.session-password-enforce=true",
    ]);
    assert_eq!(
        (code(&output), stdout(&output)),
        (0, "configuration is valid\n".into())
    );
    assert_eq!(
        stderr(&output),
        "warning: options that do nothing yet with their value: [settings] session-password-enforce\n"
    );
}

#[test]
fn show_tells_where_each_value_came_from() {
    let file =
        file("[server]\nalias = \"7\"\ninternal = \"127.0.0.1:1\"\npublic = \"127.0.0.1:2\"\n");
    let output = Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["config", "show", "--public", "127.0.0.1:3"])
        .env("PARLOR_CONFIG", path(&file))
        .env("PARLOR_DATA_DIR", "/tmp/a")
        .env("PARLOR__server__Internal", "127.0.0.1:4")
        .output()
        .unwrap();
    let shown = stdout(&output);
    for (value, origin) in [
        ("public = \"127.0.0.1:3\"", "# --public"),
        (
            "internal = \"127.0.0.1:4\"",
            "# environment variable PARLOR__server__Internal",
        ),
        ("alias = \"7\"", &format!("# {}:2", path(&file))),
        (
            "path = \"/tmp/a\"",
            "# environment variable PARLOR_DATA_DIR",
        ),
        ("drain-timeout = 10", "# default"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(value)).unwrap();
        assert!(line.ends_with(origin), "{line}");
    }
}

#[test]
fn an_agents_token_is_accepted_by_the_lines_that_come_with_it() {
    let output = parlor(&[
        "agent",
        "token",
        "ann",
        "--nickname",
        "Ann",
        "--role",
        "supervisor",
    ]);
    let text = stdout(&output);
    let (token, lines) = text.split_once("\n\n").unwrap();
    assert_eq!(token.len(), 64);
    assert!(!lines.contains(token) && lines.contains("role = \"supervisor\""));
    let file = file(lines);
    let shown = stdout(&parlor(&["config", "show", "--config", path(&file)]));
    assert!(shown.contains("[agent.ann]\nnickname = \"Ann\""), "{shown}");
    assert_ne!(stdout(&parlor(&["agent", "token", "ann"])), text);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["config", "default"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_data_folder_that_is_a_file_is_74() {
    let file = file("");
    let output = parlor(&["serve", "--data-dir", path(&file)]);
    assert_eq!(code(&output), 74);
    assert!(stderr(&output).contains(path(&file)));
}

#[test]
fn a_server_does_not_start_with_a_bad_configuration_nor_make_a_folder_for_it() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let output = parlor(&[
        "--data-dir",
        data.to_str().unwrap(),
        "--public",
        "localhost",
    ]);
    assert_eq!(code(&output), 78);
    assert!(
        stderr(&output).starts_with("--public: [server] public must be an IP address and a port")
    );
    assert!(!data.exists());
}

#[test]
fn an_admin_token_that_is_none_is_refused() {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("admin-token");
    std::fs::write(&token, "short").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = parlor(&["--data-dir", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 74);
    assert!(stderr(&output).starts_with(token.to_str().unwrap()));
}

fn parlor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(args)
        .output()
        .unwrap()
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
