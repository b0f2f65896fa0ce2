//! Who the tests are at the operators' side: an admin with a token in a file. He is made beside the running bridge, so
//! that neither its record nor its position knows anything of it.

use crate::private;
use anyhow::{Context, Result, ensure};
use people::{OperatorName, Password, Role, TokenSecret};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use store::people::{Act, NewOperator, NewToken, People};
use supervise::clock::now_micros;

/// His name.
pub const NAME: &str = "tester";

/// His password; he has no second factor.
pub const PASSWORD: &str = "kettle orbit, sandal and 4 plums";

/// Ten years, in microseconds: longer than any clock is stepped by a test.
const LASTS: i64 = 3_650 * 86_400_000_000;

/// The file with the token of this operator.
pub fn token_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.token"))
}

/// Makes the tester in the database behind `url`, unless he is there; his token lies in `folder` from then on. Where a
/// record has been lost he is made anew, with the same token.
pub async fn provide(url: &str, folder: &Path) -> Result<()> {
    provide_other(url, folder, NAME, Role::Admin).await
}

/// The same for another operator, who has the same password.
pub async fn provide_other(url: &str, folder: &Path, name: &str, role: Role) -> Result<()> {
    let people = People::open(url).await.context("the people of the database")?;
    let made = make(&people, &token_file(folder, name), name, role).await;
    people.close().await;
    made
}

/// Gives an operator who is there a token in a file, until then, in microseconds since 1970 UTC.
pub async fn give_token(
    url: &str,
    file: &Path,
    (name, label): (&str, &str),
    role: Role,
    expires_at: i64,
) -> Result<()> {
    let people = People::open(url).await.context("the people of the database")?;
    let secret = TokenSecret::random();
    let added = add_token(&people, (name, label), role, &secret, expires_at).await;
    people.close().await;
    added?;
    private::write(file, secret.text()).context("the token could not be written")
}

async fn make(people: &People, file: &Path, name: &str, role: Role) -> Result<()> {
    let secret = match std::fs::read_to_string(file) {
        Ok(text) => text.parse().context("a token that was kept")?,
        Err(_) => TokenSecret::random(),
    };
    if people.token(&secret.digest()).await?.is_some() {
        return Ok(());
    }
    let operator: OperatorName = name.parse()?;
    if people.operator(&operator).await?.is_none() {
        let new = NewOperator {
            name: operator.clone(),
            role,
            password: kept_password()?.to_owned(),
            must_change: false,
            factor: None,
        };
        people.add(&new, &act("operator_added", name)).await?;
    }
    add_token(people, (name, "tests"), role, &secret, now_micros() + LASTS).await?;
    private::write(file, secret.text()).context("the token could not be written")
}

async fn add_token(
    people: &People,
    (name, label): (&str, &str),
    role: Role,
    secret: &TokenSecret,
    expires_at: i64,
) -> Result<()> {
    let token = NewToken {
        digest: secret.digest(),
        name: name.parse()?,
        label: label.into(),
        role,
        expires_at,
    };
    ensure!(people.add_token(&token, &act("token_added", name)).await?, "{name} gets no token");
    Ok(())
}

/// What is kept of the password: it takes long to make where nothing is optimized, and is made once.
fn kept_password() -> Result<&'static str> {
    static KEPT: OnceLock<String> = OnceLock::new();
    if let Some(kept) = KEPT.get() {
        return Ok(kept);
    }
    let password = Password::chosen(PASSWORD, &NAME.parse()?, &[])?;
    Ok(KEPT.get_or_init(|| password.hash().as_str().to_owned()))
}

fn act(word: &str, about: &str) -> Act {
    Act {
        at: now_micros(),
        who: "tests".into(),
        by: "this machine".to_owned(),
        act: word.to_owned(),
        about: about.into(),
        before: None,
        after: None,
        reason: None,
    }
}
