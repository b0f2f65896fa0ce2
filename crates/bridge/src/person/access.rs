//! How a person's command reaches the bridge: an address and a key, or an operator's token, from the command line,
//! the environment, or a file that holds them together.

use super::operators::Operators;
use super::token;
use anyhow::{Context, Result};
use clap::Args;
use client::way::Authorities;
use client::{Algorithm, Client, Key, Signer};
use command_line::Usage;
use serde::Deserialize;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the API is unless told otherwise.
const URL: &str = "http://127.0.0.1:8080";
/// Where operators look unless told otherwise.
const OPERATORS: &str = "http://127.0.0.1:8081";

/// Where the bridge is, and who asks.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where the bridge is, and who asks")]
pub(crate) struct Access {
    /// A TOML file with url, operators, `ca_file`, `token_file`, `key_id`, `key_file` and algorithm, as the
    /// demonstration writes it; the options below go before it
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_CLIENT")]
    client: Option<PathBuf>,
    /// The transfer API [default: port 8080 of this machine]
    #[arg(long, env = "COUNTER_BRIDGE_URL")]
    url: Option<String>,
    /// The operators' side [default: port 8081 of this machine]
    #[arg(long, value_name = "URL", env = "COUNTER_BRIDGE_OPERATORS")]
    operators: Option<String>,
    /// Where a URL is https: the authorities, in PEM, one of which must vouch for the certificate
    /// [default: those of this machine]
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// The operator's token, by which the operators' side knows who asks
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The id of the app's key
    #[arg(long, value_name = "ID", env = "COUNTER_BRIDGE_KEY_ID")]
    key_id: Option<String>,
    /// The app's key: its shared secret, or its Ed25519 private key as PEM
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// What the key is for: hmac-sha256 or ed25519 [default: hmac-sha256]
    #[arg(long, value_parser = algorithm, env = "COUNTER_BRIDGE_ALGORITHM")]
    algorithm: Option<Algorithm>,
}

/// What `--client` names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientFile {
    url: Option<String>,
    operators: Option<String>,
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    key_id: Option<String>,
    key_file: Option<PathBuf>,
    algorithm: Option<String>,
}

impl Access {
    /// A client of the transfer API that signs with the app's key.
    pub(crate) fn client(&self) -> Result<Client> {
        let file = self.file()?;
        let url = self.url.clone().or(file.url).unwrap_or_else(|| URL.to_owned());
        let key_id = self.key_id.clone().or(file.key_id).ok_or_else(|| missing("--key-id"))?;
        let path = self.key_file.clone().or(file.key_file).ok_or_else(|| missing("--key-file"))?;
        let algorithm = match (self.algorithm, file.algorithm) {
            (Some(algorithm), _) => algorithm,
            (None, Some(name)) => algorithm(&name).map_err(Usage)?,
            (None, None) => Algorithm::HmacSha256,
        };
        let content = fs::read(&path)
            .with_context(|| format!("the key file {} cannot be read", path.display()))?;
        let key = Key::from_file(algorithm, &content)
            .map_err(|error| Usage(format!("{}: {error}", path.display())))?;
        let signer =
            Signer::new(&key_id, key).map_err(|error| Usage(format!("--key-id: {error}")))?;
        let authorities = authorities(self.ca_file.clone().or(file.ca_file))?;
        Client::believing(&url, signer, &authorities)
            .map_err(|error| Usage(format!("--url: {error}")).into())
    }

    /// A client of the operators' side, in the name of whose token there is, if one is named: the bridge says what
    /// may be seen without one.
    pub(super) fn operators(&self) -> Result<Operators> {
        let file = self.file()?;
        let url = self.operators.clone().or(file.operators);
        let authorities = authorities(self.ca_file.clone().or(file.ca_file))?;
        let operators = Operators::new(url.as_deref().unwrap_or(OPERATORS), &authorities)?;
        match self.token_file.clone().or(file.token_file) {
            Some(path) => operators.with_token(token::read(&path)?),
            None => Ok(operators),
        }
    }

