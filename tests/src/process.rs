//! A program as a process: started, waited for, frozen, stopped, killed; what it wrote is kept.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a program may take to be ready; a loaded machine is given time.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a program may take to end when asked; it drains for 20 s at most.
pub const END_WITHIN: Duration = Duration::from_secs(25);

/// How long the last lines of a program that has ended may take to be in its log.
const KEPT_WITHIN: Duration = Duration::from_secs(10);

/// A running program. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    log: PathBuf,
    lines: mpsc::UnboundedReceiver<String>,
    /// Set when nobody is to read its log any more.
    deaf: Arc<AtomicBool>,
    /// Closed when both outputs have ended and all of them is in the log.
    kept: mpsc::Receiver<()>,
}

impl Process {
    /// Starts `counter-bridge` with these arguments. Everything that it writes is added to
    /// `NAME.log` in `folder`.
    pub fn start<A: AsRef<OsStr>>(name: &str, folder: &Path, arguments: &[A]) -> Result<Process> {
        Process::start_program(&program()?, name, folder, arguments)
    }

    /// The same with more in its environment.
    pub(crate) fn start_in<A: AsRef<OsStr>>(
        environment: Vec<(&'static str, OsString)>,
        name: &str,
        folder: &Path,
        arguments: &[A],
    ) -> Result<Process> {
        Process::spawn(&program()?, environment, name, folder, arguments)
    }

    /// The same with another program.
    pub(crate) fn start_program<A: AsRef<OsStr>>(
        program: &Path,
        name: &str,
        folder: &Path,
        arguments: &[A],
    ) -> Result<Process> {
        Process::spawn(program, Vec::new(), name, folder, arguments)
    }

    fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        environment: Vec<(&'static str, OsString)>,
        name: &str,
        folder: &Path,
        arguments: &[A],
    ) -> Result<Process> {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(environment)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        let number = child.id().context("it ended at once")?;
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw).context("not a process id")?;
        let stdout = child.stdout.take().context("no standard output")?.into_owned_fd()?;
        let stderr = child.stderr.take().context("no standard error")?.into_owned_fd()?;
        let (sender, lines) = mpsc::unbounded_channel();
        let (keeper, kept) = mpsc::channel(1);
        let deaf = Arc::new(AtomicBool::new(false));
        keep(File::from(stdout), &log, Some(sender), Arc::default(), keeper.clone())?;
        keep(File::from(stderr), &log, None, Arc::clone(&deaf), keeper)?;
        Ok(Process { name: name.to_owned(), child, pid, log, lines, deaf, kept })
    }

    /// Waits for the next line of standard output that is a JSON object: the line by which a
    /// program says that it is ready, and where.
    pub async fn ready(&mut self) -> Result<serde_json::Value> {
        match self.object(READY_WITHIN).await? {
            Some(value) => Ok(value),
            None => bail!("{} ended instead of being ready:\n{}", self.name, self.log()),
        }
    }

    /// Waits for the next line of standard output that is a JSON object; `None` if the output ends
    /// before.
    pub async fn object(&mut self, within: Duration) -> Result<Option<serde_json::Value>> {
        let object = async {
            while let Some(line) = self.lines.recv().await {
                if let Ok(value @ serde_json::Value::Object(_)) = serde_json::from_str(&line) {
                    return Some(value);
                }
            }
            None
        };
        match timeout(within, object).await {
            Ok(object) => Ok(object),
            Err(_) => bail!("{} said nothing in {within:?}:\n{}", self.name, self.log()),
        }
    }

    /// Goes away as the reader of its log, with the next line that it writes there.
    pub fn stop_reading_its_log(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// Its number, while it runs.
    pub(crate) fn number(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it wrote until now, to both outputs.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Kills it at once (SIGKILL), and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("{} could not be killed", self.name))
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        match timeout(END_WITHIN, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not end in {END_WITHIN:?}:\n{}", self.name, self.log()),
        }
    }

