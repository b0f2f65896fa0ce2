//! For what each operation of the operators' side may be refused. A refusal that a test sees and that does
//! not stand here fails the test.

use api::openapi::{OF_QUESTION, OF_RECORD};
use api::problem::{Kind, kind};

/// What a person's word about a transfer may be refused for.
const OF_WORD: &[Kind] = &[
    kind::NO_SUCH_PATH,
    kind::NO_SUCH_TRANSFER,
    kind::ALREADY_FINAL,
    kind::NO_DECISION_NEEDED,
    kind::BEING_RECORDED,
    kind::NOT_CONFIRMED,
    kind::STOPPING,
];

/// What a decision may be refused for.
const OF_CHOICE: &[Kind] = &[kind::AGAINST_PROOF, kind::NOTHING_TO_RESUME, kind::MOVED_ON];

/// What a word about a counter that is held may be refused for.
const OF_READMISSION: &[Kind] = &[
    kind::NO_SUCH_PATH,
    kind::NO_SUCH_COUNTER,
    kind::COUNTER_NOT_HELD,
    kind::NOT_CONFIRMED,
    kind::UNREADABLE_RECORD,
];

/// What a proposal about one may be refused for besides.
const OF_PROPOSING_READMISSION: &[Kind] =
    &[kind::SERIALS_BEHIND, kind::RECORD_BEHIND, kind::MOVED_ON, kind::PROPOSED_ALREADY];

/// What a request that changes something may be refused for before anybody asks who sent it.
const OF_SENDING: &[Kind] = &[kind::FOREIGN_ORIGIN, kind::UNSUPPORTED_MEDIA_TYPE];

/// The same of an act by somebody who is known.
const OF_ACTING: &[Kind] =
    &[kind::FOREIGN_ORIGIN, kind::UNSUPPORTED_MEDIA_TYPE, kind::TOO_MANY_REQUESTS];

/// What a body may be refused for.
const OF_BODY: &[Kind] =
    &[kind::BODY_TOO_LARGE, kind::BODY_UNREADABLE, kind::MALFORMED_BODY, kind::RULE_BROKEN];

/// What whoever asks may be refused for: nobody is known, or not enough is allowed.
const OF_PEOPLE: &[Kind] = &[
    kind::NOT_SIGNED_IN,
    kind::NOT_PERMITTED,
    kind::PASSWORD_TO_CHANGE,
    kind::DATABASE_UNAVAILABLE,
    kind::UNREADABLE_RECORD,
];

/// What an act on a counter may be refused for.
const OF_COUNTER: &[Kind] = &[kind::NO_SUCH_PATH, kind::NO_SUCH_COUNTER, kind::STOPPING];

/// What a word about an alarm may be refused for.
const OF_ALARM: &[Kind] = &[
    kind::NO_SUCH_PATH,
    kind::NO_SUCH_ALARM,
    kind::ALARM_CLOSED,
    kind::NOT_CONFIRMED,
    kind::STOPPING,
];

/// What takes a core for a moment may be refused for.
const OF_HASHING: &[Kind] = &[kind::SIGN_IN_PAUSED, kind::OVERLOADED];

/// What a path that names an operator may be refused for.
const OF_OPERATOR: &[Kind] = &[kind::NO_SUCH_PATH, kind::NO_SUCH_OPERATOR];

