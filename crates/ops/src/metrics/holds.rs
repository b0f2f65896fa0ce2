//! What `/metrics` says of counters that operators keep from new transfers.

use super::Gauges;
use coordinator::Waits;
use coordinator::standing::State;
use domain::message::CounterId;
use store::HoldKind;

/// Appends which counters operators hold or drain, and what drains wait for.
pub(super) fn standing(
    text: &mut String,
    counters: &[&CounterId],
    state: &State,
    waits: impl Fn(&CounterId) -> Option<Waits>,
) {
    let mut gauges = Gauges { text };
    gauges.describe(
        "counter_on_hold",
        "1 while an operator holds or drains a counter, which gets no new transfers for that",
    );
    for counter in counters {
        let by_operator = state.on_hold.get(*counter).map(|hold| hold.kind);
        for (why, is_so) in [
            ("hold", by_operator == Some(HoldKind::Hold)),
            ("drain", by_operator == Some(HoldKind::Drain)),
        ] {
            let labels = [("counter", counter.as_str()), ("why", why)];
            gauges.value("counter_on_hold", &labels, u8::from(is_so));
        }
    }
    gauges.describe(
        "counter_drain_waits_for",
        "Open transfers that keep a counter connected that an operator drains",
    );
    for counter in counters {
        let waits = waits(counter).map_or(0, |waits| waits.moving);
        gauges.value("counter_drain_waits_for", &[("counter", counter.as_str())], waits);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;
    use expect_test::expect;
    use store::OnHold;

    #[test]
    fn a_hold_and_a_drain_are_told_apart() {
        let [bank, futures] = ["bank", "futures"].map(|id| CounterId::new(id).expect("an id"));
        let mut state = State::default();
        let (kind, who, note) = (HoldKind::Drain, "wang".into(), "their release".into());
        let drained = OnHold { counter: futures.clone(), kind, who, note, since: 6 };
        state.on_hold.insert(futures.clone(), drained);
        let waits =
            |counter: &CounterId| (*counter == futures).then_some(Waits { moving: 3, parked: 2 });
        let mut text = String::new();
        standing(&mut text, &[&bank, &futures], &state, waits);
        expect![[r#"
            counter_on_hold{counter="bank",why="hold"} 0
            counter_on_hold{counter="bank",why="drain"} 0
            counter_on_hold{counter="futures",why="hold"} 0
            counter_on_hold{counter="futures",why="drain"} 1
            counter_drain_waits_for{counter="bank"} 0
            counter_drain_waits_for{counter="futures"} 3
        "#]]
        .assert_eq(&values(&text));
    }
}
