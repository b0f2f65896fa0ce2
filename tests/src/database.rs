//! A database for one test: a file, or a database of its own on the server that the tests are given.

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database as Server};
use std::path::Path;
use supervise::tell;

/// Names the server that tests may create databases on: `mysql://USER:PASSWORD@HOST:PORT`.
pub const SERVER_VARIABLE: &str = "COUNTER_BRIDGE_TEST_MYSQL";

/// Which kind of database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file in the test's own folder.
    Sqlite,
    /// A database of its own on the server.
    Server,
}

impl Kind {
    /// The kinds that there are here: always the file, and the server where one is given.
    pub fn all() -> Vec<Kind> {
        let mut kinds = vec![Kind::Sqlite];
        if std::env::var_os(SERVER_VARIABLE).is_some() {
            kinds.push(Kind::Server);
        }
        kinds
    }
}

/// One test's database. On a server it is removed when dropped; a file goes with its folder.
pub struct Database {
    url: String,
    on_server: Option<OnServer>,
}

struct OnServer {
    server: String,
    name: String,
}

impl Database {
    /// Makes an empty one; a file lies in `folder`.
    pub async fn create(kind: Kind, folder: &Path) -> Result<Database> {
        match kind {
            Kind::Sqlite => {
                let url = format!("sqlite://{}", folder.join("bridge.sqlite").display());
                Ok(Database { url, on_server: None })
            }
            Kind::Server => {
                let server = std::env::var(SERVER_VARIABLE)
                    .with_context(|| format!("{SERVER_VARIABLE} names no server"))?;
                let server = server.trim_end_matches('/').to_owned();
                let name = format!("system_{:016x}", rand::random::<u64>());
                execute(&server, &format!("CREATE DATABASE `{name}`")).await?;
                let url = format!("{server}/{name}");
                Ok(Database { url, on_server: Some(OnServer { server, name }) })
            }
        }
    }

    /// A file, which goes with its folder.
    pub fn file(path: &Path) -> Database {
        Database { url: format!("sqlite://{}", path.display()), on_server: None }
    }

    /// An empty one on a server that is thrown away afterwards; `server` is a URL without a database.
    pub async fn on_own_server(server: &str) -> Result<Database> {
        execute(server, "CREATE DATABASE bridge").await?;
        Ok(Database { url: format!("{server}/bridge"), on_server: None })
    }

    /// The URL, as the bridge's configuration wants it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(OnServer { server, name }) = self.on_server.take() else { return };
        // A runtime of its own on a thread of its own: this may be dropped inside another.
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&server, &format!("DROP DATABASE `{name}`")))
        });
        match drop.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tell!("a test's database was left behind: {error:#}"),
            Err(_) => tell!("a test's database was left behind"),
        }
    }
}

async fn execute(server: &str, statement: &str) -> Result<()> {
    // A URL without a database is one that ends with `/`.
    let connection = Server::connect(format!("{server}/"))
        .await
        .with_context(|| format!("{SERVER_VARIABLE} names a server that cannot be reached"))?;
    connection.execute_unprepared(statement).await.with_context(|| statement.to_owned())?;
    connection.close().await.context("the connection could not be closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_kind_can_be_made_and_two_on_a_server_are_never_one() {
        let folder = tempfile::tempdir().expect("a folder");
        for kind in Kind::all() {
            let database = Database::create(kind, folder.path()).await.expect("it is made");
            if kind == Kind::Server {
                let other = Database::create(kind, folder.path()).await.expect("it is made");
                assert_ne!(database.url(), other.url());
                for url in [database.url(), other.url()] {
                    let connection = Server::connect(url).await.expect("it exists");
                    connection.close().await.expect("it closes");
                }
            }
        }
    }
}
