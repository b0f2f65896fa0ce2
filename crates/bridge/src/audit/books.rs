//! A counter's own books as a file of JSON lines: what `counter-bridge simulate --books` writes, and
//! what an operator may make of any counter's statement.

use anyhow::{Context, Result, bail};
use domain::message::CounterId;
use domain::serial::Role;
use reconcile::Posting;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// `--books COUNTER=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BooksOf {
    pub(super) counter: CounterId,
    pub(super) file: PathBuf,
}

/// Reads `COUNTER=FILE`.
pub(super) fn books_of(text: &str) -> Result<BooksOf, String> {
    let Some((counter, file)) = text.split_once('=').filter(|(_, file)| !file.is_empty()) else {
        return Err("write COUNTER=FILE".to_owned());
    };
    let counter = CounterId::new(counter).map_err(|error| error.to_string())?;
    Ok(BooksOf { counter, file: PathBuf::from(file) })
}

/// What a line tells. Lines of other kinds move no money.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Debit,
    Credit,
    Reversal,
    Opened,
    Refused,
    Fenced,
    CutOver,
}

/// Only what an audit needs; a line may say more.
#[derive(Debug, Deserialize)]
struct Line {
    counter: Option<String>,
    kind: Kind,
    serial: Option<String>,
    original: Option<String>,
    account: Option<String>,
    amount: Option<i64>,
    currency: Option<String>,
    settle_day: Option<u32>,
    mark: Option<String>,
}

/// The postings that the file states.
pub(super) fn read(books: &BooksOf) -> Result<Vec<Posting>> {
    let path = &books.file;
    let text =
        fs::read(path).with_context(|| format!("the books {} cannot be read", path.display()))?;
    parse(&books.counter, &text, path)
}

/// A last line without its end was cut off by a kill, and its counter forgets it too.
fn parse(counter: &CounterId, text: &[u8], path: &Path) -> Result<Vec<Posting>> {
    let end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let mut postings = Vec::new();
    for (index, line) in text[..end].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let posting =
            posting(counter, line).with_context(|| format!("{}:{}", path.display(), index + 1))?;
        postings.extend(posting);
    }
    Ok(postings)
}

fn posting(counter: &CounterId, line: &[u8]) -> Result<Option<Posting>> {
    let line: Line =
        serde_json::from_slice(line).context("this is no line of a counter's books")?;
    if line.counter.as_deref().is_some_and(|named| named != counter.as_str()) {
        bail!("these are the books of {}, not of {counter}", line.counter.unwrap_or_default());
    }
    let kind = match line.kind {
        Kind::Debit => Role::Debit,
        Kind::Credit => Role::Credit,
        Kind::Reversal => Role::Reversal,
        Kind::Opened | Kind::Refused | Kind::Fenced | Kind::CutOver => return Ok(None),
    };
    let missing = |what: &str| format!("a {kind} without {what}");
    Ok(Some(Posting {
        counter: counter.clone(),
        kind,
        serial: line.serial.with_context(|| missing("serial"))?.parse().context("serial")?,
        original: line.original.map(|serial| serial.parse()).transpose().context("original")?,
        account: line.account.with_context(|| missing("account"))?.parse().context("account")?,
        amount: line.amount.with_context(|| missing("amount"))?,
        currency: line.currency.with_context(|| missing("currency"))?.parse()?,
        settle_day: line.settle_day.with_context(|| missing("settle_day"))?.try_into()?,
        mark: line.mark.map(|mark| mark.parse()).transpose().context("mark")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::in_one_line;

    const DEBIT: &str = r#"{"at":2,"counter":"s","kind":"debit","serial":"000000000011","master":"2026010100000000001","original":null,"account":"6001","amount":200,"currency":"CNY","counter_serial":"S1","settle_day":20260101,"balance_after":300}"#;
    const OPENED: &str = r#"{"at":1,"counter":"s","kind":"opened","account":"6001","amount":500}"#;

    fn read(text: &str) -> Result<Vec<Posting>> {
        parse(&CounterId::new("s").expect("an id"), text.as_bytes(), Path::new("b.jsonl"))
    }

    #[test]
    fn postings_are_taken_and_a_torn_line_is_not() {
        let read = read(&format!("{OPENED}\n{DEBIT}\n{}", &DEBIT[..40])).expect("books");
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].amount, read[0].kind), (200, Role::Debit));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (line, words) in [
            ("nonsense".to_owned(), "no line of a counter's books"),
            (DEBIT.replace("\"counter\":\"s\"", "\"counter\":\"t\""), "the books of t, not of s"),
            (DEBIT.replace("\"serial\"", "\"cereal\""), "a debit without serial"),
            (DEBIT.replace("000000000011", "000000000017"), "not 7"),
            (DEBIT.replace("CNY", "yuan"), "upper-case"),
            (DEBIT.replace("20260101", "20260199"), "20260199"),
        ] {
            let error = read(&format!("{OPENED}\n{line}\n")).expect_err(words);
            let said = in_one_line(&error);
            assert!(said.starts_with("b.jsonl:2: ") && said.contains(words), "{said}");
        }
    }

    #[test]
    fn books_are_given_as_counter_and_file() {
        let books = books_of("securities=a/b=c").expect("books");
        assert_eq!((books.counter.as_str(), books.file), ("securities", "a/b=c".into()));
        for bad in ["", "securities", "securities=", "=f", "Securities=f"] {
            assert!(books_of(bad).is_err(), "{bad}");
        }
    }
}
