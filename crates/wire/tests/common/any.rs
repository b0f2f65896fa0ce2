//! Strategies for any message that can be said.

use domain::message::*;
use domain::money::{Amount, Currency};
use domain::profile::{AmountUnit, CodeTable, Profile};
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence, SubSerial};
use proptest::prelude::*;
use proptest::{collection, option};
use wire::conversation::*;
use wire::message::Message;
use wire::payload::*;

/// Any message. Entry times are whole seconds, as far as XML says them; figures have twelve digits.
pub fn message() -> BoxedStrategy<Message> {
    prop_oneof![
        4 => (1u64.., instruction()).prop_map(|(id, it)| Message::Payload(Payload::Request(RequestId(id), it))),
        4 => (1u64.., reply()).prop_map(|(id, it)| Message::Payload(Payload::Response(RequestId(id), it))),
        4 => conversation(),
    ]
    .boxed()
}

fn conversation() -> BoxedStrategy<Message> {
    let token = any::<[u8; 32]>;
    prop_oneof![
        (any::<[u16; 3]>(), name(), name(), token()).prop_map(
            |([version, channel, heartbeat_s], dialler, acceptor, nonce)| {
                Message::Conversation(Conversation::SignOn(SignOn {
                    version,
                    dialler,
                    acceptor,
                    channel,
                    nonce,
                    heartbeat_s,
                }))
            }
        ),
        (token(), token()).prop_map(|(nonce, proof)| Message::Conversation(
            Conversation::Challenge(Challenge { nonce, proof })
        )),
        (token(), option::of(state())).prop_map(|(proof, counter)| Message::Conversation(
            Conversation::Answer(ChallengeAnswer { proof, counter })
        )),
        (any::<u16>(), option::of(state())).prop_map(|(heartbeat_s, counter)| {
            Message::Conversation(Conversation::Welcome(Welcome { heartbeat_s, counter }))
        }),
        (
            prop_oneof![
                Just(RejectReason::Version),
                Just(RejectReason::UnknownParty),
                Just(RejectReason::BadProof),
                Just(RejectReason::AlreadySignedOn),
                Just(RejectReason::NotNow),
                Just(RejectReason::Other),
            ],
            words(500)
        )
            .prop_map(|(reason, text)| Message::Conversation(Conversation::Rejected(
                Rejected { reason, text: text.into() }
            ))),
        words(500).prop_map(|text| Message::Conversation(Conversation::SignOff(SignOff {
            text: text.into()
        }))),
        Just(Message::Conversation(Conversation::SignOffAck)),
        any::<u64>().prop_map(|number| Message::Conversation(Conversation::Heartbeat(Heartbeat {
            number
        }))),
        (any::<u64>(), option::of((day(), any::<bool>()))).prop_map(|(number, counter)| {
            Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck { number, counter }))
        }),
        (
            prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Alarm)],
            words(500)
        )
            .prop_map(|(severity, text)| Message::Conversation(Conversation::Notice(
                Notice { severity, text: text.into() }
            ))),
    ]
    .boxed()
}

fn instruction() -> BoxedStrategy<Instruction> {
    prop_oneof![
        posting().prop_map(Instruction::Debit),
        posting().prop_map(Instruction::Credit),
        (serial(), posting()).prop_map(|(original, it)| {
            Instruction::Reverse(Reversal {
                serial: it.serial,
                original,
                master: it.master,
                settle_day: it.settle_day,
                account: it.account,
                amount: it.amount,
                currency: it.currency,
                mark: it.mark,
            })
        }),
        (serial(), day(), prop_oneof![Just(Look::Only), Just(Look::Fence)], mark()).prop_map(
            |(serial, settle_day, look, mark)| {
                Instruction::Query(Query { serial, settle_day, look, mark })
            }
        ),
        (account(), currency()).prop_map(|(account, currency)| Instruction::Balance(
            BalanceQuery { account, currency }
        )),
        (proptest::option::of(account()), day(), any::<u32>(), 1u16..=500).prop_map(
            |(account, day, offset, limit)| {
                Instruction::Entries(EntriesQuery { account, day, offset, limit })
            }
        ),
    ]
    .boxed()
}

fn reply() -> BoxedStrategy<Reply> {
    prop_oneof![
        (serial(), answer(), option::of(posted()), mark()).prop_map(
            |(serial, answer, posted, mark)| {
                Reply::Posting(PostingReply { serial, answer, posted, mark })
            }
        ),
        (
            serial(),
            prop_oneof![
                Just(Finding::Done),
                Just(Finding::Refused),
                Just(Finding::NotFound),
                Just(Finding::Processing),
                Just(Finding::Fenced),
                Just(Finding::Unclear),
            ],
            answer(),
            option::of(posted()),
            mark(),
        )
            .prop_map(|(serial, finding, answer, posted, mark)| {
                Reply::Query(QueryReply { serial, finding, answer, posted, mark })
            }),
        (answer(), option::of((account(), currency(), figure(), figure()))).prop_map(
            |(answer, figures)| Reply::Balance(BalanceReply {
                answer,
                balance: figures.map(|(account, currency, available, withdrawable)| Balance {
                    account,
                    currency,
                    available,
                    withdrawable
                })
            })
        ),
        (answer(), collection::vec(entry(), 0..4), any::<bool>()).prop_map(
            |(answer, entries, more)| Reply::Entries(EntriesReply { answer, entries, more })
        ),
    ]
    .boxed()
}

