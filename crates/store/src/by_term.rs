//! A page of transfers by a counter's own serial or by amount: from memory, which knows what has ended of late; from the runs
//! of the index of such terms; and from what has ended and is in neither, whose rows are looked at one by one. What ends
//! moves from memory into runs, so it is looked for in this order; and the index says how far it reaches before it is asked.

use crate::checksum;
use crate::counter_serial::{counter_serials, each_part, hash, written};
use crate::entity::open_transfer;
use crate::error::StoreError;
use crate::fault::describe;
use crate::fresh::{Look, code};
use crate::journal::REACH;
use crate::not_entered::not_entered;
use crate::portions::{Portions, shorten};
use crate::query::{CHUNK, ask};
use crate::recent::Recent;
use crate::record::{AmountFilter, ListFilter};
use crate::run::{self, Entry, Kind, Sought};
use crate::state::StateFilter;
use domain::serial::MasterSerial;
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement, TryGetable, Value};
use std::collections::BTreeSet;

/// Transfers of before there was an index, or entries of it, that one question goes through.
const A_STEP: usize = if cfg!(test) { 100 } else { 2048 };
/// The most of either that are gone through for one page.
const WALKED: usize = if cfg!(test) { 300 } else { 32_768 };

/// Rows of a run that are read together: first, and at the most.
const ROWS_AT_ONCE: usize = if cfg!(test) { 1 } else { 4 };
const MOST_ROWS_AT_ONCE: usize = if cfg!(test) { 4 } else { 64 };

/// What a page is found by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Term<'f> {
    /// What a counter answered as its own serial of a posting.
    Serial(&'f str),
    Amount(&'f AmountFilter),
}

impl Term<'_> {
    /// By what it is found in the index.
    fn sought(self) -> Sought {
        match self {
            Term::Serial(serial) => {
                Sought { kind: Kind::Serials, key: hash(serial), currency: None }
            }
            Term::Amount(AmountFilter { amount, currency }) => Sought {
                kind: Kind::Amounts,
                key: amount.minor(),
                currency: currency.map(|currency| code(currency.as_str())),
            },
        }
    }

    /// That a transfer (`t`) which has ended (`o`) is one of its own.
    fn row(self) -> Part {
        match self {
            Term::Serial(serial) => {
                let said = Value::from(written(serial));
                let sql = "(INSTR(o.trail, ?) > 0 OR EXISTS (SELECT 1 FROM trail p \
                           WHERE p.master_serial = t.master_serial AND INSTR(p.body, ?) > 0))";
                Part::new(sql, [said.clone(), said])
            }
            Term::Amount(amount) => of_amount(amount),
        }
    }
}

/// A condition in SQL, with its values.
struct Part {
    sql: String,
    values: Vec<Value>,
}

impl Part {
    fn new(sql: &str, values: impl IntoIterator<Item = Value>) -> Part {
        Part { sql: sql.to_owned(), values: values.into_iter().collect() }
    }

    fn and(mut self, other: Part) -> Part {
        self.sql = format!("{} AND {}", self.sql, other.sql);
        self.values.extend(other.values);
        self
    }

    fn and_if(self, other: Option<Part>) -> Part {
        match other {
            Some(other) => self.and(other),
            None => self,
        }
    }
}

fn of_amount(AmountFilter { amount, currency }: &AmountFilter) -> Part {
    let part = Part::new("t.amount = ?", [amount.minor().into()]);
    part.and_if(
        currency.map(|currency| Part::new("t.currency = ?", [currency.as_str().to_owned().into()])),
    )
}

