use super::*;
use domain::message::{BalanceQuery, EntriesQuery, Look, Posting, Query, Reversal};
use domain::serial::{MasterSerial, Role, Sequence};
use proptest::prelude::*;
use std::collections::HashSet;

const DAY: u32 = 20_261_121;

fn day(number: u32) -> Day {
    Day::new(number).expect("a day")
}

fn account(id: &str) -> AccountId {
    AccountId::new(id).expect("an account")
}

fn master(sequence: u64) -> MasterSerial {
    MasterSerial { day: day(DAY), sequence: Sequence::new(sequence).expect("a sequence") }
}

/// A transfer's mark, as long as nobody says another.
fn mark(sequence: u64) -> Option<Mark> {
    Option::from(Mark(sequence))
}

fn rules(profile: Profile) -> Rules {
    let setting = |id: &str| AccountSetting {
        id: account(id),
        frozen: false,
        held: 0,
        limit: None,
        currency: None,
    };
    Rules {
        counter: CounterId::new("securities").expect("an id"),
        profile,
        currency: Currency::CNY,
        settings: vec![
            AccountSetting { frozen: true, ..setting("frozen") },
            AccountSetting { held: 600, ..setting("held") },
            AccountSetting { limit: Amount::new(10).ok(), ..setting("limited") },
            AccountSetting { currency: "USD".parse().ok(), ..setting("dollars") },
        ],
        open: true,
        tells_highest_serial: true,
    }
}

fn books_of(profile: Profile) -> Books {
    let mut books = Books::new(rules(profile), day(DAY));
    for id in ["A", "B", "frozen", "held", "limited", "dollars"] {
        books.open_account(&account(id), 1000, 0).expect("opens");
    }
    books
}

fn books() -> Books {
    books_of(Profile::default())
}

fn posting(sequence: u64, role: Role, id: &str, minor: i64) -> Posting {
    Posting {
        serial: master(sequence).leg(role),
        master: master(sequence),
        settle_day: day(DAY),
        account: account(id),
        amount: Amount::new(minor).expect("an amount"),
        currency: Currency::CNY,
        mark: mark(sequence),
    }
}

fn debit(sequence: u64, id: &str, minor: i64) -> Instruction {
    Instruction::Debit(posting(sequence, Role::Debit, id, minor))
}

fn credit(sequence: u64, id: &str, minor: i64) -> Instruction {
    Instruction::Credit(posting(sequence, Role::Credit, id, minor))
}

fn reverse(sequence: u64, id: &str, minor: i64) -> Instruction {
    Instruction::Reverse(Reversal {
        serial: master(sequence).leg(Role::Reversal),
        original: master(sequence).leg(Role::Debit),
        master: master(sequence),
        settle_day: day(DAY),
        account: account(id),
        amount: Amount::new(minor).expect("an amount"),
        currency: Currency::CNY,
        mark: mark(sequence),
    })
}

fn query(sequence: u64, role: Role, look: Look) -> Instruction {
    let serial = master(sequence).leg(role);
    Instruction::Query(Query { serial, settle_day: day(DAY), look, mark: mark(sequence) })
}

/// The code, or the finding, and the counter serial if there is a posting.
fn say(books: &mut Books, instruction: &Instruction) -> String {
    let described = |posted: Option<Posted>| {
        posted.map_or(String::new(), |posted| {
            format!(" {} {} {}", posted.counter_serial, posted.account, posted.amount)
        })
    };
    match books.execute(instruction, 7).reply {
        Reply::Posting(reply) => format!("{}{}", reply.answer.code, described(reply.posted)),
        Reply::Query(reply) => format!("{:?}{}", reply.finding, described(reply.posted)),
        Reply::Balance(reply) => match reply.balance {
            Some(balance) => format!("{}/{}", balance.available, balance.withdrawable),
            None => reply.answer.code.to_string(),
        },
        Reply::Entries(reply) => {
            let serials: Vec<String> = reply
                .entries
                .iter()
                .map(|entry| format!("{:?} {}", entry.kind, entry.posted.amount))
                .collect();
            format!("{} [{}] more={}", reply.answer.code, serials.join(", "), reply.more)
        }
    }
}

