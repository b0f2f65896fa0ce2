//! A `MariaDB` server of our own that may be killed: the one that the tests share may not, for others
//! stand on it.

use crate::process::{Process, free_address};
use anyhow::{Context, Result, bail};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A start takes about a second, and recovery after a kill another; a loaded machine is given time.
const START_WITHIN: Duration = Duration::from_mins(1);

/// Between two looks at a server that starts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server. Dropping it kills it.
pub struct MariaDb {
    folder: PathBuf,
    address: SocketAddr,
    process: Option<Process>,
}

impl MariaDb {
    /// Whether there is such a server on this machine.
    pub fn is_installed() -> bool {
        find("mariadbd").is_some() && find("mariadb-install-db").is_some()
    }

    /// Makes a server in `folder`, which must be empty, and waits until it takes clients.
    pub async fn start(folder: &Path) -> Result<MariaDb> {
        let program = find("mariadb-install-db").context("no mariadb-install-db")?;
        let made = Command::new(program)
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(as_root())
            // A server that starts removes what another has left in a folder that both use for a while.
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .output()
            .context("the server could not be installed")?;
        if !made.status.success() {
            bail!("the server could not be installed:\n{}", String::from_utf8_lossy(&made.stderr));
        }
        let users = "CREATE USER IF NOT EXISTS 'bridge'@'127.0.0.1' IDENTIFIED BY 'bridge';\n\
                     GRANT ALL ON *.* TO 'bridge'@'127.0.0.1';\n";
        std::fs::write(folder.join("users.sql"), users).context("users.sql")?;
        let address = free_address()?;
        let mut server = MariaDb { folder: folder.to_owned(), address, process: None };
        server.restart().await?;
        Ok(server)
    }

    /// `mysql://USER:PASSWORD@127.0.0.1:PORT`, without a database.
    pub fn url(&self) -> String {
        format!("mysql://bridge:bridge@{}", self.address)
    }

    /// Kills it, if it runs (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Stops it where it is (SIGSTOP): its sockets stay open, and nobody answers.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.freeze()
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.thaw()
    }

    /// Starts it again, after killing it if it runs, and waits until it takes clients: it has
    /// recovered by then.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        let program = find("mariadbd").context("no mariadbd")?;
        let process = Process::start_program(&program, "mariadb", &self.folder, &self.settings())?;
        let deadline = Instant::now() + START_WITHIN;
        while !greets(self.address) {
            if Instant::now() >= deadline {
                bail!("mariadbd did not start in {START_WITHIN:?}:\n{}", process.log());
            }
            sleep(LOOK_EVERY).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// As durable as the default: every commit is flushed to the disk before it is answered.
    fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            String::from("--no-defaults"),
            format!("--datadir={}", self.folder.join("data").display()),
            format!("--port={}", self.address.port()),
            format!("--bind-address={}", self.address.ip()),
            // Relative to the data folder: a socket's path may have 107 bytes, a folder's may be longer.
            String::from("--socket=server.sock"),
            format!("--tmpdir={}", self.folder.display()),
            format!("--pid-file={}", self.folder.join("server.pid").display()),
            format!("--init-file={}", self.folder.join("users.sql").display()),
            String::from("--skip-name-resolve"),
            String::from("--innodb-flush-log-at-trx-commit=1"),
            String::from("--innodb-buffer-pool-size=32M"),
            String::from("--innodb-log-file-size=16M"),
        ];
        settings.extend(as_root());
        settings
    }
}

/// The server refuses to run as root unless told to.
fn as_root() -> Option<String> {
    rustix::process::geteuid().is_root().then(|| String::from("--user=root"))
}

/// A program on the path, or where Debian keeps servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Whether the server sends its greeting: it does so once it takes clients, not when it listens.
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
        return false;
    };
    let mut head = [0; 5];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut head).is_ok()
        // Length, sequence number, then the protocol's version.
        && head[4] == 10
}
