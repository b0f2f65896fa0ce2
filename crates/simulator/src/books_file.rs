//! The file behind `--books`: every fact is in it before the answer leaves, so that a counter that
//! was killed comes back with its memory.
//!
//! A line is in the hands of the operating system before its answer is sent: it survives `kill -9`.
//! With [`Durability::Disk`] it is on the disk: it survives a power cut.

use crate::books::{Books, Inconsistent, Line};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a line survives before its answer is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however sudden.
    #[default]
    Process,
    /// The end of the machine's power; costs one synchronization of the disk for each batch.
    Disk,
}

/// Where the lines go, if anywhere.
#[derive(Debug)]
pub struct BooksFile {
    path: PathBuf,
    file: Arc<File>,
    durability: Durability,
    /// Whole lines that are not in the file yet.
    pending: Vec<u8>,
}

/// Why there are no books to work with. All but [`BooksFileError::Write`] come at the start.
#[derive(Debug, thiserror::Error)]
pub enum BooksFileError {
    /// It cannot be opened or read.
    #[error("books file {path}: cannot be opened or read: {source}")]
    Open {
        /// Path of the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another counter writes to it.
    #[error("books file {path}: in use by another counter")]
    InUse {
        /// Path of the file.
        path: PathBuf,
    },
    /// A whole line that is not one of ours.
    #[error("books file {path}, line {line}: {problem}")]
    BadLine {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with the line, in words.
        problem: String,
    },
    /// It cannot be written: nothing more may be answered.
    #[error("books file {path}: cannot be written: {source}")]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BooksFile {
    /// Opens or makes the file and lets `books` take in what it says. A torn last line, of which
    /// nothing was ever answered, is cut off.
    pub fn open(
        path: &Path,
        durability: Durability,
        books: &mut Books,
    ) -> Result<BooksFile, BooksFileError> {
        let failed = |source| BooksFileError::Open { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BooksFileError::InUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let whole = replay(path, &file, books)?;
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        Ok(BooksFile {
            path: path.to_owned(),
            file: Arc::new(file),
            durability,
            pending: Vec::new(),
        })
    }

    /// Adds a line; it is in the file after the next [`BooksFile::commit`].
    pub fn append(&mut self, line: &Line) -> Result<(), BooksFileError> {
        let start = self.pending.len();
        if let Err(error) = serde_json::to_writer(&mut self.pending, line) {
            self.pending.truncate(start);
            return Err(self.unwritten(error.into()));
        }
        self.pending.push(b'\n');
        Ok(())
    }

    /// Puts all added lines into the file. After an error the file may hold a part of them, and
    /// nothing of them may be answered.
    pub async fn commit(&mut self) -> Result<(), BooksFileError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // A write to the page cache takes microseconds; handing it to another thread takes longer.
        if let Err(source) = (&*self.file).write_all(&self.pending) {
            return Err(self.unwritten(source));
        }
        self.pending.clear();
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Disk => {
                let file = Arc::clone(&self.file);
                let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
                synced.map_err(io::Error::other).flatten().map_err(|source| self.unwritten(source))
            }
        }
    }

    /// A file that was opened elsewhere.
    #[cfg(test)]
    pub(crate) fn around(path: PathBuf, file: File) -> BooksFile {
        let durability = Durability::Process;
        BooksFile { path, file: Arc::new(file), durability, pending: Vec::new() }
    }

    fn unwritten(&self, source: io::Error) -> BooksFileError {
        BooksFileError::Write { path: self.path.clone(), source }
    }
}

