//! For what each operation of the transfer API may be refused, and what those of both sides have in common. A
//! refusal that a test sees and that does not stand here fails the test.

use crate::problem::{Kind, kind};

/// What a signed request may be refused for before it is looked at.
pub const OF_SIGNED: &[Kind] = &[
    kind::MISSING_SIGNATURE,
    kind::MALFORMED_SIGNATURE,
    kind::MALFORMED_AUTHORITY,
    kind::MISSING_SIGNATURE_PARAMETER,
    kind::INSUFFICIENT_COVERAGE,
    kind::WRONG_ALGORITHM,
    kind::EXPIRED_SIGNATURE,
    kind::BAD_VALIDITY,
    kind::BAD_SIGNATURE,
    kind::REPLAYED_NONCE,
    kind::NONCE_MEMORY_FULL,
    kind::MISSING_DIGEST,
    kind::MALFORMED_DIGEST,
    kind::BAD_DIGEST,
    kind::BODY_TOO_LARGE,
    kind::BODY_UNREADABLE,
    kind::TOO_MANY_REQUESTS,
];

/// What whoever reads the record may be refused for.
pub const OF_RECORD: &[Kind] = &[kind::DATABASE_UNAVAILABLE, kind::UNREADABLE_RECORD];

/// What a question to a counter may be refused for.
pub const OF_QUESTION: &[Kind] = &[
    kind::MALFORMED_QUERY,
    kind::NO_SUCH_PATH,
    kind::NO_SUCH_ACCOUNT,
    kind::REFUSED_BY_COUNTER,
    kind::COUNTER_UNAVAILABLE,
    kind::STOPPING,
];

/// Of the transfer API.
pub(crate) fn of_the_transfer_api(operation: &str) -> Vec<Kind> {
    let own: &[&[Kind]] = match operation {
        "create" => &[
            &[
                kind::MISSING_IDEMPOTENCY_KEY,
                kind::MALFORMED_IDEMPOTENCY_KEY,
                kind::MALFORMED_BODY,
                kind::RULE_BROKEN,
                kind::FOREIGN_ACCOUNT,
                kind::FOREIGN_DIRECTION,
                kind::OVER_DAY_LIMIT,
                kind::IN_PROGRESS,
                kind::KEY_REUSED,
                kind::COUNTER_UNAVAILABLE,
                kind::COUNTER_HELD,
                kind::OVERLOADED,
                kind::RECORD_BEHIND,
                kind::NOT_RECORDED,
                kind::NOT_CONFIRMED,
                kind::STOPPING,
            ],
            OF_RECORD,
        ],
        "show" => &[&[kind::NO_SUCH_PATH, kind::NO_SUCH_TRANSFER], OF_RECORD],
        "list" => &[&[kind::MALFORMED_QUERY], OF_RECORD],
        "balance" | "entries" => &[OF_QUESTION, &[kind::FOREIGN_ACCOUNT]],
        "description" => return vec![kind::STARTING],
        // Whether it lives is said from its first moment.
        _ => return Vec::new(),
    };
    let all = [OF_SIGNED, &[kind::STARTING]].into_iter().chain(own.iter().copied());
    all.flatten().copied().collect()
}
