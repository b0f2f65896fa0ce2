//! What a counter posted last, by what it says of its entries.

use super::*;
use crate::find::tests::new;
use domain::message::{Entry, Place};
use domain::order::Order;
use domain::serial::{Role, Sequence};
use foreign::ForeignText;
use port::{NotSent, Unclear};
use std::cell::RefCell;
use std::collections::HashMap;
use store::{NewTransfer, Write, WriteId};

/// The last accounts at a counter are found behind many transfers of others, and of one account.
#[tokio::test]
async fn a_counters_last_accounts_are_those_of_its_last_transfers() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
    let store = Store::open(&url).await.expect("it opens");
    let (done, mut written) = tokio::sync::mpsc::unbounded_channel();
    let mut writes = Vec::new();
    let mut begun = |from: (&str, &str), to: (&str, &str)| {
        let number = u64::try_from(writes.len()).expect("few") + 1;
        let place = |(at, account): (&str, &str)| Place {
            counter: CounterId::new(at).expect("a counter"),
            account: AccountId::new(account).expect("an account"),
        };
        let new = NewTransfer {
            order: Order { from: place(from), to: place(to), ..new(number).order },
            ..new(number)
        };
        let id = WriteId(number);
        writes.push(Write { accept: Some(new.clone()), ..Write::of(id, new.master) });
    };
    for account in ["old", "5", "4", "3", "2", "1"] {
        begun(("securities", "other"), ("futures", account));
    }
    begun(("futures", "back"), ("securities", "other"));
    // In both directions at one counter; the source is the first of the two.
    begun(("futures", "from"), ("futures", "to"));
    for _ in 0..60 {
        begun(("securities", "other"), ("futures", "busy"));
    }
    for _ in 0..210 {
        begun(("securities", "other"), ("bank", "other"));
    }
    let count = writes.len();
    store.journal().submit(writes, &done);
    let mut answered = 0;
    while answered < count {
        let answers = written.recv().await.expect("answers");
        assert!(answers.iter().all(|answer| answer.result.is_ok()));
        answered += answers.len();
    }
    let found = last_accounts(&store, &CounterId::new("futures").expect("a counter"))
        .await
        .expect("it reads");
    let names: Vec<String> = found.iter().map(|account| account.as_str().to_owned()).collect();
    assert_eq!(names, ["busy", "from", "to", "back", "1", "2", "3", "4"], "eight at most");
    assert_eq!(
        last_accounts(&store, &CounterId::new("nobody").expect("a counter"))
            .await
            .expect("it reads"),
        []
    );
    store.close().await;
}

fn day(number: u32) -> Day {
    Day::new(number).expect("a day")
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("an account")
}

fn serial(number: u64) -> SubSerial {
    SubSerial { sequence: Sequence::new(number).expect("a sequence"), role: Role::Credit }
}

/// What a counter has posted: by account, none for all of them, and by day. What stands nowhere it
/// refuses to say.
#[derive(Default)]
struct Books {
    today: Option<Day>,
    pages: HashMap<(Option<AccountId>, Day), Vec<u64>>,
    gone: Option<AccountId>,
    asked: RefCell<usize>,
}

impl Books {
    fn of(pages: &[(Option<&str>, u32, &[u64])]) -> Books {
        let pages = pages
            .iter()
            .map(|(name, on, serials)| ((name.map(account), day(*on)), serials.to_vec()));
        Books { today: Some(day(20_261_121)), pages: pages.collect(), ..Books::default() }
    }

    async fn last(&self, accounts: &[&str]) -> Posted {
        let accounts = accounts.iter().copied().map(account).collect();
        last_posted_to_any(self, accounts, "why".to_owned()).await
    }
}

impl Asked for Books {
    fn settle_day(&self) -> Option<Day> {
        self.today
    }

    async fn entries(&self, query: EntriesQuery) -> Result<EntriesReply, Posted> {
        *self.asked.borrow_mut() += 1;
        if query.account.is_some() && query.account == self.gone {
            return Err(Posted::Gone);
        }
        let Some(serials) = self.pages.get(&(query.account, query.day)) else {
            return Err(Posted::Unsaid("it does not say".to_owned()));
        };
        let from = usize::try_from(query.offset).expect("small").min(serials.len());
        let to = serials.len().min(from + usize::from(query.limit));
        let intent = crate::shard::intent(&new(1));
        let entries = serials[from..to].iter().map(|number| Entry {
            kind: domain::message::EntryKind::Credit,
            serial: serial(*number),
            posted: domain::message::Posted {
                counter_serial: "C1".into(),
                settle_day: query.day,
                account: intent.order.to.account.clone(),
                amount: intent.order.amount,
                currency: intent.order.currency,
                original: None,
            },
            at_micros: 0,
            mark: None,
        });
        let answer = Answer { code: AnswerCode::DONE, text: ForeignText::default() };
        Ok(EntriesReply { answer, entries: entries.collect(), more: to < serials.len() })
    }
}