/// Takes in every whole line; the answer is how many bytes those are.
fn replay(path: &Path, file: &File, books: &mut Books) -> Result<u64, BooksFileError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut text = Vec::new();
    let mut whole = 0_u64;
    let mut number = 0_u64;
    loop {
        text.clear();
        let read = reader
            .read_until(b'\n', &mut text)
            .map_err(|source| BooksFileError::Open { path: path.to_owned(), source })?;
        if text.last() != Some(&b'\n') {
            if read > 0 {
                tracing::warn!(path = %path.display(), bytes = read, "cut off a torn last line");
            }
            return Ok(whole);
        }
        number += 1;
        let bad =
            |problem| BooksFileError::BadLine { path: path.to_owned(), line: number, problem };
        let line: Line = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        books.replay(&line).map_err(|error: Inconsistent| bad(error.to_string()))?;
        whole += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Rules;
    use domain::message::{AccountId, CounterId, Instruction, Posting};
    use domain::money::{Amount, Currency};
    use domain::profile::Profile;
    use domain::serial::{Day, MasterSerial, Role, Sequence};

    fn empty() -> Books {
        let rules = Rules {
            counter: CounterId::new("securities").expect("an id"),
            profile: Profile::default(),
            currency: Currency::CNY,
            settings: Vec::new(),
            open: true,
            tells_highest_serial: true,
        };
        Books::new(rules, Day::new(20_261_121).expect("a day"))
    }

    fn debit(sequence: u64) -> Instruction {
        let day = Day::new(20_261_121).expect("a day");
        let master = MasterSerial { day, sequence: Sequence::new(sequence).expect("a sequence") };
        Instruction::Debit(Posting {
            serial: master.leg(Role::Debit),
            master,
            settle_day: day,
            account: AccountId::new("A").expect("an account"),
            amount: Amount::new(1).expect("an amount"),
            currency: Currency::CNY,
            mark: None,
        })
    }

    /// The balance of the one account after three debits of 1 from 1000.
    async fn write_three(path: &Path, durability: Durability) {
        let mut books = empty();
        let mut file = BooksFile::open(path, durability, &mut books).expect("opens");
        let account = AccountId::new("A").expect("an account");
        let opened = books.open_account(&account, 1000, 1).expect("opens");
        file.append(&opened.expect("is new")).expect("appends");
        for sequence in 1..=3 {
            let line = books.execute(&debit(sequence), 2).line.expect("a line");
            file.append(&line).expect("appends");
        }
        file.commit().await.expect("commits");
    }

    fn balance_of(path: &Path) -> Result<i64, BooksFileError> {
        let mut books = empty();
        BooksFile::open(path, Durability::Process, &mut books)?;
        Ok(books.balances().map(|(_, balance)| balance).sum())
    }

    #[tokio::test]
    async fn books_come_back_wherever_the_last_line_is_torn() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("books.jsonl");
        write_three(&path, Durability::Disk).await;
        let whole = std::fs::read(&path).expect("reads");
        let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n');
        let last_line = last_line.expect("several lines") + 1;
        for end in last_line..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("writes");
            assert_eq!(balance_of(&path).expect("opens"), 998, "torn at {end}");
            assert_eq!(std::fs::read(&path).expect("reads"), whole[..last_line]);
        }
        std::fs::write(&path, &whole).expect("writes");
        assert_eq!(balance_of(&path).expect("opens"), 997);
    }

    #[tokio::test]
    async fn a_line_that_was_tampered_with_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("books.jsonl");
        write_three(&path, Durability::Process).await;
        let text = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(&path, text.replace("\"balance_after\":998", "\"balance_after\":999"))
            .expect("writes");
        let error = balance_of(&path).expect_err("does not follow").to_string();
        assert!(error.contains("line 3: `balance_after`"), "{error}");
        std::fs::write(&path, "not json\n").expect("writes");
        let error = balance_of(&path).expect_err("not json").to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[tokio::test]
    async fn one_file_serves_one_counter() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("books.jsonl");
        let mut books = empty();
        let held = BooksFile::open(&path, Durability::Process, &mut books).expect("opens");
        assert!(matches!(balance_of(&path), Err(BooksFileError::InUse { .. })));
        drop(held);
        assert_eq!(balance_of(&path).expect("opens"), 0);
    }
}