/// All of the filter but its term, as a transfer (`t`) that has ended (`o`) tells it; `None` if all pass.
fn rest(filter: &ListFilter, term: Term<'_>) -> Option<Part> {
    let mut parts = Vec::new();
    if let Some(app) = &filter.app {
        parts.push(Part::new("t.app = ?", [app.as_bytes().to_vec().into()]));
    }
    let (counter, account) = (filter.counter.as_ref(), filter.account.as_ref());
    if counter.is_some() || account.is_some() {
        let [from, to] = ["from", "to"].map(|side| {
            let counter = counter.map(|counter| {
                Part::new(&format!("t.{side}_counter = ?"), [counter.as_str().to_owned().into()])
            });
            let account = account.map(|account| {
                Part::new(&format!("t.{side}_account = ?"), [account.as_str().to_owned().into()])
            });
            Part::new("1 = 1", []).and_if(counter).and_if(account)
        });
        let sql = format!("(({}) OR ({}))", from.sql, to.sql);
        parts.push(Part::new(&sql, from.values.into_iter().chain(to.values)));
    }
    if let Some(StateFilter::Ended(state)) = filter.state {
        parts.push(Part::new("o.state = ?", [state.number().into()]));
    }
    if let (Term::Serial(_), Some(amount)) = (term, &filter.amount) {
        parts.push(of_amount(amount));
    }
    parts.into_iter().reduce(Part::and)
}

/// The joins to a transfer (`t`) and its ending (`o`).
const JOINED: &str = "JOIN transfer t ON t.master_serial = e.master_serial \
                      JOIN outcome o ON o.master_serial = e.master_serial";

/// The newest serials, and where to go on if not all could be looked at. By a counter's serial only what has ended is
/// found; by amount, what is open, too.
pub(crate) async fn page(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    term: Term<'_>,
    recent: Option<&Recent>,
    limit: u64,
) -> Result<(BTreeSet<i64>, Option<i64>), StoreError> {
    let length = usize::try_from(limit).unwrap_or(1);
    let before = filter.before.map_or(i64::MAX, MasterSerial::number);
    // What is open moves into memory as it ends.
    let mut page = match term {
        Term::Serial(_) => BTreeSet::new(),
        Term::Amount(_) => not_entered(connection, filter, limit).await?,
    };
    let fresh = recent.map(|recent| recent.terms.look(&term.sought(), before)).unwrap_or_default();
    let asking = Asking { connection, filter, term, fresh, before, limit };
    if let (Term::Serial(_), false) = (term, asking.fresh.knows_waiting) {
        page.extend(asking.waiting().await?);
    }
    let (oldest, through) = reach(connection).await?;
    page.extend(asking.in_no_run(through).await?);
    shorten(&mut page, length);
    let mut looked_to = match rest(filter, term) {
        None => {
            page.extend(asking.fresh.masters.iter().take(length));
            shorten(&mut page, length);
            let portions = asking.portions().await?;
            let newest = portions.iter().map(|portion| (portion.number, portion.newest));
            let mut portions = Portions::new(newest.collect());
            while let Some(these) = portions.next_for(&page, length) {
                page.extend(asking.entered(these).await?);
                shorten(&mut page, length);
            }
            None
        }
        Some(rest) => {
            let (entered, last) = asking.swept(&rest, length).await?;
            page.extend(entered);
            page.retain(|master| last.is_none_or(|last| *master >= last));
            shorten(&mut page, length);
            last
        }
    };
    let is_full = page.len() == length;
    // Where not all entries were gone through, what is older than they comes on a later page.
    if looked_to.is_none()
        && oldest != 0
        && !(is_full && page.first().is_some_and(|last| *last >= oldest))
    {
        // What is older is not all entered yet.
        let (older, last) = asking.walked(oldest.min(before), length).await?;
        page.extend(older);
        page.retain(|master| last.is_none_or(|last| *master >= last));
        shorten(&mut page, length);
        looked_to = last;
    }
    if page.len() == length {
        looked_to = page.first().copied();
    }
    if let Term::Serial(serial) = term {
        page = speaking(connection, page, serial).await?;
    }
    Ok((page, looked_to))
}

/// A portion of the index, and between which serials it holds any.
struct Portion {
    number: i64,
    oldest: i64,
    newest: i64,
}

/// A question, as all the places are asked it.
struct Asking<'a> {
    connection: &'a DatabaseConnection,
    filter: &'a ListFilter,
    term: Term<'a>,
    /// What memory knows, and of what it knows all.
    fresh: Look,
    before: i64,
    limit: u64,
}