fn balance(books: &Books, id: &str) -> i64 {
    let wanted = account(id);
    books.balances().find(|(id, _)| **id == wanted).map_or(0, |(_, balance)| balance)
}

#[track_caller]
fn check(books: &mut Books, script: &[(Instruction, &str)]) {
    for (step, (instruction, expected)) in script.iter().enumerate() {
        assert_eq!(say(books, instruction), *expected, "step {step}: {instruction:?}");
    }
}

#[test]
fn a_repeat_is_told_what_the_first_was_told() {
    let mut books = books();
    check(
        &mut books,
        &[
            (debit(1, "A", 300), "200 S000000000001 A 300"),
            (debit(1, "A", 300), "201 S000000000001 A 300"),
            (debit(1, "A", 301), "409"),
            (debit(1, "B", 300), "409"),
            (credit(2, "B", 300), "200 S000000000002 B 300"),
            (credit(2, "B", 300), "201 S000000000002 B 300"),
            (query(1, Role::Debit, Look::Only), "Done S000000000001 A 300"),
            (query(1, Role::Debit, Look::Fence), "Done S000000000001 A 300"),
            (query(9, Role::Debit, Look::Only), "NotFound"),
        ],
    );
    assert_eq!((balance(&books, "A"), balance(&books, "B")), (700, 1300));
}

#[test]
fn each_rule_refuses_with_its_code_and_sticks() {
    let mut books = books();
    check(
        &mut books,
        &[
            (debit(1, "nobody", 1), "301"),
            (credit(2, "frozen", 1), "302"),
            (debit(3, "A", 1001), "402"),
            (debit(4, "held", 401), "402"),
            (debit(5, "held", 400), "200 S000000000001 held 400"),
            (debit(6, "limited", 11), "403"),
            (credit(7, "dollars", 1), "405"),
            (credit(8, "A", Amount::MAX.minor()), "403"),
            (credit(9, "A", 500), "200 S000000000002 A 500"),
            (debit(3, "A", 1001), "402"),
            (debit(3, "A", 1), "409"),
            (query(3, Role::Debit, Look::Only), "Refused"),
            (query(3, Role::Debit, Look::Fence), "Refused"),
        ],
    );
    assert_eq!(books.postings(), 2);
}

#[test]
fn a_fence_is_final_whenever_it_comes() {
    let mut books = books();
    check(
        &mut books,
        &[
            (query(1, Role::Debit, Look::Fence), "Fenced"),
            (debit(1, "A", 300), "501"),
            (debit(1, "A", 300), "501"),
            (query(1, Role::Debit, Look::Only), "Fenced"),
            (query(1, Role::Debit, Look::Fence), "Fenced"),
            (reverse(1, "A", 300), "602"),
            (query(1, Role::Reversal, Look::Only), "NotFound"),
        ],
    );
    assert_eq!(balance(&books, "A"), 1000);
}

#[test]
fn a_debit_is_undone_once_and_whole() {
    let mut books = books();
    check(
        &mut books,
        &[
            (reverse(1, "A", 300), "602"),
            (debit(1, "A", 300), "200 S000000000001 A 300"),
            (reverse(1, "A", 299), "603"),
            (query(1, Role::Reversal, Look::Only), "Refused"),
            (debit(2, "A", 300), "200 S000000000002 A 300"),
            (reverse(2, "A", 300), "200 S000000000003 A 300"),
            (reverse(2, "A", 300), "601 S000000000003 A 300"),
            (reverse(2, "A", 1), "409"),
            (query(2, Role::Reversal, Look::Only), "Done S000000000003 A 300"),
            (query(2, Role::Debit, Look::Only), "Done S000000000002 A 300"),
            (
                Instruction::Entries(EntriesQuery {
                    account: Some(account("A")),
                    day: day(DAY),
                    offset: 1,
                    limit: 1,
                }),
                "200 [Debit 300] more=true",
            ),
            (
                Instruction::Entries(EntriesQuery {
                    account: None,
                    day: day(DAY),
                    offset: 2,
                    limit: 10,
                }),
                "200 [Reversal 300] more=false",
            ),
            (
                Instruction::Balance(BalanceQuery {
                    account: account("held"),
                    currency: Currency::CNY,
                }),
                "1000/400",
            ),
        ],
    );
    assert_eq!(balance(&books, "A"), 700);
}

