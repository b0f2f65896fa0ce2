//! Everything that others can make grow has a bound: who waits, what is held back, and the trail.

use super::*;
use domain::transfer::Evidence;
use store::memory::Memory;

/// How many answers a counter that repeats itself sends.
const MANY: usize = 100_000;

fn reply(outcome: RequestOutcome) -> Reply {
    match outcome {
        RequestOutcome::Answered(reply) => reply,
        other => panic!("{other:?} is no answer"),
    }
}

/// The same words with others beside them: no two frames are alike.
fn reworded(reply: &Reply, number: usize) -> Reply {
    let mut reply = reply.clone();
    if let Reply::Posting(posting) = &mut reply {
        posting.answer.text = format!("{}{number:0>150}", "\u{1}".repeat(50)).into();
    }
    reply
}

impl Stage {
    fn unasked_of(&mut self, counter: usize, reply: Reply) {
        let speaker = self.world.counters[counter].id.clone();
        self.handle(Input::Unasked { speaker, reply });
    }

    /// Writes all that is wanted into a record with the limits of the real one.
    pub(super) fn record(&mut self, memory: &mut Memory) {
        while self.out.iter().any(|output| matches!(output, Output::Write(_))) {
            let write = self.write();
            for written in memory.write(&[write]) {
                assert_eq!(written.result, Ok(()), "the record takes it");
                self.handle(Input::Written(written));
            }
        }
    }

    fn left_out(&self) -> (usize, usize) {
        let told = self.out.iter().filter_map(|output| match output {
            Output::LeftOut { text, .. } => Some(text.is_some()),
            _ => None,
        });
        let told: Vec<bool> = told.collect();
        (told.len(), told.iter().filter(|text| **text).count())
    }
}

/// Those who have gone are forgotten before the list would grow, and before anybody is turned away.
#[test]
fn whoever_has_gone_takes_nobodys_place() {
    let gone = |count: usize, room: usize| {
        let mut waiting = Vec::with_capacity(room);
        waiting.extend((0..count).map(|_| oneshot::channel::<()>().0));
        waiting
    };
    for (count, room, left) in [
        (4, 4, 0),
        (4, 5, 4),
        (MOST_WAITERS, MOST_WAITERS, 0),
        (MOST_WAITERS, 2 * MOST_WAITERS, 0),
        (MOST_WAITERS - 1, 2 * MOST_WAITERS, MOST_WAITERS - 1),
    ] {
        let mut waiting = gone(count, room);
        assert!(has_room(&mut waiting), "{count} of {room}");
        assert_eq!(waiting.len(), left, "{count} of {room}");
    }
    let (staying, mut waiting): (Vec<_>, Vec<_>) =
        (0..MOST_WAITERS).map(|_| oneshot::channel::<()>()).map(|(to, of)| (of, to)).unzip();
    assert!(!has_room(&mut waiting));
    drop(staying);
    assert!(has_room(&mut waiting));
}

/// However often something has happened to one transfer, its tickets are not another's.
#[test]
fn a_number_stays_within_its_transfer() {
    assert_eq!(number(2, 5) >> COUNT_BITS, 2);
    assert_eq!(number(2, (1 << COUNT_BITS) + 5), number(2, 5));
    assert_eq!(number(2, 5) - number(2, 4), 1);
}

#[test]
fn waiters_that_have_gone_are_forgotten_and_too_many_are_not_taken() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    for _ in 0..MANY {
        let (recorded, gone) = oneshot::channel();
        drop(gone);
        stage.shard.when_recorded(master(1).sequence, recorded);
    }
    assert!(stage.shard.open[&1].recorded.len() <= MOST_WAITERS);
    stage.durable();
    for _ in 0..MANY {
        let (waiter, gone) = oneshot::channel();
        drop(gone);
        assert!(stage.shard.wait(master(1).sequence, waiter).is_ok(), "there is room");
    }
    let waiters = stage.shard.open[&1].waiters.len();
    assert!(waiters < 64, "{waiters} waiters, all but one of them gone");
    let staying: Vec<_> = (0..2 * MOST_WAITERS)
        .map(|_| {
            let (waiter, staying) = oneshot::channel();
            (stage.shard.wait(master(1).sequence, waiter).is_ok(), staying)
        })
        .collect();
    assert_eq!(staying.iter().filter(|(taken, _)| *taken).count(), MOST_WAITERS - 1);
    // The one who began it is among those that are told.
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    stage.durable();
    assert!(matches!(told.try_recv(), Ok(WaiterReply::Final(_))));
}

