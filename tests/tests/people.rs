//! Who may use the operators' side: made at the command line, beside a running bridge and without one; known there by
//! a token; and refused, once it is good no more.

use anyhow::{Context, Result, ensure};
use people::{Role, TokenSecret};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use supervise::clock::now_micros;
use system_tests::private;
use system_tests::process::program;
use system_tests::stage::Stage;
use system_tests::tester::{self, PASSWORD};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

/// A command ends within this; to hash a password takes long where nothing is optimized.
const WITHIN: Duration = Duration::from_mins(1);

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command in the stage's folder.
async fn run(stage: &Stage, line: &str) -> Result<Said> {
    let mut command = Command::new(program()?);
    command.args(line.split(' ')).current_dir(stage.folder()).env("USER", "ann");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(WITHIN, command.output()).await.context("it does not end")??;
    Ok(Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// The same of `operator`, on the stage's configuration: what it said on standard output, for it went well.
async fn operator(stage: &Stage, line: &str) -> Result<String> {
    let said = run(stage, &format!("operator {line} --config bridge.toml")).await?;
    ensure!(said.code == Some(0), "{line}: {said:?}");
    Ok(said.out)
}

/// The same where it fails: what it said of that.
async fn refused(stage: &Stage, line: &str) -> Result<String> {
    let said = run(stage, &format!("operator {line} --config bridge.toml")).await?;
    ensure!(said.code == Some(1) && said.out.is_empty(), "{line}: {said:?}");
    Ok(said.err)
}

/// All operators, as machines are told of them.
async fn listed(stage: &Stage) -> Result<Value> {
    Ok(serde_json::from_str(&operator(stage, "list --json").await?)?)
}

/// A command of persons on the operators' side of the stage.
async fn person(stage: &Stage, line: &str) -> Result<Said> {
    run(stage, &format!("{line} --operators http://{}", stage.operators())).await
}

/// Makes a token, and keeps it in a file of its own.
async fn token(stage: &Stage, line: &str, file: &str) -> Result<()> {
    let said = operator(stage, &format!("token {line}")).await?;
    said.trim_end().parse::<TokenSecret>().context("standard output has the token alone")?;
    Ok(private::write(stage.folder().join(file), said)?)
}

fn passwords(folder: &Path) -> Result<()> {
    private::write(folder.join("good"), format!("{PASSWORD}\n"))?;
    private::write(folder.join("other"), "spoon of quiet granite 7\n")?;
    Ok(private::write(folder.join("weak"), "passwordpassword\n")?)
}

#[tokio::test]
async fn the_first_admin_is_made_before_the_bridge_has_ever_started() -> Result<()> {
    let mut stage = Stage::prepared("")?;
    passwords(stage.folder())?;
    let nobody = refused(&stage, "list").await?;
    assert!(nobody.contains("no such file"), "a wrong path makes no database: {nobody}");
    let weak = refused(&stage, "add lin --role admin --password-file weak").await?;
    assert!(weak.contains("easy to guess") && !weak.contains("passwordpassword"), "{weak}");

    let shown = operator(&stage, "add lin --role admin --password-file good").await?;
    assert!(shown.contains("otpauth://totp/counter-bridge:lin?secret="), "{shown}");
    let is_recovery_code = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
    assert_eq!(shown.split_whitespace().filter(is_recovery_code).count(), 10, "{shown}");
    let again = refused(&stage, "add lin --role admin --password-file good").await?;
    assert!(again.contains("there is an operator lin already"), "{again}");

    let all = listed(&stage).await?;
    assert_eq!((&all[0]["name"], &all[0]["role"]), (&"lin".into(), &"admin".into()), "{all}");
    assert_eq!((&all[0]["made_by"], &all[0]["second_factor"]), (&"ann".into(), &true.into()));
    for last in ["disable lin", "role lin viewer"] {
        let last = refused(&stage, last).await?;
        assert!(last.contains("the only admin"), "{last}");
    }
    operator(&stage, "reset lin --password-file other --without-second-factor").await?;
    assert_eq!(listed(&stage).await?[0]["second_factor"], false);
    token(&stage, "lin --label script --days 366", "lin").await?;
    let twice = refused(&stage, "token lin --label script").await?;
    assert!(twice.contains("end-token lin"), "{twice}");

    stage.restart().await?;
    let said = person(&stage, "status --token-file lin").await?;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(stage.terminate().await?.success(), "the record is as it was");
    Ok(())
}

#[tokio::test]
async fn beside_a_running_bridge_every_change_counts_at_once() -> Result<()> {
    let stage = Stage::start("").await?;
    passwords(stage.folder())?;
    operator(&stage, "add wang --role approver --password-file good --without-second-factor")
        .await?;
    token(&stage, "wang --label acts", "acts").await?;
    token(&stage, "wang --label looks --role viewer", "looks").await?;
    let acts = "claim 2026112100000000001 --note seen --token-file";
    // Whoever may, hears that there is none.
    let said = person(&stage, &format!("{acts} acts")).await?;
    assert!(said.err.contains("no_such_transfer"), "{said:?}");

    // A token that only looks.
    assert_eq!(person(&stage, "status --token-file looks").await?.code, Some(0));
    let said = person(&stage, &format!("{acts} looks")).await?;
    assert!(said.code == Some(1) && said.err.contains("not_permitted"), "{said:?}");

    // An operator who may less than the token.
    operator(&stage, "role wang viewer --reason moved").await?;
    let said = person(&stage, &format!("{acts} acts")).await?;
    assert!(said.code == Some(1) && said.err.contains("not_permitted"), "{said:?}");
    operator(&stage, "role wang operator").await?;
    let too_much = refused(&stage, "token wang --label more --role approver").await?;
    assert!(too_much.contains("cannot be approver"), "{too_much}");

    // A token that was ended, and one that has run out.
    let tokens: Value = serde_json::from_str(&operator(&stage, "tokens wang --json").await?)?;
    assert_eq!(tokens.as_array().map(Vec::len), Some(2), "{tokens}");
    operator(&stage, "end-token wang looks").await?;
    let gone = refused(&stage, "end-token wang looks").await?;
    assert!(gone.contains("no token"), "{gone}");
    let old = stage.folder().join("old");
    let (url, ended_at) = (stage.database()?, now_micros() - 1);
    tester::give_token(&url, &old, ("wang", "old"), Role::Operator, ended_at).await?;
    assert!(operator(&stage, "tokens wang").await?.contains("run out"));
    for file in ["looks", "old"] {
        let said = person(&stage, &format!("status --token-file {file}")).await?;
        assert!(said.code == Some(1) && said.err.contains("good no more"), "{file}: {said:?}");
    }

    // An operator who has left.
    assert_eq!(person(&stage, "status --token-file acts").await?.code, Some(0));
    operator(&stage, "disable wang --reason left").await?;
    let said = person(&stage, "status --token-file acts").await?;
    assert!(said.code == Some(1) && said.err.contains("not_signed_in"), "{said:?}");
    let disabled = refused(&stage, "token wang --label acts").await?;
    assert!(disabled.contains("is disabled"), "{disabled}");
    operator(&stage, "enable wang").await?;
    let said = person(&stage, "status --token-file acts").await?;
    assert_eq!(said.code, Some(1), "a token that has ended does not come back: {said:?}");
    token(&stage, "wang --label acts", "acts").await?;
    assert_eq!(person(&stage, "status --token-file acts").await?.code, Some(0));
    let unknown = refused(&stage, "disable lin").await?;
    assert!(unknown.contains("no operator lin"), "{unknown}");
    Ok(())
}

#[tokio::test]
async fn whoever_comes_without_a_token_is_told_what_to_do() -> Result<()> {
    let stage = Stage::start("").await?;
    let said = person(&stage, "resolve 2026112100000000001 completed --note seen").await?;
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in ["not_signed_in", "--token-file", "counter-bridge operator token"] {
        assert!(said.err.contains(words), "{said:?}");
    }
    let monitors = ["/healthz", "/readyz", "/metrics", "/ops/v1/openapi.json"];
    for (path, status) in
        monitors.map(|path| (path, 200)).into_iter().chain([("/ops/v1/counters", 401)])
    {
        let heard = system_tests::http::get(format!("http://{}{path}", stage.operators())).await?;
        assert_eq!(heard.status, status, "{path}");
    }
    // A token that others may read is used, and that is said.
    let file = stage.token_file();
    fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    let said = person(&stage, "status --token-file tester.token").await?;
    assert!(said.code == Some(0) && said.err.contains("chmod 600 tester.token"), "{said:?}");
    // Nobody on the way to another machine is to read it.
    let elsewhere = "status --token-file tester.token --operators http://192.0.2.1:8081";
    let said = run(&stage, elsewhere).await?;
    assert!(said.code == Some(2) && said.err.contains("https"), "{said:?}");
    let said = run(&stage, "operator add lin --role admin --config bridge.toml").await?;
    assert!(said.code == Some(2) && said.err.contains("--password-file"), "from no pipe: {said:?}");
    Ok(())
}

/// A scraper is somebody where that is configured: its token is a viewer's, and it reads metrics and decides nothing.
#[tokio::test]
async fn metrics_want_a_viewers_token_where_that_is_configured() -> Result<()> {
    let mut stage = Stage::prepared("")?;
    let file = stage.folder().join("bridge.toml");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("[operators]\n", "[operators]\nmetrics = 'viewer'\n"))?;
    stage.restart().await?;
    private::write(stage.folder().join("good"), PASSWORD)?;
    operator(&stage, "add prometheus --role viewer --password-file good --without-second-factor")
        .await?;
    token(&stage, "prometheus --label scrape", "scrape").await?;
    let url = |path: &str| format!("http://{}{path}", stage.operators());
    for path in ["/healthz", "/readyz"] {
        assert_eq!(system_tests::http::get(url(path)).await?.status, 200, "{path}");
    }
    let heard = system_tests::http::get(url("/metrics")).await?;
    assert_eq!(heard.status, 401);
    let scraper = system_tests::http::as_operator(&stage.folder().join("scrape"));
    let heard = system_tests::http::send(scraper.get(url("/metrics"))).await?;
    assert_eq!(heard.status, 200);
    assert!(heard.text().contains("counter_bridge_build_info"));
    // A request that acts is refused for its role.
    let acts = scraper.post(url("/ops/v1/counters/securities/reconnect"));
    let heard = system_tests::http::send(acts.header("content-type", "application/json")).await?;
    assert_eq!(heard.status, 403);
    // Whoever is disabled reads no more.
    operator(&stage, "disable prometheus").await?;
    let heard = system_tests::http::send(scraper.get(url("/metrics"))).await?;
    assert_eq!(heard.status, 401);
    Ok(())
}

/// Reads what a terminal shows until these words are there; all that it showed.
async fn shown(terminal: &mut (impl AsyncReadExt + Unpin), words: &str) -> Result<String> {
    let (mut all, mut piece) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&all).contains(words) {
        let read =
            timeout(WITHIN, terminal.read(&mut piece)).await.context("it says nothing")??;
        ensure!(read > 0, "{words} is not in {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..read]);
    }
    Ok(String::from_utf8(all)?)
}

#[tokio::test]
async fn a_password_that_is_typed_is_not_shown_and_has_to_be_the_same_twice() -> Result<()> {
    let stage = Stage::prepared("")?;
    let add = format!(
        "{} operator add lin --role admin --without-second-factor --config bridge.toml",
        program()?.display()
    );
    for (second, words, ends) in
        [("another one of them", "these were two passwords", 1), (PASSWORD, "lin is made", 0)]
    {
        // It gives the command a terminal.
        let terminal = Command::new("script")
            .args(["--quiet", "--return", "--command", &add, "/dev/null"])
            .current_dir(stage.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut terminal) = terminal else {
            println!("LEFT OUT: script (of util-linux) is not installed here");
            return Ok(());
        };
        let mut keys = terminal.stdin.take().context("its keys")?;
        let mut screen = terminal.stdout.take().context("its screen")?;
        let mut all = shown(&mut screen, "The password for lin").await?;
        keys.write_all(format!("{PASSWORD}\n").as_bytes()).await?;
        all += &shown(&mut screen, "The same again").await?;
        keys.write_all(format!("{second}\n").as_bytes()).await?;
        all += &shown(&mut screen, words).await?;
        assert!(!all.contains(PASSWORD) && !all.contains(second), "{all}");
        let ended = timeout(WITHIN, terminal.wait()).await.context("it does not end")??;
        assert_eq!(ended.code(), Some(ends), "{all}");
    }
    assert_eq!(listed(&stage).await?[0]["name"], "lin");
    Ok(())
}
