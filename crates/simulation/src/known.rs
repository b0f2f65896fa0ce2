//! Schedules that once found something, in the bridge or in one that was broken on purpose
//! (`cargo xtask mutate`). They are run before any new ones.

use crate::class::Class;
use crate::plan::Request;

/// Seeds, and how many classes of faults there were then: both together are a schedule for ever.
const FAILED: &[(u64, usize)] = &[
    (60, 10),
    (169, 10),
    (189, 10),
    (508, 10),
    (669, 10),
    // A credit that was sent, its record lost by one death and the doubt about it by the next, at a
    // counter that cannot fence.
    (10_926, 10),
    // Of those that follow, each finds at least one deliberate defect that the others do not, or
    // finds it sooner.
    (0, 19),
    (1, 19),
    (2, 19),
    (5, 19),
    (6, 19),
    (12, 19),
    // A leg and the question about it, held up together.
    (14, 19),
    (20, 19),
    (23, 19),
    (25, 19),
    (35, 19),
    (38, 19),
    (62, 19),
    (212, 19),
    (237, 19),
    // A debit that was read from a connection which was replaced last of all.
    (900_028_960, 19),
    // An undoing that a restart forgets.
    (2_012, 19),
    // A counter that claims postings which are right in all but one field: what a reversal undid, the
    // settle day, the currency, the amount, the account.
    (50_000_188, 21),
    (50_000_625, 21),
    (50_001_211, 21),
    (50_001_617, 21),
    (50_002_556, 21),
    // A serial that was given out twice and known before it was sent; what a record that is behind
    // would undo; an undoing that a restart forgets.
    (50_000_511, 21),
    (50_000_881, 21),
    (50_001_230, 21),
    // A refused undoing that a lost life had tried again; a bridge that stands still when all heals.
    (219_912_696_908_448, 21),
    (219_912_696_899_309, 21),
    // A decision about what needs no person, at the time of its deadline.
    (700_037_075, 21),
    // A serial that was given out twice, at a counter without marks, and the older record come back.
    (700_157_518, 21),
    // Such a serial at a counter that does not dedupe, and is asked to bury what it holds for another.
    (91_085_413_762_964, 21),
    // One whose undoing is repeated at a counter without marks, which undid another's under its serial.
    (6_879_572_910_469, 21),
    // A counter without dedupe that decides at once what it was to take its time for.
    (50_002_017, 21),
    // A counter that lies claims a debit that was never sent, and vouches for it; a bridge that stands
    // still twice over, and is taken up with what was put off in its order.
    (700_000_000_219_379, 21),
    (700_000_000_703_204, 21),
    // A counter that is held again for the same doubt as soon as a person has readmitted it.
    (123_090_773_961_421, 22),
];

/// All of them, as they are asked for.
pub fn schedules() -> impl Iterator<Item = Request> {
    FAILED.iter().map(|(seed, classes)| Request {
        classes: Class::ALL[..*classes].to_vec(),
        ..Request::of(*seed)
    })
}