#[test]
fn a_counter_that_repeats_itself_spoils_no_ending() {
    let (mut stage, mut memory) = (Stage::new(Profile::default()), Memory::default());
    let mut told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    let done = reply(answer(&debit, AnswerCode::DONE));
    stage.deliver(ticket, RequestOutcome::Answered(done.clone()));
    stage.record(&mut memory);
    let (ticket, credit) = stage.asked();
    for number in 0..MANY {
        stage.unasked_of(0, reworded(&done, number));
        assert!(stage.shard.open[&1].pending.len() < 10, "repetition is no news");
    }
    let heard = 32;
    assert_eq!(stage.left_out(), (MANY - heard, 1), "each is counted, and it is said once");
    stage.out.clear();
    stage.deliver(ticket, answer(&credit, AnswerCode::DONE));
    stage.record(&mut memory);
    assert!(stage.shard.is_empty(), "it has ended");
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "completed")
    );
    let trail = memory.trail(master(1));
    assert!(trail.iter().map(String::len).sum::<usize>() < 4_000, "{trail:?}");
}

#[test]
fn what_is_held_back_while_the_record_is_awaited_is_bounded_for_each_leg() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    let done = reply(answer(&debit, AnswerCode::DONE));
    stage.deliver(ticket, RequestOutcome::Answered(done.clone()));
    let (ticket, credit) = stage.asked();
    stage.deliver(ticket, answer(&credit, AnswerCode::NO_SUCH_ACCOUNT));
    assert!(stage.shard.open[&1].barrier.is_some(), "the intent to reverse is being written");
    for number in 0..MANY {
        stage.unasked_of(0, reworded(&done, number));
    }
    // The other leg's counter has not lost its voice by that.
    let of_credit = reply(answer(&credit, AnswerCode::DONE));
    stage.unasked_of(1, of_credit);
    let held = 32;
    assert_eq!(stage.shard.open[&1].held.len(), held + 1);
    assert_eq!(stage.left_out(), (MANY - held, 1), "each is counted, and it is said once");
    stage.out.retain(|output| !matches!(output, Output::LeftOut { .. }));
    stage.durable();
    let phase = stage.shard.open[&1].transfer.phase;
    assert_eq!(phase, Phase::Parked(ParkReason::Contradicted), "what the other said was heard");
}

