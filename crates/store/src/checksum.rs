//! Checksums of rows: over all columns, the key among them, so that a row which was altered, cut or put
//! in another's place is seen when it is read. They find accidents and hands, not a forger who counts
//! them anew. Rows of earlier versions have none and are taken as they are.

use crate::entity::transfer;
use crate::error::StoreError;
use crate::record::NewTransfer;
use domain::serial::Role;
use xxhash_rust::xxh3::Xxh3Default;

/// A checksum that is being made. Every value is preceded by its length or its kind, so that no two
/// rows read the same.
pub(crate) struct Sum(Xxh3Default);

impl Sum {
    /// Over a row of `table` with this key.
    pub(crate) fn of(table: &str, master: i64) -> Sum {
        Sum(Xxh3Default::new()).text(table).number(master)
    }

    pub(crate) fn number(mut self, number: i64) -> Sum {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Sum {
        self.0.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(bytes);
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
        self.0.digest().cast_signed()
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
        .text(new.from.counter.as_str())
        .text(new.from.account.as_str())
        .text(new.to.counter.as_str())
        .text(new.to.account.as_str())
        .number(new.amount.minor())
        .text(new.currency.as_str())
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
