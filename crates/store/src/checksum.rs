//! Checksums of rows: over all columns, the key among them, so that a row which was altered, cut or put
//! in another's place is seen when it is read. They find accidents and hands, not a forger who counts
//! them anew. Rows of earlier versions have none and are taken as they are.

use crate::entity::transfer;
use crate::error::StoreError;
use crate::record::NewTransfer;
use domain::serial::Role;
use xxhash_rust::xxh3::xxh3_64;

/// A checksum that is being made. Every value is preceded by its length or its kind, so that no two
/// rows read the same. They are put in a row first, which takes less time than to hash them one by one.
pub(crate) struct Sum(Vec<u8>);

/// Most rows are shorter.
const A_ROW: usize = 512;

impl Sum {
    /// Over a row of `table` with this key.
    pub(crate) fn of(table: &str, master: i64) -> Sum {
        Sum(Vec::with_capacity(A_ROW)).text(table).number(master)
    }

    pub(crate) fn number(mut self, number: i64) -> Sum {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Sum {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Sum {
        self.bytes(text.as_bytes())
    }

    /// A text that may be missing: which is something else than an empty one.
    pub(crate) fn maybe(self, text: Option<&str>) -> Sum {
        match text {
            Some(text) => self.number(1).text(text),
            None => self.number(0),
        }
    }

    /// As the database keeps it.
    pub(crate) fn end(self) -> i64 {
        xxh3_64(&self.0).cast_signed()
    }
}

/// Of a transfer as it is written.
pub(crate) fn of_transfer(new: &NewTransfer) -> i64 {
    let serial = |role| i64::try_from(new.master.leg(role).number()).unwrap_or(i64::MAX);
    let sum = Sum::of("transfer", new.master.number())
        .text(&new.app)
        .text(&new.idempotency_key)
        .bytes(&new.fingerprint)
        .number(serial(Role::Debit))
        .number(serial(Role::Credit))
        .text(new.order.from.counter.as_str())
        .text(new.order.from.account.as_str())
        .text(new.order.to.counter.as_str())
        .text(new.order.to.account.as_str())
        .number(new.order.amount.minor())
        .text(new.order.currency.as_str())
        .number(new.debit_day.number().into())
        .number(new.credit_day.number().into())
        .number(new.credit_barrier.into())
        .number(new.created_at)
        .number(new.deadline_at);
    marked(sum, new.mark.map(|mark| mark.0.cast_signed()))
}

/// Of a transfer as it is read.
pub(crate) fn of_transfer_row(row: &transfer::Model) -> i64 {
    let sum = Sum::of("transfer", row.master_serial)
        .bytes(&row.app)
        .bytes(&row.idempotency_key)
        .bytes(&row.fingerprint)
        .number(row.debit_serial)
        .number(row.credit_serial)
        .text(&row.from_counter)
        .text(&row.from_account)
        .text(&row.to_counter)
        .text(&row.to_account)
        .number(row.amount)
        .text(&row.currency)
        .number(row.debit_day.into())
        .number(row.credit_day.into())
        .number(row.credit_barrier.into())
        .number(row.created_at)
        .number(row.deadline_at);
    marked(sum, row.mark)
}

fn marked(sum: Sum, mark: Option<i64>) -> i64 {
    match mark {
        Some(mark) => sum.number(1).number(mark).end(),
        None => sum.number(0).end(),
    }
}

/// Of an ending.
pub(crate) fn of_outcome(
    master: i64,
    state: i16,
    reason: Option<&str>,
    finished_at: i64,
    answer: (i16, &[u8]),
    trail: Option<&str>,
) -> i64 {
    let (status, body) = answer;
    Sum::of("outcome", master)
        .number(state.into())
        .maybe(reason)
        .number(finished_at)
        .number(status.into())
        .bytes(body)
        .maybe(trail)
        .end()
}

/// Of one part of a trail.
pub(crate) fn of_trail(master: i64, part: i64, body: &str) -> i64 {
    Sum::of("trail", master).number(part).text(body).end()
}

/// Of a decision.
pub(crate) fn of_decision(master: i64, at: i64, who: &[u8], decision: &str, note: &str) -> i64 {
    Sum::of("decision", master).number(at).bytes(who).text(decision).text(note).end()
}

/// Whether a row is what was written.
pub(crate) fn check(
    master: i64,
    what: &str,
    kept: Option<i64>,
    sum: impl FnOnce() -> i64,
) -> Result<(), StoreError> {
    match kept {
        Some(kept) if kept != sum() => Err(StoreError::corrupt(
            master,
            &format!("{what} is not what was written: its checksum differs"),
        )),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a record was summed by an earlier version: a sum stays what it was.
    #[test]
    fn a_sum_stays_what_it_was() {
        let long = "x".repeat(1_000);
        for (sum, expected) in [
            (of_trail(2_026_112_100_000_000_001, 0, ""), 577_027_150_410_353_712),
            (of_trail(2_026_112_100_000_000_001, 3, &long), 2_286_711_500_873_599_887),
            (
                of_outcome(1, 3, Some("余额不足"), 5, (201, b"{}"), Some(&long)),
                -3_163_789_535_959_976_781,
            ),
            (of_outcome(1, 3, None, 5, (201, b"{}"), None), 5_695_150_378_272_126_789),
            (of_decision(1, 7, b"ann", "resume", "seen"), -4_226_284_762_008_153_719),
        ] {
            assert_eq!(sum, expected);
        }
    }
}
