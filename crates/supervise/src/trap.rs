//! Failures on purpose, for tests of whole processes: the environment says where and how. There is
//! none in a release build.

/// The variable: `PLACE=panic` or `PLACE=hang`, several separated by commas. A place may name one
/// case of itself: `step/4242=panic`; and a trap may be closed until a file is there:
/// `journal=panic:/tmp/now`.
pub const VARIABLE: &str = "COUNTER_BRIDGE_TRAPS";

/// Panics or hangs here if the environment says so.
#[cfg(debug_assertions)]
pub fn spring(place: &str, case: impl FnOnce() -> String) {
    use std::sync::OnceLock;
    static SET: OnceLock<String> = OnceLock::new();
    let set = SET.get_or_init(|| std::env::var(VARIABLE).unwrap_or_default());
    if !set.contains(place) {
        return;
    }
    let case = case();
    for trap in set.split(',') {
        let Some((at, does)) = trap.split_once('=') else { continue };
        let (does, open) = match does.split_once(':') {
            Some((does, file)) => (does, std::path::Path::new(file).exists()),
            None => (does, true),
        };
        if !open {
            continue;
        }
        let whole = at.split_once('/').map_or(at == place, |(at, of)| at == place && of == case);
        match does {
            "panic" if whole => panic!("a trap: {place} {case}"),
            // Whoever set it ends the process.
            "hang" if whole => loop {
                std::thread::park();
            },
            _ => {}
        }
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub fn spring(_: &str, _: impl FnOnce() -> String) {}
