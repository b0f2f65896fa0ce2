//! A counter's own books, as it wrote them: one JSON line for each thing that happened. Read here
//! with types of this crate alone, so that a mistake of the bridge cannot hide in shared code.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What a line of the books tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An account was opened with an amount.
    Opened,
    /// Money left an account.
    Debit,
    /// Money reached an account.
    Credit,
    /// A debit was undone.
    Reversal,
    /// A request was refused; nothing was posted.
    Refused,
    /// A serial was buried before it ran; nothing was posted.
    Fenced,
    /// A new settle day began.
    CutOver,
}

impl Kind {
    /// Whether money moved.
    pub fn is_posting(self) -> bool {
        match self {
            Kind::Debit | Kind::Credit | Kind::Reversal => true,
            Kind::Opened | Kind::Refused | Kind::Fenced | Kind::CutOver => false,
        }
    }
}

/// One line. What a kind has no use for is absent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// What happened.
    pub kind: Kind,
    /// The sub serial that it was about: twelve digits.
    #[serde(default)]
    pub serial: Option<String>,
    /// The transfer's master serial: nineteen digits.
    #[serde(default)]
    pub master: Option<String>,
    /// For a reversal, the sub serial of the debit that it undid.
    #[serde(default)]
    pub original: Option<String>,
    /// The account, where the line is about one.
    #[serde(default)]
    pub account: Option<String>,
    /// Minor units, where the line is about money.
    #[serde(default)]
    pub amount: Option<i64>,
    /// The currency of the amount.
    #[serde(default)]
    pub currency: Option<String>,
    /// The settle day that the serial was bound to, or the counter's own: `YYYYMMDD`.
    #[serde(default)]
    pub settle_day: Option<u32>,
    /// What the account holds after it, in minor units.
    #[serde(default)]
    pub balance_after: Option<i64>,
}

/// The books of one counter, oldest line first.
#[derive(Clone, Debug)]
pub struct Book {
    /// The counter's id.
    pub counter: String,
    /// What happened.
    pub lines: Vec<Line>,
}

impl Book {
    /// Reads the books that a counter keeps in `path`; a counter that never wrote has none.
    pub fn read(counter: &str, path: &Path) -> Result<Book> {
        if !path.exists() {
            return Ok(Book { counter: counter.to_owned(), lines: Vec::new() });
        }
        let text = fs::read(path).with_context(|| format!("{} is unreadable", path.display()))?;
        Book::parse(counter, &text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads books from their bytes. A last line without its end was cut off by a kill: it was not
    /// answered to anyone, and the counter forgets it too.
    pub fn parse(counter: &str, text: &[u8]) -> Result<Book> {
        let whole = match text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => &text[..end],
            None => &[],
        };
        let mut lines = Vec::new();
        for (number, line) in whole.split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() && whole.is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(line).with_context(|| {
                format!("line {}: {}", number + 1, String::from_utf8_lossy(line))
            })?;
            ensure!(
                !line.kind.is_posting()
                    || (line.serial.is_some() && line.account.is_some() && line.amount.is_some()),
                "line {}: a posting without serial, account or amount",
                number + 1
            );
            lines.push(line);
        }
        Ok(Book { counter: counter.to_owned(), lines })
    }

    /// The postings, oldest first.
    pub fn postings(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.kind.is_posting())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: &str = r#"{"at":1,"counter":"s","kind":"opened","account":"6001","amount":500,"currency":"CNY","balance_after":500}"#;
    const DEBIT: &str = r#"{"at":2,"counter":"s","kind":"debit","serial":"000000000011","master":"2026010100000000001","account":"6001","amount":200,"currency":"CNY","counter_serial":"S1","settle_day":20260101,"balance_after":300}"#;

    #[test]
    fn lines_are_read_and_a_torn_one_is_left_out() {
        let text = format!("{OPENED}\n{DEBIT}\n{}", &DEBIT[..40]);
        let book = Book::parse("s", text.as_bytes()).expect("it is well-formed");
        assert_eq!(book.lines.len(), 2);
        assert_eq!(book.postings().count(), 1);
        assert_eq!(book.lines[1].serial.as_deref(), Some("000000000011"));
        assert_eq!(book.lines[1].settle_day, Some(20_260_101));
    }

    #[test]
    fn an_empty_or_wholly_torn_book_has_no_lines() {
        for text in ["", &DEBIT[..40]] {
            assert_eq!(Book::parse("s", text.as_bytes()).expect("no lines").lines, []);
        }
    }

    #[test]
    fn what_is_no_book_is_refused() {
        let nameless = DEBIT.replace("\"serial\"", "\"cereal\"");
        for text in ["nonsense\n", "{\"kind\":\"gift\"}\n", &format!("{OPENED}\n{nameless}\n")] {
            assert!(Book::parse("s", text.as_bytes()).is_err(), "{text}");
        }
    }
}