#[test]
fn a_reversal_that_came_too_early_may_come_again() {
    let mut books = books();
    check(
        &mut books,
        &[
            (reverse(1, "A", 300), "602"),
            (debit(1, "A", 300), "200 S000000000001 A 300"),
            (reverse(1, "A", 300), "200 S000000000002 A 300"),
        ],
    );
}

#[test]
fn after_the_cut_over_nothing_of_the_old_day_moves_and_all_of_it_is_known() {
    let mut books = books();
    check(&mut books, &[(debit(1, "A", 300), "200 S000000000001 A 300")]);
    let line = books.cut_over(9).expect("cuts over");
    assert_eq!((line.kind, line.settle_day.number()), (Kind::CutOver, 20_261_122));
    check(
        &mut books,
        &[
            (debit(1, "A", 300), "201 S000000000001 A 300"),
            (query(1, Role::Debit, Look::Only), "Done S000000000001 A 300"),
            (reverse(1, "A", 300), "603"),
            (debit(2, "A", 300), "404"),
            (query(3, Role::Debit, Look::Fence), "Fenced"),
        ],
    );
    for _ in 0..7 {
        books.cut_over(9).expect("cuts over");
    }
    check(&mut books, &[(query(1, Role::Debit, Look::Only), "Unclear")]);
}

#[test]
fn a_closed_counter_takes_back_but_takes_nothing_new() {
    let mut books = books();
    check(&mut books, &[(debit(1, "A", 300), "200 S000000000001 A 300")]);
    books.rules.open = false;
    check(
        &mut books,
        &[
            (debit(2, "A", 300), "404"),
            (credit(3, "A", 300), "404"),
            (debit(1, "A", 300), "201 S000000000001 A 300"),
            (reverse(1, "A", 300), "200 S000000000002 A 300"),
        ],
    );
}

#[test]
fn what_is_processing_is_told_so_until_it_is_finished_or_fenced() {
    let mut books = books();
    let order = |sequence| Order::debit(&posting(sequence, Role::Debit, "A", 300));
    assert_eq!(books.begin(order(1), 7).line, None);
    check(
        &mut books,
        &[
            (query(1, Role::Debit, Look::Only), "Processing"),
            (debit(1, "A", 300), "100"),
            (reverse(1, "A", 300), "602"),
        ],
    );
    assert!(books.finish(order(1), 8).line.is_some());
    check(&mut books, &[(query(1, Role::Debit, Look::Only), "Done S000000000001 A 300")]);

    books.begin(order(2), 7);
    check(&mut books, &[(query(2, Role::Debit, Look::Fence), "Fenced")]);
    assert_eq!(books.finish(order(2), 8).line, None, "the fence came first");
    assert_eq!(balance(&books, "A"), 700);
}

