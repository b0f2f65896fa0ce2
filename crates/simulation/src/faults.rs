//! What goes wrong at counters, again and again until all heals.

use crate::class::Class;
use crate::parts::CounterPlan;
use crate::random::Random;
use coordinator::Config;
use domain::message::AnswerCode;
use rand::RngExt;
use rand::seq::SliceRandom;
use simulator::faults::{Action, Occasion, Rule};
use std::time::Duration;

/// What the classes change of a counter's answers.
pub(crate) fn faults(random: &mut Random, classes: &[Class]) -> Vec<Rule> {
    const MOVES: [Occasion; 3] = [Occasion::Debit, Occasion::Credit, Occasion::Reversal];
    const ASKS: [Occasion; 2] = [Occasion::Query, Occasion::Fence];
    let mut rules = Vec::new();
    let mut add = |random: &mut Random, on: &[Occasion], action: Action, most: f64| {
        rules.push(Rule {
            on: on.to_vec(),
            account: None,
            amount: None,
            skip: random.random_range(0..3),
            every: 1,
            probability: Some(random.random_range(0.0..most)),
            times: None,
            action,
        });
    };
    let both: Vec<Occasion> = MOVES.into_iter().chain(ASKS).collect();
    for class in classes {
        match class {
            Class::Answers => {
                let late = random.random_range(500..15_000);
                for action in [
                    Action::Drop,
                    Action::NoAnswer,
                    Action::LateMs(late),
                    Action::Twice,
                    Action::Garbage,
                    Action::HalfWrite,
                    Action::CloseBefore,
                    Action::CloseAfter,
                ] {
                    add(random, &both, action, 0.12);
                }
                let freeze = random.random_range(100..9_000);
                add(random, &[Occasion::Heartbeat], Action::FreezeMs(freeze), 0.05);
            }
            Class::Slowness => {
                let ms = random.random_range(200..20_000);
                add(random, &MOVES, Action::ProcessingMs(ms), 0.3);
                let ms = random.random_range(200..20_000);
                add(random, &MOVES, Action::OnItsWayMs(ms), 0.3);
            }
            Class::Refusals => {
                let code = *[AnswerCode::INSUFFICIENT_FUNDS, AnswerCode::CLOSED]
                    .get(random.random_range(0..2))
                    .unwrap_or(&AnswerCode::CLOSED);
                let on = MOVES[random.random_range(0..3)];
                add(random, &[on], Action::Refuse(code), 0.4);
            }
            Class::Lies => add(random, &MOVES, Action::Contradict, 0.2),
            Class::Crash
            | Class::Network
            | Class::Restarts
            | Class::Database
            | Class::CutOver
            | Class::WeakProfiles
            | Class::Clocks
            | Class::Freezes
            | Class::Connections
            | Class::OddCodes
            | Class::Decisions
            | Class::TightLimits
            | Class::Stalls
            | Class::Queues
            | Class::Copies
            | Class::Liar
            | Class::Restored
            | Class::InProcess => {}
        }
    }
    rules.shuffle(random);
    rules
}

/// What the later classes change of a counter.
pub(crate) fn later_faults(random: &mut Random, classes: &[Class], counter: &mut CounterPlan) {
    if classes.contains(&Class::Connections) {
        counter.connections = random.random_range(1..=3);
    }
    // A process that stands still holds a request up for longer than its own rules say.
    if classes.contains(&Class::TightLimits) && !classes.contains(&Class::Restarts) {
        let probability = random.random_range(0.0..0.7);
        let lies = Action::OnItsWayMs(random.random_range(5_000..25_000));
        counter.faults.insert(0, often(&[Occasion::Debit, Occasion::Credit], probability, lies));
        counter.rules.profile.in_flight_limit_ms = lies_for(counter) + 1_000;
        // Only then it matters.
        counter.rules.profile.can_fence = random.random_bool(0.2);
    }
    if classes.contains(&Class::OddCodes) {
        counter.odd_codes = random.random_range(0.0..0.3);
        let probability = random.random_range(0.0..0.1);
        let refuse = Action::Refuse(odd_code(random));
        let on = [Occasion::Debit, Occasion::Credit];
        counter.faults.push(often(&on, probability, refuse));
    }
}

