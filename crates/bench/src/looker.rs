//! Who looks at the operators' side of a bridge that is measured: an operator who may do nothing but look, known by a
//! token.

use anyhow::{Result, ensure};
use people::{OperatorName, Password, Role, SessionSecret, TokenSecret};
use store::people::{Act, Factor, NewOperator, NewSession, NewToken, People, SignedIn};
use supervise::clock::now_micros;

/// For how long the token is good, in microseconds: 30 days, longer than any load is put on.
const LASTS: i64 = 30 * 86_400_000_000;

/// By what somebody who looks is known.
pub(crate) struct Looker {
    /// For programs.
    pub(crate) token: String,
    /// What a browser keeps in its cookie.
    pub(crate) session: String,
}

/// Makes somebody who may look in the database behind `url`, signed in with a browser. A name of his own, for the database
/// may be one that was used before.
pub(crate) async fn make(url: &str) -> Result<Looker> {
    let people = People::open(url).await?;
    let (token, session) = (TokenSecret::random(), SessionSecret::random());
    let made = in_it(&people, &token, &session).await;
    people.close().await;
    made.map(|()| Looker { token: token.text(), session: session.text() })
}

async fn in_it(people: &People, secret: &TokenSecret, session: &SessionSecret) -> Result<()> {
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
    let new = NewSession {
        digest: session.digest(),
        name: name.clone(),
        address: "127.0.0.1".to_owned(),
        agent: "bench".into(),
        password: new.password,
        second_factor: None,
        factor: Factor::None,
        over_before: 0,
        instead_of: None,
    };
    let begun = people.sign_in(&new, &act("signed_in")).await?;
    ensure!(matches!(begun, SignedIn::Begun), "{name} is not signed in");
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
        let Looker { token, session } = make(&url).await.expect("made again");
        let token: TokenSecret = token.parse().expect("a token");
        let session: SessionSecret = session.parse().expect("a session");
        let people = People::open(&url).await.expect("it is there");
        let (token, operator) =
            people.token(&token.digest()).await.expect("asked").expect("it is known");
        assert_eq!((token.role, operator.role), (Role::Viewer, Role::Viewer));
        let (_, operator) =
            people.session(&session.digest()).await.expect("asked").expect("it is known");
        assert_eq!(operator.role, Role::Viewer);
        people.close().await;
    }
}