#[test]
fn a_counter_does_only_what_its_profile_says() {
    let mut weak = books_of(Profile {
        dedupes: false,
        refusals_stick: false,
        can_fence: false,
        can_reverse: false,
        can_query_reversals: false,
        ..Profile::default()
    });
    check(
        &mut weak,
        &[
            (debit(1, "A", 300), "200 S000000000001 A 300"),
            (debit(1, "A", 300), "200 S000000000002 A 300"),
            (query(2, Role::Debit, Look::Fence), "Unclear"),
            (reverse(1, "A", 300), "603"),
            (query(1, Role::Reversal, Look::Only), "Unclear"),
            (debit(3, "A", 500), "402"),
            (credit(4, "A", 500), "200 S000000000003 A 500"),
            (debit(3, "A", 500), "200 S000000000004 A 500"),
        ],
    );
    let mut fickle = books_of(Profile { refusals_stick: false, ..Profile::default() });
    check(
        &mut fickle,
        &[
            (debit(1, "A", 1001), "402"),
            (query(1, Role::Debit, Look::Fence), "Fenced"),
            (credit(2, "A", 500), "200 S000000000001 A 500"),
            (debit(1, "A", 1001), "501"),
        ],
    );
}

#[test]
fn a_line_of_other_books_is_an_error_and_changes_nothing() {
    let mut original = books();
    let line = original.execute(&debit(1, "A", 300), 7).line.expect("a posting has a line");
    let text = serde_json::to_string(&line).expect("serializes");
    for (from, to) in [
        ("\"securities\"", "\"futures\""),
        ("\"balance_after\":700", "\"balance_after\":701"),
        ("S000000000001", "S000000000002"),
        ("\"amount\":300", "\"amount\":1300"),
        ("\"amount\":300", "\"amount\":-300"),
        ("\"account\":\"A\"", "\"account\":\"Z\""),
        ("\"account\":\"A\"", "\"account\":null"),
    ] {
        let forged = text.replace(from, to);
        assert_ne!(forged, text, "{from}");
        let line: Line = serde_json::from_str(&forged).expect("still a line");
        assert!(books().replay(&line).is_err(), "{forged}");
    }
    assert_eq!(books().replay(&line), Ok(()));
}

fn any_instruction() -> impl Strategy<Value = Instruction> {
    let id = prop::sample::select(vec!["A", "B", "frozen", "held", "nobody"]);
    let amount = prop::sample::select(vec![1_i64, 300, 300, 300, 900, Amount::MAX.minor()]);
    let role = prop::sample::select(Role::ALL.to_vec());
    (1..6_u64, 0..5_u8, id, amount, role).prop_map(
        |(sequence, what, id, amount, role)| match what {
            0 => debit(sequence, id, amount),
            1 => credit(sequence, id, amount),
            2 => reverse(sequence, id, amount),
            3 => query(sequence, role, Look::Only),
            _ => query(sequence, role, Look::Fence),
        },
    )
}

proptest! {
    #[test]
    fn money_moves_only_by_postings_and_each_serial_once(
        instructions in prop::collection::vec((any_instruction(), 0..40_u8), 1..80)
    ) {
        let mut books = books();
        let mut expected: HashMap<AccountId, i64> =
            books.balances().map(|(id, balance)| (id.clone(), balance)).collect();
        let mut lines = Vec::new();
        let mut posted = HashSet::new();
        let mut fenced = HashSet::new();
        for (instruction, dice) in &instructions {
            if *dice == 0 {
                lines.push(books.cut_over(7).expect("cuts over"));
            }
            let settled = books.execute(instruction, 7);
            if let Some(line) = &settled.line {
                let key = line.serial.map(|serial| (line.settle_day, serial));
                match line.fact().expect("a fact") {
                    Fact::Posted(order) => {
                        let minor = order.amount.minor();
                        let change = if order.kind == EntryKind::Debit { -minor } else { minor };
                        *expected.entry(order.account).or_default() += change;
                        prop_assert!(posted.insert(key), "posted twice: {:?}", key);
                        prop_assert!(!fenced.contains(&key), "posted behind a fence: {:?}", key);
                    }
                    Fact::Fenced { .. } => {
                        prop_assert!(!posted.contains(&key), "fenced after it ran: {:?}", key);
                        fenced.insert(key);
                    }
                    Fact::Refused(..) | Fact::CutOver(_) | Fact::Opened { .. } => {}
                }
            }
            lines.extend(settled.line);
            for (id, balance) in books.balances() {
                prop_assert_eq!(balance, expected[id]);
                prop_assert!((0..=CEILING).contains(&balance));
            }
        }

        // The file alone brings the same books back.
        let mut again = self::books();
        for line in &lines {
            let text = serde_json::to_string(line).expect("serializes");
            let read: Line = serde_json::from_str(&text).expect("parses");
            prop_assert_eq!(&read, line);
            prop_assert_eq!(again.replay(&read), Ok(()));
        }
        for (instruction, _) in &instructions {
            prop_assert_eq!(again.execute(instruction, 8), books.execute(instruction, 8));
        }
    }
}

