//! A person's commands: they sign like an app backend, look like an operator, and show what they
//! get as tables.
//!
//! Reading order: [`Access`] is how the bridge is reached, `token` by what an operator is known there; `operators`
//! calls the operators' side;
//! `tables` shows things; each command has a file.

mod access;
mod alarms;
pub(crate) mod balance;
pub(crate) mod claim;
pub(crate) mod find;
mod found;
mod held_for;
pub(crate) mod links;
mod operators;
pub(crate) mod proven;
pub(crate) mod readmit;
pub(crate) mod reconnect;
pub(crate) mod resolve;
mod screen;
pub(crate) mod show;
pub(crate) mod status;
mod summary;
pub(crate) mod tables;
pub(crate) mod token;
pub(crate) mod transfer;

pub(crate) use access::Access;
pub(crate) use operators::Operators;

use client::Account;
use domain::message::Place;
use domain::serial::MasterSerial;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As tables, for people.
    Tables,
    /// As JSON, for machines.
    Json,
}

impl Form {
    /// The form that `--json` asks for, or does not.
    pub(crate) fn of(json: bool) -> Form {
        if json { Form::Json } else { Form::Tables }
    }
}

/// Reads `COUNTER:ACCOUNT`.
fn place(text: &str) -> Result<Account, String> {
    let (counter, account) =
        text.split_once(':').ok_or_else(|| "write COUNTER:ACCOUNT".to_owned())?;
    let place = Place {
        counter: counter.parse().map_err(|error| format!("{error}"))?,
        account: account.parse().map_err(|error| format!("{error}"))?,
    };
    Ok(Account::new(place.counter.as_str(), place.account.as_str()))
}

/// Reads a master serial, and gives it back as it is written.
fn serial(text: &str) -> Result<String, String> {
    let serial: MasterSerial = text.parse().map_err(|error| format!("{error}"))?;
    Ok(serial.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_a_counter_and_an_account() {
        assert_eq!(place("securities:6001"), Ok(Account::new("securities", "6001")));
        for bad in ["", "securities", ":6001", "securities:", "Securities:1", "a:b:c", "a:6 1"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn serials_are_19_digits() {
        assert_eq!(serial("2026112100000000042").as_deref(), Ok("2026112100000000042"));
        for bad in ["", "42", "2026133100000000042", "20261121000000000421", "2026112100000000000"]
        {
            assert!(serial(bad).is_err(), "{bad}");
        }
    }
}
