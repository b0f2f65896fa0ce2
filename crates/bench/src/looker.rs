//! Who looks at the operators' side of a bridge that is measured: an operator who may do nothing but look, known by a
//! token.

use anyhow::{Result, ensure};
use people::{OperatorName, Password, Role, TokenSecret};
use store::people::{Act, NewOperator, NewToken, People};
use supervise::clock::now_micros;

/// For how long the token is good, in microseconds: 30 days, longer than any load is put on.
const LASTS: i64 = 30 * 86_400_000_000;

/// Makes somebody who may look in the database behind `url`; the token. A name of his own, for the database may be one
/// that was used before.
pub(crate) async fn make(url: &str) -> Result<String> {
    let people = People::open(url).await?;
    let secret = TokenSecret::random();
    let made = in_it(&people, &secret).await;
    people.close().await;
    made.map(|()| secret.text())
}

async fn in_it(people: &People, secret: &TokenSecret) -> Result<()> {
    let name: OperatorName = format!("bench-{:016x}", rand::random::<u64>()).parse()?;
    let act = |word: &str| Act {
        at: now_micros(),
        who: "bench".into(),
        by: "this machine".to_owned(),
        act: word.to_owned(),
        about: name.as_str().into(),
        before: None,
        after: None,
        reason: None,
    };
    // Nobody signs in by it.
    let password = Password::chosen(&TokenSecret::random().text(), &name, &[])?.hash();
    let new = NewOperator {
        name: name.clone(),
        role: Role::Viewer,
        password: password.as_str().to_owned(),
        must_change: false,
        factor: None,
    };
    people.add(&new, &act("operator_added")).await?;
    let token = NewToken {
        digest: secret.digest(),
        name: name.clone(),
        label: "bench".into(),
        role: Role::Viewer,
        expires_at: now_micros() + LASTS,
    };
    ensure!(people.add_token(&token, &act("token_added")).await?, "{name} gets no token");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_looks_may_do_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("b.sqlite").display());
        make(&url).await.expect("made");
        let token: TokenSecret = make(&url).await.expect("made again").parse().expect("a token");
        let people = People::open(&url).await.expect("it is there");
        let (token, operator) =
            people.token(&token.digest()).await.expect("asked").expect("it is known");
        assert_eq!((token.role, operator.role), (Role::Viewer, Role::Viewer));
        people.close().await;
    }
}
