//! `counter-bridge balance`: what accounts hold, as their counters say.

use super::{Access, Form, place, tables};
use anyhow::Result;
use clap::Args;
use client::Account;
use command_line::Ended;
use domain::money::Currency;
use domain::shown::money;
use supervise::{say, tell};

/// `balance`.
#[derive(Debug, Args)]
pub(crate) struct BalanceCommand {
    /// The accounts
    #[arg(required = true, value_name = "COUNTER:ACCOUNT", value_parser = place)]
    places: Vec<Account>,
    /// In what; the bridge's default if absent
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
}

/// Asks for each; one that cannot be told keeps back none of the others.
pub(crate) async fn run(command: BalanceCommand, access: &Access, form: Form) -> Result<Ended> {
    let client = access.client()?;
    let mut ended = Ended::Well;
    let mut table =
        tables::table(["counter", "account", "available", "withdrawable", "minor units"]);
    let currency = command.currency.as_ref().map(Currency::as_str);
    for Account { counter, account } in &command.places {
        match (client.balance(counter, account, currency).await, form) {
            (Ok(balance), Form::Json) => say!("{}", serde_json::to_string(&balance)?)?,
            (Ok(balance), Form::Tables) => {
                let shown = |minor| tables::plain(&money(minor, &balance.currency));
                table.add_row([
                    tables::plain(&balance.counter),
                    tables::plain(&balance.account),
                    shown(balance.available),
                    shown(balance.withdrawable),
                    format!("{} / {}", balance.available, balance.withdrawable),
                ]);
            }
            (Err(error), _) => {
                tell!("counter-bridge: {counter}:{account}: {error}");
                ended = Ended::Badly;
            }
        }
    }
    if !table.is_empty() {
        say!("{table}")?;
    }
    Ok(ended)
}
