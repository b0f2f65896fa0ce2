//! A server of a test's own, whose settings may be anything: the one that the tests share may not be
//! changed under the others.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A loaded machine is given time.
const START_WITHIN: Duration = Duration::from_secs(50);

/// The database in it.
const DATABASE: &str = "bridge";

/// A running server. Dropping it kills it.
pub(super) struct OwnServer {
    process: Child,
    pub(super) address: SocketAddr,
    folder: tempfile::TempDir,
}

impl OwnServer {
    /// Starts one with these settings beside the durable ones; `None` where there is no server to
    /// start, which is said. Two may use it: `chief`, who may do everything, and `plain`, who may do
    /// what a bridge does.
    pub(super) fn start(settings: &[String]) -> Option<OwnServer> {
        let (Some(server), Some(install)) = (find("mariadbd"), find("mariadb-install-db")) else {
            eprintln!("not run: MariaDB is not installed here");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let data = format!("--datadir={}", folder.path().join("data").display());
        // Two that are made at once get in each other's way in the common folder.
        let scratch = format!("--tmpdir={}", folder.path().display());
        let quiet = |command: &mut Command| {
            let mut options = fs::File::options();
            let options = options.create(true).append(true);
            let log = options.open(folder.path().join("log")).expect("a log");
            command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        };
        let mut installing = Command::new(install);
        installing
            .args(["--no-defaults", &data, "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--user=root", &scratch]);
        quiet(&mut installing);
        assert!(installing.status().expect("it runs").success(), "{}", log(folder.path()));
        let users = format!(
            "CREATE DATABASE {DATABASE};\n\
             CREATE USER 'chief'@'127.0.0.1' IDENTIFIED BY 'secret';\n\
             GRANT ALL ON *.* TO 'chief'@'127.0.0.1';\n\
             CREATE USER 'plain'@'127.0.0.1' IDENTIFIED BY 'secret';\n\
             GRANT ALL ON {DATABASE}.* TO 'plain'@'127.0.0.1';\n"
        );
        fs::write(folder.path().join("users.sql"), users).expect("a file");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let mut starting = Command::new(server);
        starting
            .args(["--no-defaults", &data, &scratch, "--user=root", "--skip-name-resolve"])
            .arg(format!("--port={}", address.port()))
            .args(["--bind-address=127.0.0.1", "--socket=server.sock"])
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .arg(format!("--init-file={}", folder.path().join("users.sql").display()))
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"])
            .args(settings);
        quiet(&mut starting);
        let process = starting.spawn().expect("it starts");
        let mut server = OwnServer { process, address, folder };
        let deadline = Instant::now() + START_WITHIN;
        while !server.greets() {
            let ended = server.process.try_wait().expect("it is watched");
            let is_late = Instant::now() >= deadline;
            assert!(ended.is_none() && !is_late, "{}", log(server.folder.path()));
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// The URL for one of its users.
    pub(super) fn url(&self, user: &str) -> String {
        format!("mysql://{user}:secret@{}/{DATABASE}", self.address)
    }

    /// It greets once it takes clients, not when it listens.
    fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let mut head = [0; 5];
        stream.read_exact(&mut head).is_ok() && head[4] == 10
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Harmless where it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// A program on the path, or where Debian keeps servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