    /// Asks it to read its configuration again (SIGHUP), and does not wait.
    pub fn ask_to_read_again(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Asks it to end (SIGTERM), and does not wait.
    pub fn ask_to_end(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Waits until it ends by itself, and all that it wrote is in the log.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        match timeout(within, self.child.wait()).await {
            Ok(status) => {
                // What it started may hold its outputs open beyond its end: that is not waited for.
                let _ = timeout(KEPT_WITHIN, self.kept.recv()).await;
                Ok(status?)
            }
            Err(_) => bail!("{} did not end in {within:?}:\n{}", self.name, self.log()),
        }
    }

    /// Stops it where it is (SIGSTOP): its sockets stay open, and nobody answers.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen one go on (SIGCONT).
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // The process id is ours as long as the child has not been waited for.
        if self.child.id().is_none() {
            bail!("{} has ended:\n{}", self.name, self.log());
        }
        kill_process(self.pid, signal)
            .with_context(|| format!("{} could not be sent {signal:?}", self.name))
    }
}

/// Copies an output to the log as it comes, by a thread that ends with the output. Threads, so that
/// a test that blocks its runtime does not block the program on a full pipe.
fn keep(
    output: File,
    log: &Path,
    lines: Option<mpsc::UnboundedSender<String>>,
    deaf: Arc<AtomicBool>,
    keeper: mpsc::Sender<()>,
) -> Result<()> {
    let mut log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("{} could not be made", log.display()))?;
    std::thread::Builder::new().name("output".into()).spawn(move || {
        let _keeper = keeper;
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A read error is the end of the output: the process is gone.
            let read = output.by_ref().read_until(b'\n', &mut line).unwrap_or(0);
            let deaf = deaf.load(Ordering::Relaxed);
            if read == 0 || log.write_all(&line).is_err() || deaf {
                return;
            }
            if let Some(lines) = &lines {
                // The receiver may be gone; the log is kept all the same.
                let _ = lines.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        }
    })?;
    Ok(())
}

/// An address that a program can listen on now, and again after it was killed. Its port is below
/// those that the kernel gives to outgoing connections, so none of them takes it in between.
pub fn free_address() -> Result<SocketAddr> {
    for _ in 0..100 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(10_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

/// The program under test: `COUNTER_BRIDGE_BIN`, or the one that lies beside the tests.
pub fn program() -> Result<PathBuf> {
    let program = match std::env::var_os("COUNTER_BRIDGE_BIN") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()
            .context("where the tests lie is not known")?
            .ancestors()
            .nth(2)
            .context("the tests lie nowhere")?
            .join("counter-bridge"),
    };
    if !program.is_file() {
        bail!("{} is missing; `cargo build --workspace` makes it", program.display());
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn shell(folder: &Path, script: &str) -> Process {
        Process::start_program(Path::new("/bin/sh"), "shell", folder, &["-c", script])
            .expect("there is a shell")
    }

    #[tokio::test]
    async fn readiness_is_the_first_json_object() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = shell(
            folder.path(),
            r#"echo hello; echo 7; echo '{"api":"there"}'; echo oops >&2; while :; do sleep 1; done"#,
        );
        assert_eq!(process.ready().await.expect("it is ready")["api"], "there");
        assert!(process.log().contains("hello\n"), "{}", process.log());
    }

    #[tokio::test]
    async fn a_program_that_ends_instead_says_what_it_wrote() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = shell(folder.path(), "echo the port is taken; exit 3");
        let error = process.ready().await.expect_err("it ends");
        assert!(error.to_string().contains("the port is taken"), "{error:#}");
        let status = process.ended(END_WITHIN).await.expect("it has ended");
        assert_eq!(status.code(), Some(3));
        assert!(process.freeze().is_err(), "its number may be another's by now");
    }

    #[tokio::test]
    async fn a_frozen_program_goes_on_where_it_was_and_ends_when_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = r#"trap 'exit 5' TERM; echo '{"ready":true}'; while :; do sleep 0.01; done"#;
        let mut process = shell(folder.path(), script);
        process.ready().await.expect("it is ready");
        process.freeze().expect("it is frozen");
        process.thaw().expect("it goes on");
        assert_eq!(process.terminate().await.expect("it ends").code(), Some(5));
    }

    #[tokio::test]
    async fn a_killed_program_is_gone_when_the_kill_returns() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process =
            shell(folder.path(), r#"trap '' TERM; echo '{"ready":true}'; exec sleep 60"#);
        process.ready().await.expect("it is ready");
        process.child.start_kill().expect("it is killed");
        let status = process.ended(END_WITHIN).await.expect("it has ended");
        assert_eq!(status.signal(), Some(9));
        process.kill().await.expect("a second kill changes nothing");
    }
}
