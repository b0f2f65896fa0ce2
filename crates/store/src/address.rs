//! Reads a database URL: a SQLite file, or a MySQL or MariaDB server. Nothing here touches either.

use crate::durability::Durability;
use crate::error::OpenError;
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the database is. Shows itself without its password.
#[derive(Clone)]
pub(crate) enum Address {
    /// A file of this machine.
    Sqlite { path: PathBuf, options: SqliteConnectOptions, durability: Durability },
    /// A server.
    Mysql {
        shown: String,
        options: MySqlConnectOptions,
        durability: Durability,
        /// Files that TLS needs: ssl-ca, ssl-cert and ssl-key, as the URL names them.
        files: Vec<PathBuf>,
    },
}

/// What may follow the `?` of a file.
const OF_A_FILE: [&str; 2] = ["mode", DURABILITY];

/// What may follow the `?` of a server.
const OF_A_SERVER: [&str; 6] = [SSL_MODE, SSL_CA, "ssl-cert", "ssl-key", "socket", DURABILITY];

const SSL_MODE: &str = "ssl-mode";
const SSL_CA: &str = "ssl-ca";
const DURABILITY: &str = "durability";

/// The one word of [`DURABILITY`].
const AS_IT_IS: &str = "as_it_is";

impl Address {
    /// `sqlite://path` (or `sqlite:path`), `mysql://user:password@host:port/database` (or
    /// `mariadb://`). A SQLite database in memory is refused: it would forget money.
    ///
    /// Parameters may follow a `?`, with `&` between them; any other is refused, because it would
    /// do nothing. `durability=as_it_is` says that whatever weakens the durability of the database
    /// is meant. Of a file: `mode` (`rw` does not make it, `ro` cannot be written to). Of a server:
    /// `socket`, a path; `ssl-mode`, which is `disabled`, `preferred`, `required`, `verify_ca` or
    /// `verify_identity`; `ssl-ca`, a file with the authority to trust besides the well-known ones;
    /// `ssl-cert` and `ssl-key`, who we are. Unless said otherwise a server has to prove its
    /// identity, and one on this machine need not speak TLS.
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
                let parameters = Parameters::of(query, &OF_A_FILE).map_err(|why| bad(&why))?;
                let durability = parameters.durability().map_err(|why| bad(&why))?;
                let mut options = SqliteConnectOptions::from_str(&parameters.after(path))
                    .map_err(|error| bad(&error.to_string()))?;
                if parameters.get("mode").is_none() {
                    options = options.create_if_missing(true);
                }
                let path = options.get_filename().to_owned();
                Ok(Address::Sqlite { path, options, durability })
            }
            Some("mysql" | "mariadb") => {
                let (server, query) = url.split_once('?').unwrap_or((url, ""));
                if query.contains('@') {
                    return Err(bad("a question mark in a user's name or password is written %3F"));
                }
                let parameters = Parameters::of(query, &OF_A_SERVER).map_err(|why| bad(&why))?;
                let durability = parameters.durability().map_err(|why| bad(&why))?;
                let mut options = MySqlConnectOptions::from_str(&parameters.after(server))
                    .map_err(|error| bad(&error.to_string()))?;
                let Some(database) = options.get_database().filter(|name| !name.is_empty()) else {
                    return Err(bad("no database is named; write mysql://user@host:3306/database"));
                };
                let shown = format!(
                    "mysql://{}@{}:{}/{database}",
                    options.get_username(),
                    options.get_host(),
                    options.get_port(),
                );
                if parameters.get("ssl-cert").is_some() != parameters.get("ssl-key").is_some() {
                    return Err(bad("ssl-cert and ssl-key belong together"));
                }
                let has_authority = parameters.get(SSL_CA).is_some();
                let is_here = parameters.get("socket").is_some() || is_here(options.get_host());
                if parameters.get(SSL_MODE).is_none() && (has_authority || !is_here) {
                    options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
                }
                let verifies = matches!(
                    options.get_ssl_mode(),
                    MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity
                );
                if has_authority && !verifies {
                    return Err(bad(
                        "ssl-ca is looked at only with ssl-mode=verify_ca or verify_identity",
                    ));
                }
                let names = [SSL_CA, "ssl-cert", "ssl-key"];
                let files = names.into_iter().filter_map(|name| parameters.get(name));
                let files = files.map(|path| PathBuf::from(unescaped(path))).collect();
                Ok(Address::Mysql { shown, options, durability, files })
            }
            _ => Err(bad("it begins with neither sqlite:// nor mysql://")),
        }
    }

    /// What is allowed, but should be known.
    pub(crate) fn notes(&self) -> Vec<String> {
        let (durability, options) = match self {
            Address::Sqlite { durability, .. } => (durability, None),
            Address::Mysql { durability, options, .. } => (durability, Some(options)),
        };
        let mut notes = Vec::new();
        if *durability == Durability::AsItIs {
            notes.push("what weakens the durability of the database is not looked at".to_owned());
        }
        if let Some(options) = options.filter(|options| !is_here(options.get_host())) {
            match options.get_ssl_mode() {
                MySqlSslMode::Disabled | MySqlSslMode::Preferred => notes.push(
                    "what goes to the database may be read and changed on its way: \
                     ssl-mode=verify_identity forbids it"
                        .to_owned(),
                ),
                MySqlSslMode::Required => notes.push(
                    "the database does not prove who it is: ssl-mode=verify_identity asks for it"
                        .to_owned(),
                ),
                MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity => {}
            }
        }
        notes
    }
}

