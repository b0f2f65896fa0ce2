//! Courses of a transfer where a reversal is due: when it is sent, asked about, or left to a person.

use domain::message::{AccountId, CounterId, Look, Place};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::profile::Profile;
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use domain::transfer::{
    Action, Decision, EndReason, Event, Evidence, Intent, Knowledge, LegReport, ParkReason, Phase,
    StepContext, Transfer, Weight, step,
};

fn day(number: u32) -> Day {
    Day::new(number).expect("a day")
}

/// In a phase, debited, the credit refused, and the reversal as it is said.
fn undoing(phase: Phase, reversal: Knowledge, sent: u16) -> Transfer {
    let place = |counter: &str| Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new("6001").expect("an account"),
    };
    let mut transfer = Transfer::accepted(Intent {
        master: MasterSerial {
            day: day(20_261_121),
            sequence: Sequence::new(42).expect("a sequence"),
        },
        order: Order {
            from: place("securities"),
            to: place("futures"),
            amount: Amount::MAX,
            currency: Currency::CNY,
        },
        debit_day: day(20_261_121),
        credit_day: day(20_261_121),
        credit_barrier: false,
        mark: Some(Mark(7)),
    });
    transfer.phase = phase;
    transfer.debit.knowledge = Knowledge::Done;
    transfer.credit.knowledge = Knowledge::Refused;
    transfer.reversal.knowledge = reversal;
    transfer.reversal.sent = sent;
    transfer.reason = Some(EndReason::CreditRefused);
    transfer
}

/// A source counter that can or cannot say what became of a reversal, on a day.
fn ground<'p>(
    source: &'p Profile,
    destination: &'p Profile,
    today: Option<u32>,
    behind: bool,
) -> StepContext<'p> {
    StepContext {
        debit: source,
        credit: destination,
        debit_day: today.map(day),
        credit_day: Some(day(20_261_121)),
        patience: 3,
        behind,
        debit_held: false,
        credit_held: false,
        claimed: false,
    }
}

const TODAY: Option<u32> = Some(20_261_121);
const TOMORROW: Option<u32> = Some(20_261_122);

#[test]
fn a_reversal_goes_out_on_its_day_and_is_durable_first() {
    let (says, silent) =
        (Profile::default(), Profile { can_query_reversals: false, ..Profile::default() });
    let ask = Action::Ask(Role::Reversal, Look::Only);
    let proving = Phase::ReversalProving;
    let waiting = Phase::ReversalWaiting;
    let passed = Phase::Parked(ParkReason::SettleDayPassed);
    for (what, source, today, sent, expected, action, barrier) in [
        ("on its day", &says, TODAY, 0, Phase::ReversalSent, Action::Send(Role::Reversal), true),
        ("a day late, never sent", &says, TOMORROW, 0, passed, Action::Pause, false),
        ("a day late, perhaps undone", &says, TOMORROW, 1, proving, ask, false),
        ("a day late, and it cannot say", &silent, TOMORROW, 1, passed, Action::Pause, false),
        ("the day is not known", &says, None, 0, waiting, Action::Pause, true),
    ] {
        let knowledge = if sent == 0 { Knowledge::NotSent } else { Knowledge::Unknown };
        let mut transfer = undoing(waiting, knowledge, sent);
        let ground = ground(source, &says, today, false);
        let next = step(&mut transfer, &Event::Wake, &ground).expect("legal");
        assert_eq!(
            (transfer.phase, next.action, next.barrier),
            (expected, action, barrier),
            "{what}"
        );
    }
}

#[test]
fn while_the_record_is_behind_a_reversal_is_only_asked_about() {
    let (says, silent) =
        (Profile::default(), Profile { can_query_reversals: false, ..Profile::default() });
    let waiting = Phase::ReversalWaiting;
    let mut transfer = undoing(waiting, Knowledge::NotSent, 0);
    let next = step(&mut transfer, &Event::Wake, &ground(&says, &says, TODAY, true));
    let action = next.expect("legal").action;
    assert_eq!(
        (transfer.phase, action),
        (Phase::ReversalProving, Action::Ask(Role::Reversal, Look::Only))
    );
    // Where the counter cannot say, it waits, and nothing new has to be durable.
    let mut transfer = undoing(waiting, Knowledge::NotSent, 0);
    let next = step(&mut transfer, &Event::Wake, &ground(&silent, &says, TODAY, true));
    let next = next.expect("legal");
    assert_eq!((transfer.phase, next.action, next.barrier), (waiting, Action::Pause, false));
}

#[test]
fn whoever_resumes_what_never_left_begins_it() {
    let profile = Profile::default();
    for (knowledge, sends) in [(Knowledge::NotSent, true), (Knowledge::Unknown, false)] {
        let mut transfer =
            undoing(Phase::Parked(ParkReason::DebitUnresolved), Knowledge::NotSent, 0);
        transfer.debit.knowledge = knowledge;
        transfer.credit.knowledge = Knowledge::NotSent;
        let ground = ground(&profile, &profile, TODAY, false);
        let next = step(&mut transfer, &Event::Decide(Decision::Resume), &ground).expect("legal");
        assert_eq!(next.action == Action::Send(Role::Debit), sends, "{knowledge:?}");
        assert!(next.barrier);
    }
}

/// A debit that is proven dead ends a transfer, unless a credit may have followed it that is not known
/// to be dead, too.
#[test]
fn of_a_dead_debit_the_credit_is_asked_about() {
    let profile = Profile::default();
    let asked = Action::Ask(Role::Credit, Look::Fence);
    for (credit, phase, action) in [
        (Knowledge::NotSent, Phase::Refused, Action::Finish),
        (Knowledge::NotExecuted, Phase::Refused, Action::Finish),
        (Knowledge::Refused, Phase::Refused, Action::Finish),
        (Knowledge::Unknown, Phase::CreditFencing, asked),
    ] {
        let mut transfer = undoing(Phase::DebitFencing, Knowledge::NotSent, 0);
        transfer.debit.knowledge = Knowledge::Unknown;
        transfer.credit.knowledge = credit;
        let told = LegReport::nothing(Evidence::NotExecuted, Weight::Truth);
        let event = Event::Told(Role::Debit, told);
        let ground = ground(&profile, &profile, TODAY, false);
        let next = step(&mut transfer, &event, &ground).expect("legal");
        assert_eq!((transfer.phase, next.action), (phase, action), "{credit:?}");
        assert_eq!(transfer.credit.knowledge, credit);
    }
}
