//! Hours, and what of a changed file a running bridge takes over.

use super::*;

#[test]
fn service_hours_have_windows_and_days_that_are_otherwise() {
    let hours = "service_hours = 'Mon-Fri 09:00-11:30 13:30-15:00, Mon-Thu 21:00-02:30 +08:00'\n";
    let with = |days: &str| read(&counter(&format!("{hours}{days}")));
    let plain = with("").expect("hours");
    let special = with("special_days_file = '/keys/holidays'").expect("hours and days");
    assert_ne!(plain.counters[0].hours, special.counters[0].hours);
    let longest = with("special_days_file = '/keys/most-days'").expect("as long as it may be");
    assert_eq!(longest.counters[0].hours, special.counters[0].hours);
    for (text, what) in [
        (counter("service_hours = '9-17'"), "counter.service_hours: must be hours and a zone"),
        (
            counter("special_days_file = '/keys/holidays'"),
            "counter.special_days_file: is for a counter with service_hours",
        ),
        (counter(&format!("{hours}special_days_file = '/keys/none'")), "/keys/none cannot be read"),
        (counter(&format!("{hours}special_days_file = '/keys/long'")), "is too long, or no text"),
        (
            counter(&format!("{hours}special_days_file = '/keys/no-days'")),
            "/keys/no-days: line 2: a day is written once",
        ),
    ] {
        let told = told(&text, &[]);
        assert!(told.len() == 1 && told[0].contains(what), "{told:?}");
    }
}

#[test]
fn what_a_running_bridge_takes_over_is_told_from_what_waits_for_a_start() {
    let settings = |text: &str| read(text).expect("a configuration").settings;
    let old = settings(&counter("service_hours = '09:00-15:00 +08:00'"));
    let needs = |more: &str| old.that_need_a_start(&settings(&counter(more)));
    let hours = "service_hours = '09:00-15:00 +08:00'";
    assert!(needs(hours).is_empty());
    for taken_over in [
        "service_hours = 'Mon-Fri 09:00-16:00 +08:00'",
        "service_hours = '09:00-15:00 +08:00'\nspecial_days_file = '/keys/holidays'",
        "service_hours = '09:00-15:00 +08:00'\nsecond_key_file = '/keys/good-2'",
    ] {
        assert!(needs(taken_over).is_empty(), "{taken_over}");
        let new = settings(&counter(taken_over));
        assert_eq!(old.taken_over_since(&old, &new).len(), 1, "{taken_over}");
        assert!(old.taken_over_since(&new, &new).is_empty(), "{taken_over}");
    }
    assert_eq!(needs(""), ["counter.0.service_hours"]);
    // Hours that came after the start wait for the next one, however often they are changed.
    let without = settings(&counter(""));
    let later = settings(&counter("service_hours = 'Mon-Fri 09:00-16:00 +08:00'"));
    assert!(without.taken_over_since(&old, &later).is_empty());
    assert_eq!(without.that_need_a_start(&later), ["counter.0.service_hours"]);
    assert_eq!(needs(&format!("{hours}\nheartbeat_s = 9")), ["counter.0.heartbeat_s"]);
    assert_eq!(needs(&format!("{hours}\n[drain]\nbudget_s = 9")), ["drain.budget_s"]);
    let app = "[[app]]\nname = 'a'\n[[app.key]]\nid = 'k'\nalgorithm = 'ed25519'\npublic_key_file = '/keys/public'\n";
    assert!(needs(&format!("{hours}\n{app}")).is_empty());
}

#[test]
fn a_key_that_is_renewed_under_its_name_is_named() {
    let with = |content: &'static str| {
        let reads = std::cell::Cell::new(0);
        let read_file = |path: &Path| match path.to_str() {
            Some("/keys/renewed") => {
                reads.set(reads.get() + 1);
                Ok(Content::from(content.as_bytes().to_vec()))
            }
            _ => files(path),
        };
        let text = counter("").replace("key_file = 'good'", "key_file = '/keys/renewed'");
        let folder = Path::new("/etc/bridge");
        let config = Config::from_text(&text, folder, [], &read_file).expect("a configuration");
        assert_eq!(reads.get(), 1, "some files can be read once only");
        config.settings
    };
    let old = with("a key of thirty-two bytes or more\n");
    let new = with("another key of thirty-two bytes!!");
    assert_eq!(old.taken_over_since(&old, &new), ["counter.0.key_file"]);
    assert!(old.that_need_a_start(&new).is_empty());
    assert!(old.taken_over_since(&new, &new).is_empty());
    let same = with("a key of thirty-two bytes or more");
    assert!(old.taken_over_since(&old, &same).is_empty(), "its last line end is no part of it");
}
