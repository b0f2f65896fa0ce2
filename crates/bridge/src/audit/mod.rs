//! `counter-bridge audit`: whether every unit of money is accounted for, by the bridge's record and
//! by each counter's own statement.
//!
//! What is compared, and how it is judged, is the crate [`reconcile`]. Reading order: `record` reads the bridge's
//! own side; `statement` asks counters and `books` reads files; `report` shows what came of it, `json` findings
//! to machines.
//!
//! Money moves while an audit reads. The record is read first, so that what has ended in it has
//! ended at the counters too; what looks odd about a transfer that had not is looked at again.

mod books;
mod json;
mod record;
mod report;
mod statement;

use crate::config::{self, Config};
use crate::person::{Access, Form, Operators};
use crate::words::in_one_line;
use anyhow::{Context, Result};
use books::{BooksOf, books_of};
use clap::Args;
use client::{Client, Retry};
use command_line::doing::{Doing, doing};
use command_line::number::within;
use command_line::{Ended, Usage};
use domain::message::{AccountId, CounterId, Place};
use domain::serial::{Day, MasterSerial, Role, SubSerial};
use domain::transfer::State;
use reconcile::{Case, Finding, Posting, Recorded, Verdict, Word, difference, judge};
use record::recorded;
use report::Report;
use secrecy::ExposeSecret;
use statement::{Page, Stated};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use store::{ListFilter, Reader, StoreError};
use supervise::clock::now_micros;
use supervise::say;

/// How often evidence is taken, at most, while something odd may only be something moving.
const ROUNDS: u32 = 4;

/// Days back for which counters are asked about what the record knows nothing of, unless told otherwise:
/// how long most counters can say what became of a serial.
const LOOKED_BACK: u16 = 7;

/// Why a counter is not asked for what it posted to all accounts.
const NOT_NAMED: &str = "where the bridge's operators' side is was not said (--operators)";

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
    /// An account to ask about although the record may not name it, for a counter that cannot state
    /// the entries of all accounts
    #[arg(long, value_name = "COUNTER:ACCOUNT", value_parser = place)]
    account: Vec<Place>,
    /// For so many days back counters are asked about what the record may not know
    #[arg(long, value_name = "COUNT", default_value_t = LOOKED_BACK,
          value_parser = within::<u16>(0..=3_660))]
    days: u16,
}

fn place(text: &str) -> Result<Place, String> {
    let (counter, account) =
        text.split_once(':').ok_or_else(|| "write COUNTER:ACCOUNT".to_owned())?;
    Ok(Place {
        counter: counter.parse().map_err(|error| format!("{error}"))?,
        account: account.parse().map_err(|error| format!("{error}"))?,
    })
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
    /// Accounts to ask about besides.
    accounts: Vec<Place>,
    /// For so many days back.
    days: u16,
    /// Asked only if some counter has no books here; so only then a key is needed.
    client: Result<Client>,
    /// The operators' side of the same bridge, if it is known; why not, if it is not.
    operators: Result<Operators, String>,
}

/// What one round saw.
#[derive(Default)]
struct Seen {
    record: Vec<Recorded>,
    damaged: Vec<Finding>,
    pages: BTreeSet<Page>,
    postings: Vec<Posting>,
    /// Postings of accounts and days that are not among the pages, by counters that stated those of
    /// all accounts.
    others: Vec<Posting>,
    /// Whether a counter stated those of all accounts; why it did not, if it did not.
    whole: BTreeMap<CounterId, Result<(), String>>,
    /// Postings that nobody asked for.
    strays: Vec<Posting>,
    elsewhere: BTreeSet<(CounterId, SubSerial)>,
    words: BTreeMap<MasterSerial, Word>,
}

