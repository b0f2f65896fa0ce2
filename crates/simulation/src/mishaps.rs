//! What goes wrong at a moment of a schedule, and when.

use crate::class::Class;
use crate::clock::{BEGINNING, MS, Micros, SECOND};
use crate::parts::Order;
use crate::random::Random;
use crate::record::Restored;
use rand::RngExt;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The bridge is killed; it comes back after this.
    Crash(Micros),
    /// The connection to this counter is cut. What is on its way arrives up to some byte.
    Cut(usize),
    /// The same, and the bridge does not learn of it.
    CutUnseen(usize),
    /// Nothing that the bridge sends arrives for so long.
    DeafCounter(usize, Micros),
    /// Nothing that the counter sends arrives for so long.
    DumbCounter(usize, Micros),
    /// The bridge's own socket to the counter takes no byte for so long.
    Stalled(usize, Micros),
    /// No connection can be made for so long.
    Unreachable(usize, Micros),
    /// The counter's process stands still for so long.
    Freeze(usize, Micros),
    /// The counter's process dies and comes back after so long, with its books.
    Restart(usize, Micros),
    /// The counter forgets its sessions.
    ForgetSessions(usize),
    /// The database cannot be written for so long.
    DatabaseDown(Micros),
    /// The next commit's answer is lost; it is tried again after so long.
    CommitUnclear(Micros),
    /// Commits take this long for a while.
    DatabaseSlow(Micros),
    /// A person hands whatever waits for one back to the rules.
    Resume,
    /// A person ends what waits for one, by chance and not by the books.
    Decide,
    /// The wall clock of the bridge's machine is stepped by so much.
    ClockStep(Micros),
    /// The bridge's process stands still for so long.
    FreezeBridge(Micros),
    /// The record is copied, and the position file with it.
    CopyRecord,
    /// The bridge dies, and the record that it finds after so long is not the one that it left.
    Restore(Restored, Micros),
    /// Persons look at the record and at the counters that are held, and let both go on.
    Release,
}

pub(crate) fn mishaps(
    random: &mut Random,
    classes: &[Class],
    counters: usize,
    safety: Micros,
) -> Vec<(Micros, Mishap)> {
    let mut all = Vec::new();
    for class in classes.iter().filter(|class| Class::ALL[..Class::FIRST].contains(class)) {
        let number = random.random_range(1..=6);
        for _ in 0..number {
            let at = BEGINNING + random.random_range(0..safety);
            let counter = random.random_range(0..counters);
            let hang = random.random_range(MS..15 * SECOND);
            let mishap = match class {
                Class::Crash => Mishap::Crash(random.random_range(10 * MS..20 * SECOND)),
                Class::Network => match random.random_range(0..7) {
                    0 | 1 => Mishap::Cut(counter),
                    5 => Mishap::Stalled(counter, hang),
                    2 => Mishap::CutUnseen(counter),
                    3 => Mishap::DeafCounter(counter, hang),
                    4 => Mishap::DumbCounter(counter, hang),
                    _ => Mishap::Unreachable(counter, hang),
                },
                Class::Restarts => match random.random_range(0..3) {
                    0 => Mishap::Freeze(counter, hang),
                    1 => Mishap::Restart(counter, hang),
                    _ => Mishap::ForgetSessions(counter),
                },
                Class::Database => match random.random_range(0..3) {
                    0 => Mishap::DatabaseDown(random.random_range(10 * MS..30 * SECOND)),
                    1 => Mishap::CommitUnclear(random.random_range(10 * MS..10 * SECOND)),
                    _ => Mishap::DatabaseSlow(random.random_range(50 * MS..4 * SECOND)),
                },
                Class::Answers | Class::Slowness | Class::Refusals | Class::Lies => Mishap::Resume,
                Class::CutOver
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
                | Class::InProcess => continue,
            };
            all.push((at, mishap));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

pub(crate) fn later_mishaps(
    random: &mut Random,
    classes: &[Class],
    counters: usize,
    safety: Micros,
) -> Vec<(Micros, Mishap)> {
    const MINUTE: Micros = 60 * SECOND;
    let mut all = Vec::new();
    if classes.contains(&Class::Clocks) {
        for _ in 0..random.random_range(1..=6) {
            let step = match random.random_range(0..3) {
                0 => random.random_range(MS..30 * SECOND),
                1 => random.random_range(MINUTE..10 * MINUTE),
                _ => random.random_range(60 * MINUTE..12 * 60 * MINUTE),
            };
            let step = if random.random_bool(0.5) { step } else { -step };
            let at = BEGINNING + random.random_range(0..safety);
            all.push((at, Mishap::ClockStep(step)));
        }
    }
    if classes.contains(&Class::TightLimits) {
        // What was sent is held up, for longer than its connection lives or not.
        for _ in 0..random.random_range(1..=5) {
            let at = BEGINNING + random.random_range(0..safety);
            let counter = random.random_range(0..counters);
            let most = if random.random_bool(0.5) { 40 } else { 12 };
            let hang = random.random_range(2 * SECOND..most * SECOND);
            all.push((at, Mishap::DeafCounter(counter, hang)));
            if random.random_bool(0.5) {
                all.push((at + random.random_range(0..hang), Mishap::Cut(counter)));
            }
        }
    }
    if classes.contains(&Class::Stalls) {
        for _ in 0..random.random_range(2..=10) {
            let at = BEGINNING + random.random_range(0..safety);
            let counter = random.random_range(0..counters);
            let hang = random.random_range(2 * SECOND..15 * SECOND);
            all.push((at, Mishap::Stalled(counter, hang)));
        }
    }
    if classes.contains(&Class::Decisions) {
        for _ in 0..random.random_range(0..=4) {
            all.push((BEGINNING + random.random_range(0..safety), Mishap::Decide));
        }
    }
    if classes.contains(&Class::Freezes) {
        for _ in 0..random.random_range(1..=4) {
            let at = BEGINNING + random.random_range(0..safety);
            all.push((at, Mishap::FreezeBridge(random.random_range(100 * MS..60 * SECOND))));
        }
    }
    all
}

/// A network that holds up what a transfer has sent together with what is asked about it, for less
/// than the eight seconds after which a connection without an answer is given up.
pub(crate) fn queues(random: &mut Random, orders: &[Order]) -> Vec<(Micros, Mishap)> {
    let mut all = Vec::new();
    for order in orders {
        let (counter, most) =
            if random.random_bool(0.5) { (order.from.0, 100 * MS) } else { (order.to.0, 600 * MS) };
        let at = order.at + random.random_range(0..most);
        all.push((at, Mishap::DeafCounter(counter, random.random_range(2 * SECOND..8 * SECOND))));
    }
    all
}

/// Copies and losses of the record. A copy is made just when a transfer is on its way, and is lost some
/// time later; in between the record goes on.
pub(crate) fn restored(
    random: &mut Random,
    orders: &[Order],
    safety: Micros,
) -> Vec<(Micros, Mishap)> {
    let mut all = Vec::new();
    for _ in 0..random.random_range(1..=2) {
        let order = &orders[random.random_range(0..orders.len())];
        let copied = order.at + random.random_range(0..2 * SECOND);
        let lost = copied + random.random_range(200 * MS..20 * SECOND);
        let what = Restored::ALL[random.random_range(0..Restored::ALL.len())];
        all.push((copied, Mishap::CopyRecord));
        all.push((lost, Mishap::Restore(what, random.random_range(10 * MS..5 * SECOND))));
        // Perhaps only when all has healed.
        if random.random_bool(0.7) {
            all.push((lost + random.random_range(SECOND..safety), Mishap::Release));
        }
    }
    all
}
