//! Finds the transfers that a text names, whichever side's number it is.

use crate::coordinator::Coordinator;
use crate::find::Page;
use domain::message::AccountId;
use domain::serial::{MasterSerial, Sequence, SubSerial};
use store::{ListFilter, NewTransfer, StoreError};

/// What a text was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Named {
    /// A master serial.
    MasterSerial,
    /// The sub serial of a leg, as counters have it.
    SubSerial,
    /// The running number in a master serial.
    Sequence,
    /// An idempotency key, whichever app's.
    IdempotencyKey,
    /// An account, at whichever counter, on either side.
    Account,
    /// A counter's own serial of a posting, whichever counter's, of whichever leg.
    CounterSerial,
}

impl Named {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Named::MasterSerial => "master_serial",
            Named::SubSerial => "sub_serial",
            Named::Sequence => "sequence",
            Named::IdempotencyKey => "idempotency_key",
            Named::Account => "account",
            Named::CounterSerial => "counter_serial",
        }
    }
}

/// Digits of a running number, written out.
const SEQUENCE_DIGITS: usize = 11;

/// What a text may be taken for: it is looked for as each.
fn readings(text: &str) -> (Option<MasterSerial>, Option<SubSerial>, Option<Sequence>) {
    let is_number = text.len() <= SEQUENCE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    let sequence = number.and_then(|number| Sequence::new(number).ok());
    (text.parse().ok(), text.parse().ok(), sequence)
}

impl Coordinator {
    /// The transfers that a text names, by what it was taken for; what names none is left out. Of an account, and of a
    /// counter's serial, there may be more than a page of `limit`; and of what ended under an earlier version some may not
    /// have been looked at yet: then there is a next page.
    pub async fn search(&self, text: &str, limit: u16) -> Result<Vec<(Named, Page)>, StoreError> {
        let (master, sub, sequence) = readings(text);
        let store = &self.inner.store;
        let mut found = Vec::new();
        if let Some(master) = master {
            self.add(&mut found, Named::MasterSerial, [master]).await?;
        }
        for (named, sequence) in
            [(Named::SubSerial, sub.map(|sub| sub.sequence)), (Named::Sequence, sequence)]
        {
            let Some(sequence) = sequence else { continue };
            let stored = store.find_by_sequence(sequence).await?;
            self.add(&mut found, named, stored.map(|stored| stored.transfer.master)).await?;
        }
        if text.len() <= NewTransfer::LONGEST_KEY {
            let stored = store.find_by_any_key(text).await?;
            let masters = stored.into_iter().map(|stored| stored.transfer.master);
            self.add(&mut found, Named::IdempotencyKey, masters).await?;
        }
        if let Ok(account) = AccountId::new(text) {
            let filter = ListFilter { account: Some(account), limit, ..ListFilter::default() };
            let page = self.list(&filter).await?;
            if !page.transfers.is_empty() {
                found.push((Named::Account, page));
            }
        }
        let serial = Some(text.to_owned());
        let filter = ListFilter { counter_serial: serial, limit, ..ListFilter::default() };
        match self.list(&filter).await {
            Ok(page) if page.transfers.is_empty() && page.next.is_none() => {}
            Ok(page) => found.push((Named::CounterSerial, page)),
            // It goes through what is not entered yet, which may take too long: what is found is found.
            Err(error) if !found.is_empty() => {
                tracing::warn!(%error, "a search did not look at counters' own serials");
            }
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    /// Adds those of these that there are, each as it stands at one moment.
    async fn add(
        &self,
        found: &mut Vec<(Named, Page)>,
        named: Named,
        masters: impl IntoIterator<Item = MasterSerial>,
    ) -> Result<(), StoreError> {
        let mut transfers = Vec::new();
        for master in masters {
            transfers.extend(self.find(master).await?);
        }
        if !transfers.is_empty() {
            found.push((named, Page { transfers, next: None }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_for_all_that_it_may_be() {
        let taken = |text| {
            let (master, sub, sequence) = readings(text);
            (master.is_some(), sub.is_some(), sequence.map(Sequence::number))
        };
        for (text, expected) in [
            ("2026112100000000042", (true, false, None)),
            ("2026133900000000042", (false, false, None)),
            ("000000000421", (false, true, None)),
            ("000000000429", (false, false, None)),
            ("00000000042", (false, false, Some(42))),
            ("42", (false, false, Some(42))),
            ("0", (false, false, None)),
            ("99999999999", (false, false, Some(99_999_999_999))),
            ("+42", (false, false, None)),
            ("order-42", (false, false, None)),
            ("", (false, false, None)),
        ] {
            assert_eq!(taken(text), expected, "{text:?}");
        }
    }
}