impl Seen {
    fn judge(&self) -> Verdict {
        let postings: Vec<Posting> = self.postings.iter().chain(&self.others).cloned().collect();
        let mut verdict = judge(Case {
            record: &self.record,
            postings: &postings,
            elsewhere: &self.elsewhere,
            words: &self.words,
        });
        verdict.findings.extend(self.damaged.iter().cloned());
        let strays = self.strays.iter().cloned();
        verdict.findings.extend(strays.map(|posting| Finding::NotAskedFor { posting }));
        verdict.findings.extend(self.not_told());
        verdict
    }

    /// The counters of which nobody told anything, where that is no small thing: the record is empty,
    /// or none told anything. That all is accounted for would be said of nothing.
    fn not_told(&self) -> Vec<Finding> {
        let untold = || self.whole.iter().filter(|(counter, _)| !self.was_told_by(counter));
        let nothing = self.record.is_empty() || self.whole.len() == untold().count();
        if !nothing {
            return Vec::new();
        }
        untold()
            .filter_map(|(counter, whole)| {
                let why = whole.as_ref().err()?.clone();
                Some(Finding::NotTold { counter: counter.to_string(), why })
            })
            .collect()
    }

    fn was_told_by(&self, counter: &CounterId) -> bool {
        self.whole.get(counter).is_none_or(Result::is_ok)
            || self.pages.iter().any(|page| page.counter == *counter)
    }

    /// Takes in a page of an account: it goes before what was said of all of them.
    fn add(&mut self, page: Page, stated: Stated) {
        self.others.retain(|posting| {
            let Page { counter, account, day } = &page;
            (&posting.counter, &posting.account, &posting.settle_day) != (counter, account, day)
        });
        self.postings.extend(stated.postings);
        self.strays.extend(stated.strays);
        self.pages.insert(page);
    }

    /// Takes in what was said of all accounts on a day, as far as no page says it.
    fn add_all(&mut self, stated: Stated) {
        for posting in stated.postings {
            let Posting { counter, account, settle_day, .. } = &posting;
            let page =
                Page { counter: counter.clone(), account: account.clone(), day: *settle_day };
            if !self.pages.contains(&page) {
                self.others.push(posting);
            }
        }
        self.strays.extend(stated.strays);
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
        // What is wrong with it is told where somebody is asked; books and record need nobody.
        let here = || access.or_at(config.api.listen, config.operators.listen);
        Ok(Auditor {
            database: config.database_shown(),
            reader,
            counters: config.counters.iter().map(|counter| counter.id.clone()).collect(),
            books,
            since: command.since,
            pages: Vec::new(),
            accounts: command.account,
            days: command.days,
            operators: here()
                .and_then(|access| access.operators_too())
                .map_err(|error| in_one_line(&error))
                .and_then(|operators| operators.ok_or_else(|| NOT_NAMED.to_owned())),
            client: here()
                .and_then(|access| access.client())
                .map(|client| client.with_retry(Retry::default())),
        })
    }

