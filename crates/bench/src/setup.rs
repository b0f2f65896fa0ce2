//! What the processes of a load are started with: accounts, keys, and the bridge's configuration.

use anyhow::{Result, bail};
use client::{Algorithm, Key};
use domain::message::{AccountId, CounterId, Place};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The id under which the bridge knows the load's key.
pub(crate) const KEY_ID: &str = "bench-key";
/// And that of the neighbour.
pub(crate) const NEIGHBOURS_KEY_ID: &str = "neighbours-key";

/// Under which the load's app is known; its transfers are listed by it.
pub(crate) const APP: &str = "bench";
/// How many requests a second the neighbour may send.
pub(crate) const NEIGHBOUR_MAY: u32 = 100;

/// The accounts of one counter; their numbers begin with `first`.
pub(crate) fn places(counter: &str, first: u32, count: u32) -> Result<Vec<Place>> {
    (1..=count).map(|number| place(counter, &format!("{first}{number:07}"))).collect()
}

/// One account.
pub(crate) fn place(counter: &str, account: &str) -> Result<Place> {
    Ok(Place { counter: CounterId::new(counter)?, account: AccountId::new(account)? })
}

/// A fresh key, in the file that the bridge reads.
pub(crate) fn key(folder: &Path, id: &str, algorithm: Algorithm) -> Result<Key> {
    let file = folder.join(format!("{id}.key"));
    match algorithm {
        Algorithm::HmacSha256 => {
            let secret = secret();
            fs::write(file, &secret)?;
            Ok(Key::hmac(secret.as_bytes())?)
        }
        Algorithm::Ed25519 => {
            let key = Key::generate_ed25519();
            let Key::Ed25519(pair) = &key else { bail!("no Ed25519 key was made") };
            fs::write(file, pair.public_pem()?)?;
            Ok(key)
        }
    }
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// An app with one key; `limits` are lines of its own.
pub(crate) fn app(
    folder: &Path,
    name: &str,
    key_id: &str,
    algorithm: Algorithm,
    limits: &str,
) -> String {
    let file = match algorithm {
        Algorithm::HmacSha256 => "secret_file",
        Algorithm::Ed25519 => "public_key_file",
    };
    format!(
        "\n[[app]]\nname = \"{name}\"\n{limits}\n[[app.key]]\nid = \"{key_id}\"\n\
         algorithm = \"{}\"\n{file} = {}\n",
        algorithm.as_str(),
        quoted(&folder.join(format!("{key_id}.key"))),
    )
}

/// The bridge's configuration, with these counters: the id of each, and where it listens.
pub(crate) fn config(
    folder: &Path,
    algorithm: Algorithm,
    counters: &[(&str, SocketAddr)],
) -> Result<String> {
    let mut text = format!(
        "name = \"bridge\"\n\n[api]\nlisten = \"127.0.0.1:0\"\n\
         connections = 16384\nconnections_per_address = 16384\n\n\
         [operators]\nlisten = \"127.0.0.1:0\"\n\
         connections = 2048\nconnections_per_address = 2048\nfeeds_per_address = 256\n{}",
        app(folder, APP, KEY_ID, algorithm, ""),
    );
    for (id, address) in counters {
        write!(
            text,
            "\n[[counter]]\nid = {id:?}\ndialect = {id:?}\naddresses = [\"{address}\"]\nkey_file = {}\n",
            quoted(&folder.join(format!("{id}.key")))
        )?;
    }
    Ok(text)
}

/// 64 random hexadecimal digits.
pub(crate) fn secret() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}