#[tokio::test]
async fn the_highest_of_all_that_is_said_counts_and_what_is_not_said_is_nothing() {
    let (today, before, two, three) = (20_261_121, 20_261_120, 20_261_119, 20_261_118);
    let last = |number| Posted::Last(serial(number));
    let unsaid = Posted::Unsaid("why".to_owned());
    let books = Books::of(&[
        (Some("a"), today, &[7, 9, 8]),
        (Some("b"), today, &[]),
        (Some("b"), before, &[]),
        (Some("b"), two, &[12, 11]),
        (Some("late"), today, &[]),
        (Some("late"), before, &[]),
        (Some("late"), two, &[]),
        (Some("late"), three, &[99]),
        (Some("short"), today, &[]),
    ]);
    for (accounts, expected) in [
        (&["a"][..], last(9)),
        (&["b", "a"], last(12)),
        (&["a", "nobody"], last(9)),
        // Three days are looked at, as far as each is kept.
        (&["late"], Posted::Nothing),
        (&["short"], Posted::Nothing),
        (&["short", "nobody"], Posted::Nothing),
        (&["nobody"], unsaid.clone()),
        (&[], unsaid),
    ] {
        assert_eq!(books.last(accounts).await, expected, "{accounts:?}");
    }
    let gone = Books { gone: Some(account("b")), ..books };
    assert_eq!(gone.last(&["a", "b"]).await, Posted::Gone, "the next session is asked");
    let away = Books { today: None, ..gone };
    assert_eq!(away.last(&["a"]).await, Posted::Gone);
}

/// Where there are more than fit on a page, the last page is found without reading all.
#[tokio::test]
async fn the_last_page_of_a_long_day_is_found() {
    let page = usize::from(EntriesQuery::LONGEST_PAGE);
    for count in [page - 1, page, page + 1, 3 * page, 40 * page + 17] {
        let serials: Vec<u64> = (1..=u64::try_from(count).expect("small")).collect();
        let books = Books::of(&[(None, 20_261_121, &serials)]);
        let found = last_posted_to(&books, None).await;
        assert_eq!(found, Posted::Last(serial(u64::try_from(count).expect("small"))), "{count}");
        let asked = books.asked.into_inner();
        assert!(asked <= if count <= page { 1 } else { 70 }, "{asked} questions for {count}");
    }
}

/// Says that there is more, and sends less than a page.
struct Short;

impl Asked for Short {
    fn settle_day(&self) -> Option<Day> {
        Day::new(20_261_121).ok()
    }

    async fn entries(&self, query: EntriesQuery) -> Result<EntriesReply, Posted> {
        let books = Books::of(&[(None, 20_261_121, &[5])]);
        assert_eq!(query.offset, 0);
        let reply = books.entries(query).await?;
        Ok(EntriesReply { more: true, ..reply })
    }
}

#[tokio::test]
async fn a_page_that_is_not_full_is_the_last_whatever_is_said() {
    assert_eq!(last_posted_to(&Short, None).await, Posted::Last(serial(5)));
}

#[test]
fn what_is_no_page_of_entries_says_nothing_and_without_a_session_it_is_asked_again() {
    let page = |code| {
        let answer = Answer { code, text: "closed".into() };
        let reply = EntriesReply { answer, entries: Vec::new(), more: false };
        Some(RequestOutcome::Answered(Reply::Entries(reply)))
    };
    let unsaid = |words: &str| Err(Posted::Unsaid(words.to_owned()));
    for is_up in [true, false] {
        assert!(page_of(page(AnswerCode::DONE), is_up).is_ok());
        assert_eq!(page_of(page(AnswerCode::CLOSED), is_up), unsaid("it answers 404 closed"));
        assert_eq!(page_of(Some(RequestOutcome::NotSent(NotSent::Down)), is_up), Err(Posted::Gone));
        assert_eq!(page_of(None, is_up), Err(Posted::Gone));
        let late = page_of(Some(RequestOutcome::Unknown(Unclear::TimedOut)), is_up);
        let expected = if is_up {
            Err(Posted::Unsaid(Unclear::TimedOut.to_string()))
        } else {
            Err(Posted::Gone)
        };
        assert_eq!(late, expected);
    }
}