/// Of the operators' side.
pub(super) fn of_the_operators_side(operation: &str) -> Vec<Kind> {
    let own: &[&[Kind]] = match operation {
        "propose" => &[
            OF_ACTING,
            OF_BODY,
            OF_WORD,
            OF_RECORD,
            OF_CHOICE,
            &[kind::CLAIMED, kind::PROPOSED_ALREADY],
        ],
        "approve" => &[
            OF_ACTING,
            OF_BODY,
            OF_WORD,
            OF_RECORD,
            OF_CHOICE,
            &[kind::NO_SUCH_PROPOSAL, kind::OWN_PROPOSAL],
        ],
        "withdraw" => &[OF_ACTING, OF_BODY, OF_WORD, OF_RECORD, &[kind::NO_SUCH_PROPOSAL]],
        "claim" => &[
            OF_ACTING,
            OF_BODY,
            OF_WORD,
            OF_RECORD,
            &[kind::CLAIMED, kind::TOO_MANY_CLAIMS, kind::PROPOSED_ALREADY],
        ],
        "reconnect" => &[OF_ACTING, OF_COUNTER],
        "hold" | "drain" => &[OF_ACTING, OF_BODY, OF_RECORD, OF_COUNTER, &[kind::NOT_CONFIRMED]],
        "release" => &[
            OF_ACTING,
            OF_BODY,
            OF_RECORD,
            OF_COUNTER,
            &[kind::NOT_CONFIRMED, kind::COUNTER_NOT_HELD, kind::MOVED_ON],
        ],
        "new_session" => {
            &[OF_ACTING, OF_BODY, OF_COUNTER, &[kind::COUNTER_UNAVAILABLE, kind::NO_SESSION_NEEDED]]
        }
        "readmission" => &[OF_RECORD, OF_READMISSION],
        "propose_readmission" => {
            &[OF_ACTING, OF_BODY, OF_RECORD, OF_READMISSION, OF_PROPOSING_READMISSION]
        }
        "approve_readmission" => &[
            OF_ACTING,
            OF_BODY,
            OF_RECORD,
            OF_READMISSION,
            &[kind::SERIALS_BEHIND, kind::MOVED_ON, kind::NO_SUCH_PROPOSAL, kind::OWN_PROPOSAL],
        ],
        "withdraw_readmission" => {
            &[OF_ACTING, OF_BODY, OF_RECORD, OF_READMISSION, &[kind::NO_SUCH_PROPOSAL]]
        }
        "acknowledge_alarm" => &[OF_ACTING, OF_BODY, OF_RECORD, OF_ALARM],
        "close_alarm" => &[OF_ACTING, OF_BODY, OF_RECORD, OF_ALARM, &[kind::ALARM_LASTS]],
        "entries" => &[OF_QUESTION, &[kind::NO_SUCH_COUNTER]],
        "show" => &[&[kind::NO_SUCH_PATH, kind::NO_SUCH_TRANSFER], OF_RECORD],
        "history" | "search" | "alarms" => &[&[kind::MALFORMED_QUERY], OF_RECORD],
        "list" | "proven" | "proposals" | "acts" => &[&[kind::MALFORMED_QUERY]],
        "save_view" => &[OF_ACTING, OF_BODY, &[kind::VIEW_EXISTS, kind::NO_MORE_VIEWS]],
        "delete_view" => &[OF_ACTING, &[kind::NO_SUCH_PATH, kind::NO_SUCH_VIEW]],
        "transit" | "summary" => &[&[kind::STOPPING, kind::NOT_COUNTED]],
        "events" => &[&[kind::TOO_MANY_FEEDS]],
        "sign_in" => &[OF_SENDING, OF_BODY, OF_RECORD, OF_HASHING, &[kind::SIGN_IN_REFUSED]],
        "sign_out" => &[OF_ACTING],
        "change_password" => &[OF_ACTING, OF_BODY, OF_HASHING],
        "add_operator" => &[OF_ACTING, OF_BODY, OF_HASHING, &[kind::OPERATOR_EXISTS]],
        "change_operator" => &[OF_ACTING, OF_BODY, OF_OPERATOR, &[kind::LAST_ADMIN]],
        "reset_operator" => &[OF_ACTING, OF_BODY, OF_OPERATOR, OF_HASHING],
        "add_token" => &[OF_ACTING, OF_BODY, OF_OPERATOR, &[kind::NO_MORE_TOKENS]],
        "end_session" | "end_token" => &[OF_ACTING, OF_OPERATOR, &[kind::NO_SUCH_SESSION]],
        "sessions" | "tokens" => &[OF_OPERATOR],
        "healthz" | "readyz" => return vec![kind::FOREIGN_HOST],
        _ => &[],
    };
    let for_anybody = ["description", "sign_in"].contains(&operation);
    let people = if for_anybody { &[] } else { OF_PEOPLE };
    let all = [&[kind::FOREIGN_HOST, kind::STARTING][..], people].into_iter();
    each_once(all.chain(own.iter().copied()).flatten().copied())
}

/// All of these, none of them twice.
fn each_once(kinds: impl Iterator<Item = Kind>) -> Vec<Kind> {
    let mut seen = Vec::new();
    for kind in kinds {
        if !seen.contains(&kind) {
            seen.push(kind);
        }
    }
    seen
}
