//! From a schedule that fails to the shortest one that fails still.

use crate::plan::{Plan, Request};
use crate::run::{Report, run};

/// Fewer classes of faults, then fewer transfers, as long as something is still found. Each try is
/// a schedule of its own with the same seed, so none of them need be alike; what counts is that the
/// last one fails and is small.
pub fn shrink(request: &Request, report: &Report) -> (Request, Report) {
    let mut best = Request {
        classes: Plan::of(request).classes,
        transfers: Some(report.transfers),
        ..request.clone()
    };
    let Some(mut found) = fails(&best) else { return (request.clone(), report.clone()) };
    loop {
        let mut smaller = false;
        for class in best.classes.clone() {
            let classes = best.classes.iter().copied().filter(|kept| *kept != class).collect();
            let tried = Request { classes, ..best.clone() };
            if let Some(report) = fails(&tried) {
                (best, found, smaller) = (tried, report, true);
            }
        }
        let most = best.transfers.unwrap_or(1);
        let sizes = [1, 2, 3, most / 4, most / 2, most.saturating_sub(1)];
        for transfers in sizes.into_iter().filter(|size| (1..most).contains(size)) {
            let tried = Request { transfers: Some(transfers), ..best.clone() };
            if let Some(report) = fails(&tried) {
                (best, found, smaller) = (tried, report, true);
                break;
            }
        }
        if !smaller {
            return (best, found);
        }
    }
}

fn fails(request: &Request) -> Option<Report> {
    let (report, _) = run(request, false);
    (!report.findings.is_empty()).then_some(report)
}
