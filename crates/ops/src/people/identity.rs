//! Who asks, and by what that is shown.

use api::problem::{Problem, kind};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use foreign::ForeignText;
use people::{OperatorName, Role, SessionSecret, TokenSecret};
use store::people::{Act, Digest, Known, Operator};
use supervise::clock::now_micros;

/// The cookie of a session. A browser lets no other host set one of this name, nor a page that was not secured.
pub(super) const SESSION: &str = "__Host-session";

/// The cookie of a browser in which somebody has signed in before.
pub(super) const DEVICE: &str = "__Host-device";

/// Somebody who is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The operator's name.
    pub(crate) name: OperatorName,
    /// What may be done: what the operator may, and where a token is shown, no more than that may.
    pub(crate) role: Role,
    /// By what the operator is known.
    pub(crate) by: By,
    /// Whether the password has to be changed before anything else.
    pub(crate) must_change: bool,
}

/// By what somebody is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The session of a browser; its digest.
    Session(String),
    /// A token; its digest, and what it is for.
    Token(String, ForeignText),
}

impl Identity {
    /// An operator, with all that its role may.
    pub(super) fn of(operator: &Operator, by: By) -> Identity {
        Identity {
            name: operator.name.clone(),
            role: operator.role,
            by,
            must_change: operator.must_change,
        }
    }

    /// An act of this operator, now.
    pub(crate) fn act(&self, act: &str, about: impl Into<ForeignText>) -> Act {
        Act {
            at: now_micros(),
            who: self.name.as_str().into(),
            by: match &self.by {
                // So much of a digest tells sessions apart, and lets nobody in.
                By::Session(digest) => format!("session {}", digest.get(..12).unwrap_or(digest)),
                By::Token(_, label) => format!("token {}", label.as_received()),
            },
            act: act.to_owned(),
            about: about.into(),
            before: None,
            after: None,
            reason: None,
        }
    }

    /// By what the database knows whoever this is.
    pub(crate) fn known(&self) -> Known {
        match &self.by {
            By::Session(digest) => Known::Session(digest.clone()),
            By::Token(digest, _) => Known::Token(digest.clone()),
        }
    }

    /// The operator's name as others' words are kept.
    pub(crate) fn who(&self) -> ForeignText {
        self.name.as_str().into()
    }
}

/// Only behind [`super::may`] and [`super::own`], which put it there.
impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Identity, Problem> {
        parts.extensions.get::<Identity>().cloned().ok_or_else(nobody)
    }
}

/// Nobody is known to ask.
pub(super) fn nobody() -> Problem {
    Problem::new(kind::NOT_SIGNED_IN).detail(
        "sign in at /sign-in, or send the token of an operator in the header Authorization: Bearer"
            .to_owned(),
    )
}

/// What a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Session(Digest),
    Token(Digest),
}

impl Proof {
    /// A token goes before a session: who sends one means it. Something else, or two of it, proves nothing.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Proof> {
        let mut said = headers.get_all(header::AUTHORIZATION).iter();
        if let Some(first) = said.next() {
            let token = first.to_str().ok()?;
            let (scheme, token) = token.split_once(' ')?;
            if said.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
                return None;
            }
            return Some(Proof::Token(token.trim().parse::<TokenSecret>().ok()?.digest()));
        }
        Proof::of_session(headers).map(Proof::Session)
    }

    /// The session that a browser shows, whatever else it shows.
    pub(super) fn of_session(headers: &HeaderMap) -> Option<Digest> {
        let secret = cookie(headers, SESSION)?.parse::<SessionSecret>().ok()?;
        Some(secret.digest())
    }

    pub(super) fn digest(self) -> Digest {
        match self {
            Proof::Session(digest) | Proof::Token(digest) => digest,
        }
    }
}

/// What a browser keeps under this name; the first of several.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().expect("a header value"));
        }
        map
    }

    #[test]
    fn a_token_goes_before_a_session_and_two_of_either_kind_are_none() {
        let (session, token) = (SessionSecret::random(), TokenSecret::random());
        let cookie = format!("theme=dark; {SESSION}={}; other", session.text());
        let bearer = format!("Bearer {}", token.text());
        let by_session = Some(Proof::Session(session.digest()));
        let by_token = Some(Proof::Token(token.digest()));
        assert_eq!(Proof::of(&headers(&[("cookie", &cookie)])), by_session);
        assert_eq!(
            Proof::of(&headers(&[("cookie", "theme=dark"), ("cookie", &cookie)])),
            by_session
        );
        assert_eq!(Proof::of(&headers(&[("authorization", &bearer)])), by_token);
        let both = headers(&[("cookie", &cookie), ("authorization", &bearer)]);
        assert_eq!(Proof::of(&both), by_token);
        let other = format!("bearer {}", TokenSecret::random().text());
        assert_eq!(
            Proof::of(&headers(&[("authorization", &bearer), ("authorization", &other)])),
            None
        );
        for garbage in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", &token.text()] {
            let shown = headers(&[("authorization", garbage), ("cookie", &cookie)]);
            assert_eq!(Proof::of(&shown), None, "{garbage}");
        }
        let swapped = format!("Bearer {}", session.text());
        assert_eq!(Proof::of(&headers(&[("authorization", &swapped)])), None, "it is no token");
        let swapped = format!("{SESSION}={}", token.text());
        assert_eq!(Proof::of(&headers(&[("cookie", &swapped)])), None, "it is no session");
    }

    #[test]
    fn an_act_says_by_which_session_or_token_and_lets_nobody_in() {
        let secret = SessionSecret::random();
        let digest = HEXLOWER.encode(&secret.digest());
        let name: OperatorName = "ann".parse().expect("a name");
        let by = |by| Identity { name: name.clone(), role: Role::Operator, by, must_change: false };
        let act = by(By::Session(digest.clone())).act("claimed", "2026112100000000042");
        assert_eq!(act.by, format!("session {}", &digest[..12]));
        assert_eq!(
            (act.who.as_received(), act.about.as_received()),
            ("ann", "2026112100000000042")
        );
        assert_eq!(
            by(By::Token(digest, "a script".into())).act("claimed", "1").by,
            "token a script"
        );
    }
}
