//! Why a call gave no result, split by what the caller does next.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// An RFC 9457 problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which problem it is: a URI, whose last part is its name. `about:blank` if none was given.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The kind of problem, for people.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is special about this occurrence, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Everything else, such as `master_serial` or the `field` that broke a rule.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    /// The last part of the type, such as `bad_signature`.
    pub fn slug(&self) -> &str {
        self.kind.rsplit(['/', ':', '#']).next().unwrap_or_default()
    }

    /// The transfer that it is about, where the bridge says so.
    pub fn master_serial(&self) -> Option<&str> {
        self.more.get("master_serial")?.as_str()
    }

    /// The document in `body`; one made of the status where there is none.
    pub(crate) fn read(status: u16, body: &[u8]) -> Problem {
        let mut problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
            kind: about_blank(),
            title: format!("HTTP status {status}"),
            status,
            detail: None,
            more: BTreeMap::new(),
        });
        problem.status = status;
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.slug())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => write!(f, ": {}", self.title),
        }
    }
}

/// An error of something that this crate stands on.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call gave no result. What it says is whole; the cause beneath it is its source.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent: the arguments cannot be made into a request. Mend the program.
    #[error("the request cannot be made: {why}")]
    Unsendable {
        /// What is wrong with the arguments, in words.
        why: String,
        /// Who found it, if it was not this crate.
        source: Option<Cause>,
    },
    /// The bridge does not let this app in, or not to this account, and has not looked at the key:
    /// an earlier request under it may well have been accepted. Mend the signature or the
    /// permission, then the same again, **under the same key**.
    #[error("not admitted: {0}")]
    NotAdmitted(Box<Problem>),
    /// The bridge says no to this order, and will say no again: nothing was begun by this request.
    /// Change the order; another order has another key.
    #[error("refused: {0}")]
    Refused(Box<Problem>),
    /// In progress, or not now: the same again, under the same key, after a while.
    #[error("not finished, ask again after {} s: {problem}", ask_again_after.as_secs_f32())]
    NotFinished {
        /// How long the bridge says to wait.
        ask_again_after: Duration,
        /// What the bridge says of it.
        problem: Box<Problem>,
    },
    /// No answer, or none that can be read. The bridge may have accepted the transfer and be
    /// moving the money: the same again, **under the same key**, until there is an answer.
    #[error("no usable answer: {why}")]
    Unreachable {
        /// What went wrong on the way, in words.
        why: String,
        /// Who found it, if it was not the bridge that said so.
        source: Option<Cause>,
    },
}

impl CallError {
    /// The problem document, where the bridge sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            CallError::NotAdmitted(problem)
            | CallError::Refused(problem)
            | CallError::NotFinished { problem, .. } => Some(problem),
            CallError::Unsendable { .. } | CallError::Unreachable { .. } => None,
        }
    }

    /// The arguments cannot be made into a request, in words of this crate.
    pub(crate) fn unsendable(why: impl Into<String>) -> CallError {
        CallError::Unsendable { why: why.into(), source: None }
    }

    /// The same, as something beneath it says.
    pub(crate) fn unsendable_by(cause: impl Into<Cause>) -> CallError {
        let cause = cause.into();
        CallError::Unsendable { why: cause.to_string(), source: Some(cause) }
    }

    /// What a status that is not a success means for the caller.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>, body: &[u8]) -> CallError {
        let problem = Box::new(Problem::read(status, body));
        match status {
            409 | 429 | 503 => CallError::NotFinished {
                ask_again_after: retry_after.unwrap_or(Duration::from_secs(1)),
                problem,
            },
            401 | 403 => CallError::NotAdmitted(problem),
            400..=499 if status != 408 => CallError::Refused(problem),
            _ => CallError::Unreachable { why: problem.to_string(), source: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_say_what_to_do_next() {
        let of = |status| CallError::of_status(status, Some(Duration::from_secs(3)), b"");
        for status in [400, 404, 413, 422] {
            assert!(matches!(of(status), CallError::Refused(_)), "{status}");
        }
        for status in [401, 403] {
            assert!(matches!(of(status), CallError::NotAdmitted(_)), "{status}");
        }
        for status in [409, 429, 503] {
            let CallError::NotFinished { ask_again_after, .. } = of(status) else {
                panic!("{status}")
            };
            assert_eq!(ask_again_after, Duration::from_secs(3));
        }
        for status in [301, 408, 500, 502, 504] {
            assert!(matches!(of(status), CallError::Unreachable { .. }), "{status}");
        }
    }

    #[test]
    fn problems_are_read_and_named() {
        let body = br#"{"type":"https://x/errors/in_progress","title":"t","status":200,
                        "detail":"d","master_serial":"2026112100000000042"}"#;
        let problem = Problem::read(409, body);
        assert_eq!(problem.slug(), "in_progress");
        assert_eq!(problem.status, 409, "the status line counts");
        assert_eq!(problem.master_serial(), Some("2026112100000000042"));
        assert_eq!(problem.to_string(), "409 in_progress: d");
        assert_eq!(Problem::read(400, b"<html>").to_string(), "400 blank: HTTP status 400");
    }
}
