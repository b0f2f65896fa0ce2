//! For what each operation of the operators' side may be refused. A refusal that a test sees and that does
//! not stand here fails the test.

use api::openapi::{OF_QUESTION, OF_RECORD};
use api::problem::{Kind, kind};

/// What a person's word about a transfer may be refused for.
const OF_WORD: &[Kind] =
    &[kind::ALREADY_FINAL, kind::NO_DECISION_NEEDED, kind::BEING_RECORDED, kind::STOPPING];

/// What a request that changes something may be refused for before it is looked at.
const OF_ACTING: &[Kind] = &[kind::FOREIGN_ORIGIN, kind::UNSUPPORTED_MEDIA_TYPE];

/// What a body may be refused for.
const OF_BODY: &[Kind] =
    &[kind::BODY_TOO_LARGE, kind::BODY_UNREADABLE, kind::MALFORMED_BODY, kind::RULE_BROKEN];

/// Of the operators' side.
pub(super) fn of_the_operators_side(operation: &str) -> Vec<Kind> {
    let own: &[&[Kind]] = match operation {
        "decide" => &[
            OF_ACTING,
            OF_BODY,
            OF_WORD,
            OF_RECORD,
            &[kind::NO_SUCH_TRANSFER, kind::AGAINST_PROOF, kind::NOTHING_TO_RESUME],
        ],
        "claim" => &[
            OF_ACTING,
            OF_BODY,
            OF_WORD,
            OF_RECORD,
            &[kind::NO_SUCH_PATH, kind::NO_SUCH_TRANSFER, kind::CLAIMED, kind::TOO_MANY_CLAIMS],
        ],
        "resume" => &[OF_ACTING, OF_BODY, OF_RECORD, &[kind::STOPPING]],
        "reconnect" | "release" => &[OF_ACTING, &[kind::NO_SUCH_PATH, kind::NO_SUCH_COUNTER]],
        "readmit" => &[
            OF_ACTING,
            OF_BODY,
            OF_RECORD,
            &[
                kind::NO_SUCH_PATH,
                kind::NO_SUCH_COUNTER,
                kind::COUNTER_NOT_HELD,
                kind::SERIALS_BEHIND,
            ],
        ],
        "entries" => &[OF_QUESTION, &[kind::NO_SUCH_COUNTER]],
        "show" => &[&[kind::NO_SUCH_PATH, kind::NO_SUCH_TRANSFER], OF_RECORD],
        "list" | "proven" => &[&[kind::MALFORMED_QUERY]],
        "events" => &[&[kind::TOO_MANY_FEEDS]],
        "healthz" | "readyz" => return vec![kind::FOREIGN_HOST],
        _ => &[],
    };
    let all = [&[kind::FOREIGN_HOST, kind::STARTING][..]].into_iter().chain(own.iter().copied());
    all.flatten().copied().collect()
}
