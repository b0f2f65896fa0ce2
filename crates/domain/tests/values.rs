//! Values at their edges, and what a counter has to confirm.

use domain::message::{
    AccountId, Answer, AnswerCode, BalanceQuery, BalanceReply, CounterId, EntriesQuery,
    EntriesReply, Finding, Instruction, Look, Posting, PostingReply, Query, QueryReply, Reply,
    Reversal,
};
use domain::money::{Amount, Currency};
use domain::profile::{AmountUnit, Profile};
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence, SubSerial};
use foreign::ForeignText;

fn day() -> Day {
    Day::new(20_261_121).expect("a day")
}

fn master() -> MasterSerial {
    MasterSerial { day: day(), sequence: Sequence::new(42).expect("a sequence") }
}

fn account() -> AccountId {
    AccountId::new("6001").expect("an account")
}

fn posting(role: Role) -> Posting {
    Posting {
        serial: master().leg(role),
        master: master(),
        settle_day: day(),
        account: account(),
        amount: Amount::MAX,
        currency: Currency::CNY,
        mark: None,
    }
}

#[test]
fn only_postings_move_money_and_each_names_its_serial() {
    let reversal = Reversal {
        serial: master().leg(Role::Reversal),
        original: master().leg(Role::Debit),
        master: master(),
        settle_day: day(),
        account: account(),
        amount: Amount::MAX,
        currency: Currency::CNY,
        mark: None,
    };
    let query =
        |look| Query { serial: master().leg(Role::Credit), settle_day: day(), look, mark: None };
    let balance = BalanceQuery { account: account(), currency: Currency::CNY };
    let entries = EntriesQuery { account: Some(account()), day: day(), offset: 0, limit: 1 };
    for (instruction, moves, role) in [
        (Instruction::Debit(posting(Role::Debit)), true, Some(Role::Debit)),
        (Instruction::Credit(posting(Role::Credit)), true, Some(Role::Credit)),
        (Instruction::Reverse(reversal), true, Some(Role::Reversal)),
        (Instruction::Query(query(Look::Only)), false, Some(Role::Credit)),
        (Instruction::Query(query(Look::Fence)), false, Some(Role::Credit)),
        (Instruction::Balance(balance), false, None),
        (Instruction::Entries(entries), false, None),
    ] {
        assert_eq!(instruction.moves_money(), moves, "{instruction:?}");
        let serial = role.map(|role| master().leg(role));
        assert_eq!(instruction.serial(), serial, "{instruction:?}");
    }
}

#[test]
fn a_reply_names_the_serial_that_it_is_about() {
    let answer =
        || Answer { code: AnswerCode::new(200).expect("a code"), text: ForeignText::default() };
    let serial = master().leg(Role::Debit);
    for (reply, expected) in [
        (Reply::Posting(PostingReply { serial, answer: answer(), posted: None, mark: None }), true),
        (
            Reply::Query(QueryReply {
                serial,
                finding: Finding::NotFound,
                answer: answer(),
                posted: None,
                mark: None,
            }),
            true,
        ),
        (Reply::Balance(BalanceReply { answer: answer(), balance: None }), false),
        (
            Reply::Entries(EntriesReply { answer: answer(), entries: Vec::new(), more: false }),
            false,
        ),
    ] {
        assert_eq!(reply.serial(), expected.then_some(serial), "{reply:?}");
    }
}

/// A counter may do more than is relied on, never less; of each capability and each limit.
#[test]
fn each_promise_has_to_be_confirmed() {
    let strong = Profile::default;
    let refused = |configured: &Profile, declared: &Profile| {
        configured.confirm(declared).err().map(|unconfirmed| unconfirmed.field)
    };
    for (field, weak) in [
        ("dedupes", Profile { dedupes: false, ..strong() }),
        ("refusals_stick", Profile { refusals_stick: false, ..strong() }),
        ("can_fence", Profile { can_fence: false, ..strong() }),
        ("can_reverse", Profile { can_reverse: false, ..strong() }),
        ("can_query_reversals", Profile { can_query_reversals: false, ..strong() }),
        ("in_flight_limit_ms", Profile { in_flight_limit_ms: 60_001, ..strong() }),
        ("query_horizon_days", Profile { query_horizon_days: 6, ..strong() }),
    ] {
        assert_eq!(refused(&strong(), &weak), Some(field), "{field}: less than is relied on");
        assert_eq!(refused(&weak, &strong()), None, "{field}: more than is relied on");
        assert_eq!(refused(&weak, &weak), None, "{field}: what is relied on");
        let words = strong().confirm(&weak).expect_err(field).to_string();
        assert!(words.contains(field), "{words}");
    }
    let major = Profile { amount_unit: AmountUnit::Major, ..strong() };
    assert_eq!(refused(&strong(), &major), Some("amount_unit"));
    assert_eq!(refused(&major, &strong()), Some("amount_unit"));
    assert_eq!(refused(&major, &major), None);
}

