//! What processes cost, as the Linux kernel counts it. Elsewhere nothing is known.

use std::collections::BTreeMap;
use std::fs;

/// What a tick of the kernel's counters is, in seconds: 1/100 on every Linux.
const TICK_S: f64 = 0.01;
/// What a page is, in bytes, where the kernel counts pages.
const MEBIBYTE_KB: f64 = 1024.0;

/// What one process has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// User and system time of all its threads, in seconds.
    pub(crate) cpu_s: f64,
    /// What it holds in memory, in mebibytes.
    pub(crate) rss_mb: f64,
}

/// What several processes, and the machine as a whole, have cost so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Processes {
    /// By name.
    pub(crate) each: BTreeMap<&'static str, Cost>,
    /// Busy time of all processors, in seconds.
    pub(crate) machine_s: Option<f64>,
}

impl Processes {
    /// Looks at processes by name and id.
    pub(crate) fn look(watched: &[(&'static str, u32)]) -> Processes {
        let each = watched.iter().filter_map(|(name, id)| Some((*name, look(*id)?))).collect();
        Processes { each, machine_s: fs::read_to_string("/proc/stat").ok().and_then(|s| busy(&s)) }
    }

    /// What was used since `earlier`; memory is as it is now.
    pub(crate) fn since(&self, earlier: &Processes) -> Processes {
        let each = self.each.iter().filter_map(|(name, now)| {
            let then = earlier.each.get(name)?;
            Some((*name, Cost { cpu_s: now.cpu_s - then.cpu_s, rss_mb: now.rss_mb }))
        });
        let machine_s = self.machine_s.zip(earlier.machine_s).map(|(now, then)| now - then);
        Processes { each: each.collect(), machine_s }
    }

    /// Adds what was used at another time.
    pub(crate) fn add(&mut self, later: &Processes) {
        for (name, cost) in &later.each {
            let sum = self.each.entry(name).or_default();
            *sum = Cost { cpu_s: sum.cpu_s + cost.cpu_s, rss_mb: cost.rss_mb };
        }
        self.machine_s = self.machine_s.zip(later.machine_s).map(|(one, two)| one + two);
    }

    /// What all of them used, in seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.each.values().map(|cost| cost.cpu_s).sum()
    }
}

/// What one process holds in memory, in mebibytes.
pub(crate) fn rss_mb(id: u32) -> Option<f64> {
    look(id).map(|cost| cost.rss_mb)
}

fn look(id: u32) -> Option<Cost> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    Some(Cost { cpu_s: cpu(&stat)?, rss_mb: resident(&status)? })
}

/// User and system time from `/proc/ID/stat`; the name before them may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_S)
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / MEBIBYTE_KB)
}

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for the disk, interrupts.
fn busy(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, hard, soft, ..] = ticks[..] else { return None };
    Some((user + nice + system + hard + soft) * TICK_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counters_are_read() {
        let stat = "12 (a ) b) S 1 1 1 0 -1 0 1 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(cpu(stat), Some(2.0));
        assert_eq!(cpu("12"), None);
        assert_eq!(resident("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2.0));
        assert_eq!(busy("cpu  100 0 100 7 7 50 50 0 0 0\ncpu0 1"), Some(3.0));
        assert_eq!(busy("intr 1"), None);
    }

    #[test]
    fn only_what_is_known_twice_is_told() {
        let at = |cpu_s, machine_s| Processes {
            each: [("bridge", Cost { cpu_s, rss_mb: cpu_s })].into(),
            machine_s,
        };
        let used = at(5.0, Some(9.0)).since(&at(2.0, Some(1.0)));
        assert_eq!(
            used,
            Processes {
                each: [("bridge", Cost { cpu_s: 3.0, rss_mb: 5.0 })].into(),
                machine_s: Some(8.0)
            }
        );
        assert_eq!(at(5.0, None).since(&Processes::default()), Processes::default());
    }
}
