//! Who signs in at the demonstration's console: two, for what moves money will take two. Only here are passwords made
//! up and printed.

use anyhow::{Result, anyhow};
use people::{OperatorName, Password, RecoveryCode, Role, TokenSecret};
use std::fs;
use std::path::Path;
use store::people::{Act, NewOperator, NewToken, People, Unchanged};
use supervise::clock::now_micros;

/// The one who acts, and the one who approves.
const WHO: [(&str, Role); 2] = [("lin", Role::Operator), ("wang", Role::Approver)];

/// The file with a token of the one who acts, in the folder of the demonstration.
pub(super) const TOKEN_FILE: &str = "operator.token";

/// The file with a token of the one who approves.
pub(super) const APPROVER_TOKEN_FILE: &str = "approver.token";

/// For how long that is good, in microseconds: 30 days, for a demonstration that is left alone.
const TOKEN_LASTS: i64 = 30 * 86_400_000_000;

/// Somebody who may sign in.
pub(crate) struct Somebody {
    pub(crate) name: OperatorName,
    pub(crate) role: Role,
    pub(crate) password: String,
}

/// Makes both, and the files with a token of each.
pub(super) async fn make(people: &People, folder: &Path) -> Result<Vec<Somebody>> {
    let mut made = Vec::new();
    for ((name, role), file) in WHO.into_iter().zip([TOKEN_FILE, APPROVER_TOKEN_FILE]) {
        let somebody = somebody(people, name, role).await?;
        let secret = TokenSecret::random();
        let token = NewToken {
            digest: secret.digest(),
            name: somebody.name.clone(),
            label: "demonstration".into(),
            role,
            expires_at: now_micros() + TOKEN_LASTS,
        };
        if !people.add_token(&token, &act("token_added", &somebody.name)).await? {
            return Err(anyhow!("{} gets no token", somebody.name));
        }
        fs::write(folder.join(file), secret.text())?;
        made.push(somebody);
    }
    Ok(made)
}

/// Makes one of this name; in a database that somebody of this name uses already, of one like it.
async fn somebody(people: &People, name: &str, role: Role) -> Result<Somebody> {
    let other = format!("{name}-{:04x}", rand::random::<u16>());
    for name in [name, &other] {
        let name: OperatorName = name.parse()?;
        // As good as what people make up, and nobody has to.
        let password = RecoveryCode::random().text().to_lowercase();
        let kept = Password::chosen(&password, &name, &[])?.hash();
        let new = NewOperator {
            name: name.clone(),
            role,
            password: kept.as_str().to_owned(),
            must_change: false,
            factor: None,
        };
        match people.add(&new, &act("operator_added", &name)).await {
            Ok(()) => return Ok(Somebody { name, role, password }),
            Err(Unchanged::Exists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(anyhow!("there are operators {name} and {other} already"))
}

fn act(word: &str, about: &OperatorName) -> Act {
    Act {
        at: now_micros(),
        who: "demonstration".into(),
        by: "this machine".to_owned(),
        act: word.to_owned(),
        about: about.as_str().into(),
        before: None,
        after: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Store;

    #[tokio::test]
    async fn both_are_made_also_where_others_have_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("b.sqlite").display());
        let store = Store::open(&url).await.expect("a database");
        let first = make(&store.people(), folder.path()).await.expect("made");
        let second = make(&store.people(), folder.path()).await.expect("made");
        assert_eq!((first[0].name.as_str(), first[1].name.as_str()), ("lin", "wang"));
        assert!(second[0].name.as_str().starts_with("lin-"), "{}", second[0].name);
        for (file, somebody) in [TOKEN_FILE, APPROVER_TOKEN_FILE].into_iter().zip(&second) {
            let text = fs::read_to_string(folder.path().join(file)).expect("a token");
            let token: TokenSecret = text.parse().expect("a token");
            let (token, operator) =
                store.people().token(&token.digest()).await.expect("asked").expect("it is known");
            assert_eq!((token.role, &operator.name), (somebody.role, &somebody.name));
        }
        store.close().await;
    }
}
