//! Two batches of the journal on `SQLite`, in a temporary file: 64 transfers accepted, and ended.

use crate::{Bench, Operation, sample};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use std::sync::Arc;
use store::{FinalState, NewTransfer, Outcome, Store, Write, WriteId, Written};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Transfers in a batch: as many as callers that wait for each other.
const BATCH: u64 = 64;
/// When everything happens, in microseconds since 1970.
const NOW: i64 = 1_795_224_600_000_000;
/// As long as the trail of a transfer that was completed.
const TRAIL: &str = r#"[{"at":1795224600000000,"event":"debit sent","phase":"debit_sent","leg":{"role":"debit","knowledge":"unknown","sent":1}},{"at":1795224600001000,"event":"debit answered: Done","phase":"credit_sent","leg":{"role":"debit","knowledge":"done","sent":1,"answer":{"code":200,"text":"done"},"counter_serial":"202611210000004711","posted_day":20261121}},{"at":1795224600002000,"event":"credit answered: Done","phase":"completed","leg":{"role":"credit","knowledge":"done","sent":1,"answer":{"code":200,"text":"done"},"counter_serial":"202611210000004711","posted_day":20261121}}]"#;
/// As long as the answer that its caller gets.
const ANSWER: &str = r#"{"master_serial":"2026112100000004711","state":"completed","from":{"counter":"securities","account":"60000123"},"to":{"counter":"futures","account":"80000456"},"amount":123456,"currency":"CNY","created_at":"2026-11-21T01:30:00.000000Z","updated_at":"2026-11-21T01:30:00.002000Z","debit":{"serial":"000000047111","knowledge":"done","counter_serial":"202611210000004711"},"credit":{"serial":"000000047112","knowledge":"done","counter_serial":"202611210000004711"}}"#;

pub(crate) fn benches() -> Vec<Bench> {
    vec![Bench {
        name: "journal.64",
        what: "64 transfers accepted and ended, in two batches on SQLite",
        iterations: 20,
        prepare: |_| batches(),
    }]
}

fn batches() -> Result<Operation> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!("sqlite://{}", folder.path().join("counts.sqlite").display());
    let store = runtime.block_on(Store::open(&url))?;
    let (done, written) = mpsc::unbounded_channel();
    let mut journal = Open { runtime, store: Some(store), done, written, folder: Some(folder) };
    let mut next = 1;
    Ok(Box::new(move || {
        let serials = next..next + BATCH;
        next += BATCH;
        journal.write(serials.clone().map(accepted).collect::<Result<_>>()?)?;
        journal.write(serials.map(ended).collect::<Result<_>>()?)
    }))
}

/// A database that is closed and removed in the end.
struct Open {
    runtime: Runtime,
    store: Option<Store>,
    done: mpsc::UnboundedSender<Vec<Written>>,
    written: mpsc::UnboundedReceiver<Vec<Written>>,
    folder: Option<tempfile::TempDir>,
}

impl Open {
    fn write(&mut self, writes: Vec<Write>) -> Result<()> {
        let mut missing = writes.len();
        let store = self.store.as_ref().context("closed")?;
        let (done, written) = (&self.done, &mut self.written);
        self.runtime.block_on(async {
            store.journal().submit(writes, done);
            while missing > 0 {
                for Written { result, .. } in written.recv().await.context("no answer")? {
                    result?;
                    missing = missing.checked_sub(1).context("too many answers")?;
                }
            }
            Ok(())
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            self.runtime.block_on(store.close());
        }
        drop(self.folder.take());
    }
}

/// Scatters numbers as keys that callers draw are scattered.
fn scattered(number: u64) -> u64 {
    // SplitMix64.
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn accepted(number: u64) -> Result<Write> {
    let domain::transfer::Intent { master, mut order, debit_day, credit_day, credit_barrier, mark } =
        sample::intent(number)?;
    let drawn = scattered(number);
    order.from.account = domain::message::AccountId::new(&format!("6{:07}", drawn % 1000))?;
    order.to.account = domain::message::AccountId::new(&format!("8{:07}", drawn / 1000 % 1000))?;
    let mut fingerprint = [0; 32];
    for (place, seed) in fingerprint.chunks_exact_mut(8).zip(1..) {
        place.copy_from_slice(&scattered(drawn ^ seed).to_be_bytes());
    }
    Ok(Write {
        accept: Some(NewTransfer {
            master,
            app: Arc::from("broker-app"),
            idempotency_key: Arc::from(format!("{drawn:016x}{:016x}", scattered(drawn))),
            fingerprint,
            order,
            debit_day,
            credit_day,
            credit_barrier,
            created_at: NOW,
            deadline_at: NOW + 60_000_000,
            mark,
        }),
        ..Write::of(WriteId(number), master)
    })
}

fn ended(number: u64) -> Result<Write> {
    let master = sample::intent(number)?.master;
    ensure!(TRAIL.len() < Write::LONGEST_TRAIL, "too long a trail");
    Ok(Write {
        trail: Some((0, TRAIL.to_owned())),
        outcome: Some(Outcome {
            state: FinalState::Completed,
            reason: None,
            finished_at: NOW + 3_000,
            answer_status: 201,
            answer_body: Bytes::from_static(ANSWER.as_bytes()),
        }),
        ..Write::of(WriteId(number), master)
    })
}
