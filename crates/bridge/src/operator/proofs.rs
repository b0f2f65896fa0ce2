//! What an operator signs in by, made anew: a password, a second factor, and recovery codes. They are shown once, and
//! only what proves them is kept.

use super::password;
use anyhow::Result;
use clap::Args;
use people::{OperatorName, Password, RecoveryCode, Role, TotpSecret};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use store::people::{Change, NewFactor, NewOperator};
use supervise::say;

/// Who an authenticator says the codes are for.
const ISSUER: &str = "counter-bridge";

/// Recovery codes in a line.
const IN_A_LINE: usize = 2;

/// What is wanted.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Take the password from a file, less one line end, instead of asking for it on the terminal
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The password alone lets the operator in
    #[arg(long)]
    without_second_factor: bool,
    /// The password has to be changed at the next sign-in, because somebody else knows it
    #[arg(long)]
    change_at_sign_in: bool,
}

/// See the module.
pub(super) struct Proofs {
    /// What is kept of the password.
    password: String,
    must_change: bool,
    second_factor: Option<SecondFactor>,
}

/// What is shown of a second factor.
struct SecondFactor {
    secret: TotpSecret,
    recovery: Vec<RecoveryCode>,
}

impl Proofs {
    /// Reads the password, and makes the rest. One that is easy to guess is refused.
    pub(super) async fn make(wanted: &Wanted, name: &OperatorName) -> Result<Proofs> {
        let typed = password::read(wanted.password_file.as_deref(), name).await?;
        let password = Password::chosen(typed.expose_secret(), name, &[])?.hash();
        let second_factor = (!wanted.without_second_factor).then(|| SecondFactor {
            secret: TotpSecret::random(),
            recovery: RecoveryCode::random_set().into(),
        });
        Ok(Proofs {
            password: password.as_str().to_owned(),
            must_change: wanted.change_at_sign_in,
            second_factor,
        })
    }

    /// A new operator with them.
    pub(super) fn of_new(&self, name: &OperatorName, role: Role) -> NewOperator {
        NewOperator {
            name: name.clone(),
            role,
            password: self.password.clone(),
            must_change: self.must_change,
            factor: self.factor(),
        }
    }

    /// That an operator who is there has them from now on, and nothing else.
    pub(super) fn change(&self) -> Change {
        Change::Given {
            password: self.password.clone(),
            must_change: self.must_change,
            factor: self.factor(),
        }
    }

    /// Shows what is shown once.
    pub(super) fn tell(&self, name: &OperatorName) -> Result<()> {
        match &self.second_factor {
            Some(factor) => say!("{}", factor.told(name))?,
            None => say!("{name} has no second factor: whoever knows the password is let in")?,
        }
        Ok(())
    }

    fn factor(&self) -> Option<NewFactor> {
        self.second_factor.as_ref().map(|factor| NewFactor {
            secret: factor.secret.text(),
            recovery: factor.recovery.iter().map(RecoveryCode::digest).collect(),
        })
    }
}

impl SecondFactor {
    fn told(&self, name: &OperatorName) -> String {
        let SecondFactor { secret, recovery } = self;
        let codes: Vec<String> = recovery.iter().map(RecoveryCode::text).collect();
        let lines: Vec<String> =
            codes.chunks(IN_A_LINE).map(|codes| format!("  {}", codes.join("   "))).collect();
        format!(
            "\nThe second factor, for an authenticator, is shown this once:\n  {}\n  or typed: {}\n\n\
             Each of these lets {name} in once in the place of a code, when the authenticator is lost. They are shown \
             this once, too:\n{}",
            secret.uri(ISSUER, name),
            secret.text(),
            lines.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> OperatorName {
        "lin".parse().expect("a name")
    }

    async fn made(chosen: &str, without_second_factor: bool) -> Result<Proofs> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        password::write(&file, chosen);
        let wanted =
            Wanted { password_file: Some(file), without_second_factor, change_at_sign_in: true };
        Proofs::make(&wanted, &name()).await
    }

    #[tokio::test]
    async fn all_that_proves_an_operator_is_shown_and_only_its_digests_are_kept() {
        let proofs = made("kettle orbit, sandal and 4 plums\n", false).await.expect("good enough");
        let new = proofs.of_new(&name(), Role::Admin);
        assert!(new.password.starts_with("$argon2id$") && new.must_change);
        let kept = new.factor.expect("a second factor");
        assert_eq!(kept.recovery.len(), 10);
        let factor = proofs.second_factor.as_ref().expect("a second factor");
        let told = factor.told(&name());
        assert!(told.contains("otpauth://totp/counter-bridge:lin?"), "{told}");
        assert!(told.contains(&kept.secret), "{told}");
        for code in &factor.recovery {
            assert!(told.contains(&code.text()), "{told}");
        }
    }

    #[tokio::test]
    async fn without_a_second_factor_there_are_no_recovery_codes() {
        let proofs = made("kettle orbit, sandal and 4 plums", true).await.expect("good enough");
        let new = proofs.of_new(&name(), Role::Viewer);
        assert!(new.factor.is_none());
        let Change::Given { factor: None, .. } = proofs.change() else {
            panic!("it is taken away")
        };
    }

    #[tokio::test]
    async fn a_password_that_is_easy_to_guess_is_refused_with_advice() {
        for (password, words) in
            [("short", "at least 12 characters"), ("passwordpassword", "easy to guess")]
        {
            let error = made(password, true).await.err().expect(password).to_string();
            assert!(error.contains(words) && !error.contains(password), "{error}");
        }
    }
}
