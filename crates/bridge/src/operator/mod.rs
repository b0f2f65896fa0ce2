//! `counter-bridge operator`: who may use the operators' side. It acts on the database itself, beside a running bridge
//! or without one: whoever may write there needs nobody's leave, and the first admin is made so.
//!
//! Reading order: what each command takes, and does; `register` opens the database, and says who acts; `password`
//! reads one, `proofs` makes what an operator signs in by; `shown` is how people and machines are told. `two` is who decides something together.

pub(crate) mod password;
mod proofs;
mod register;
mod shown;
pub(crate) mod two;

use crate::person::Form;
use anyhow::{Context, Error, Result, anyhow, bail};
use clap::{Args, Subcommand};
use command_line::Ended;
use command_line::number::within;
use people::{OperatorName, Role, TokenSecret};
use proofs::{Proofs, Wanted};
use register::{Making, Register, Where};
use store::people::{Change, NewToken, Operator, Unchanged};
use supervise::clock::now_micros;
use supervise::{say, tell};

/// One day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// The longest label of a token, in bytes: as much as is kept.
const LONGEST_LABEL: usize = 64;

/// `operator`.
#[derive(Debug, Args)]
pub(crate) struct OperatorCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an operator, the first admin too: there is no password that everybody knows
    Add(AddCommand),
    /// Show all operators
    List(ListCommand),
    /// Let an operator in no more: all sessions end, and all tokens
    Disable(NamedCommand),
    /// Let an operator in again that was disabled; tokens have to be made anew
    Enable(NamedCommand),
    /// Change what an operator may
    Role(RoleCommand),
    /// Give an operator another password and another second factor; all sessions end
    Reset(ResetCommand),
    /// Make a token, by which a program acts in an operator's name; standard output has it alone
    Token(TokenCommand),
    /// Show the tokens of an operator, not what they are
    Tokens(TokensCommand),
    /// End a token
    EndToken(EndTokenCommand),
}

/// What a change is recorded with.
#[derive(Debug, Args)]
struct Deed {
    #[command(flatten)]
    at: Where,
    /// Why, in your words: it is kept
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct AddCommand {
    /// By which the operator signs in
    name: OperatorName,
    /// What the operator may: viewer, operator, approver or admin
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    deed: Deed,
}

#[derive(Debug, Args)]
struct ListCommand {
    #[command(flatten)]
    at: Where,
    /// Answer in JSON, for machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct NamedCommand {
    /// Which operator
    name: OperatorName,
    #[command(flatten)]
    deed: Deed,
}

#[derive(Debug, Args)]
struct RoleCommand {
    /// Which operator
    name: OperatorName,
    /// What the operator may from now on: viewer, operator, approver or admin
    role: Role,
    #[command(flatten)]
    deed: Deed,
}

#[derive(Debug, Args)]
struct ResetCommand {
    /// Which operator
    name: OperatorName,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    deed: Deed,
}

#[derive(Debug, Args)]
struct TokenCommand {
    /// In whose name it acts
    name: OperatorName,
    /// What it is for, such as the program's name; one of its own for each token of an operator
    #[arg(long, value_name = "TEXT", value_parser = label)]
    label: String,
    /// What may be done by it, at most what its operator may [default: that]
    #[arg(long)]
    role: Option<Role>,
    /// For how many days it is good
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = within::<u16>(1..=366))]
    days: u16,
    #[command(flatten)]
    deed: Deed,
}

#[derive(Debug, Args)]
struct TokensCommand {
    /// Whose
    name: OperatorName,
    #[command(flatten)]
    at: Where,
    /// Answer in JSON, for machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct EndTokenCommand {
    /// Whose
    name: OperatorName,
    /// Which, by what it is for
    #[arg(value_parser = label)]
    label: String,
    #[command(flatten)]
    deed: Deed,
}

/// Does it.
pub(crate) async fn run(command: OperatorCommand) -> Result<Ended> {
    match command.what {
        What::Add(command) => add(command).await,
        What::List(command) => list(command).await,
        What::Disable(command) => disable(command, true).await,
        What::Enable(command) => disable(command, false).await,
        What::Role(command) => role(command).await,
        What::Reset(command) => reset(command).await,
        What::Token(command) => token(command).await,
        What::Tokens(command) => tokens(command).await,
        What::EndToken(command) => end_token(command).await,
    }?;
    Ok(Ended::Well)
}

