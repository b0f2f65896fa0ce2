//! Every kind of problem that is answered: the word that names it for ever, the status that it comes
//! with, and what it is in words that are the same for every occurrence. Each has its page in
//! `docs/errors/`, and stands in the descriptions of the operations that may answer it.

use http::StatusCode;

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The last part of the problem's `type`, and the name of its page in `docs/errors`.
    pub slug: &'static str,
    /// The problem's `title`, for people.
    pub title: &'static str,
    /// The HTTP status that it is answered with.
    pub status: StatusCode,
}

macro_rules! kinds {
    ($($name:ident = $slug:literal, $status:ident, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Kind =
                Kind { slug: $slug, title: $title, status: StatusCode::$status };
        )*
        /// All of them, each with the name of its constant.
        pub const ALL: &[(&str, Kind)] = &[$((stringify!($name), $name)),*];
    };
}

kinds! {
    // Of requests that are not let in (`auth::AuthError`).
    MISSING_SIGNATURE = "missing_signature", UNAUTHORIZED, "The request is not signed";
    MALFORMED_SIGNATURE = "malformed_signature", BAD_REQUEST, "A signature header cannot be used";
    MALFORMED_AUTHORITY = "malformed_authority", BAD_REQUEST, "The request's authority cannot be told";
    MISSING_SIGNATURE_PARAMETER = "missing_signature_parameter", UNAUTHORIZED, "The signature lacks a parameter";
    INSUFFICIENT_COVERAGE = "insufficient_coverage", UNAUTHORIZED, "The signature covers too little";
    WRONG_ALGORITHM = "wrong_algorithm", UNAUTHORIZED, "The signature's algorithm is not the key's";
    EXPIRED_SIGNATURE = "expired_signature", UNAUTHORIZED, "The signature is outside its time window";
    BAD_VALIDITY = "bad_validity", UNAUTHORIZED, "The signature's validity is too long or empty";
    BAD_SIGNATURE = "bad_signature", UNAUTHORIZED, "The signature does not fit the request";
    REPLAYED_NONCE = "replayed_nonce", UNAUTHORIZED, "The nonce was used before";
    NONCE_MEMORY_FULL = "nonce_memory_full", SERVICE_UNAVAILABLE, "Too many signed requests at once";
    MISSING_DIGEST = "missing_digest", UNAUTHORIZED, "The body has no digest";
    MALFORMED_DIGEST = "malformed_digest", BAD_REQUEST, "The Content-Digest header cannot be used";
    BAD_DIGEST = "bad_digest", UNAUTHORIZED, "The digest does not fit the body";
    MISSING_IDEMPOTENCY_KEY = "missing_idempotency_key", BAD_REQUEST, "A POST needs an Idempotency-Key";
    BODY_TOO_LARGE = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    BODY_UNREADABLE = "body_unreadable", BAD_REQUEST, "The body could not be read";

    // Of what is asked for.
    NO_SUCH_PATH = "no_such_path", NOT_FOUND, "There is nothing here";
    NO_SUCH_METHOD = "no_such_method", METHOD_NOT_ALLOWED, "This path does not take that method";
    MALFORMED_BODY = "malformed_body", BAD_REQUEST, "The body cannot be used";
    MALFORMED_QUERY = "malformed_query", BAD_REQUEST, "A parameter cannot be used";
    MALFORMED_IDEMPOTENCY_KEY = "malformed_idempotency_key", BAD_REQUEST, "The Idempotency-Key cannot be used";
    RULE_BROKEN = "rule_broken", UNPROCESSABLE_ENTITY, "A rule is broken";
    NO_SUCH_TRANSFER = "no_such_transfer", NOT_FOUND, "There is no such transfer";
    NO_SUCH_ACCOUNT = "no_such_account", NOT_FOUND, "There is no such account";
    NO_SUCH_COUNTER = "no_such_counter", NOT_FOUND, "There is no such counter";

    // Of what an app may not.
    FOREIGN_ACCOUNT = "foreign_account", FORBIDDEN, "Not this app's account";
    FOREIGN_DIRECTION = "foreign_direction", FORBIDDEN, "Not this app's direction";
    OVER_DAY_LIMIT = "over_day_limit", FORBIDDEN, "More than the app may move in a day";
    TOO_MANY_REQUESTS = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests in a second";

    // Of an order that is not begun, or not again.
    IN_PROGRESS = "in_progress", CONFLICT, "The transfer with this key is in progress";
    KEY_REUSED = "key_reused", UNPROCESSABLE_ENTITY, "The key was used with another body";
    COUNTER_UNAVAILABLE = "counter_unavailable", SERVICE_UNAVAILABLE, "A counter is not connected, or did not answer";
    COUNTER_HELD = "counter_held", SERVICE_UNAVAILABLE, "A counter gets no new transfers";
    REFUSED_BY_COUNTER = "refused_by_counter", UNPROCESSABLE_ENTITY, "The counter refused the question";
    OVERLOADED = "overloaded", TOO_MANY_REQUESTS, "Too much is going on";
    RECORD_BEHIND = "record_behind", SERVICE_UNAVAILABLE, "The record is behind";
    NOT_RECORDED = "not_recorded", SERVICE_UNAVAILABLE, "The transfer could not be recorded";
    NOT_CONFIRMED = "not_confirmed", SERVICE_UNAVAILABLE, "The record is not confirmed yet";
    STARTING = "starting", SERVICE_UNAVAILABLE, "The bridge is starting";
    STOPPING = "stopping", SERVICE_UNAVAILABLE, "The bridge is stopping";
    DATABASE_UNAVAILABLE = "database_unavailable", SERVICE_UNAVAILABLE, "The database does not answer";
    UNREADABLE_RECORD = "unreadable_record", INTERNAL_SERVER_ERROR, "A stored answer cannot be read";

    // Of what operators ask for.
    FOREIGN_HOST = "foreign_host", MISDIRECTED_REQUEST, "The request is for another host";
    NOT_SIGNED_IN = "not_signed_in", UNAUTHORIZED, "Nobody is signed in";
    SIGN_IN_REFUSED = "sign_in_refused", UNAUTHORIZED, "The sign-in is refused";
    SIGN_IN_PAUSED = "sign_in_paused", TOO_MANY_REQUESTS, "Signing in has to wait a little";
    NOT_PERMITTED = "not_permitted", FORBIDDEN, "The operator may not do this";
    PASSWORD_TO_CHANGE = "password_to_change", FORBIDDEN, "The password has to be changed first";
    NO_SUCH_OPERATOR = "no_such_operator", NOT_FOUND, "There is no such operator";
    NO_SUCH_SESSION = "no_such_session", NOT_FOUND, "The operator has no such session or token";
    OPERATOR_EXISTS = "operator_exists", CONFLICT, "There is an operator of this name";
    LAST_ADMIN = "last_admin", CONFLICT, "It is the only admin that is left";
    NO_MORE_TOKENS = "no_more_tokens", CONFLICT, "The operator can have no more tokens";
    NO_SUCH_VIEW = "no_such_view", NOT_FOUND, "There is no such saved view";
    VIEW_EXISTS = "view_exists", CONFLICT, "There is a saved view of this name";
    NO_MORE_VIEWS = "no_more_views", CONFLICT, "No more views can be saved";
    FOREIGN_ORIGIN = "foreign_origin", FORBIDDEN, "The request comes from another site's page";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON";
    NOT_COUNTED = "not_counted", SERVICE_UNAVAILABLE, "The transfers could not be counted";
    TOO_MANY_FEEDS = "too_many_feeds", SERVICE_UNAVAILABLE, "Too many live feeds are open";
    NO_SUCH_ALARM = "no_such_alarm", NOT_FOUND, "There is no such alarm";
    ALARM_CLOSED = "alarm_closed", CONFLICT, "The alarm is closed";
    ALARM_LASTS = "alarm_lasts", CONFLICT, "What the alarm is about goes on";
    COUNTER_NOT_HELD = "counter_not_held", CONFLICT, "The counter is not held";
    NO_SESSION_NEEDED = "no_session_needed", CONFLICT, "A new session would prove nothing";
    SERIALS_BEHIND = "serials_behind", CONFLICT, "The serials are behind what the counter has seen";
    AGAINST_PROOF = "against_proof", UNPROCESSABLE_ENTITY, "The decision contradicts what is proven";
    ALREADY_FINAL = "already_final", CONFLICT, "The transfer is final already";
    BEING_RECORDED = "being_recorded", CONFLICT, "The transfer is being recorded";
    NO_DECISION_NEEDED = "no_decision_needed", CONFLICT, "The transfer does not need a decision";
    NOTHING_TO_RESUME = "nothing_to_resume", UNPROCESSABLE_ENTITY, "The transfer cannot be resumed";
    MOVED_ON = "moved_on", CONFLICT, "It stands otherwise than it was seen";
    PROPOSED_ALREADY = "proposed_already", CONFLICT, "Something is proposed already";
    NO_SUCH_PROPOSAL = "no_such_proposal", CONFLICT, "No such proposal is open";
    OWN_PROPOSAL = "own_proposal", FORBIDDEN, "Nobody approves a proposal of one's own";
    CLAIMED = "claimed", CONFLICT, "Another has claimed the transfer";
    TOO_MANY_CLAIMS = "too_many_claims", TOO_MANY_REQUESTS, "Too many transfers are claimed";
}