impl Asking<'_> {
    /// Those that ended a moment ago, and are in no portion of accounts.
    async fn waiting(&self) -> Result<BTreeSet<i64>, StoreError> {
        let place = Part::new("e.state = ?", [open_transfer::ENDED.into()]);
        self.newest("open_transfer", place.and(self.term.row())).await
    }

    /// Those in portions of accounts that are in no run and not in memory: what an earlier life left, until it is read.
    async fn in_no_run(&self, through: i64) -> Result<BTreeSet<i64>, StoreError> {
        let sql = "SELECT portion_number FROM account_portion WHERE portion_number > ? \
                   ORDER BY portion_number DESC";
        let rows = asked(self.connection, sql, vec![through.into()]).await?;
        let numbers: Vec<i64> = rows.iter().map(|row| read(row, 0)).collect::<Result<_, _>>()?;
        let mut found = BTreeSet::new();
        for number in numbers.into_iter().filter(|number| !self.fresh.portions.contains(number)) {
            let place = Part::new("e.portion_number = ?", [number.into()]);
            found.extend(self.newest("account_entry", place.and(self.term.row())).await?);
        }
        Ok(found)
    }

    /// The portions of the index that hold anything older, and the newest of each.
    async fn portions(&self) -> Result<Vec<Portion>, StoreError> {
        let sql = "SELECT portion_number, oldest, newest FROM term_portion WHERE oldest < ? \
                   ORDER BY newest DESC";
        let rows = asked(self.connection, sql, vec![self.before.into()]).await?;
        let portion = |row| {
            Ok(Portion { number: read(row, 0)?, oldest: read(row, 1)?, newest: read(row, 2)? })
        };
        rows.iter().map(portion).collect()
    }

    /// The newest that pass the rest of the filter, too, of those in the index, by going through its entries, so many and
    /// no more; and the last one that was looked at, if there are more behind it. However many have a term, few may pass.
    async fn swept(
        &self,
        rest: &Part,
        length: usize,
    ) -> Result<(BTreeSet<i64>, Option<i64>), StoreError> {
        let mut portions = self.portions().await?;
        let (mut found, mut before, mut looked_at) = (BTreeSet::new(), self.before, 0);
        while looked_at < WALKED {
            portions.retain(|portion| portion.oldest < before);
            let (entries, last) = self.newest_entries(&portions, before).await?;
            looked_at += entries.len();
            found.extend(self.passing(entries, rest).await?);
            shorten(&mut found, length);
            let Some(last) = last.filter(|_| found.len() < length) else {
                return Ok((found, None));
            };
            before = last;
        }
        Ok((found, Some(before)))
    }

    /// A step's entries older than `before` in these portions, the newest of all; and the oldest of them, if there may be
    /// more behind it.
    async fn newest_entries(
        &self,
        portions: &[Portion],
        before: i64,
    ) -> Result<(BTreeSet<i64>, Option<i64>), StoreError> {
        let (mut entries, mut last) = (BTreeSet::new(), None);
        let fresh = self.fresh.masters.iter().copied().filter(|master| *master < before);
        add_step(&mut entries, &mut last, fresh.take(A_STEP).collect());
        for portion in portions {
            if last.is_some_and(|last| portion.newest < last) {
                break;
            }
            let these = self.in_run(portion.number, before, A_STEP).await?;
            add_step(&mut entries, &mut last, these);
        }
        entries.retain(|entry| last.is_none_or(|last| *entry >= last));
        Ok((entries, last))
    }

    /// The newest of a run that are sought and older than `before`, at most so many; the newest first.
    async fn in_run(&self, portion: i64, before: i64, most: usize) -> Result<Vec<i64>, StoreError> {
        let sought = self.term.sought();
        let kind = sought.kind.number();
        let (mut masters, mut from) = (Vec::new(), (sought.key, i64::MAX));
        let mut at_once = ROWS_AT_ONCE;
        loop {
            let sql = format!(
                "SELECT portion_number, first_key, part, body, checksum FROM term_run \
                 WHERE portion_number = ? AND kind = ? AND first_key <= ? AND (first_key < ? OR part < ?) \
                 ORDER BY first_key DESC, part DESC LIMIT {at_once}"
            );
            let (key, part) = from;
            let values = vec![portion.into(), kind.into(), key.into(), key.into(), part.into()];
            let rows = asked(self.connection, &sql, values).await?;
            for row in &rows {
                let Found { first_key, part, entries, .. } = found(sought.kind, row)?;
                let met = entries.iter().filter(|entry| sought.is_met_by(entry, before));
                masters.extend(met.map(|entry| entry.master).take(most - masters.len()));
                // What comes before is of smaller keys alone.
                if first_key < sought.key || masters.len() == most {
                    return Ok(masters);
                }
                from = (first_key, part);
            }
            if rows.len() < at_once {
                return Ok(masters);
            }
            // What is sought is older than all that was read.
            at_once = (at_once * 4).min(MOST_ROWS_AT_ONCE);
        }
    }

    /// Those of these that pass the rest of the filter.
    async fn passing(&self, entries: BTreeSet<i64>, rest: &Part) -> Result<Vec<i64>, StoreError> {
        let entries: Vec<i64> = entries.into_iter().collect();
        let mut passing = Vec::new();
        for chunk in entries.chunks(CHUNK) {
            let marks = vec!["?"; chunk.len()].join(",");
            let sql = format!(
                "SELECT t.master_serial FROM transfer t \
                 JOIN outcome o ON o.master_serial = t.master_serial \
                 WHERE t.master_serial IN ({marks}) AND {}",
                rest.sql
            );
            let values = chunk.iter().copied().map(Value::from).chain(rest.values.iter().cloned());
            for row in asked(self.connection, &sql, values.collect()).await? {
                passing.push(read(&row, 0)?);
            }
        }
        Ok(passing)
    }

    /// Those in these runs. Of a serial there is one, or none: it is sought in all of them at once.
    async fn entered(&self, portions: Vec<i64>) -> Result<BTreeSet<i64>, StoreError> {
        let length = usize::try_from(self.limit).unwrap_or(1);
        let (mut found, mut singly) = (BTreeSet::new(), portions);
        if let Term::Serial(_) = self.term {
            let sought = self.term.sought();
            let rows = self.last_rows(&singly).await?;
            singly = Vec::new();
            for Found { portion, first_key, entries, .. } in rows {
                if first_key == sought.key {
                    // It may be at the end of the row before, too.
                    singly.push(portion);
                } else {
                    let met = entries.iter().filter(|entry| sought.is_met_by(entry, self.before));
                    found.extend(met.map(|entry| entry.master));
                }
            }
        }
        for portion in singly {
            found.extend(self.in_run(portion, self.before, length).await?);
            shorten(&mut found, length);
        }
        shorten(&mut found, length);
        Ok(found)
    }

    /// Of each of these runs the rows with the last first key that is not behind the one that is sought.
    async fn last_rows(&self, portions: &[i64]) -> Result<Vec<Found>, StoreError> {
        let Sought { kind, key, .. } = self.term.sought();
        let marks = vec!["?"; portions.len()].join(",");
        let sql = format!(
            "SELECT r.portion_number, r.first_key, r.part, r.body, r.checksum FROM term_portion p \
             JOIN term_run r ON r.portion_number = p.portion_number AND r.kind = ? \
             AND r.first_key = (SELECT x.first_key FROM term_run x \
             WHERE x.portion_number = p.portion_number AND x.kind = ? AND x.first_key <= ? \
             ORDER BY x.first_key DESC LIMIT 1) WHERE p.portion_number IN ({marks})"
        );
        let values = [kind.number().into(), kind.number().into(), key.into()].into_iter();
        let values = values.chain(portions.iter().copied().map(Value::from)).collect();
        let rows = asked(self.connection, &sql, values).await?;
        rows.iter().map(|row| found(kind, row)).collect()
    }

    /// The newest of those in a table (`e`), in a place of it, that pass the filter.
    async fn newest(&self, table: &str, place: Part) -> Result<BTreeSet<i64>, StoreError> {
        let rest = rest(self.filter, self.term);
        let whole = place.and(Part::new("e.master_serial < ?", [self.before.into()])).and_if(rest);
        let sql = format!(
            "SELECT DISTINCT e.master_serial FROM {table} e {JOINED} WHERE {} \
             ORDER BY e.master_serial DESC LIMIT ?",
            whole.sql
        );
        let values = whole.values.into_iter().chain([self.limit.into()]).collect();
        let rows = asked(self.connection, &sql, values).await?;
        rows.iter().map(|row| read(row, 0)).collect()
    }

    /// The newest that are wanted of those older than `before`, by going back through all that have ended, so far and no
    /// farther; and the last one that was looked at, if there are more behind it.
    async fn walked(
        &self,
        before: i64,
        length: usize,
    ) -> Result<(BTreeSet<i64>, Option<i64>), StoreError> {
        let mut found = BTreeSet::new();
        let (mut before, mut looked_at) = (before, 0);
        while looked_at < WALKED {
            let step = A_STEP.min(WALKED - looked_at);
            let limit = i64::try_from(step).unwrap_or(i64::MAX);
            let sql = "SELECT master_serial FROM outcome WHERE master_serial < ? \
                       ORDER BY master_serial DESC LIMIT ?";
            let rows = asked(self.connection, sql, vec![before.into(), limit.into()]).await?;
            let Some(last) = rows.last() else { return Ok((found, None)) };
            let last: i64 = read(last, 0)?;
            let range = "e.master_serial >= ? AND e.master_serial < ?";
            let place = Part::new(range, [last.into(), before.into()]).and(self.term.row());
            found.extend(self.newest("outcome", place).await?);
            shorten(&mut found, length);
            looked_at += rows.len();
            if rows.len() < step || found.len() == length {
                return Ok((found, None));
            }
            before = last;
        }
        Ok((found, Some(before)))
    }
}