/// The answer's code or finding, and the mark it bears.
fn marked(books: &mut Books, instruction: &Instruction) -> (String, Option<Mark>) {
    match books.execute(instruction, 7).reply {
        Reply::Posting(reply) => (reply.answer.code.to_string(), reply.mark),
        Reply::Query(reply) => (format!("{:?}", reply.finding), reply.mark),
        other => panic!("{other:?}"),
    }
}

/// The same request from a transfer with another mark.
fn bearing(instruction: Instruction, mark: Option<Mark>) -> Instruction {
    match instruction {
        Instruction::Debit(it) => Instruction::Debit(Posting { mark, ..it }),
        Instruction::Credit(it) => Instruction::Credit(Posting { mark, ..it }),
        Instruction::Reverse(it) => Instruction::Reverse(Reversal { mark, ..it }),
        Instruction::Query(it) => Instruction::Query(Query { mark, ..it }),
        other => other,
    }
}

#[test]
fn every_answer_bears_the_mark_that_is_held_with_the_serial() {
    let mut books = books_of(Profile { echoes_marks: true, ..Profile::default() });
    let other = Some(Mark(0xbad));
    let of = |code: &str, mark: Option<Mark>| (code.to_owned(), mark);
    let looks = |sequence, role| query(sequence, role, Look::Only);
    for (instruction, expected) in [
        (looks(1, Role::Debit), of("NotFound", mark(1))),
        (debit(1, "A", 300), of("200", mark(1))),
        (bearing(debit(1, "A", 300), other), of("409", mark(1))),
        (bearing(debit(1, "A", 300), None), of("409", mark(1))),
        (bearing(looks(1, Role::Debit), other), of("Done", mark(1))),
        (bearing(query(1, Role::Debit, Look::Fence), other), of("Done", mark(1))),
        (bearing(reverse(1, "A", 300), other), of("603", other)),
        (debit(2, "A", 100_000), of("402", mark(2))),
        (bearing(debit(2, "A", 100_000), other), of("409", mark(2))),
        (bearing(looks(2, Role::Debit), other), of("Refused", mark(2))),
        (bearing(query(3, Role::Credit, Look::Fence), other), of("Fenced", other)),
        (credit(3, "B", 1), of("501", other)),
        (bearing(credit(4, "B", 1), None), of("200", None)),
        (credit(4, "B", 1), of("409", None)),
        (looks(4, Role::Credit), of("Done", None)),
    ] {
        assert_eq!(marked(&mut books, &instruction), expected, "{instruction:?}");
    }
    let Instruction::Debit(taken_in) = debit(5, "A", 1) else { panic!("a debit") };
    books.begin(Order::debit(&taken_in), 7);
    let asked = bearing(looks(5, Role::Debit), other);
    assert_eq!(marked(&mut books, &asked), of("Processing", mark(5)));
    assert_eq!((balance(&books, "A"), balance(&books, "B")), (700, 1001));
}