/// Every text that a value shows is read back as the same value, and the numbers agree.
#[test]
fn what_is_shown_can_be_read() {
    for minor in [1, 42, 999_999_999_999] {
        let amount = Amount::new(minor).expect("an amount");
        assert_eq!(amount.to_string(), minor.to_string());
        assert_eq!((amount.minor(), i64::from(amount)), (minor, minor));
        assert_eq!(Amount::try_from(minor), Ok(amount));
    }
    assert!(Amount::try_from(0).is_err());
    let usd: Currency = "USD".parse().expect("a currency");
    assert_ne!(usd, Currency::CNY);
    assert_eq!(format!("{usd} {usd:?} {}", String::from(usd)), "USD USD USD");
    assert_eq!(Currency::try_from("USD".to_owned()), Ok(usd));

    let today = day();
    assert_eq!(format!("{today} {today:?} {}", u32::from(today)), "20261121 20261121 20261121");
    assert_eq!((Day::try_from(20_261_121), "20261121".parse()), (Ok(today), Ok(today)));

    let serial = master();
    assert_eq!(format!("{serial} {serial:?}"), "2026112100000000042 2026112100000000042");
    assert_eq!(String::from(serial), "2026112100000000042");
    assert_eq!(MasterSerial::try_from(serial.to_string()), Ok(serial));
    assert_eq!(serial.number(), 2_026_112_100_000_000_042);

    for (role, digit, word) in
        [(Role::Debit, 1, "debit"), (Role::Credit, 2, "credit"), (Role::Reversal, 3, "reversal")]
    {
        let leg = serial.leg(role);
        assert_eq!((role.digit(), role.to_string().as_str(), role.as_str()), (digit, word, word));
        assert_eq!(leg.number(), 420 + digit);
        assert_eq!(format!("{leg} {leg:?}"), format!("{0:012} {0:012}", 420 + digit));
        assert_eq!(
            (String::from(leg), SubSerial::try_from(leg.to_string())),
            (leg.to_string(), Ok(leg))
        );
    }
    let mark = Mark(0xab);
    assert_eq!(
        format!("{mark} {mark:?} {}", String::from(mark)),
        ["00000000000000ab"; 3].join(" ")
    );
    assert_eq!(Mark::try_from(mark.to_string()), Ok(mark));

    let counter = CounterId::new("futures-2").expect("a counter");
    assert_eq!(format!("{counter} {counter:?} {}", counter.as_str()), ["futures-2"; 3].join(" "));
    assert_eq!(
        ("futures-2".parse(), CounterId::try_from("futures-2".to_owned())),
        (Ok(counter.clone()), Ok(counter.clone()))
    );
    assert_eq!(String::from(counter), "futures-2");
    let text = account();
    assert_eq!(format!("{text} {text:?} {}", String::from(text.clone())), ["6001"; 3].join(" "));

    let code = AnswerCode::new(402).expect("a code");
    assert_eq!(
        format!("{code} {code:?} {} {}", code.number(), u16::from(code)),
        ["402"; 4].join(" ")
    );
    assert_eq!(AnswerCode::try_from(402), Ok(code));
}

/// Day numbers and days since 1970 are each other's inverse, over four centuries day by day.
#[test]
fn days_follow_each_other() {
    let mut before = None;
    for days in 0..=160_000 {
        let day = Day::from_unix_days(days);
        assert_eq!(day.unix_days(), days, "{day}");
        assert_eq!(Day::new(day.number()), Ok(day), "{day} exists");
        assert!(before < Some(day), "{day} comes later");
        before = Some(day);
    }
    let micros = |days: i64| days * 86_400_000_000;
    assert_eq!(Day::from_unix_micros(micros(20_778)), day());
    assert_eq!(Day::from_unix_micros(micros(20_779) - 1), day());
    assert_ne!(Day::from_unix_micros(micros(20_779)), day());
    // What is beyond the last day counts as it.
    assert_eq!(Day::from_unix_days(u32::MAX).number(), 91_991_231);
}

#[test]
fn years_have_the_days_that_they_have() {
    for (number, exists) in [
        (20_240_229, true),
        (20_260_229, false),
        (21_000_229, false),
        (20_000_229, true),
        (20_260_230, false),
        (20_260_131, true),
        (20_260_132, false),
        (20_260_430, true),
        (20_260_431, false),
        (20_260_100, false),
        (20_260_001, false),
        (20_261_301, false),
        (19_700_101, true),
        (19_691_231, false),
        (91_991_231, true),
        (92_000_101, false),
    ] {
        assert_eq!(Day::new(number).is_ok(), exists, "{number}");
    }
}

#[test]
fn numbers_that_are_no_serials_are_errors() {
    assert!(Sequence::new(0).is_err() && Sequence::new(Sequence::MAX + 1).is_err());
    assert_eq!(Sequence::new(Sequence::MAX).map(Sequence::number), Ok(99_999_999_999));
    for bad in [-1, 0, 2_026_113_200_000_000_001, 2_026_112_100_000_000_000, i64::MAX] {
        assert!(MasterSerial::from_number(bad).is_err(), "{bad}");
    }
    for bad in [0, 1, 420, 424, 999_999_999_994, 1_000_000_000_001] {
        assert!(SubSerial::from_number(bad).is_err(), "{bad}");
    }
    assert_eq!(SubSerial::from_number(422), Ok(master().leg(Role::Credit)));
}