/// A row of a run, as it is found.
struct Found {
    portion: i64,
    first_key: i64,
    part: i64,
    /// The last one first.
    entries: Vec<Entry>,
}

fn found(kind: Kind, row: &QueryResult) -> Result<Found, StoreError> {
    let [portion, first_key, part] = [read(row, 0)?, read(row, 1)?, read(row, 2)?];
    let (body, sum): (Vec<u8>, i64) = (read(row, 3)?, read(row, 4)?);
    checksum::check(portion, "a row of an index by terms", Some(sum), || {
        run::sum(portion, kind.number().into(), first_key, part, &body)
    })?;
    let entries = run::entries(&body)
        .ok_or_else(|| StoreError::corrupt(portion, "a row of an index by terms is cut"))?;
    Ok(Found { portion, first_key, part, entries: entries.collect() })
}

/// Adds the newest of a place to those of others, a step's in all; `last` is the oldest of them, if there may be more
/// behind it.
fn add_step(entries: &mut BTreeSet<i64>, last: &mut Option<i64>, these: Vec<i64>) {
    if these.len() == A_STEP {
        *last = (*last).max(these.last().copied());
    }
    entries.extend(these);
    if entries.len() > A_STEP {
        shorten(entries, A_STEP);
        *last = (*last).max(entries.first().copied());
    }
}