    /// What has to stand behind another command for it to reach the same bridge in the same name.
    pub(crate) fn again(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let algorithm = self.algorithm.map(|algorithm| algorithm.as_str().to_owned());
        let options = [
            ("--client", path(&self.client)),
            ("--url", self.url.clone()),
            ("--operators", self.operators.clone()),
            ("--ca-file", path(&self.ca_file)),
            ("--token-file", path(&self.token_file)),
            ("--key-id", self.key_id.clone()),
            ("--key-file", path(&self.key_file)),
            ("--algorithm", algorithm),
        ];
        let said = options.into_iter().filter_map(|(option, value)| Some((option, value?)));
        said.fold(String::new(), |all, (option, value)| format!("{all} {option} {}", word(&value)))
    }

    /// The same, where neither side is named, for a bridge that listens for apps and for operators here.
    pub(crate) fn or_at(&self, api: SocketAddr, operators: SocketAddr) -> Result<Access> {
        let mut here = self.clone();
        let file = self.file()?;
        let nothing_is_named = [&self.url, &self.operators, &file.url, &file.operators];
        if nothing_is_named.iter().all(|named| named.is_none()) {
            here.url = Some(reached_at(api));
            here.operators = Some(reached_at(operators));
        }
        Ok(here)
    }

    /// A client of the operators' side, if it is known to be that of the bridge that is asked otherwise: it is
    /// named, or both sides are where they are unless told otherwise.
    pub(crate) fn operators_too(&self) -> Result<Option<Operators>> {
        let file = self.file()?;
        let named = self.operators.is_some() || file.operators.is_some();
        let elsewhere = self.url.is_some() || file.url.is_some();
        if named || !elsewhere { self.operators().map(Some) } else { Ok(None) }
    }

    /// What `--client` names; paths in it start in its own folder.
    fn file(&self) -> Result<ClientFile> {
        let Some(path) = &self.client else { return Ok(ClientFile::default()) };
        let text = fs::read_to_string(path)
            .with_context(|| format!("the client file {} cannot be read", path.display()))?;
        let mut file: ClientFile = toml::from_str(&text).map_err(|error| {
            let at = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + at.matches('\n').count();
            Usage(format!("{}:{line}: {}", path.display(), error.message().replace('\n', " ")))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.key_file = file.key_file.map(|key| folder.join(key));
        file.ca_file = file.ca_file.map(|authorities| folder.join(authorities));
        file.token_file = file.token_file.map(|token| folder.join(token));
        Ok(file)
    }
}

/// Where this machine reaches who listens there.
fn reached_at(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

fn authorities(file: Option<PathBuf>) -> Result<Authorities> {
    let Some(path) = file else { return Ok(Authorities::OfTheSystem) };
    let pem = fs::read(&path)
        .with_context(|| format!("the authorities' file {} cannot be read", path.display()))?;
    Authorities::from_pem(&pem)
        .map_err(|error| Usage(format!("--ca-file: {}: {error}", path.display())).into())
}

/// A word as a shell takes it for one.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn missing(option: &str) -> Usage {
    Usage(format!(
        "{option} is missing: name the app's key by --key-id and --key-file, or everything at once \
         by --client FILE"
    ))
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| format!("write hmac-sha256 or ed25519, not {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::password::write;

    #[test]
    fn a_file_says_it_all_and_options_go_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("app.key"), [b'k'; 32]).expect("a key");
        let file = folder.path().join("client.toml");
        let text = "url = 'http://h:1'\noperators = 'http://h:2'\nkey_id = 'app'\n\
                    key_file = 'app.key'\nalgorithm = 'hmac-sha256'\n";
        fs::write(&file, text).expect("a file");
        let access = Access { client: Some(file.clone()), ..Access::default() };
        access.client().expect("a client");
        access.operators().expect("a client");
        let elsewhere = Access { url: Some("ftp://h".into()), ..access.clone() };
        assert!(elsewhere.client().expect_err("FTP").to_string().contains("--url"));
        let secured = Access { url: Some("https://h".into()), ..access.clone() };
        secured.client().expect("a client");
        let nobodys = Access { ca_file: Some(file.clone()), ..secured };
        assert!(nobodys.client().expect_err("no PEM").to_string().contains("--ca-file"));
        let other = Access { algorithm: Some(Algorithm::Ed25519), ..access.clone() };
        assert!(other.client().expect_err("not a key").to_string().contains("app.key"));
        fs::write(&file, format!("{text}secret = 'x'\n")).expect("a file");
        assert!(access.client().expect_err("unknown").to_string().contains("secret"));
    }

    #[test]
    fn a_token_goes_to_this_machine_or_under_tls_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = people::TokenSecret::random().text();
        write(&folder.path().join("lin.token"), format!("{token}\n"));
        write(&folder.path().join("nothing.token"), "nothing");
        let file = folder.path().join("client.toml");
        let text = "operators = 'http://127.0.0.1:1'\ntoken_file = 'lin.token'\n";
        fs::write(&file, text).expect("a file");
        let access = Access { client: Some(file), ..Access::default() };
        access.operators().expect("a client");
        let at = |url: &str| Access { operators: Some(url.to_owned()), ..access.clone() };
        for good in ["http://localhost:1", "http://[::1]:1", "https://bridge.example"] {
            at(good).operators().expect(good);
        }
        for bad in ["http://10.0.0.7:8081", "http://bridge.example", "http://127.0.0.1.example"] {
            let error = at(bad).operators().expect_err(bad);
            assert!(error.is::<Usage>() && error.to_string().contains("https"), "{error}");
        }
        let token_file = Some(folder.path().join("nothing.token"));
        let error = Access { token_file, ..access.clone() }.operators().expect_err("no token");
        assert!(error.is::<Usage>() && error.to_string().contains("cbt_"), "{error}");
        assert!(!error.to_string().contains("nothing, "), "what stands in it is not repeated");
        let token_file = Some(folder.path().join("nowhere"));
        let error = Access { token_file, ..access }.operators().expect_err("no file");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }

