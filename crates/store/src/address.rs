//! Reads a database URL: a SQLite file, or a MySQL or MariaDB server. Nothing here touches either.

use crate::error::OpenError;
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the database is. Shows itself without its password.
#[derive(Clone)]
pub(crate) enum Address {
    /// A file of this machine.
    Sqlite { path: PathBuf, options: SqliteConnectOptions },
    /// A server.
    Mysql { shown: String, options: MySqlConnectOptions },
}

impl Address {
    /// `sqlite://path` (or `sqlite:path`), `mysql://user:password@host:port/database` (or
    /// `mariadb://`). A SQLite database in memory is refused: it would forget money.
    pub(crate) fn parse(url: &str) -> Result<Address, OpenError> {
        let bad = |why: &str| OpenError::BadUrl { url: without_password(url), why: why.to_owned() };
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => {
                let (path, query) = url.split_once('?').unwrap_or((url, ""));
                if path.contains(":memory:") || query.contains("mode=memory") {
                    return Err(bad("a database in memory forgets everything; name a file"));
                }
                if matches!(path, "sqlite:" | "sqlite://" | "sqlite:///") {
                    return Err(bad("no file is named; write sqlite://path/to/file.sqlite"));
                }
                let mut options =
                    SqliteConnectOptions::from_str(url).map_err(|error| bad(&error.to_string()))?;
                if !query.contains("mode=") {
                    options = options.create_if_missing(true);
                }
                Ok(Address::Sqlite { path: options.get_filename().to_owned(), options })
            }
            Some("mysql" | "mariadb") => {
                let options =
                    MySqlConnectOptions::from_str(url).map_err(|error| bad(&error.to_string()))?;
                let Some(database) = options.get_database().filter(|name| !name.is_empty()) else {
                    return Err(bad("no database is named; write mysql://user@host:3306/database"));
                };
                let shown = format!(
                    "mysql://{}@{}:{}/{database}",
                    options.get_username(),
                    options.get_host(),
                    options.get_port(),
                );
                Ok(Address::Mysql { shown, options })
            }
            _ => Err(bad("it begins with neither sqlite:// nor mysql://")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Sqlite { path, .. } => path.display().fmt(f),
            Address::Mysql { shown, .. } => f.write_str(shown),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL with everything between the user's name and the last `@` taken out; for URLs that
/// cannot be parsed, so it does not try to.
fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let Some(end) = url.rfind('@').filter(|end| *end >= start) else {
        return url.to_owned();
    };
    let user = url[start..end].split(':').next().unwrap_or("");
    format!("{}{user}{}", &url[..start], &url[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Address::parse(url).expect_err(url).to_string()
    }

    #[test]
    fn bad_urls_are_explained() {
        for (url, word) in [
            ("", "neither"),
            ("postgres://localhost/x", "neither"),
            ("/var/lib/x.sqlite", "neither"),
            ("sqlite::memory:", "forgets"),
            ("sqlite://:memory:", "forgets"),
            ("sqlite://x?mode=memory", "forgets"),
            ("sqlite://", "no file"),
            ("sqlite://x?mode=what", "mode"),
            ("mysql://root@localhost:3306", "no database"),
            ("mysql://root@localhost:3306/", "no database"),
            ("mysql://root@localhost:port/x", "port"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(word), "{url}: {refusal}");
        }
    }

    #[test]
    fn no_password_is_ever_shown() {
        let secret = "s3cr3t";
        for url in [
            format!("mysql://root:{secret}@localhost:port/x"),
            format!("mysql://root:{secret}@@@localhost:1/"),
            format!("mysql://root:{secret}:@localhost"),
            format!("postgres://root:{secret}@localhost/x"),
            format!("root:{secret}@localhost/x"),
        ] {
            let refusal = refusal(&url);
            assert!(!refusal.contains(secret), "{refusal}");
        }
        let address = Address::parse(&format!("mysql://me:{secret}@db:3307/bridge")).expect("good");
        assert_eq!(address.to_string(), "mysql://me@db:3307/bridge");
        assert_eq!(format!("{address:?}"), "mysql://me@db:3307/bridge");
    }

    #[test]
    fn files_are_found_in_both_spellings() {
        for url in ["sqlite://data/x.sqlite", "sqlite:data/x.sqlite"] {
            assert_eq!(Address::parse(url).expect(url).to_string(), "data/x.sqlite");
        }
        let address = Address::parse("sqlite:///var/x.sqlite").expect("good");
        assert_eq!(address.to_string(), "/var/x.sqlite");
    }
}
