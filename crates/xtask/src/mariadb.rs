//! A `MariaDB` server of our own for the time of the tests: its own folder, a free port of the
//! loopback address, ended by its process id. It is as durable as a real one.

use crate::steps::run;
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use supervise::tell;

/// The account that the tests use; it may create databases. It reaches loopback only.
const USER: &str = "bridge";
const PASSWORD: &str = "bridge";

/// A start takes about a second; a loaded machine is given time.
const START_LIMIT: Duration = Duration::from_mins(1);

/// An orderly stop; after it the server is killed, for its folder is thrown away anyway.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Between two looks at a server that starts or stops.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A free port may be taken by another process before the server has it: so often it is retried.
const PORTS_TRIED: u32 = 5;

/// A running server. Dropping it stops it and then removes its folder.
pub(crate) struct MariaDb {
    server: Server,
    _folder: Folder,
}

impl MariaDb {
    /// Makes a server in `folder`, which must not be used by anything else, and waits until it
    /// greets a client.
    pub(crate) fn start(folder: &Path) -> Result<MariaDb> {
        let folder = Folder::fresh(folder)?;
        initialise(&folder.0)?;
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            let mut server = Server::spawn(&folder.0)?;
            match server.wait_until_it_greets() {
                Ok(()) => return Ok(MariaDb { server, _folder: folder }),
                Err(error) => last = Some(error),
            }
        }
        let log = fs::read_to_string(folder.0.join("server.log")).unwrap_or_default();
        let error = last.context("no port was tried")?;
        Err(error.context(format!("the server's log:\n{log}")))
    }

    /// `mysql://USER:PASSWORD@127.0.0.1:PORT`, without a database.
    pub(crate) fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@{}", self.server.address)
    }
}

/// A folder that goes when its owner does.
struct Folder(PathBuf);

impl Folder {
    fn fresh(path: &Path) -> Result<Folder> {
        if path.exists() {
            fs::remove_dir_all(path)
                .with_context(|| format!("{} could not be removed", path.display()))?;
        }
        fs::create_dir_all(path)
            .with_context(|| format!("{} could not be made", path.display()))?;
        Ok(Folder(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tell!("xtask: {} could not be removed: {error}", self.0.display());
        }
    }
}

/// The server's process. Dropping it stops it.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn spawn(folder: &Path) -> Result<Server> {
        let program = tools::find("mariadbd").context("no mariadbd")?;
        let log = File::create(folder.join("server.log")).context("the log could not be made")?;
        let address = free_address()?;
        let mut command = ending_with_us(&program);
        command
            .args(settings(folder, address))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("the log could not be shared")?)
            .stderr(log);
        let process = command.spawn().context("mariadbd could not be started")?;
        Ok(Server { process, address })
    }

    fn wait_until_it_greets(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().context("mariadbd cannot be watched")? {
                bail!("mariadbd ended with {status}");
            }
            if greets(self.address) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("mariadbd did not answer on {} in {START_LIMIT:?}", self.address);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Server {
    /// Asks it to stop by its process id, and kills it if it does not.
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        let deadline = Instant::now() + STOP_LIMIT;
        while asked.is_ok() && Instant::now() < deadline {
            match self.process.try_wait() {
                Ok(None) => thread::sleep(LOOK_EVERY),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        // Harmless where it has ended: the process id is not given away before it is waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, run so that the kernel ends it if this process is killed, where that can be had.
fn ending_with_us(program: &Path) -> Command {
    match tools::find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The server refuses to run as root unless told to.
fn as_user() -> Option<String> {
    (tools::effective_user() == Some(0)).then(|| String::from("--user=root"))
}

fn initialise(folder: &Path) -> Result<()> {
    let log = File::create(folder.join("install.log")).context("the log could not be made")?;
    let mut command = Command::new(tools::find("mariadb-install-db").context("no installer")?);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", folder.join("data").display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .args(as_user())
        // A server that starts removes what another has left in a folder that both use for a while.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("the log could not be shared")?)
        .stderr(log);
    run(&mut command).with_context(|| {
        fs::read_to_string(folder.join("install.log")).unwrap_or_else(|error| error.to_string())
    })?;
    let users = format!(
        "CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL ON *.* TO '{USER}'@'127.0.0.1';\n"
    );
    fs::write(folder.join("users.sql"), users).context("users.sql could not be written")
}

/// Small and quick, and as durable as the default: every commit is flushed to the disk.
fn settings(folder: &Path, address: SocketAddr) -> Vec<String> {
    let mut settings = vec![
        String::from("--no-defaults"),
        format!("--datadir={}", folder.join("data").display()),
        format!("--tmpdir={}", folder.display()),
        format!("--port={}", address.port()),
        format!("--bind-address={}", address.ip()),
        // Relative to the data folder: a socket's path may have 107 bytes, a checkout's may be longer.
        String::from("--socket=server.sock"),
        format!("--pid-file={}", folder.join("server.pid").display()),
        format!("--init-file={}", folder.join("users.sql").display()),
        String::from("--skip-name-resolve"),
        String::from("--character-set-server=utf8mb4"),
        String::from("--max-connections=500"),
        String::from("--innodb-flush-log-at-trx-commit=1"),
        String::from("--innodb-buffer-pool-size=64M"),
        String::from("--innodb-log-file-size=32M"),
    ];
    settings.extend(as_user());
    settings
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    listener.local_addr().context("the port is not known")
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
