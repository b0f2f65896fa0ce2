//! Moves money from one account to another, and says what became of it.
//!
//! `cargo run -p client --example transfer -- URL KEY_ID SECRET_FILE FROM_COUNTER:ACCOUNT TO_COUNTER:ACCOUNT MINOR`

use client::{Account, Algorithm, Client, IdempotencyKey, Key, NewTransfer, Retry, Signer, State};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, key_id, secret, from, to, minor] = &arguments[..] else {
        return Err("write URL KEY_ID SECRET_FILE FROM:ACCOUNT TO:ACCOUNT MINOR".into());
    };
    let key = Key::from_file(Algorithm::HmacSha256, &std::fs::read(secret)?)?;
    let client = Client::new(url, Signer::new(key_id, key)?)?.with_retry(Retry::default());
    let order = NewTransfer {
        from: account(from)?,
        to: account(to)?,
        amount: minor.parse()?,
        currency: "CNY".to_owned(),
    };
    // An app writes this key down with its order before it sends anything, and sends the same one again
    // whenever it does not know what became of it.
    let key = IdempotencyKey::random();
    let posted = client.transfer(&order, &key, Duration::from_secs(5)).await?;
    let serial = posted.transfer.master_serial;
    let ended = client.wait_until_final(&serial, Duration::from_mins(1)).await?;
    let told = match ended.state {
        State::Completed => "the money has arrived",
        State::Refused => "no money has moved",
        State::Reversed => "the money is back where it was",
        _ => "it goes on: ask again, and do not pay twice",
    };
    writeln!(std::io::stdout(), "{serial}: {told}")?;
    Ok(())
}

fn account(text: &str) -> Result<Account, String> {
    let (counter, account) = text.split_once(':').ok_or("write COUNTER:ACCOUNT")?;
    Ok(Account::new(counter, account))
}