fn posting() -> BoxedStrategy<Posting> {
    (serial(), master(), day(), account(), amount(), currency(), mark())
        .prop_map(|(serial, master, settle_day, account, amount, currency, mark)| Posting {
            serial,
            master,
            settle_day,
            account,
            amount,
            currency,
            mark,
        })
        .boxed()
}

fn posted() -> BoxedStrategy<Posted> {
    ("[!-~ 一-龥]{1,32}", day(), account(), amount(), currency(), option::of(serial()))
        .prop_map(|(counter_serial, settle_day, account, amount, currency, original)| Posted {
            counter_serial: counter_serial.into(),
            settle_day,
            account,
            amount,
            currency,
            original,
        })
        .boxed()
}

fn entry() -> BoxedStrategy<Entry> {
    (
        prop_oneof![Just(EntryKind::Debit), Just(EntryKind::Credit), Just(EntryKind::Reversal)],
        serial(),
        posted(),
        0i64..228_156_739_200,
        mark(),
    )
        .prop_map(|(kind, serial, posted, seconds, mark)| Entry {
            kind,
            serial,
            posted,
            at_micros: seconds * 1_000_000,
            mark,
        })
        .boxed()
}

fn state() -> BoxedStrategy<CounterState> {
    ("[a-z0-9-]{1,32}", profile(), day(), any::<bool>(), option::of(serial()))
        .prop_map(|(id, profile, settle_day, open, highest_serial)| CounterState {
            id: CounterId::new(&id).expect("an id"),
            profile,
            settle_day,
            open,
            highest_serial,
        })
        .boxed()
}

fn profile() -> BoxedStrategy<Profile> {
    (
        any::<[bool; 7]>(),
        any::<u16>(),
        any::<u64>(),
        any::<u16>(),
        any::<u32>(),
        option::of(amount()),
    )
        .prop_map(|(truths, horizon, in_flight_limit_ms, max_in_flight, cut_over_s, limit)| {
            let [
                dedupes,
                refusals_stick,
                can_fence,
                can_reverse,
                can_query_reversals,
                echoes_marks,
                minor,
            ] = truths;
            Profile {
                dedupes,
                refusals_stick,
                can_fence,
                can_reverse,
                can_query_reversals,
                echoes_marks,
                query_horizon_days: horizon,
                in_flight_limit_ms,
                max_in_flight,
                cut_over_s,
                amount_unit: if minor { AmountUnit::Minor } else { AmountUnit::Major },
                per_transfer_limit: limit,
                codes: CodeTable::default(),
            }
        })
        .boxed()
}

fn answer() -> BoxedStrategy<Answer> {
    (100u16..=999, words(200))
        .prop_map(|(code, text)| Answer {
            code: AnswerCode::new(code).expect("three digits"),
            text: text.into(),
        })
        .boxed()
}

/// Any text that XML can say: everything but most control characters and the two non-characters.
fn words(longest: usize) -> BoxedStrategy<String> {
    let char = any::<char>().prop_map(|char| match char {
        '\t' | '\n' | '\r' => char,
        '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => '&',
        char => char,
    });
    prop_oneof![
        collection::vec(char, 0..=longest).prop_map(String::from_iter),
        "[ -~\t\r\n]{0,40}",
        "[余额不足交易成功<>&\"'\u{e000}\u{e5e5}\u{e78d}\u{e864}\u{f8ff}，]{0,40}",
    ]
    .boxed()
}

fn name() -> BoxedStrategy<String> {
    prop_oneof!["[a-z0-9-]{1,32}", "[ -~桥]{1,64}"].boxed()
}

fn mark() -> BoxedStrategy<Option<Mark>> {
    option::of(prop_oneof![Just(0), any::<u64>()].prop_map(Mark)).boxed()
}

fn serial() -> BoxedStrategy<SubSerial> {
    (sequence(), prop_oneof![Just(Role::Debit), Just(Role::Credit), Just(Role::Reversal)])
        .prop_map(|(sequence, role)| SubSerial { sequence, role })
        .boxed()
}

fn master() -> BoxedStrategy<MasterSerial> {
    (day(), sequence()).prop_map(|(day, sequence)| MasterSerial { day, sequence }).boxed()
}

fn sequence() -> BoxedStrategy<Sequence> {
    prop_oneof![Just(1), Just(Sequence::MAX), 1..=Sequence::MAX]
        .prop_map(|number| Sequence::new(number).expect("in range"))
        .boxed()
}

fn day() -> BoxedStrategy<Day> {
    (0u32..=2_640_702).prop_map(Day::from_unix_days).boxed()
}

fn account() -> BoxedStrategy<AccountId> {
    "[A-Za-z0-9]{1,25}".prop_map(|text| AccountId::new(&text).expect("an account")).boxed()
}

fn amount() -> BoxedStrategy<Amount> {
    prop_oneof![Just(1), Just(99), Just(100), Just(Amount::MAX.minor()), 1..=Amount::MAX.minor()]
        .prop_map(|minor| Amount::new(minor).expect("in range"))
        .boxed()
}

fn figure() -> BoxedStrategy<i64> {
    prop_oneof![Just(0), Just(Amount::MAX.minor()), 0..=Amount::MAX.minor()].boxed()
}

fn currency() -> BoxedStrategy<Currency> {
    "[A-Z]{3}".prop_map(|text| text.parse().expect("a currency")).boxed()
}
