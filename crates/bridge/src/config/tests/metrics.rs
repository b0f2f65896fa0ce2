//! Who may read the metrics.

use super::*;
use ops::MetricsFor;

#[test]
fn metrics_are_for_anyone_unless_a_viewer_is_wanted_and_on_an_open_address_that_is_noted() {
    let set = |rows: &str| {
        read(&format!("[operators]\n{rows}\n"))
            .map(|config| (config.operators.metrics_for, config.notes.len()))
    };
    let open = "listen = '0.0.0.0:8081'";
    for (rows, expected) in [
        (String::new(), (MetricsFor::Anyone, 0)),
        ("metrics = 'anyone'".to_owned(), (MetricsFor::Anyone, 0)),
        ("metrics = 'viewer'".to_owned(), (MetricsFor::Viewer, 0)),
        // That it speaks no TLS is noted in any case.
        (open.to_owned(), (MetricsFor::Anyone, 2)),
        (format!("{open}\nmetrics = 'anyone'"), (MetricsFor::Anyone, 1)),
        (format!("{open}\nmetrics = 'viewer'"), (MetricsFor::Viewer, 1)),
    ] {
        assert_eq!(set(&rows).expect(&rows), expected, "{rows}");
    }
    let noted = read(&format!("[operators]\n{open}\n")).expect("it is read").notes;
    assert!(noted.iter().any(|note| note.what.contains("reads /metrics")), "{noted:?}");
    for (word, near) in [("'viewr'", "did you mean"), ("'admin'", "must be"), ("true", "must be")] {
        let mistakes = told(&format!("[operators]\nmetrics = {word}\n"), &[]);
        assert!(mistakes.len() == 1 && mistakes[0].contains(near), "{word}: {mistakes:?}");
        assert!(mistakes[0].contains("\"anyone\" or \"viewer\""), "{mistakes:?}");
    }
}
