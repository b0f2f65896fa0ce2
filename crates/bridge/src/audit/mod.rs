//! `counter-bridge audit`: whether every unit of money is accounted for, by the bridge's record and
//! by each counter's own statement.
//!
//! Reading order: `evidence` is what is compared; `judge` compares it and knows nothing of where it
//! came from; `finding` is what must not be; `statement` asks counters and `books` reads files;
//! `report` shows what came of it.
//!
//! Money moves while an audit reads. The record is read first, so that what has ended in it has
//! ended at the counters too; what looks odd about a transfer that had not is looked at again.

mod books;
mod evidence;
mod finding;
mod judge;
mod report;
mod statement;

use crate::config::{self, Config};
use crate::person::{Access, Form};
use crate::{Ended, Usage};
use anyhow::{Context, Result};
use books::{BooksOf, books_of};
use clap::Args;
use client::{Client, Retry};
use domain::message::{AccountId, CounterId};
use domain::serial::{Day, MasterSerial, Role, Sequence};
use evidence::{Posting, Recorded, Standing, Word};
use finding::Finding;
use judge::{Case, Verdict, judge};
use report::Report;
use secrecy::ExposeSecret;
use statement::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{FinalState, ListFilter, Reader, StoreError};
use supervise::say;

/// How often evidence is taken, at most, while something odd may only be something moving.
const ROUNDS: u32 = 4;

/// Days for which accounts are asked about that have no transfer on them in the record: how long most
/// counters can say what became of a serial.
const LOOKED_BACK: u32 = 7;

/// Between two rounds: what was on its way through the bridge has arrived by then.
const PAUSE: Duration = Duration::from_millis(500);

/// `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditCommand {
    /// The bridge's configuration: it names the database with the record, and the counters
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_CONFIG")]
    config: PathBuf,
    /// A counter's own books, as JSON lines, instead of asking it through the running bridge; only
    /// whole books show postings to accounts that no transfer names
    #[arg(long, value_name = "COUNTER=FILE", value_parser = books_of)]
    books: Vec<BooksOf>,
    /// Only transfers that were accepted on this day (UTC) or later
    #[arg(long, value_name = "YYYYMMDD", value_parser = day)]
    since: Option<Day>,
}

fn day(text: &str) -> Result<Day, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Audits, and says what came of it.
pub(crate) async fn run(command: AuditCommand, access: &Access, form: Form) -> Result<Ended> {
    let mut auditor = Auditor::new(command, access).await?;
    let report = auditor.audit().await?;
    match form {
        Form::Json => say!("{}", report.json())?,
        Form::Tables => say!("{}", report.text())?,
    }
    Ok(if report.is_clean() { Ended::Well } else { Ended::Badly })
}

struct Auditor {
    database: String,
    reader: Reader,
    counters: BTreeSet<CounterId>,
    books: BTreeMap<CounterId, BooksOf>,
    since: Option<Day>,
    /// The pages of the record's file that are not what was written.
    pages: Vec<Finding>,
    /// Asked only if some counter has no books here; so only then a key is needed.
    client: Result<Client>,
}

/// What one round saw.
#[derive(Default)]
struct Seen {
    record: Vec<Recorded>,
    damaged: Vec<Finding>,
    pages: BTreeSet<Page>,
    postings: Vec<Posting>,
    elsewhere: BTreeSet<Sequence>,
    words: BTreeMap<MasterSerial, Word>,
}

impl Seen {
    fn judge(&self) -> Verdict {
        let mut verdict = judge(Case {
            record: &self.record,
            postings: &self.postings,
            elsewhere: &self.elsewhere,
            words: &self.words,
        });
        verdict.findings.extend(self.damaged.iter().cloned());
        verdict
    }
}

impl Auditor {
    async fn new(command: AuditCommand, access: &Access) -> Result<Auditor> {
        // An auditor need not have the secrets of counters and apps.
        let config = Config::load_to_check(&command.config, config::environment())?;
        let mut books = BTreeMap::new();
        for given in command.books {
            let counter = given.counter.clone();
            if books.insert(counter.clone(), given).is_some() {
                return Err(Usage(format!("--books names {counter} twice")).into());
            }
        }
        let reader = Reader::open(config.database.expose_secret()).await?;
        Ok(Auditor {
            database: config.database_shown(),
            reader,
            counters: config.counters.iter().map(|counter| counter.id.clone()).collect(),
            books,
            since: command.since,
            pages: Vec::new(),
            client: access.client().map(|client| client.with_retry(Retry::default())),
        })
    }

