//! What was said is what its trail says was said, whatever it was; and of what goes as ordered nothing more is written.

use super::*;
use crate::evidence::{Asked, Exchange, Field, Heard, Reading};
use crate::received::{Came, Received};
use crate::trail::{Entry, fold, part, parts};

/// A message, and who said it.
#[derive(Clone, Debug, PartialEq)]
enum Spoken {
    Sent(Instruction),
    Received(Came, Reply),
}

type Answers<'a> = &'a [&'a dyn Fn(&Instruction) -> Reply];

/// What is written about transfer 1, and what has happened to it since.
fn trail(stage: &mut Stage, written: &mut Vec<String>) -> Vec<Entry> {
    while stage.out.iter().any(|output| matches!(output, Output::Write(_))) {
        written.extend(stage.durable().trail.map(|(_, part)| part));
    }
    let read = |part: &String| serde_json::from_str::<Vec<Entry>>(part).expect("a trail");
    let mut entries: Vec<Entry> = written.iter().flat_map(read).collect();
    if let Some(record) = stage.shard.open.get(&1) {
        entries.extend(record.pending.clone());
    }
    entries
}

fn read(stage: &Stage, entries: &[Entry]) -> Vec<Exchange> {
    let mut reading = Reading::new(intent(&stage.new_transfer(1)));
    entries.iter().map(|entry| reading.next(entry)).collect()
}

fn spoken(exchanges: &[Exchange]) -> Vec<Spoken> {
    let all = exchanges.iter().flat_map(|exchange| {
        let received = exchange.received.clone();
        let received = received.map(|Heard { came, reply, .. }| Spoken::Received(came, reply));
        [exchange.sent.clone().map(Spoken::Sent), received]
    });
    all.flatten().collect()
}

/// Begins a transfer whose counters answer so, one after another; what was said is what the trail is evidence of.
#[track_caller]
fn check(profile: Profile, answers: Answers) -> (Stage, Vec<Entry>, Vec<Exchange>) {
    let mut stage = Stage::new(profile);
    let (mut said, mut written, mut answers) = (Vec::new(), Vec::new(), answers.iter());
    stage.begin(1);
    for _ in 0..40 {
        trail(&mut stage, &mut written);
        let Some((ticket, instruction)) = stage.ask() else {
            stage.pass(10);
            continue;
        };
        said.push(Spoken::Sent(instruction.clone()));
        let Some(answer) = answers.next() else { break };
        let reply = answer(&instruction);
        said.push(Spoken::Received(Came::Awaited, reply.clone()));
        stage.deliver(ticket, RequestOutcome::Answered(reply));
    }
    let entries = trail(&mut stage, &mut written);
    let exchanges = read(&stage, &entries);
    assert_eq!(spoken(&exchanges), said);
    let mut last = None;
    for exchange in &exchanges {
        last = exchange.sent.clone().or(last);
        if let Some(heard) = &exchange.received {
            let instruction = last.clone().expect("it was sent");
            assert_eq!(heard.asked, Some(Asked { instruction, is_written: true }), "{heard:?}");
        }
    }
    (stage, entries, exchanges)
}

fn of(outcome: RequestOutcome) -> Reply {
    match outcome {
        RequestOutcome::Answered(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// What is asked is done, as it was ordered.
fn done(instruction: &Instruction) -> Reply {
    match instruction {
        Instruction::Query(_) => of(found(instruction, Finding::Done)),
        Instruction::Debit(_) | Instruction::Credit(_) => of(answer(instruction, AnswerCode::DONE)),
        _ => {
            let mut reply = of(answer(instruction, AnswerCode::DONE));
            posted_of(&mut reply).original = Some(master(1).leg(Role::Debit));
            reply
        }
    }
}

fn posted_of(reply: &mut Reply) -> &mut Posted {
    match reply {
        Reply::Posting(PostingReply { posted: Some(posted), .. })
        | Reply::Query(QueryReply { posted: Some(posted), .. }) => posted,
        other => panic!("{other:?}"),
    }
}

fn mark_of(reply: &mut Reply) -> &mut Option<Mark> {
    match reply {
        Reply::Posting(reply) => &mut reply.mark,
        Reply::Query(reply) => &mut reply.mark,
        other => panic!("{other:?}"),
    }
}

fn answer_of(reply: &mut Reply) -> &mut Answer {
    match reply {
        Reply::Posting(reply) => &mut reply.answer,
        Reply::Query(reply) => &mut reply.answer,
        other => panic!("{other:?}"),
    }
}

/// The bytes are those that were written before messages were kept.
#[test]
fn of_what_goes_as_ordered_nothing_more_is_written() {
    let (_, entries, exchanges) = check(Profile::default(), &[&done, &done]);
    let leg = |role: &str, counter_serial: &str| {
        format!(
            "\"leg\":{{\"role\":\"{role}\",\"knowledge\":\"done\",\"sent\":1,\"answer\":{{\"code\":200,\"text\":\"\"}},\
             \"counter_serial\":\"C{counter_serial}\",\"posted_day\":20261121}}"
        )
    };
    let sent = |role: &str| {
        format!("\"leg\":{{\"role\":\"{role}\",\"knowledge\":\"unknown\",\"sent\":1}}")
    };
    let at =
        |event: &str, rest: String| format!("{{\"at\":1000000000,\"event\":\"{event}\",{rest}}}");
    let expected = [
        at("debit sent", format!("\"phase\":\"debit_sent\",{}", sent("debit"))),
        at(
            "debit: done (200)",
            format!("\"phase\":\"credit_sent\",{}", leg("debit", "000000000011")),
        ),
        at("credit sent", format!("\"phase\":\"credit_sent\",{}", sent("credit"))),
        at(
            "credit: done (200)",
            format!("\"phase\":\"completed\",{}", leg("credit", "000000000012")),
        ),
        at("final", "\"phase\":\"completed\"".to_owned()),
    ];
    assert_eq!(part(&entries), format!("[{}]", expected.join(",")));
    assert!(exchanges.iter().all(|exchange| {
        exchange.received.as_ref().is_none_or(|heard| heard.differs.is_empty())
    }));
}

/// A posting that is not the one that was ordered, in whichever field.
#[test]
fn a_posting_that_differs_is_kept_whole_with_the_field_in_which_it_does() {
    type Change = fn(&mut Reply);
    let changes: [(Change, &[Field]); 12] = [
        (|it| posted_of(it).account = AccountId::new("777").expect("one"), &[Field::Account]),
        (|it| posted_of(it).amount = Amount::new(499).expect("one"), &[Field::Amount]),
        (|it| posted_of(it).currency = "USD".parse().expect("one"), &[Field::Currency]),
        (|it| posted_of(it).settle_day = day(20_261_122), &[Field::SettleDay]),
        (|it| posted_of(it).original = Some(master(1).leg(Role::Credit)), &[Field::Original]),
        (|it| posted_of(it).counter_serial = ForeignText::default(), &[]),
        (|it| posted_of(it).counter_serial = "\u{1b}[2J\u{202e}".into(), &[]),
        (|it| *mark_of(it) = Some(Mark(8)), &[Field::Mark]),
        (|it| *mark_of(it) = None, &[]),
        (|it| answer_of(it).text = "\u{1b}]0;x\u{7}\u{202e}001 <b>&\"\\".into(), &[]),
        (|it| answer_of(it).code = AnswerCode::new(999).expect("one"), &[]),
        (
            |it| {
                *posted_of(it) = Posted {
                    amount: Amount::new(1).expect("one"),
                    currency: "USD".parse().expect("one"),
                    ..posted_of(it).clone()
                };
            },
            &[Field::Amount, Field::Currency],
        ),
    ];
    for (change, differs) in changes {
        let other = |instruction: &Instruction| {
            let mut reply = done(instruction);
            change(&mut reply);
            reply
        };
        // The answer to the posting, and to a question after nothing was known.
        let silent =
            |instruction: &Instruction| of(answer(instruction, AnswerCode::new(999).expect("one")));
        let unmarked = Profile { echoes_marks: false, ..Profile::default() };
        for profile in [Profile::default(), unmarked] {
            for answers in [&[&other as &dyn Fn(&_) -> _, &done][..], &[&silent, &other, &done]] {
                let (_, _, exchanges) = check(profile.clone(), answers);
                let heard: Vec<_> =
                    exchanges.iter().filter_map(|exchange| exchange.received.as_ref()).collect();
                let at = answers.len() - 2;
                assert_eq!(heard[at].differs, differs, "{:?}", heard[at]);
            }
        }
    }
}

#[test]
fn whatever_a_question_is_answered_and_however_it_was_put_is_kept() {
    for profile in [
        Profile::default(),
        Profile { can_fence: false, ..Profile::default() },
        Profile { dedupes: false, refusals_stick: false, ..Profile::default() },
    ] {
        for finding in [
            Finding::Done,
            Finding::Refused,
            Finding::NotFound,
            Finding::Processing,
            Finding::Fenced,
            Finding::Unclear,
        ] {
            let silent = |it: &Instruction| of(answer(it, AnswerCode::new(999).expect("one")));
            let found = |it: &Instruction| match it {
                Instruction::Query(_) => of(found(it, finding)),
                _ => silent(it),
            };
            let many: [&dyn Fn(&Instruction) -> Reply; 8] = [&found; 8];
            check(profile.clone(), &many);
        }
        // Refused, and undone, and asked about.
        let no = |it: &Instruction| of(answer(it, AnswerCode::NO_SUCH_ACCOUNT));
        check(profile, &[&done, &no, &done, &done]);
    }
}

/// What a counter says against itself comes unasked, and is not what the leg has.
#[test]
fn what_contradicts_is_kept_as_it_came() {
    let (mut stage, _, _) = check(Profile::default(), &[&done]);
    let debit = stage.shard.open[&1].transfer.posting(Role::Debit);
    let mut reply = of(answer(&debit, AnswerCode::NO_SUCH_ACCOUNT));
    answer_of(&mut reply).text = "no".into();
    let speaker = counter("securities");
    stage.handle(Input::Unasked { speaker, reply: reply.clone() });
    let entries = trail(&mut stage, &mut Vec::new());
    let said = entries.iter().find(|entry| entry.event.ends_with("(late or unasked)"));
    let received = said.and_then(|entry| entry.received.as_deref()).expect("it is kept");
    assert_eq!(received.came, Came::Unasked);
    let told = received.reply(Role::Debit, &stage.shard.open[&1].transfer);
    assert_eq!(told, Some(reply));
}

#[test]
fn each_step_names_its_rule_and_its_line() {
    let no = |it: &Instruction| of(answer(it, AnswerCode::NO_SUCH_ACCOUNT));
    let wrong = |it: &Instruction| {
        let mut reply = done(it);
        posted_of(&mut reply).amount = Amount::new(1).expect("one");
        reply
    };
    let (_, entries, exchanges) = check(Profile::default(), &[&wrong, &done, &no, &done, &done]);
    let rules: Vec<String> = std::iter::zip(&entries, &exchanges)
        .filter_map(|(entry, exchange)| {
            let rule = exchange.rule.as_ref()?;
            let (heading, line) = rule.line.clone().expect("it is there");
            Some(format!("{}: {} | {heading} | {line}", entry.event, rule.number))
        })
        .collect();
    assert_eq!(
        rules,
        [
            "debit sent: 7 | Accepted (accepted) | wake",
            "debit: still unknown (200): 9 | DebitSent (debiting) | debit: answer Silent",
            "debit: done (200): 1 | DebitAsking (debiting) | debit: query Done",
            "credit: refused (301): 2 | CreditSent (crediting) | credit: answer Refused",
            "reversal: done (200): 3 | ReversalSent (reversing) | reversal: answer Done",
            "reversal: done (200): 3 | ReversalProving (reversing) | reversal: query Done",
        ]
    );
    let table = include_str!("../../../../../docs/transfer-table.md");
    for exchange in exchanges {
        let Some((heading, line)) = exchange.rule.and_then(|rule| rule.line) else { continue };
        let (_, rest) = table.split_once(&format!("\n## {heading}\n")).expect("the heading");
        let (section, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
        assert!(section.contains(&format!("\n| {line} |")), "{heading}: {line}");
    }
}

/// An earlier version kept no messages: what it wrote down is shown where it is sure, and is folded as before.
#[test]
fn of_an_older_trail_only_what_is_sure_is_shown() {
    let stage = Stage::new(Profile::default());
    let leg = |knowledge: &str, rest: &str| {
        format!("{{\"role\":\"debit\",\"knowledge\":\"{knowledge}\",\"sent\":1{rest}}}")
    };
    let done = ",\"answer\":{\"code\":200,\"text\":\"\"},\"counter_serial\":\"C1\",\"posted_day\":20261121";
    let entry = |event: &str, leg: &str| {
        format!("{{\"at\":1,\"event\":\"{event}\",\"phase\":\"debit_asking\"{leg}}}")
    };
    let about = |leg: String| format!(",\"leg\":{leg}");
    let sent = entry("debit sent", &about(leg("unknown", "")));
    let asked = entry("debit asked about", "");
    let heard = entry("debit: done (200)", &about(leg("done", done)));
    let unknown = ",\"answer\":{\"code\":200,\"text\":\"\"}";
    let unsure = entry("debit: still unknown (200)", &about(leg("unknown", unknown)));
    for (trail, received) in [
        ([&sent, &unsure, &asked, &heard], [false, false, false, false]),
        ([&sent, &heard, &asked, &unsure], [false, true, false, false]),
    ] {
        let text = format!("[{}]", trail.map(String::as_str).join(","));
        let entries: Vec<Entry> = serde_json::from_str(&text).expect("a trail");
        let exchanges = read(&stage, &entries);
        assert_eq!(exchanges.iter().map(|it| it.received.is_some()).collect::<Vec<_>>(), received);
        assert_eq!(exchanges.iter().filter(|it| it.sent.is_some()).count(), 2);
        assert_eq!(part(&entries), text, "it is written as it was");
        assert_eq!(fold(&[text]).expect("readable").phase, Phase::DebitAsking);
    }
}

/// Of questions in vain only so many are written down; what is answered at last was asked after them, and no older question
/// stands for it.
#[test]
fn an_answer_names_its_question_though_that_was_written_down_no_more() {
    for sought in [None, Some(day(20_261_122))] {
        let mut stage = Stage::new(Profile::default());
        let new = stage.new_transfer(1);
        let mut transfer = Transfer::accepted(intent(&new));
        transfer.phase = Phase::Parked(ParkReason::DebitUnresolved);
        transfer.debit.knowledge = Knowledge::Unknown;
        (transfer.debit.sent, transfer.debit.sought) = (1, sought);
        let (updated_at, next_part, left_alone) = (new.created_at, 1, false);
        let (transfer, dealing) = (Box::new(transfer), Dealing::Nobody);
        stage.handle(Input::Recovered {
            new,
            transfer,
            updated_at,
            next_part,
            left_alone,
            dealing,
        });
        let (mut written, mut rounds) = (Vec::new(), 0);
        let (ticket, question) = loop {
            trail(&mut stage, &mut written);
            let Some((ticket, question)) = stage.ask() else {
                stage.pass(60);
                continue;
            };
            rounds += 1;
            if rounds == 50 {
                break (ticket, question);
            }
            let outcome = found(&question, Finding::Processing);
            stage.deliver(ticket, outcome);
        };
        let Instruction::Query(Query { settle_day, .. }) = question else { panic!("a question") };
        assert_eq!(settle_day, sought.unwrap_or(day(20_261_121)));
        let entries = trail(&mut stage, &mut written);
        let before = read(&stage, &entries);
        assert_eq!(before.iter().filter(|it| it.sent.is_some()).count(), 32, "the trail is short");
        stage.deliver(ticket, RequestOutcome::Answered(done(&question)));
        let entries = trail(&mut stage, &mut written);
        let exchanges = read(&stage, &entries);
        let heard: Vec<_> = exchanges.iter().filter_map(|it| it.received.as_ref()).collect();
        let (at_last, in_vain) = (heard[32], &heard[..32]);
        let asked = Asked { instruction: question, is_written: false };
        assert_eq!(at_last.asked, Some(asked));
        assert!(in_vain.iter().all(|it| it.asked.as_ref().is_some_and(|it| it.is_written)));
    }
}

/// Nobody's words are taken for what was sent, and none are longer than a part of a trail.
#[test]
fn words_of_persons_are_no_messages_and_long_words_are_cut() {
    let (stage, mut entries, _) = check(Profile::default(), &[]);
    entries.push(Entry {
        event: "debit asked about".to_owned(),
        leg: None,
        dealing: Some(Dealing::Nobody),
        ..entries[0].clone()
    });
    let exchanges = read(&stage, &entries);
    assert_eq!(exchanges.last(), Some(&Exchange::default()));
    let long: ForeignText = "\u{1}".repeat(70_000).as_str().into();
    let received = Received {
        answer: Some(Answer { code: AnswerCode::DONE, text: long.clone() }),
        ..Received::default()
    };
    entries[0].received = Some(Box::new(received));
    let cut = parts(&entries[..1]);
    assert!(cut.len() == 1 && cut[0].len() <= Write::LONGEST_TRAIL, "{}", cut[0].len());
    let read: Vec<Entry> = serde_json::from_str(&cut[0]).expect("a trail");
    let kept = read[0].received.as_ref().and_then(|it| it.answer.as_ref()).expect("it is kept");
    assert_eq!(kept.text, long.clipped(1_000));
    let whole = fold(&[part(&entries[..1])]).expect("readable");
    assert_eq!(fold(&cut).expect("readable"), whole, "recovery folds the same");
}

/// After a restart a leg is asked about under its former days first: the trail says under which.
#[test]
fn a_question_under_another_day_says_which() {
    let mut stage = Stage::new(Profile::default());
    let new = stage.new_transfer(1);
    let mut transfer = Transfer::accepted(intent(&new));
    transfer.phase = Phase::DebitAsking;
    transfer.debit.knowledge = Knowledge::Unknown;
    (transfer.debit.sent, transfer.debit.rebound) = (2, vec![day(20_261_122)]);
    transfer.debit.days_unasked = 1;
    let (updated_at, next_part, left_alone, dealing) = (new.created_at, 1, false, Dealing::Nobody);
    stage.handle(Input::Recovered {
        new,
        transfer: Box::new(transfer),
        updated_at,
        next_part,
        left_alone,
        dealing,
    });
    stage.pass(1);
    let (_, question) = stage.asked();
    let Instruction::Query(Query { settle_day, .. }) = question else { panic!("a question") };
    assert_eq!(settle_day, day(20_261_121));
    let entries = trail(&mut stage, &mut Vec::new());
    let exchanges = read(&stage, &entries);
    let sent: Vec<_> = exchanges.iter().filter_map(|exchange| exchange.sent.as_ref()).collect();
    assert_eq!(sent, [&question]);
}