#[test]
fn a_counter_that_contradicts_itself_for_ever_is_heard_for_a_while() {
    let (mut stage, mut memory) = (Stage::new(Profile::default()), Memory::default());
    let _told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    stage.record(&mut memory);
    let _ = stage.asked();
    let refused = reply(answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    for number in 0..MANY {
        stage.unasked_of(0, reworded(&refused, number));
        if number % 100 == 0 {
            stage.record(&mut memory);
        }
    }
    stage.record(&mut memory);
    let alarms = stage.out.iter().filter(|output| matches!(output, Output::Alarm { .. })).count();
    assert!((1..100).contains(&alarms), "{alarms} alarms");
    assert!(memory.trail(master(1)).iter().map(String::len).sum::<usize>() < 100_000);
    assert!(stage.shard.timers.len() < 100, "{} timers", stage.shard.timers.len());
}

#[test]
fn the_trail_of_a_transfer_that_waits_for_a_person_for_a_year_stays_short() {
    let (mut stage, mut memory) = (Stage::new(Profile::default()), Memory::default());
    let _told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    let (mut rounds, mut before, mut writes) = (0, 0, 0);
    for _ in 0..20_000 {
        writes += stage.out.iter().filter(|out| matches!(out, Output::Write(_))).count();
        stage.record(&mut memory);
        while let Some((ticket, _)) = stage.ask() {
            rounds += 1;
            stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
        }
        if before == 0 && stage.shard.open[&1].transfer.state() == State::NeedsOperator {
            before = rounds;
        }
        stage.pass(60);
    }
    assert!(rounds > 10_000, "{rounds} rounds: asking goes on");
    assert_eq!(stage.shard.open[&1].transfer.state(), State::NeedsOperator);
    let trail = memory.trail(master(1));
    assert!(trail.len() < 200 && writes < 200, "{} parts in {writes} writes", trail.len());
    let trail = trail.join("");
    let written = |words| trail.matches(words).count();
    assert_eq!(
        written("debit asked about") + written("fence for the debit sent"),
        before + 32,
        "{trail}"
    );
    assert_eq!(written("question about the debit: unknown"), before + 32, "{trail}");
}

/// What is too much for one part goes into several, one after the other.
#[test]
fn a_long_trail_is_written_in_parts_in_their_order() {
    let (mut stage, mut memory) = (Stage::new(Profile::default()), Memory::default());
    let _told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    let record = stage.shard.open.get_mut(&1).expect("it is open");
    for number in 0..3_000 {
        record.note(stage.now, format!("{number:0>60}"), None);
    }
    stage.deliver(ticket, answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    let parts: Vec<u32> = stage
        .out
        .iter()
        .filter_map(|output| match output {
            Output::Write(write) => write.trail.as_ref().map(|(part, _)| *part),
            _ => None,
        })
        .collect();
    assert!(parts.len() > 3 && parts.is_sorted(), "{parts:?}");
    assert_eq!(
        parts,
        (parts[0]..parts[0] + u32::try_from(parts.len()).expect("few")).collect::<Vec<_>>()
    );
    stage.record(&mut memory);
    let trail = memory.trail(master(1)).join("");
    let places = (0..3_000).map(|number| trail.find(&format!("{number:0>60}")).expect("written"));
    assert!(places.is_sorted());
}

/// Of what nobody spoke about, one waking is kept while the record is awaited: it does for all of them.
#[test]
fn while_the_record_is_awaited_one_waking_is_kept() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    let (now, world) = (stage.now, stage.world.clone());
    let mut happen = |happening| {
        stage.shard.happen(1, happening, now, &world, &mut stage.out);
        stage.shard.open[&1].held.len()
    };
    let lost =
        || Happening::Unanswered { ticket: 7, evidence: Evidence::Silent, why: "lost".to_owned() };
    assert_eq!(happen(lost()), 0, "that says nothing");
    for _ in 0..3 {
        assert_eq!(happen(Happening::Event(Event::Wake)), 1);
    }
    assert_eq!(happen(lost()), 1);
}

/// How often a leg that is not for a person yet is asked about in vain has no bound but patience, and
/// each round is written down.
#[test]
fn every_round_is_written_down_until_a_person_is_called() {
    let (mut stage, mut memory) = (Stage::new(Profile::default()), Memory::default());
    let render = stage.shard.render;
    let patient = Config { patience: 100, longest_pause: SHORT, ..Config::default() };
    stage.shard = Shard::new(patient, render, 7);
    let _told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    for _ in 0..40 {
        let (ticket, _) = stage.asked();
        stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
        stage.pass(1);
    }
    stage.record(&mut memory);
    assert_eq!(stage.shard.open[&1].transfer.state(), State::Debiting);
    let trail = memory.trail(master(1)).join("");
    assert_eq!(trail.matches("question about the debit: unknown").count(), 40, "{trail}");
}

/// Long enough to be one, and over by the next second.
const SHORT: Duration = Duration::from_millis(100);

/// A counter that says over and over what is known puts off nothing that is to be asked.
#[test]
fn what_is_known_already_puts_off_no_question() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    let done = reply(answer(&debit, AnswerCode::DONE));
    stage.deliver(ticket, RequestOutcome::Answered(done.clone()));
    for _ in 0..2 {
        let (ticket, _) = stage.asked();
        stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    }
    let due = stage.shard.next_timer().expect("it pauses");
    for number in 0..3 {
        stage.unasked_of(0, reworded(&done, number));
        assert_eq!((stage.shard.next_timer(), stage.shard.timers.len()), (Some(due), 1));
    }
}