/// However little it promises else, what it holds under one mark is not touched in the name of another.
#[test]
fn a_serial_is_neither_posted_again_nor_buried_for_another_mark() {
    let mut books = books_of(Profile {
        echoes_marks: true,
        dedupes: false,
        refusals_stick: false,
        ..Profile::default()
    });
    let other = Some(Mark(0xbad));
    let of = |code: &str, mark: Option<Mark>| (code.to_owned(), mark);
    let fence = |sequence| query(sequence, Role::Debit, Look::Fence);
    for (instruction, expected) in [
        (debit(1, "A", 300), of("200", mark(1))),
        (bearing(debit(1, "A", 300), other), of("409", mark(1))),
        (bearing(debit(1, "A", 100_000), other), of("409", mark(1))),
        (query(1, Role::Debit, Look::Only), of("Done", mark(1))),
        (debit(1, "A", 300), of("200", mark(1))),
        (debit(2, "A", 100_000), of("402", mark(2))),
        (bearing(fence(2), other), of("Refused", mark(2))),
        (fence(2), of("Fenced", mark(2))),
        (bearing(fence(2), other), of("Fenced", mark(2))),
    ] {
        assert_eq!(marked(&mut books, &instruction), expected, "{instruction:?}");
    }
    let Instruction::Debit(taken_in) = debit(3, "A", 1) else { panic!("a debit") };
    books.begin(Order::debit(&taken_in), 7);
    assert_eq!(marked(&mut books, &bearing(fence(3), other)), of("Processing", mark(3)));
    assert_eq!(marked(&mut books, &fence(3)), of("Fenced", mark(3)));
    assert_eq!(balance(&books, "A"), 400);
}

#[test]
fn a_counter_that_keeps_no_marks_says_and_compares_none() {
    let mut books = books();
    let first = marked(&mut books, &debit(1, "A", 300));
    let again = marked(&mut books, &bearing(debit(1, "A", 300), Some(Mark(0xbad))));
    assert_eq!((first, again), (("200".to_owned(), None), ("201".to_owned(), None)));
}

#[test]
fn the_highest_serial_is_of_the_days_that_can_be_asked_about() {
    let horizon = Profile { query_horizon_days: 1, ..Profile::default() };
    let mut books = books_of(horizon);
    assert_eq!(books.highest_serial(), None);
    say(&mut books, &debit(9, "A", 100_000));
    say(&mut books, &query(8, Role::Credit, Look::Only));
    assert_eq!(books.highest_serial(), Some(master(9).leg(Role::Debit)));
    say(&mut books, &query(12, Role::Credit, Look::Fence));
    say(&mut books, &debit(4, "A", 1));
    let highest = Some(master(12).leg(Role::Credit));
    assert_eq!(books.highest_serial(), highest);
    books.cut_over(9).expect("cuts over");
    assert_eq!(books.highest_serial(), highest);
    books.cut_over(9).expect("cuts over");
    assert_eq!(books.highest_serial(), None);
}

#[test]
fn marks_come_back_from_the_lines_and_lines_without_them_are_read() {
    let echoes = Profile { echoes_marks: true, ..Profile::default() };
    let mut books = Books::new(rules(echoes.clone()), day(DAY));
    let mut lines = vec![books.open_account(&account("A"), 1000, 0).expect("opens").expect("new")];
    let bare = bearing(debit(3, "A", 1), None);
    for instruction in
        [debit(1, "A", 300), debit(2, "A", 100_000), query(4, Role::Debit, Look::Fence), bare]
    {
        lines.push(books.execute(&instruction, 7).line.expect("a line"));
    }
    let mut again = Books::new(rules(echoes), day(DAY));
    for line in lines {
        let text = serde_json::to_string(&line).expect("sayable");
        assert_eq!(text.contains("\"mark\""), line.mark.is_some(), "{text}");
        again.replay(&serde_json::from_str(&text).expect("reads")).expect("follows");
    }
    for sequence in [1, 2, 4] {
        let asked = bearing(query(sequence, Role::Debit, Look::Only), Some(Mark(0xbad)));
        assert_eq!(marked(&mut again, &asked).1, mark(sequence), "{sequence}");
    }
    assert_eq!(marked(&mut again, &query(3, Role::Debit, Look::Only)).1, None);
    assert_eq!(again.highest_serial(), Some(master(4).leg(Role::Debit)));
}
