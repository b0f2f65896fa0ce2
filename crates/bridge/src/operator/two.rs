//! Two operators who decide something on the machine itself, while no bridge runs: each is known by a token, one may
//! propose it, the other approve it, and that both did is recorded.

use crate::person::token;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use people::{OperatorName, Permission};
use std::path::{Path, PathBuf};
use store::people::{Act, Known, People};
use supervise::clock::now_micros;

/// Who decides.
#[derive(Debug, Args)]
pub(crate) struct TwoTokens {
    /// A token of the operator who proposes it
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// A token of another operator, who may approve it
    #[arg(long, value_name = "FILE")]
    approver_token_file: PathBuf,
}

/// One of them.
#[derive(Debug)]
struct Person {
    name: OperatorName,
    known: Known,
    /// By which token.
    by: String,
}

/// Both.
#[derive(Debug)]
pub(crate) struct Two {
    proposer: Person,
    approver: Person,
}

impl Two {
    /// Who they are, by this database.
    pub(crate) async fn of(tokens: &TwoTokens, people: &People) -> Result<Two> {
        let TwoTokens { token_file, approver_token_file } = tokens;
        let proposer = person(people, token_file, Permission::Act).await?;
        let approver = person(people, approver_token_file, Permission::Approve).await?;
        if proposer.name == approver.name {
            bail!(
                "both tokens are {}'s: nobody approves a proposal of one's own, another person has to",
                proposer.name
            );
        }
        Ok(Two { proposer, approver })
    }

    /// Name of the one who proposes it.
    pub(crate) fn proposer(&self) -> &OperatorName {
        &self.proposer.name
    }

    /// Name of the one who approves it.
    pub(crate) fn approver(&self) -> &OperatorName {
        &self.approver.name
    }

    /// Records what both do, does it, and records what became of it.
    pub(crate) async fn act<T, E: std::error::Error + Send + Sync + 'static>(
        &self,
        people: &People,
        (proposed, approved): (&str, &str),
        (about, reason): (&str, &str),
        done: impl Future<Output = Result<T, E>>,
    ) -> Result<T> {
        let mut numbers = Vec::new();
        for (person, word) in [(&self.proposer, proposed), (&self.approver, approved)] {
            let act = Act {
                at: now_micros(),
                who: person.name.as_str().into(),
                by: person.by.clone(),
                act: word.to_owned(),
                about: about.into(),
                before: None,
                after: None,
                reason: Some(reason.into()),
            };
            let number = people.act(&act, &person.known).await?;
            numbers.push(number.with_context(|| format!("{} is not known any more", person.name))?);
        }
        let done = done.await;
        let outcome = match &done {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        for number in numbers {
            people.done(number, &outcome).await?;
        }
        Ok(done?)
    }
}

/// Whose token stands in this file, if it holds and allows that.
async fn person(people: &People, file: &Path, wanted: Permission) -> Result<Person> {
    let secret = token::read(file)?;
    let Some((found, operator)) = people.valid_token(&secret.digest(), now_micros()).await? else {
        return Err(anyhow!(
            "nobody is known by the token in {}: it has run out or was ended, its operator is disabled, or it was made \
             after this record was copied; `counter-bridge operator token` makes another",
            file.display()
        ));
    };
    if !found.role.may(wanted) {
        bail!(
            "the token in {} is {}'s as {}: this takes {} at least",
            file.display(),
            operator.name,
            found.role,
            wanted.least()
        );
    }
    Ok(Person {
        name: operator.name,
        known: Known::Token(found.digest),
        by: format!("token {}", found.label),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::people::{Role, TokenSecret};
    use std::fs;
    use store::people::{ActFilter, Change, NewOperator, NewToken};
    use store::{Store, StoreError};

    fn act(word: &str) -> Act {
        Act {
            at: 1,
            who: "root".into(),
            by: "this machine".to_owned(),
            act: word.to_owned(),
            about: "a test".into(),
            before: None,
            after: None,
            reason: None,
        }
    }

    /// Makes an operator with a token in a file of that name.
    async fn operator(people: &People, folder: &Path, name: &str, role: Role, expires_at: i64) {
        let name: OperatorName = name.parse().expect("a name");
        let new = NewOperator {
            name: name.clone(),
            role,
            password: "none".to_owned(),
            must_change: false,
            factor: None,
        };
        people.add(&new, &act("operator_added")).await.expect("made");
        let secret = TokenSecret::random();
        let token = NewToken {
            digest: secret.digest(),
            name: name.clone(),
            label: "a test".into(),
            role,
            expires_at,
        };
        assert_eq!(people.add_token(&token, &act("token_added")).await, Ok(true));
        fs::write(folder.join(name.as_str()), secret.text()).expect("written");
    }

    #[tokio::test]
    async fn it_takes_two_who_are_known_and_may_and_what_they_do_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("b.sqlite").display());
        let store = Store::open(&url).await.expect("a database");
        let (people, files) = (store.people(), folder.path());
        for (name, role, expires_at) in [
            ("lin", Role::Operator, i64::MAX),
            ("wang", Role::Approver, i64::MAX),
            ("zhou", Role::Viewer, i64::MAX),
            ("gone", Role::Admin, i64::MAX),
            ("over", Role::Admin, 1),
        ] {
            operator(&people, files, name, role, expires_at).await;
        }
        let gone = "gone".parse().expect("a name");
        people.alter(&gone, &Change::Disabled(true), &act("disabled")).await.expect("disabled");
        fs::write(files.join("strange"), TokenSecret::random().text()).expect("written");
        let two = async |one: &str, other: &str| {
            let tokens =
                TwoTokens { token_file: files.join(one), approver_token_file: files.join(other) };
            Two::of(&tokens, &people).await.map_err(|error| error.to_string())
        };
        for (one, other, why) in [
            ("wang", "wang", "both tokens are wang's"),
            ("wang", "lin", "lin's as operator: this takes approver at least"),
            ("zhou", "wang", "zhou's as viewer: this takes operator at least"),
            ("gone", "wang", "nobody is known by the token in"),
            ("lin", "gone", "nobody is known by the token in"),
            ("lin", "over", "nobody is known by the token in"),
            ("strange", "wang", "nobody is known by the token in"),
            ("none", "wang", "cannot be read"),
        ] {
            let refused = two(one, other).await.expect_err("refused");
            assert!(refused.contains(why), "{one} {other}: {refused}");
        }
        let two = two("lin", "wang").await.expect("both are known");
        let words = ("proposed_release", "released");
        let about = ("the record", "the counters were asked");
        let done = two.act(&people, words, about, async { Ok::<_, StoreError>(7) }).await;
        assert_eq!(done.expect("it is done"), 7);
        let failed = async { Err::<(), _>(StoreError::Closed) };
        two.act(&people, words, about, failed).await.expect_err("it fails");
        let filter = ActFilter { about: Some("the record".to_owned()), ..ActFilter::default() };
        let acts = people.acts(&filter).await.expect("asked");
        let closed = StoreError::Closed.to_string();
        let seen: Vec<_> = acts
            .iter()
            .map(|acted| {
                let outcome = acted.outcome.as_ref().expect("it is recorded").as_received();
                (acted.act.who.as_received(), acted.act.act.as_str(), outcome)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("wang", "released", closed.as_str()),
                ("lin", "proposed_release", &closed),
                ("wang", "released", "done"),
                ("lin", "proposed_release", "done"),
            ]
        );
        store.close().await;
    }
}