/// How far the index reaches: of what had ended before there was one, and of portions of accounts.
async fn reach(connection: &DatabaseConnection) -> Result<(i64, i64), StoreError> {
    let rows = asked(connection, REACH, Vec::new()).await?;
    rows.first().map_or(Ok((0, 0)), |row| Ok((read(row, 0)?, read(row, 1)?)))
}

/// Those whose trails speak of a counter's serial, word for word.
async fn speaking(
    connection: &DatabaseConnection,
    masters: BTreeSet<i64>,
    serial: &str,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut speaking = BTreeSet::new();
    let masters: Vec<i64> = masters.into_iter().collect();
    ask(each_part(connection, &masters, |master, part| {
        // What cannot be read may speak of it, and whoever seeks it finds out that it is damaged.
        if part.is_none_or(|part| counter_serials(part).contains(serial)) {
            speaking.insert(master);
        }
    }))
    .await?;
    Ok(speaking)
}

async fn asked(
    connection: &DatabaseConnection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, StoreError> {
    let backend = connection.get_database_backend();
    ask(connection.query_all_raw(Statement::from_sql_and_values(backend, sql, values))).await
}

fn read<T: TryGetable>(row: &QueryResult, at: usize) -> Result<T, StoreError> {
    row.try_get_by_index(at).map_err(|error| StoreError::Unavailable { why: describe(&error) })
}
