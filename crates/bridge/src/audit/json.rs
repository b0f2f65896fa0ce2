//! Findings for machines.

use reconcile::{Finding, Posting};
use serde_json::{Value, json};

/// What must not be, with its fields and in words.
pub(super) fn finding(finding: &Finding) -> Value {
    let mut said = json!({ "kind": finding.kind(), "text": finding.to_string() });
    if let Some(master) = finding.master() {
        said["master_serial"] = json!(master);
    }
    match finding {
        Finding::Doubled { counter, serial, times } => {
            said["counter"] = json!(counter);
            said["sub_serial"] = json!(serial);
            said["times"] = json!(times);
        }
        Finding::NotAsRecorded { posting, what, .. } => {
            said["differs_in"] = json!(what);
            said["posting"] = posting_json(posting);
        }
        Finding::Damaged { what, .. } | Finding::DamagedPage { what } => {
            said["damage"] = json!(what);
        }
        Finding::NotTold { counter, why } => {
            said["counter"] = json!(counter);
            said["why"] = json!(why);
        }
        Finding::Unexplained { posting }
        | Finding::Foreign { posting, .. }
        | Finding::ForeignSpeaker { posting, .. }
        | Finding::NotAskedFor { posting } => {
            said["posting"] = posting_json(posting);
        }
        Finding::WrongLegs { standing, posted, .. } => {
            said["state"] = json!(standing.as_str());
            said["posted"] = json!({
                "debits": posted.debits,
                "credits": posted.credits,
                "reversals": posted.reversals,
            });
        }
        Finding::Unbalanced { currency, unaccounted } => {
            said["currency"] = json!(currency);
            said["unaccounted"] = json!(i64::try_from(*unaccounted).ok());
        }
    }
    said
}

fn posting_json(posting: &Posting) -> Value {
    json!({
        "counter": posting.counter,
        "kind": posting.kind,
        "sub_serial": posting.serial,
        "original": posting.original,
        "account": posting.account,
        "amount": posting.amount,
        "currency": posting.currency,
        "settle_day": posting.settle_day.to_string(),
        "mark": posting.mark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::Currency;
    use domain::serial::{Day, MasterSerial, Role};

    #[test]
    fn findings_are_said_in_words_and_in_fields() {
        let master: MasterSerial = "2026112100000000007".parse().expect("a serial");
        let said = finding(&Finding::NotAsRecorded {
            master,
            posting: Posting {
                counter: "securities".parse().expect("a name"),
                kind: Role::Debit,
                serial: master.leg(Role::Debit),
                original: None,
                account: "6001".parse().expect("a number"),
                amount: 199,
                currency: Currency::CNY,
                settle_day: Day::new(20_261_121).expect("a day"),
                mark: None,
            },
            what: "amount",
        });
        assert_eq!(said["kind"], "not_as_recorded");
        assert_eq!(said["master_serial"], "2026112100000000007");
        assert_eq!(said["posting"]["sub_serial"], "000000000071");
        assert_eq!(said["differs_in"], "amount");
        assert!(said["text"].as_str().is_some_and(|text| text.starts_with("a debit of 1.99 CNY")));
    }
}