async fn add(command: AddCommand) -> Result<()> {
    let AddCommand { name, role, wanted, deed } = command;
    // Before the record is held: nobody is kept waiting by somebody who types.
    let proofs = Proofs::make(&wanted, &name).await?;
    let register = Register::open(&deed.at, Making::IsMeant).await?;
    let mut act = register::act("operator_added", &name, deed.reason);
    act.after = Some(role.as_str().into());
    let made = register.people().add(&proofs.of_new(&name, role), &act).await;
    register.close().await;
    made.map_err(|why| refused(&name, &why))?;
    say!("{name} is made, as {role}")?;
    proofs.tell(&name)
}

async fn list(command: ListCommand) -> Result<()> {
    let register = Register::open(&command.at, Making::IsAMistake).await?;
    let operators = register.people().operators().await;
    register.close().await;
    let operators = operators?;
    match Form::of(command.json) {
        Form::Json => say!("{}", shown::operators_json(&operators))?,
        Form::Tables => say!("{}", shown::operators(&operators))?,
    }
    Ok(())
}

async fn disable(command: NamedCommand, disabled: bool) -> Result<()> {
    let NamedCommand { name, deed } = command;
    let (word, after) =
        if disabled { ("operator_disabled", "disabled") } else { ("operator_enabled", "enabled") };
    let former = alter(&name, &Change::Disabled(disabled), word, after, deed).await?;
    match (former.disabled_at.is_some(), disabled) {
        (true, true) => say!("{name} was disabled before")?,
        (false, true) => say!("{name} is disabled; all sessions have ended, and all tokens")?,
        (true, false) => {
            say!("{name} may sign in again, as {}; tokens are made anew", former.role)?;
        }
        (false, false) => say!("{name} was not disabled")?,
    }
    Ok(())
}

async fn role(command: RoleCommand) -> Result<()> {
    let RoleCommand { name, role, deed } = command;
    let former = alter(&name, &Change::Role(role), "role_changed", role.as_str(), deed).await?;
    say!("{name} was {}, and is {role} now", former.role)?;
    Ok(())
}

async fn reset(command: ResetCommand) -> Result<()> {
    let ResetCommand { name, wanted, deed } = command;
    let proofs = Proofs::make(&wanted, &name).await?;
    let register = Register::open(&deed.at, Making::IsAMistake).await?;
    let act = register::act("operator_reset", &name, deed.reason);
    let done = Box::pin(register.people().alter(&name, &proofs.change(), &act)).await;
    register.close().await;
    done.map_err(|why| refused(&name, &why))?;
    say!("{name} has another password; all sessions have ended, and tokens go on")?;
    proofs.tell(&name)
}

async fn token(command: TokenCommand) -> Result<()> {
    let TokenCommand { name, label, role, days, deed } = command;
    let register = Register::open(&deed.at, Making::IsAMistake).await?;
    let secret = TokenSecret::random();
    let made = make_token(&register, &name, (&label, role, days), &secret, deed.reason).await;
    register.close().await;
    let new = made?;
    say!("{}", secret.text())?;
    tell!(
        "{name} has the token {:?}, as {}, until {}; it is shown this once, and whoever has it acts as {name}: \
         keep it in a file that nobody else reads",
        label,
        new.role,
        shown::time(new.expires_at)
    );
    Ok(())
}

/// Makes one for so many days, if its operator may have it.
async fn make_token(
    register: &Register,
    name: &OperatorName,
    (label, role, days): (&str, Option<Role>, u16),
    secret: &TokenSecret,
    reason: Option<String>,
) -> Result<NewToken> {
    let people = register.people();
    let operator = found(register, name).await?;
    if operator.disabled_at.is_some() {
        bail!("{name} is disabled, and has no tokens: `counter-bridge operator enable {name}`");
    }
    let role = role.unwrap_or(operator.role);
    if role > operator.role {
        bail!("{name} is {}: a token of {name} cannot be {role}", operator.role);
    }
    let others = people.tokens(name).await?;
    if others.iter().any(|token| token.label.as_received() == label) {
        bail!(
            "{name} has a token {label:?}: end it by `counter-bridge operator end-token {name} {label:?}`, or choose \
             another label"
        );
    }
    let expires_at = now_micros() + i64::from(days) * DAY;
    let new = NewToken {
        digest: secret.digest(),
        name: name.clone(),
        label: label.into(),
        role,
        expires_at,
    };
    let mut act = register::act("token_added", name, reason);
    act.after = Some(format!("{label}, {role}, until {}", shown::time(expires_at)).into());
    if !people.add_token(&new, &act).await? {
        bail!(
            "{name} has {} tokens, as many as one may have: end one that nobody uses",
            others.len()
        );
    }
    Ok(new)
}

