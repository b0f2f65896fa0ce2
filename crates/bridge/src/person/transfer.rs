//! `counter-bridge transfer`: orders one transfer and waits for its end.

use super::{Access, Form, place, tables};
use anyhow::{Result, anyhow, bail};
use clap::Args;
use client::{Account, CallError, IdempotencyKey, NewTransfer, State, Transfer};
use command_line::Ended;
use command_line::number::within;
use domain::money::{Amount, Currency};
use std::time::{Duration, Instant};
use supervise::{say, tell};

/// The longest that the bridge itself keeps an answer back.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// `transfer`.
#[derive(Debug, Args)]
pub(crate) struct TransferCommand {
    /// Where the money leaves
    #[arg(long, value_name = "COUNTER:ACCOUNT", value_parser = place)]
    from: Account,
    /// Where it arrives
    #[arg(long, value_name = "COUNTER:ACCOUNT", value_parser = place)]
    to: Account,
    /// How much, in minor units: 100000 is 1,000.00
    #[arg(long, value_name = "MINOR", value_parser = amount)]
    amount: Amount,
    /// In what
    #[arg(long, value_name = "CODE", default_value = "CNY")]
    currency: Currency,
    /// The idempotency key: the same key is the same transfer, however often it is ordered; a new
    /// one if absent
    #[arg(long, value_parser = key)]
    key: Option<IdempotencyKey>,
    /// How long to wait for the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = within::<u64>(0..=86_400))]
    wait: u64,
}

/// Orders it, and shows what became of it.
pub(crate) async fn run(command: TransferCommand, access: &Access, form: Form) -> Result<Ended> {
    let client = access.client()?;
    let key = command.key.unwrap_or_else(IdempotencyKey::random);
    let order = NewTransfer {
        from: command.from,
        to: command.to,
        amount: command.amount.minor(),
        currency: command.currency.to_string(),
    };
    let begun = Instant::now();
    let wait = Duration::from_secs(command.wait);
    let posted = client
        .transfer(&order, &key, wait.min(LONGEST_ANSWER))
        .await
        .map_err(|error| refusal(&error, &key))?;
    let mut transfer = posted.transfer;
    let left = wait.saturating_sub(begun.elapsed());
    if !transfer.state.is_final() && !left.is_zero() {
        match client.wait_until_final(&transfer.master_serial, left).await {
            Ok(later) => transfer = later,
            Err(error) => tell!("counter-bridge: what became of it cannot be asked: {error}"),
        }
    }
    match form {
        Form::Json => say!("{}", serde_json::to_string(&transfer)?)?,
        Form::Tables => say!("{}", tables::transfer(&transfer))?,
    }
    let ended = ended(&transfer);
    if ended == Ended::Unfinished {
        tell!("counter-bridge: {}", goes_on(&transfer, &access.again()));
    }
    Ok(ended)
}

/// What the exit code says of a transfer.
pub(super) fn ended(transfer: &Transfer) -> Ended {
    match transfer.state {
        State::Completed => Ended::Well,
        State::Refused | State::Reversed => Ended::Badly,
        State::Accepted
        | State::Debiting
        | State::Crediting
        | State::Reversing
        | State::NeedsOperator
        | State::Unrecognized => Ended::Unfinished,
    }
}

/// What becomes of a transfer that is not final.
fn goes_on(transfer: &Transfer, again: &str) -> String {
    let serial = &transfer.master_serial;
    if transfer.state == State::NeedsOperator {
        format!("it waits for a person; what is known: counter-bridge show {serial}{again}")
    } else {
        format!("it goes on by itself; ask later: counter-bridge show {serial}{again}")
    }
}

/// What a person does about a call that gave no transfer.
fn refusal(error: &CallError, key: &IdempotencyKey) -> anyhow::Error {
    match error {
        CallError::Unsendable { .. } | CallError::Refused(_) => anyhow!("{error}"),
        CallError::NotAdmitted(_) => {
            anyhow!("{error}; once that is mended, order it again with --key {key}")
        }
        CallError::NotFinished { .. } => anyhow!("{error}; order it again with --key {key}"),
        CallError::Unreachable { .. } => anyhow!(
            "{error}. The transfer may be under way. Order it again with --key {key}: that finds \
             out, and moves no money twice"
        ),
    }
}

fn amount(text: &str) -> Result<Amount> {
    let Ok(minor) = text.parse() else { bail!("write whole minor units, such as 100000") };
    Ok(Amount::new(minor)?)
}

fn key(text: &str) -> Result<IdempotencyKey, String> {
    let key = IdempotencyKey::new(text);
    key.ok_or_else(|| "an idempotency key is 1 to 128 visible ASCII characters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_person_is_not_told_to_go_on_by_itself() {
        for (state, words) in [("needs_operator", "waits for a person"), ("crediting", "by itself")]
        {
            let transfer: Transfer = serde_json::from_value(serde_json::json!({
                "master_serial": "2026112100000000042", "state": state, "legs": [],
                "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-21T10:00:01Z",
            }))
            .expect("a transfer");
            let told = goes_on(&transfer, "");
            assert!(told.contains(words) && told.ends_with("show 2026112100000000042"), "{told}");
        }
    }

    #[test]
    fn a_call_without_an_answer_tells_the_key_to_go_on_with() {
        let key = IdempotencyKey::new("k-17").expect("a key");
        let gone = CallError::Unreachable { why: "connection refused".into(), source: None };
        assert!(refusal(&gone, &key).to_string().contains("--key k-17"));
        let wrong = CallError::Unsendable { why: "no".into(), source: None };
        assert!(!refusal(&wrong, &key).to_string().contains("--key"));
    }
}
