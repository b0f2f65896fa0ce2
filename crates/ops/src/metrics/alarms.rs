//! What `/metrics` says of alarms that are open.

use super::Gauges;
use coordinator::OpenAlarm;
use store::AlarmKind;

/// Appends how many are open, by kind, and how many there was no room for.
pub(super) fn standing(text: &mut String, open: &[OpenAlarm], left_out: u64) {
    let mut gauges = Gauges { text };
    gauges.describe(
        "alarms_open",
        "Alarms that are open, by kind and by whether somebody has acknowledged them",
    );
    for kind in AlarmKind::ALL {
        for (word, is_seen) in [("false", false), ("true", true)] {
            let is_it = |open: &&OpenAlarm| {
                (open.alarm.kind, open.alarm.acknowledged.is_some()) == (kind, is_seen)
            };
            let labels = [("kind", kind.as_str()), ("acknowledged", word)];
            gauges.value("alarms_open", &labels, open.iter().filter(is_it).count());
        }
    }
    gauges.describe_count(
        "alarms_left_out_total",
        "Alarms that were not kept, for too many were open",
    );
    gauges.value("alarms_left_out_total", &[], left_out);
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;
    use store::{Acknowledged, Alarm, AlarmAbout};

    #[test]
    fn open_alarms_are_counted_by_kind_and_by_whether_somebody_has_seen_them() {
        let alarm = Alarm {
            kind: AlarmKind::Notice,
            about: AlarmAbout::Bridge,
            text: "x".into(),
            latest: "x".into(),
            raised_at: 1,
            last_at: 1,
            times: 1,
            acknowledged: None,
            closed: None,
        };
        let seen = Acknowledged { at: 2, who: "lin".into(), note: "x".into(), times: 1 };
        let seen = Alarm { acknowledged: Some(seen), ..alarm.clone() };
        let open = [alarm.clone(), alarm, seen].map(|alarm| OpenAlarm {
            number: None,
            alarm,
            is_over: false,
        });
        let mut text = String::new();
        standing(&mut text, &open, 7);
        let text = values(&text);
        assert_eq!(text.lines().count(), 2 * AlarmKind::ALL.len() + 1);
        for line in [
            "alarms_open{kind=\"notice\",acknowledged=\"false\"} 2",
            "alarms_open{kind=\"notice\",acknowledged=\"true\"} 1",
            "alarms_open{kind=\"defect\",acknowledged=\"false\"} 0",
            "alarms_left_out_total 7",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
}