/// A code that no profile lists, though its family may look like an answer.
pub(crate) fn odd_code(random: &mut Random) -> AnswerCode {
    let code = [199, 202, 299, 399, 502, 600, 777, 999][random.random_range(0..8)];
    AnswerCode::new(code).unwrap_or(AnswerCode::OUTCOME_UNKNOWN)
}

/// Counters that cannot fence and state a short limit.
pub(crate) fn queues(random: &mut Random, counters: &mut [CounterPlan], config: &mut Config) {
    config.posting_deadline = Duration::from_millis(random.random_range(500..2_000));
    config.query_deadline = Duration::from_millis(random.random_range(1_000..4_000));
    for counter in counters {
        let lies = Action::OnItsWayMs(random.random_range(300..2_000));
        counter.faults.insert(0, often(&[Occasion::Debit, Occasion::Credit], 0.7, lies));
        counter.rules.profile.can_fence = false;
        counter.rules.profile.in_flight_limit_ms = lies_for(counter) + 200;
    }
}

/// Counters that dedupe, whose refusals do not stick, where what was given up may still be done.
pub(crate) fn copies(random: &mut Random, counters: &mut [CounterPlan], config: &mut Config) {
    config.posting_deadline = Duration::from_millis(random.random_range(500..3_000));
    config.transfer_deadline = Duration::from_secs(random.random_range(20..60));
    for counter in counters {
        counter.rules.profile.dedupes = true;
        counter.rules.profile.refusals_stick = false;
        let on = [Occasion::Debit, Occasion::Credit];
        let lies = Action::OnItsWayMs(random.random_range(1_000..9_000));
        counter.faults.insert(0, often(&on, 0.4, lies));
        let refuse = Action::Refuse(AnswerCode::INSUFFICIENT_FUNDS);
        counter.faults.insert(1, often(&on, 0.5, refuse));
        let limit = counter.rules.profile.in_flight_limit_ms.max(lies_for(counter) + 1_000);
        counter.rules.profile.in_flight_limit_ms = limit;
    }
}

/// Counters that keep marks or tell how far they have seen our serials, and those that do not.
pub(crate) fn restored(random: &mut Random, counters: &mut [CounterPlan], orders: usize) {
    for counter in counters {
        counter.rules.profile.echoes_marks = random.random_bool(0.6);
        counter.rules.tells_highest_serial = random.random_bool(0.5);
        // As often as a serial can be asked about for, so that a day ends between a copy and its loss.
        if counter.cut_over_after.is_some() && random.random_bool(0.7) {
            counter.cut_over_after = Some(shortest_day(orders));
        }
    }
}

/// So few postings on one settle day that a serial can still be asked about when all orders are over.
pub(crate) fn shortest_day(orders: usize) -> u64 {
    let postings = u64::try_from(orders).unwrap_or(u64::MAX).saturating_mul(3);
    postings.div_ceil(5).max(2)
}

/// For so long a request may lie at a counter, by what goes wrong there.
fn lies_for(counter: &CounterPlan) -> u64 {
    let lies_for = counter.faults.iter().map(|rule| match rule.action {
        Action::ProcessingMs(ms) | Action::OnItsWayMs(ms) => ms,
        _ => 0,
    });
    lies_for.max().unwrap_or(0)
}

/// What goes wrong with this probability, whatever it is about.
fn often(on: &[Occasion], probability: f64, action: Action) -> Rule {
    Rule {
        on: on.to_vec(),
        account: None,
        amount: None,
        skip: 0,
        every: 1,
        probability: Some(probability),
        times: None,
        action,
    }
}