async fn tokens(command: TokensCommand) -> Result<()> {
    let register = Register::open(&command.at, Making::IsAMistake).await?;
    let asked = async {
        let operator = found(&register, &command.name).await?;
        anyhow::Ok(register.people().tokens(&operator.name).await?)
    }
    .await;
    register.close().await;
    let (tokens, now) = (asked?, now_micros());
    match Form::of(command.json) {
        Form::Json => say!("{}", shown::tokens_json(&tokens))?,
        Form::Tables => say!("{}", shown::tokens(&tokens, &command.name, now))?,
    }
    Ok(())
}

async fn end_token(command: EndTokenCommand) -> Result<()> {
    let EndTokenCommand { name, label, deed } = command;
    let register = Register::open(&deed.at, Making::IsAMistake).await?;
    let ended = end_labelled(&register, &name, &label, deed.reason).await;
    register.close().await;
    if ended? == 0 {
        bail!(
            "{name} has no token {label:?}: `counter-bridge operator tokens {name}` shows those that there are"
        );
    }
    say!("the token {label:?} of {name} has ended")?;
    Ok(())
}

/// Ends all with this label, for the console may have made another; how many there were.
async fn end_labelled(
    register: &Register,
    name: &OperatorName,
    label: &str,
    reason: Option<String>,
) -> Result<usize> {
    let people = register.people();
    let operator = found(register, name).await?;
    let mut ended = 0;
    for token in people.tokens(&operator.name).await? {
        if token.label.as_received() == label {
            let mut act = register::act("token_ended", name, reason.clone());
            act.before = Some(label.into());
            ended += usize::from(people.end_token(&token.digest, &act).await?);
        }
    }
    Ok(ended)
}

/// Changes an operator; how it was.
async fn alter(
    name: &OperatorName,
    change: &Change,
    word: &str,
    after: &str,
    deed: Deed,
) -> Result<Operator> {
    let register = Register::open(&deed.at, Making::IsAMistake).await?;
    let mut act = register::act(word, name, deed.reason);
    act.after = Some(after.into());
    let altered = async {
        let operator = found(&register, name).await?;
        let before = operator.disabled_at.map_or(operator.role.as_str(), |_| "disabled");
        act.before = Some(before.into());
        let altered = Box::pin(register.people().alter(name, change, &act)).await;
        altered.map_err(|why| refused(name, &why))
    }
    .await;
    register.close().await;
    altered
}

async fn found(register: &Register, name: &OperatorName) -> Result<Operator> {
    let operator = register.people().operator(name).await?;
    operator.with_context(|| unknown(name))
}

/// Why nothing was changed, and what to do.
fn refused(name: &OperatorName, why: &Unchanged) -> Error {
    match why {
        Unchanged::Exists => anyhow!(
            "there is an operator {name} already: `counter-bridge operator reset {name}` gives another password, \
             `counter-bridge operator list` shows all"
        ),
        Unchanged::Unknown => anyhow!("{}", unknown(name)),
        Unchanged::LastAdmin => anyhow!(
            "{name} is the only admin that is left: make another first, by `counter-bridge operator add` or \
             `counter-bridge operator role`"
        ),
        // Of what operators change of their own alone.
        Unchanged::Overtaken => anyhow!("{name}: {why}"),
        Unchanged::Store(error) => Error::from(error.clone()),
    }
}

fn unknown(name: &OperatorName) -> String {
    format!("there is no operator {name}: `counter-bridge operator list` shows all")
}

/// Reads what a token is for: it stands in the record, and on terminals.
fn label(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > LONGEST_LABEL || text.chars().any(foreign::is_unseen)
    {
        return Err(format!("a label has at most {LONGEST_LABEL} bytes, all of which can be seen"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_short_and_can_be_seen() {
        assert_eq!(label("nightly report").as_deref(), Ok("nightly report"));
        label(&"x".repeat(64)).expect("the longest");
        for bad in ["", " ", "a\nb", "a\u{1b}[2J", &"x".repeat(65)] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn whoever_is_refused_is_told_what_to_do() {
        let lin: OperatorName = "lin".parse().expect("a name");
        for (why, words) in [
            (Unchanged::Exists, "operator reset lin"),
            (Unchanged::Unknown, "there is no operator lin"),
            (Unchanged::LastAdmin, "make another first"),
        ] {
            let said = refused(&lin, &why).to_string();
            assert!(said.contains(words), "{said}");
        }
    }
}