    /// Whom an audit asks beside its record: never a bridge that only happens to be there.
    #[test]
    fn both_sides_are_those_of_the_configuration_unless_another_is_named() {
        let listen = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let asked = |access: &Access, at: &str| {
            let here = access.or_at(listen("10.0.0.7:18090"), listen(at)).expect("no mistake");
            let operators = here.operators_too().expect("no mistake");
            operators.map(|operators| operators.base().to_string())
        };
        let nothing = Access::default();
        let here = nothing.or_at(listen("[::]:18090"), listen("10.0.0.7:1")).expect("no mistake");
        assert_eq!(here.url.as_deref(), Some("http://[::1]:18090"));
        for (at, url) in [
            ("10.0.0.7:18091", "http://10.0.0.7:18091/"),
            ("0.0.0.0:18091", "http://127.0.0.1:18091/"),
            ("[::]:18091", "http://[::1]:18091/"),
        ] {
            assert_eq!(asked(&nothing, at).as_deref(), Some(url));
        }
        let named = Access { operators: Some("http://h:2".into()), ..Access::default() };
        assert_eq!(asked(&named, "10.0.0.7:1").as_deref(), Some("http://h:2/"));
        let elsewhere = Access { url: Some("http://h:1".into()), ..Access::default() };
        assert_eq!(asked(&elsewhere, "10.0.0.7:1"), None, "whose it is, is not known");
        let here = named.or_at(listen("10.0.0.7:2"), listen("10.0.0.7:1")).expect("no mistake");
        assert_eq!(here.url, None, "an app asks where it is told to, or where it always does");
    }

    #[test]
    fn another_command_reaches_the_same_bridge() {
        assert_eq!(Access::default().again(), "");
        let access = Access {
            client: Some("/etc/a client's.toml".into()),
            operators: Some("http://h:2".into()),
            token_file: Some("lin.token".into()),
            algorithm: Some(Algorithm::Ed25519),
            ..Access::default()
        };
        assert_eq!(
            access.again(),
            r" --client '/etc/a client'\''s.toml' --operators http://h:2 --token-file lin.token --algorithm ed25519"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = Access::default();
        assert!(nothing.client().expect_err("no key").to_string().contains("--key-id"));
        let access = Access { key_id: Some("app".into()), ..Access::default() };
        assert!(access.client().expect_err("no key").to_string().contains("--key-file"));
        let access = Access { key_file: Some("nowhere/k".into()), ..access };
        assert!(access.client().expect_err("no file").to_string().contains("nowhere/k"));
    }
}