/// A value as it was meant: `%2F` is a slash, and `+` a blank, as the driver reads it.
fn unescaped(value: &str) -> OsString {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    OsString::from_vec(bytes)
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What follows the `?` of a URL, as it is written there.
struct Parameters<'u>(Vec<(&'u str, &'u str)>);

impl<'u> Parameters<'u> {
    fn of(query: &'u str, known: &[&str]) -> Result<Parameters<'u>, String> {
        let mut list: Vec<(&str, &str)> = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !known.contains(&name) {
                let known = known.join(", ");
                return Err(format!("there is no parameter {name:?}; there are {known}"));
            }
            if list.iter().any(|(other, _)| *other == name) {
                return Err(format!("{name} is there twice"));
            }
            if value.is_empty() || value.contains('#') {
                return Err(format!("{name} has no value that could be meant"));
            }
            list.push((name, value));
        }
        Ok(Parameters(list))
    }

    fn get(&self, name: &str) -> Option<&'u str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    fn durability(&self) -> Result<Durability, String> {
        match self.get(DURABILITY) {
            None => Ok(Durability::Full),
            Some(AS_IT_IS) => Ok(Durability::AsItIs),
            Some(other) => Err(format!("{DURABILITY} can only be {AS_IT_IS}, not {other:?}")),
        }
    }

    /// The URL for the driver, without what the driver does not know.
    fn after(&self, url: &str) -> String {
        let of_the_driver = self.0.iter().filter(|(name, _)| *name != DURABILITY);
        let list: Vec<String> =
            of_the_driver.map(|(name, value)| format!("{name}={value}")).collect();
        if list.is_empty() { url.to_owned() } else { format!("{url}?{}", list.join("&")) }
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
            ("mysql://me@db/x?ssl_mode=required", "no parameter \"ssl_mode\""),
            ("mysql://me@db/x?sslmode=disabled", "there are ssl-mode, ssl-ca"),
            ("mysql://me@db/x?charset=latin1", "charset"),
            ("mysql://me@db/x?ssl-mode=sure", "sure"),
            ("mysql://me@db/x?ssl-mode=required&ssl-mode=disabled", "twice"),
            ("mysql://me@db/x?ssl-mode=disabled#x", "ssl-mode has no value"),
            ("mysql://me@db/x?ssl-ca", "ssl-ca has no value"),
            ("mysql://me@db/x?ssl-ca=ca.pem&ssl-mode=required", "verify_ca or verify_identity"),
            ("mysql://me@db/x?ssl-cert=a.pem", "belong together"),
            ("mysql://me@db/x?durability=full", "only be as_it_is"),
            ("sqlite://x?immutable=true", "no parameter \"immutable\"; there are mode"),
            ("sqlite://x?vfs=unix-none", "vfs"),
            ("sqlite://x?ssl-mode=required", "ssl-mode"),
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
            format!("mysql://root:a?{secret}@localhost/x"),
            format!("mysql://root:a&{secret}=1?b@localhost/x"),
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
    fn all_but_the_password_is_shown_of_what_cannot_be_read() {
        for (url, shown) in [
            ("mysql://root:s3cr3t@localhost:port/x", "mysql://root@localhost:port/x"),
            ("mysql://root:s3@cr3t@localhost/x", "mysql://root@localhost/x"),
            ("root:s3cr3t@localhost/x", "root@localhost/x"),
            ("mysql://:s3cr3t@localhost/x", "mysql://@localhost/x"),
            ("mysql://root@localhost/x", "mysql://root@localhost/x"),
            ("mysql://localhost:port/x", "mysql://localhost:port/x"),
            ("/var/lib/x.sqlite", "/var/lib/x.sqlite"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn files_are_found_in_both_spellings() {
        for url in ["sqlite://data/x.sqlite", "sqlite:data/x.sqlite"] {
            assert_eq!(Address::parse(url).expect(url).to_string(), "data/x.sqlite");
        }
        let address = Address::parse("sqlite:///var/x.sqlite").expect("good");
        assert_eq!(address.to_string(), "/var/x.sqlite");
    }

    fn mode(url: &str) -> MySqlSslMode {
        match Address::parse(url).expect(url) {
            Address::Mysql { options, .. } => options.get_ssl_mode(),
            Address::Sqlite { .. } => panic!("{url} is a file"),
        }
    }

    #[test]
    fn a_server_elsewhere_has_to_prove_its_identity() {
        for url in [
            "mysql://me@db/x",
            "mariadb://me@10.0.0.7:3306/x",
            "mysql://me@localhost.example.com/x",
            "mysql://me@db/x?ssl-ca=/etc/ca.pem",
            "mysql://me@127.0.0.1/x?ssl-ca=/etc/ca.pem",
            "mysql://me@db/x?durability=as_it_is",
        ] {
            assert!(matches!(mode(url), MySqlSslMode::VerifyIdentity), "{url}");
        }
        for url in [
            "mysql://me@localhost/x",
            "mysql://me@127.0.0.1:3306/x",
            "mysql://me@127.3.2.1:3306/x",
            "mysql://me@[::1]:3306/x",
            "mysql://me@db/x?socket=/run/mysqld.sock",
        ] {
            assert!(matches!(mode(url), MySqlSslMode::Preferred), "{url}");
        }
        assert!(matches!(mode("mysql://me@db/x?ssl-mode=disabled"), MySqlSslMode::Disabled));
        assert!(matches!(mode("mysql://me@db/x?ssl-mode=verify_ca"), MySqlSslMode::VerifyCa));
    }

    #[test]
    fn what_is_allowed_and_weak_is_noted() {
        let noted = |url: &str| {
            assert!(crate::Store::check_url(url).is_ok(), "{url}");
            crate::Store::notes_on_url(url)
        };
        assert!(crate::Store::check_url("ftp://x").is_err());
        for quiet in ["sqlite://x", "mysql://me@localhost/x?ssl-mode=disabled", "mysql://me@db/x"] {
            assert_eq!(noted(quiet), [""; 0], "{quiet}");
        }
        for (url, word) in [
            ("sqlite://x?durability=as_it_is", "durability"),
            ("mysql://me@db/x?ssl-mode=disabled", "read and changed"),
            ("mysql://me@db/x?ssl-mode=preferred", "read and changed"),
            ("mysql://me@db/x?ssl-mode=required", "prove"),
        ] {
            let found = noted(url);
            assert!(found.len() == 1 && found[0].contains(word), "{url}: {found:?}");
        }
    }

    #[test]
    fn a_path_in_a_url_is_read_as_the_driver_reads_it() {
        for (written, meant) in [
            ("/etc/ca.pem", "/etc/ca.pem"),
            ("%2Fa%20b%2Bc", "/a b+c"),
            ("a+b%", "a b%"),
            ("%zz", "%zz"),
        ] {
            assert_eq!(unescaped(written), meant, "{written}");
        }
    }

    #[test]
    fn the_driver_is_told_what_it_knows() {
        let (file, mode) = ("sqlite://x?durability=as_it_is&mode=rw", Durability::AsItIs);
        match Address::parse(file).expect(file) {
            Address::Sqlite { path, durability, .. } => {
                assert_eq!((path, durability), (PathBuf::from("x"), mode));
            }
            Address::Mysql { .. } => panic!("a server"),
        }
        assert!(matches!(
            Address::parse("sqlite://x").expect("good"),
            Address::Sqlite { durability: Durability::Full, .. }
        ));
    }
}