    async fn audit(&mut self) -> Result<Report> {
        let mut round = 1;
        let looking = doing("looking at every page of the record", "");
        let pages = self.reader.damaged_pages().await?;
        drop(looking);
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
                postings: seen.postings.len() + seen.others.len(),
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
        let today = Day::from_unix_micros(now_micros());
        let mut pages: BTreeSet<Page> = seen.record.iter().flat_map(bound_pages).collect();
        pages.extend(days_since(&pages, today, self.days));
        for Place { counter, account } in &self.accounts {
            let page = |day| Page { counter: counter.clone(), account: account.clone(), day };
            pages.extend(days_back(today, self.days).map(page));
        }
        let asking = doing("asking counters for what they posted", "statements");
        let asked = self.counters.iter().filter(|counter| !self.books.contains_key(*counter));
        let days = (usize::from(self.days) + 2) * asked.count();
        asking.of(u64::try_from(pages.len() + days).unwrap_or(0));
        for page in pages {
            self.state(&mut seen, page).await?;
            asking.one_more();
        }
        self.state_all(&mut seen, today, &asking).await;
        drop(asking);
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
        let reading = doing("reading the record", "transfers");
        loop {
            reading.done(u64::try_from(record.len()).unwrap_or(0));
            let page = self.reader.each(&filter).await.with_context(|| self.cut_short())?;
            let Some((last, _)) = page.last() else { return Ok((record, damaged)) };
            filter.before = Some(*last);
            let masters: Vec<MasterSerial> = page.iter().map(|(master, _)| *master).collect();
            match self.reader.damages(&masters).await {
                Ok(errors) => {
                    for error in errors {
                        let StoreError::Corrupt { key, .. } = &error else {
                            return Err(error.into());
                        };
                        damaged.push(damage(MasterSerial::from_number(*key)?, error));
                    }
                }
                // Trails or decisions that cannot be read at all.
                Err(StoreError::Damaged { what }) => {
                    let finding = Finding::DamagedPage { what };
                    if !damaged.contains(&finding) {
                        damaged.push(finding);
                    }
                }
                Err(error) => return Err(error.into()),
            }
            for (master, stored) in page {
                if self.since.is_some_and(|since| master.day < since) {
                    return Ok((record, damaged));
                }
                match stored {
                    Ok(stored) => {
                        let transfer = recorded(&stored)
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
            record.iter().flat_map(|of| [&of.order.from.counter, &of.order.to.counter]).collect();
        let books = self.books.keys().map(|counter| ("--books", counter));
        let accounts = self.accounts.iter().map(|place| ("--account", &place.counter));
        for (option, counter) in books.chain(accounts) {
            if !named.contains(counter) && !self.counters.contains(counter) {
                let what = format!(
                    "{option} names {counter}, which neither the configuration nor the audited record knows"
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
                     {}",
                    page.counter,
                    page.counter,
                    in_one_line(error)
                );
                return Err(Usage(what).into());
            }
        };
        let stated = statement::ask(client, &page).await?;
        seen.add(page, stated);
        Ok(())
    }

    /// Takes in what every counter states of all accounts, of the last days: what was posted there and
    /// is in no record shows in no account that the record names. One that cannot be asked so is
    /// asked no further.
    async fn state_all(&self, seen: &mut Seen, today: Day, asking: &Doing) {
        for counter in &self.counters {
            if self.books.contains_key(counter) {
                continue;
            }
            let told = self.state_all_of(seen, counter, today, asking).await;
            seen.whole.insert(counter.clone(), told);
        }
    }

    async fn state_all_of(
        &self,
        seen: &mut Seen,
        counter: &CounterId,
        today: Day,
        asking: &Doing,
    ) -> Result<(), String> {
        let operators = self.operators.as_ref().map_err(Clone::clone)?;
        for day in days_back(today, self.days) {
            let stated = statement::ask_all(operators, counter, day).await;
            seen.add_all(stated.map_err(|error| in_one_line(&error))?);
            asking.one_more();
        }
        Ok(())
    }

    /// Asks the record about what the verdict could not explain: who ended a transfer, and whose a
    /// posting is. Says whether anything was learned.
    async fn explain(&self, seen: &mut Seen, verdict: &Verdict) -> Result<bool> {
        let mut learned = false;
        for finding in &verdict.findings {
            match finding {
                Finding::Unexplained { posting } => {
                    // Accepted before the time that is audited, or since the record was read.
                    let known = match self.reader.find_by_sequence(posting.serial.sequence).await {
                        // Only what is that transfer's own leg is explained by it.
                        Ok(stored) => stored.as_ref().and_then(recorded).is_some_and(|found| {
                            !posting.is_foreign_to(found.mark)
                                && difference(&found, posting).is_none()
                        }),
                        // It is named as damaged; its posting is explained all the same.
                        Err(StoreError::Corrupt { .. } | StoreError::Damaged { .. }) => true,
                        Err(error) => return Err(error.into()),
                    };
                    if known {
                        let leg = (posting.counter.clone(), posting.serial);
                        learned |= seen.elsewhere.insert(leg);
                    }
                }
                Finding::WrongLegs { master, standing, .. } if standing.is_final() => {
                    if let Some(word) = self.word(*master, *standing).await? {
                        learned |= seen.words.insert(*master, word).is_none();
                    }
                }
                Finding::WrongLegs { .. }
                | Finding::Doubled { .. }
                | Finding::Foreign { .. }
                | Finding::ForeignSpeaker { .. }
                | Finding::NotAskedFor { .. }
                | Finding::NotTold { .. }
                | Finding::NotAsRecorded { .. }
                | Finding::Damaged { .. }
                | Finding::DamagedPage { .. }
                | Finding::Unbalanced { .. } => {}
            }
        }
        Ok(learned)
    }

    /// Who ended the transfer so, if persons did: who proposed it, and who approved it. Earlier versions let one decide.
    async fn word(&self, master: MasterSerial, state: State) -> Result<Option<Word>> {
        let decisions = match self.reader.decisions(master).await {
            // It is named as damaged: nobody's word is taken from it.
            Err(StoreError::Corrupt { .. } | StoreError::Damaged { .. }) => return Ok(None),
            decisions => decisions?,
        };
        let mut latest_first = decisions.into_iter().rev();
        let Some(said) = latest_first.find(|said| said.decision == state.as_str()) else {
            return Ok(None);
        };
        let is_proposal = format!("proposed {}", state.as_str());
        Ok(Some(match latest_first.find(|earlier| earlier.decision == is_proposal) {
            Some(proposed) => Word {
                who: format!("{} and {}", proposed.who.as_received(), said.who.as_received())
                    .into(),
                note: format!("{}; {}", proposed.note.as_received(), said.note.as_received())
                    .into(),
            },
            None => Word { who: said.who, note: said.note },
        }))
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
        let counters: BTreeSet<&CounterId> =
            asked.keys().copied().chain(seen.whole.keys()).collect();
        let from_counters = counters.into_iter().map(|counter| {
            let by_account = asked.get(counter).map(|(accounts, days)| {
                let (accounts, days) = (accounts.len(), days.len());
                format!(
                    "asked through the bridge for {accounts} account(s) on {days} settle day(s)"
                )
            });
            let of_all = match seen.whole.get(counter) {
                Some(Ok(())) => format!("all accounts of the last {} days", self.days),
                Some(Err(why)) => format!("of NO OTHER account, because {why}"),
                None => "of no other account".to_owned(),
            };
            let asked = by_account.unwrap_or_else(|| "asked through the bridge".to_owned());
            (counter.to_string(), format!("{asked}, {of_all}"))
        });
        from_files.chain(from_counters).collect()
    }
}

/// Whether what was found may be nothing but money on the move while it was looked at: the legs of
/// a transfer that was open when the record was read.
fn may_be_moving(verdict: &Verdict) -> bool {
    verdict.findings.iter().any(|finding| match finding {
        Finding::WrongLegs { standing, .. } => !standing.is_final(),
        Finding::Doubled { .. }
        | Finding::Foreign { .. }
        | Finding::ForeignSpeaker { .. }
        | Finding::NotAskedFor { .. }
        | Finding::NotTold { .. }
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

/// The last days, and the next: a counter may be ahead of us.
fn days_back(today: Day, days: u16) -> impl Iterator<Item = Day> {
    let today = today.unix_days();
    (today.saturating_sub(u32::from(days))..=today + 1).map(Day::from_unix_days)
}

/// The days since each account's last recorded transfer, of the last ones: what was posted then is
/// unknown to a record that was put back from a copy.
fn days_since(pages: &BTreeSet<Page>, today: Day, days: u16) -> Vec<Page> {
    let mut last: BTreeMap<(&CounterId, &AccountId), Day> = BTreeMap::new();
    for page in pages {
        let day = last.entry((&page.counter, &page.account)).or_insert(page.day);
        *day = page.day.max(*day);
    }
    let mut since = Vec::new();
    for ((counter, account), day) in last {
        let after = days_back(today, days).filter(|other| *other > day);
        let page = |day| Page { counter: counter.clone(), account: account.clone(), day };
        since.extend(after.map(page));
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