    async fn audit(&mut self) -> Result<Report> {
        let mut round = 1;
        let pages = self.reader.damaged_pages().await?;
        self.pages = pages.into_iter().map(|what| Finding::DamagedPage { what }).collect();
        loop {
            let (seen, verdict) = self.round().await?;
            if round < ROUNDS && may_be_moving(&verdict) {
                round += 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            return Ok(Report {
                database: self.database.clone(),
                statements: self.statements(&seen),
                transfers: seen.record.len(),
                postings: seen.postings.len(),
                verdict,
                now: now_micros(),
            });
        }
    }

    async fn round(&self) -> Result<(Seen, Verdict)> {
        let (record, damaged) = self.record().await?;
        let mut seen = Seen { record, damaged, ..Seen::default() };
        self.check_counters(&seen.record)?;
        for books in self.books.values() {
            seen.postings.extend(books::read(books)?);
        }
        let mut pages: BTreeSet<Page> = seen.record.iter().flat_map(bound_pages).collect();
        pages.extend(days_since(&pages, Day::from_unix_micros(now_micros())));
        for page in pages {
            self.state(&mut seen, page).await?;
        }
        let mut verdict = seen.judge();
        // A counter may have posted around its cut-over: a leg that is missing is looked for there.
        for page in neighbours(&seen.record, &verdict.missing) {
            self.state(&mut seen, page).await?;
            verdict = seen.judge();
        }
        if self.explain(&mut seen, &verdict).await? {
            verdict = seen.judge();
        }
        Ok((seen, verdict))
    }

    /// Every transfer of the time that is audited, and every row of it that is not what was written.
    async fn record(&self) -> Result<(Vec<Recorded>, Vec<Finding>)> {
        let (mut record, mut damaged) = (Vec::new(), self.pages.clone());
        let damage =
            |master, error: StoreError| Finding::Damaged { master, what: error.to_string() };
        let mut filter = ListFilter { limit: ListFilter::LONGEST_PAGE, ..ListFilter::default() };
        loop {
            let page = self.reader.each(&filter).await.with_context(|| self.cut_short())?;
            let Some((last, _)) = page.last() else { return Ok((record, damaged)) };
            filter.before = Some(*last);
            let masters: Vec<MasterSerial> = page.iter().map(|(master, _)| *master).collect();
            for error in self.reader.damages(&masters).await? {
                let StoreError::Corrupt { key, .. } = &error else { return Err(error.into()) };
                damaged.push(damage(MasterSerial::from_number(*key)?, error));
            }
            for (master, stored) in page {
                if self.since.is_some_and(|since| master.day < since) {
                    return Ok((record, damaged));
                }
                match stored {
                    Ok(stored) => {
                        let transfer = Recorded::of(&stored)
                            .with_context(|| format!("the record of {master} is damaged"))?;
                        record.push(transfer);
                    }
                    Err(error @ StoreError::Corrupt { .. }) => damaged.push(damage(master, error)),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Where the record ends before its end: what is known to be damaged in it.
    fn cut_short(&self) -> String {
        let mut text = "the record cannot be read to its end".to_owned();
        for page in &self.pages {
            // Writing to a string does not fail.
            let _ = write!(text, "\n  - {page}");
        }
        text
    }

    /// Every counter that the record names can be asked, or has books here.
    fn check_counters(&self, record: &[Recorded]) -> Result<()> {
        let named: BTreeSet<&CounterId> =
            record.iter().flat_map(|of| [&of.from.counter, &of.to.counter]).collect();
        for counter in self.books.keys() {
            if !named.contains(counter) && !self.counters.contains(counter) {
                let what = format!(
                    "--books names {counter}, which neither configuration nor record knows"
                );
                return Err(Usage(what).into());
            }
        }
        for counter in named {
            if !self.counters.contains(counter) && !self.books.contains_key(counter) {
                let what = format!(
                    "the record names {counter}, which is not configured any more: name its books \
                     by --books {counter}=FILE"
                );
                return Err(Usage(what).into());
            }
        }
        Ok(())
    }

    /// Takes in a page of a statement, once.
    async fn state(&self, seen: &mut Seen, page: Page) -> Result<()> {
        if self.books.contains_key(&page.counter) || seen.pages.contains(&page) {
            return Ok(());
        }
        let client = match &self.client {
            Ok(client) => client,
            Err(error) => {
                let what = format!(
                    "{} is to be asked through the bridge, or name its books by --books {}=FILE: \
                     {error:#}",
                    page.counter, page.counter
                );
                return Err(Usage(what).into());
            }
        };
        seen.postings.extend(statement::ask(client, &page).await?);
        seen.pages.insert(page);
        Ok(())
    }

    /// Asks the record about what the verdict could not explain: who ended a transfer, and whose a
    /// posting is. Says whether anything was learned.
    async fn explain(&self, seen: &mut Seen, verdict: &Verdict) -> Result<bool> {
        let mut learned = false;
        for finding in &verdict.findings {
            match finding {
                Finding::Unexplained { posting } => {
                    let sequence = posting.serial.sequence;
                    // Accepted before the time that is audited, or since the record was read.
                    let known = match self.reader.find_by_sequence(sequence).await {
                        Ok(stored) => {
                            stored.is_some_and(|found| !posting.is_foreign_to(found.transfer.mark))
                        }
                        // It is named as damaged; its posting is explained all the same.
                        Err(StoreError::Corrupt { .. }) => true,
                        Err(error) => return Err(error.into()),
                    };
                    if known {
                        learned |= seen.elsewhere.insert(sequence);
                    }
                }
                Finding::WrongLegs { master, standing: Standing::Ended(state), .. } => {
                    if let Some(word) = self.word(*master, *state).await? {
                        learned |= seen.words.insert(*master, word).is_none();
                    }
                }
                Finding::WrongLegs { standing: Standing::Open(_), .. }
                | Finding::Doubled { .. }
                | Finding::Foreign { .. }
                | Finding::NotAsRecorded { .. }
                | Finding::Damaged { .. }
                | Finding::DamagedPage { .. }
                | Finding::DamagedPage { .. }
                | Finding::Unbalanced { .. } => {}
            }
        }
        Ok(learned)
    }

    /// Who ended the transfer so, if a person did.
    async fn word(&self, master: MasterSerial, state: FinalState) -> Result<Option<Word>> {
        let decisions = match self.reader.decisions(master).await {
            // It is named as damaged: nobody's word is taken from it.
            Err(StoreError::Corrupt { .. }) => return Ok(None),
            decisions => decisions?,
        };
        let last = decisions.into_iter().rev().find(|said| said.decision == state.as_str());
        Ok(last.map(|said| Word { who: said.who, note: said.note }))
    }

    fn statements(&self, seen: &Seen) -> Vec<(String, String)> {
        let mut asked: BTreeMap<&CounterId, (BTreeSet<&str>, BTreeSet<Day>)> = BTreeMap::new();
        for page in &seen.pages {
            let (accounts, days) = asked.entry(&page.counter).or_default();
            accounts.insert(page.account.as_str());
            days.insert(page.day);
        }
        let from_files = self
            .books
            .values()
            .map(|books| (books.counter.to_string(), format!("books {}", books.file.display())));
        let from_counters = asked.into_iter().map(|(counter, (accounts, days))| {
            let words = format!(
                "asked through the bridge for {} account(s) on {} settle day(s)",
                accounts.len(),
                days.len()
            );
            (counter.to_string(), words)
        });
        from_files.chain(from_counters).collect()
    }
}

/// Whether what was found may be nothing but money on the move while it was looked at: the legs of
/// a transfer that was open when the record was read.
fn may_be_moving(verdict: &Verdict) -> bool {
    verdict.findings.iter().any(|finding| match finding {
        Finding::WrongLegs { standing: Standing::Open(_), .. } => true,
        Finding::WrongLegs { standing: Standing::Ended(_), .. }
        | Finding::Doubled { .. }
        | Finding::Foreign { .. }
        | Finding::NotAsRecorded { .. }
        | Finding::Unexplained { .. }
        | Finding::Damaged { .. }
        | Finding::DamagedPage { .. }
        | Finding::Unbalanced { .. } => false,
    })
}

/// The parts of statements in which a transfer's legs belong.
fn bound_pages(transfer: &Recorded) -> [Page; 2] {
    [Role::Debit, Role::Credit].map(|role| page(transfer, role, transfer.day(role)))
}

/// The days since each account's last recorded transfer, of the last week: what was posted then is
/// unknown to a record that was put back from a copy.
fn days_since(pages: &BTreeSet<Page>, today: Day) -> Vec<Page> {
    let mut last: BTreeMap<(&CounterId, &AccountId), Day> = BTreeMap::new();
    for page in pages {
        let day = last.entry((&page.counter, &page.account)).or_insert(page.day);
        *day = page.day.max(*day);
    }
    let mut since = Vec::new();
    for ((counter, account), day) in last {
        let first = (day.unix_days() + 1).max(today.unix_days().saturating_sub(LOOKED_BACK));
        since.extend((first..=today.unix_days()).map(|day| Page {
            counter: counter.clone(),
            account: account.clone(),
            day: Day::from_unix_days(day),
        }));
    }
    since
}

/// The days beside those that missing legs were bound to.
fn neighbours(record: &[Recorded], missing: &[(MasterSerial, Role)]) -> BTreeSet<Page> {
    let by_serial: BTreeMap<MasterSerial, &Recorded> =
        record.iter().map(|transfer| (transfer.master, transfer)).collect();
    let mut pages = BTreeSet::new();
    for (master, role) in missing {
        if let Some(transfer) = by_serial.get(master) {
            let bound = transfer.day(*role).unix_days();
            for beside in [bound.saturating_sub(1), bound + 1] {
                pages.insert(page(transfer, *role, Day::from_unix_days(beside)));
            }
        }
    }
    pages
}

fn page(transfer: &Recorded, role: Role, day: Day) -> Page {
    let place = transfer.place(role);
    Page { counter: place.counter.clone(), account: place.account.clone(), day }
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
