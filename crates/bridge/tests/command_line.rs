//! The program as its users start it: what it prints, and how it ends.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The three variables of the example, each a key of 32 bytes.
const VARIABLES: [&str; 3] = ["BRIDGE_DEMO_SECRET", "BRIDGE_SECURITIES_KEY", "BRIDGE_FUTURES_KEY"];

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counter-bridge"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/counter-bridge.toml")
}

#[test]
fn check_accepts_the_example_and_ends_with_0() {
    let file = example().display().to_string();
    let mut command = program(&["check", "--config", &file]);
    let output = command.envs(VARIABLES.map(|name| (name, name.repeat(2)))).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("ok: 2 counters, 1 app with 1 key; "));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn check_names_every_mistake_with_its_line_and_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("b.toml");
    fs::write(&file, "nmae = 'x'\n[api]\nlisten = 'x'\n[drain]\nbudget_s = 601\n").expect("a file");
    let file = file.display().to_string();
    for command in ["check", "serve"] {
        let output = run(&[command, "--config", &file]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        let told: Vec<&str> = text(&output.stderr).lines().collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (told, line) in told.iter().zip([1, 3, 5]) {
            assert!(told.starts_with(&format!("{file}:{line}: ")), "{told}");
        }
    }
}

/// A mistyped path is no record: it cannot be released, and nothing is made there.
#[test]
fn a_record_that_is_not_there_is_neither_released_nor_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("typo");
    let database = format!("sqlite://{}/bridge.sqlite", place.display());
    let file = example().display().to_string();
    for arguments in [
        &["record", "status", "--config", &file][..],
        &[
            "record",
            "release",
            "--config",
            &file,
            "--token-file",
            "lin",
            "--approver-token-file",
            "wang",
            "--reason",
            "it was asked",
        ],
    ] {
        let mut command = program(arguments);
        command.env("COUNTER_BRIDGE__DATABASE", &database);
        let output = command.envs(VARIABLES.map(|name| (name, name.repeat(2)))).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let told = text(&output.stderr);
        assert!(told.contains("bridge.sqlite") && told.contains("no such"), "{told}");
        assert!(!place.exists(), "{arguments:?}");
    }
}

#[test]
fn wrong_command_lines_end_with_2_and_say_why() {
    for arguments in [&["serve"][..], &["transfer", "--amount", "x"], &["nothing"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("error: "), "{arguments:?}");
    }
    let output = run(&["show", "2026112100000000001"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--key-id is missing"), "{}", text(&output.stderr));
}

#[test]
fn a_bridge_that_is_not_there_ends_a_look_at_it_with_1() {
    let output = run(&["status", "--operators", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("http://127.0.0.1:1/ does not answer"));
}

/// A company's proxy looks for 127.0.0.1 on a machine of its own.
#[test]
fn what_runs_on_this_machine_is_not_asked_of_a_proxy() {
    let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let (bridge, proxy) = (listen(), listen());
    let url =
        |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("an address"));
    let mut command = program(&["status", "--operators", &url(&bridge)]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, url(&proxy));
    }
    let mut status = command
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let (asked, who) = mpsc::channel();
    for (name, listener) in [("bridge", bridge), ("proxy", proxy)] {
        let asked = asked.clone();
        // It hangs up at once; the thread ends with the process.
        thread::spawn(move || listener.accept().map(|_| asked.send(name)));
    }
    let who = who.recv_timeout(Duration::from_secs(20)).expect("somebody is asked");
    assert_eq!(who, "bridge");
    status.wait().expect("it ends");
}

#[test]
fn help_documents_the_exit_codes() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("Exit codes:"));
}

/// A build that lacks a command says of it what it says of any word.
#[test]
fn only_a_build_with_the_demonstration_shows_simulates_and_measures() {
    let help = run(&["--help"]);
    let listed: Vec<&str> = text(&help.stdout).lines().filter_map(listed).collect();
    assert!(listed.contains(&"serve"), "{listed:?}");
    for command in ["bench", "demo", "simulate"] {
        assert_eq!(listed.contains(&command), cfg!(feature = "demo"), "{command}: {listed:?}");
        let output = run(&[command, "--help"]);
        let (code, said) = (output.status.code(), text(&output.stderr));
        if cfg!(feature = "demo") {
            assert_eq!((code, said), (Some(0), ""), "{command}");
        } else {
            assert_eq!(code, Some(2), "{command}");
            assert!(said.contains("unrecognized subcommand"), "{command}: {said}");
        }
    }
}

/// The command that a line of the help is about.
fn listed(line: &str) -> Option<&str> {
    line.strip_prefix("  ")?.split(' ').next()
}

#[test]
fn openapi_prints_a_document() {
    let output = run(&["openapi"]);
    assert_eq!(output.status.code(), Some(0));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for word in ["resume-proven", "readmit", "--ca-file", "completions"] {
            assert!(script.contains(word.trim_start_matches('-')), "{shell} knows no {word}");
        }
    }
}

#[cfg(feature = "demo")]
mod simulated {
    use super::program;
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// Kills what is left of it.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            // It may have ended already, as it should.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_simulated_counter_says_where_it_listens_and_ends_when_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("k");
        fs::write(&key, "k".repeat(32)).expect("a key");
        let key = key.display().to_string();
        let child =
            program(&["simulate", "futures", "--listen", "127.0.0.1:0", "--key-file", &key])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
        let mut running = Running(child.expect("it starts"));
        let mut line = String::new();
        let output = running.0.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let address = ready["listening"].as_str().expect("an address");
        std::net::TcpStream::connect(address).expect("it listens there");
        let asked = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", running.0.id())])
            .status()
            .expect("a shell");
        assert!(asked.success());
        assert_eq!(running.0.wait().expect("it ends").code(), Some(0));
    }
}
