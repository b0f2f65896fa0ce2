//! The operators of a database, opened for one command; and who it is that acts on them.

use crate::config::{self, Config};
use anyhow::{Context, Result};
use clap::Args;
use command_line::Usage;
use foreign::ForeignText;
use people::OperatorName;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use store::people::{Act, People};
use store::{OpenError, Options, Store};
use supervise::clock::now_micros;

/// The longest name of whoever acts, in bytes: as much as is kept.
const LONGEST_WHO: usize = 64;

/// Whose operators they are.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The bridge's configuration: it names the database with the operators
    #[arg(
        long,
        value_name = "FILE",
        env = "COUNTER_BRIDGE_CONFIG",
        required_unless_present = "database"
    )]
    config: Option<PathBuf>,
    /// The database, in the place of the configuration's: sqlite://… or mysql://…; a password in it is seen by whoever
    /// looks at this machine's processes
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl Where {
    /// The database's URL, and what its record is opened with.
    fn database(&self) -> Result<(SecretString, Options)> {
        if let Some(url) = &self.database {
            Store::check_url(url).map_err(|error| Usage(format!("--database: {error}")))?;
            return Ok((url.clone().into(), Options::default()));
        }
        let file = self.config.as_ref().ok_or_else(|| Usage("--config is missing".to_owned()))?;
        let config = Config::load_to_check(file, config::environment())?;
        Ok((config.database, config.record))
    }
}

/// What a database is that is not there, or that no bridge has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    /// It is made: somebody is to sign in before the bridge has started for the first time.
    IsMeant,
    /// Another was meant.
    IsAMistake,
}

/// See the module.
pub(super) struct Register {
    people: People,
    /// Held where no bridge holds it.
    store: Option<Store>,
}

impl Register {
    /// Opens it, beside the bridge that holds the record, or without one.
    pub(super) async fn open(at: &Where, making: Making) -> Result<Register> {
        let (url, options) = at.database()?;
        let url = url.expose_secret();
        if making == Making::IsAMistake {
            match store::status(url, &options).await {
                // What an earlier version left is brought up to date below.
                Ok(_) | Err(OpenError::EarlierRecord { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if store::held_by(url).await?.is_some() {
            let people = People::open(url).await.context(
                "the running bridge may be of an earlier version: start this one, which makes what is missing",
            )?;
            return Ok(Register { people, store: None });
        }
        let store = Box::pin(Store::open_with(url, &options)).await?;
        Ok(Register { people: store.people(), store: Some(store) })
    }

    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// Gives the record back, if it is held.
    pub(super) async fn close(self) {
        match self.store {
            Some(store) => store.close().await,
            None => self.people.close().await,
        }
    }
}

/// What is recorded of something that is done to an operator on the machine itself.
pub(super) fn act(word: &str, about: &OperatorName, reason: Option<String>) -> Act {
    let uid = rustix::process::getuid().as_raw();
    Act {
        at: now_micros(),
        who: who(|variable| std::env::var(variable).ok(), uid),
        by: "this machine".to_owned(),
        act: word.to_owned(),
        about: about.as_str().into(),
        before: None,
        after: None,
        reason: reason.map(Into::into),
    }
}

/// The machine's own user, as the environment or the system says.
fn who(variable: impl Fn(&str) -> Option<String>, uid: u32) -> ForeignText {
    let named = ["USER", "LOGNAME"].into_iter().filter_map(variable).find(|name| !name.is_empty());
    let name = named.unwrap_or_else(|| format!("uid {uid}"));
    name[..name.floor_char_boundary(LONGEST_WHO)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_acts_has_the_name_that_the_machine_gives() {
        let who = |user: &str, login: &str| {
            let said = |variable: &str| match variable {
                "USER" => Some(user.to_owned()),
                "LOGNAME" => Some(login.to_owned()),
                _ => None,
            };
            who(said, 7).as_received().to_owned()
        };
        assert_eq!(who("lin", "root"), "lin");
        assert_eq!(who("", "root"), "root");
        assert_eq!(who("", ""), "uid 7");
        assert_eq!(who(&"琳".repeat(30), "").len(), 63, "no letter is cut in two");
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_made_only_where_that_is_meant() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("b.sqlite");
        let url = format!("sqlite://{}", file.display());
        let at = Where { config: None, database: Some(url) };
        let error = Register::open(&at, Making::IsAMistake).await.err().expect("it is not there");
        assert!(error.to_string().contains("no such file") && !file.exists(), "{error}");
        let register = Register::open(&at, Making::IsMeant).await.expect("it is made");
        assert_eq!(register.people().operators().await, Ok(Vec::new()));
        // Beside whoever holds it.
        let other = Register::open(&at, Making::IsAMistake).await.expect("it is there");
        assert!(other.store.is_none(), "it is held once");
        other.close().await;
        register.close().await;
        let at = Where { config: None, database: Some("nonsense".to_owned()) };
        let error = Register::open(&at, Making::IsMeant).await.err().expect("no URL");
        assert!(error.is::<Usage>(), "{error}");
    }
}
