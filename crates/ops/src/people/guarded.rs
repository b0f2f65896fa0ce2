//! What a route wants of whoever asks.

use super::door::{Door, Use};
use super::identity::{By, Identity, Proof, nobody};
use crate::Ops;
use api::problem::{Problem, kind};
use api::server::Visit;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use people::Permission;
use utoipa_axum::router::UtoipaMethodRouter;

/// By which a page says that it asks by itself, and nobody is there who touches it.
const BACKGROUND: HeaderName = HeaderName::from_static("x-background");

/// Who a look was found to be of. It goes with the answer, in this process and nowhere else: whoever makes one page of
/// several answers brings it back with the next question, and the database is asked once for a page who looks.
#[derive(Clone, Debug)]
struct Seen {
    proof: Proof,
    identity: Identity,
}

/// What a route wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    permission: Permission,
    by: Whereby,
    /// Whether it is open to one whose password has to be changed.
    before_change: bool,
}

/// By what somebody has to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereby {
    /// By a session or a token.
    Anything,
    /// By a session: a person, and no program that could be copied.
    Session,
}

/// Routes for those who may do this.
pub(crate) fn may(
    permission: Permission,
    routes: UtoipaMethodRouter<Ops>,
) -> UtoipaMethodRouter<Ops> {
    guard(Wanted { permission, by: Whereby::Anything, before_change: false }, routes)
}

/// Routes for those who may do this and are there themselves: what is done here gives power to others, or takes it.
pub(crate) fn in_person(
    permission: Permission,
    routes: UtoipaMethodRouter<Ops>,
) -> UtoipaMethodRouter<Ops> {
    guard(Wanted { permission, by: Whereby::Session, before_change: false }, routes)
}

/// Routes by which people look after themselves: all who are known may, also with a password that has to be changed.
pub(crate) fn own(routes: UtoipaMethodRouter<Ops>) -> UtoipaMethodRouter<Ops> {
    let permission = Permission::Look;
    guard(Wanted { permission, by: Whereby::Anything, before_change: true }, routes)
}

fn guard(
    wanted: Wanted,
    (schemas, paths, methods): UtoipaMethodRouter<Ops>,
) -> UtoipaMethodRouter<Ops> {
    let guard = move |door: Extension<Door>, request: Request, next: Next| async move {
        let guarded = guarded(&door, wanted, request, next);
        guarded.await.unwrap_or_else(Problem::into_response)
    };
    (schemas, paths, methods.route_layer(from_fn(guard)))
}

async fn guarded(
    door: &Door,
    wanted: Wanted,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let use_of = use_of(request.method(), request.headers());
    let proof = Proof::of(request.headers()).ok_or_else(nobody)?;
    // What changes something goes by what is known at that moment.
    let seen = request.extensions().get::<Seen>();
    let seen = seen.filter(|seen| use_of != Use::Asked && seen.proof == proof).cloned();
    let identity = match seen {
        Some(seen) => seen.identity,
        None => door.who_shows(proof, use_of).await?,
    };
    judge(&identity, wanted)?;
    if use_of == Use::Asked && !door.may_act(&identity.name) {
        let why = format!("{} does too much at once: twenty acts a second may last", identity.name);
        return Err(Problem::new(kind::TOO_MANY_REQUESTS).detail(why).retry_after(1));
    }
    if let Some(visit) = request.extensions().get::<Visit>() {
        visit.settle();
    }
    request.extensions_mut().insert(identity.clone());
    let mut response = next.run(request).await;
    if use_of != Use::Asked {
        response.extensions_mut().insert(Seen { proof, identity });
    }
    Ok(response)
}

fn use_of(method: &Method, headers: &HeaderMap) -> Use {
    match (method, headers.contains_key(BACKGROUND)) {
        (&Method::GET, true) => Use::Background,
        (&Method::GET, false) => Use::Looked,
        (_, true | false) => Use::Asked,
    }
}

fn judge(identity: &Identity, wanted: Wanted) -> Result<(), Problem> {
    if identity.must_change && !wanted.before_change {
        let why = "somebody else knows the password: change it at /sign-in";
        return Err(Problem::new(kind::PASSWORD_TO_CHANGE).detail(why.to_owned()));
    }
    let not_permitted = |why: String| Err(Problem::new(kind::NOT_PERMITTED).detail(why));
    if !identity.role.may(wanted.permission) {
        let who = match &identity.by {
            By::Session(_) => identity.name.to_string(),
            By::Token(..) => format!("this token of {}", identity.name),
        };
        let (is, least) = (identity.role.as_str(), wanted.permission.least().as_str());
        return not_permitted(format!("{who} is for the role {is}; this takes {least}"));
    }
    match (wanted.by, &identity.by) {
        (Whereby::Session, By::Token(..)) => {
            not_permitted("this takes a person who is signed in, not a token".to_owned())
        }
        (Whereby::Session | Whereby::Anything, By::Session(_) | By::Token(..)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use people::Role;

    fn known(role: Role, by: By, must_change: bool) -> Identity {
        Identity { name: "lin".parse().expect("a name"), role, by, must_change }
    }

    #[test]
    fn a_role_a_person_and_a_password_of_ones_own_are_wanted_as_each_route_says() {
        let (session, token) = (By::Session("0".repeat(64)), By::Token(String::new(), "x".into()));
        let wants = |permission, by, before_change| Wanted { permission, by, before_change };
        let act = wants(Permission::Act, Whereby::Anything, false);
        let manage = wants(Permission::Administer, Whereby::Session, false);
        let own = wants(Permission::Look, Whereby::Anything, true);
        for (identity, wanted, expected) in [
            (known(Role::Operator, session.clone(), false), act, Ok(())),
            (known(Role::Operator, token.clone(), false), act, Ok(())),
            (known(Role::Viewer, session.clone(), false), act, Err("not_permitted")),
            (known(Role::Admin, session.clone(), true), act, Err("password_to_change")),
            (known(Role::Admin, session.clone(), false), manage, Ok(())),
            (known(Role::Admin, token, false), manage, Err("not_permitted")),
            (known(Role::Approver, session.clone(), false), manage, Err("not_permitted")),
            (known(Role::Viewer, session, true), own, Ok(())),
        ] {
            let judged = judge(&identity, wanted).map_err(|problem| problem.slug());
            assert_eq!(judged, expected, "{identity:?} {wanted:?}");
        }
    }

    #[test]
    fn what_a_page_asks_by_itself_keeps_no_session_alive_and_changes_nothing() {
        let mut background = HeaderMap::new();
        background.insert(BACKGROUND, "1".parse().expect("a value"));
        assert_eq!(use_of(&Method::GET, &background), Use::Background);
        assert_eq!(use_of(&Method::GET, &HeaderMap::new()), Use::Looked);
        assert_eq!(use_of(&Method::POST, &background), Use::Asked);
        assert_eq!(use_of(&Method::DELETE, &HeaderMap::new()), Use::Asked);
    }
}
