//! Saved views: filters of the list of transfers that operators keep under a name, each for itself or for all. A view is
//! an address: what is kept is what stands behind the question mark, read by the list's own reader before it is kept.
//!
//! Whoever may look may keep views of its own: they change nothing for anybody else. They are bounded in number and
//! size, and each is an act in the record of acts, so they go at a pace of their own: nobody fills a disk with
//! them. What all see takes somebody who may act.

use super::Ops;
use super::history;
use super::people::Identity;
use super::said::{parse, rule, text, whole};
use api::json::timestamp;
use api::named::Named;
use api::problem::{Problem, kind};
use api::refused::database;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use foreign::ForeignText;
use people::Permission;
use serde::{Deserialize, Serialize};
use store::people::{SavedView, ViewRefused};
use supervise::clock::now_micros;
use utoipa::ToSchema;

/// Bytes of the longest character.
const LONGEST_CHARACTER: usize = 4;

/// A view to be saved.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewView)]
#[serde(deny_unknown_fields)]
pub(super) struct NewView {
    /// What it is called, in at most 100 characters of whatever script; another than the operator's other views.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What stands behind the question mark in the address of the list of transfers, in at most 2,048 bytes: `app`,
    /// `counter`, `account`, `counter_serial`, `amount`, `currency`, `state`, `since` and `until`, at least one of them.
    #[schema(min_length = 1, max_length = 2048, example = "counter=futures&state=needs_operator")]
    query: String,
    /// Whether all operators see it; false unless said. It takes the role `operator`.
    #[serde(default)]
    shared: bool,
}

/// A filter of the list of transfers, under a name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SavedView)]
pub(super) struct ViewJson {
    /// By what it is deleted.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// What its owner calls it.
    #[schema(value_type = String)]
    name: ForeignText,
    /// What stands behind the question mark in the address of the list of transfers.
    query: String,
    /// Whether all operators see it.
    shared: bool,
    /// Name of the operator whose it is.
    owner: String,
    /// Whether it is the asking operator's own.
    own: bool,
    /// When it was saved: RFC 3339, UTC.
    #[schema(format = DateTime)]
    made_at: String,
}

/// Saved views.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SavedViews)]
pub(super) struct ViewsJson {
    /// One's own and those that are shared, by name.
    views: Vec<ViewJson>,
}

impl ViewJson {
    fn new(view: SavedView, identity: &Identity) -> ViewJson {
        ViewJson {
            own: view.owner == identity.name,
            id: view.id,
            name: view.name,
            query: view.query,
            shared: view.shared,
            owner: view.owner.to_string(),
            made_at: timestamp(view.made_at),
        }
    }
}

/// Saved views of the list of transfers.
///
/// One's own, and those that others share with all. Those that an operator shared stay when it is disabled; its others
/// nobody sees then.
#[utoipa::path(
    get, path = "/ops/v1/saved-views", tag = "transfers", operation_id = "saved_views",
    responses((status = 200, description = "The views", body = ViewsJson))
)]
pub(super) async fn list(
    State(ops): State<Ops>,
    identity: Identity,
) -> Result<Json<ViewsJson>, Problem> {
    let views = ops.door.people.views(&identity.name).await.map_err(|error| database(&error))?;
    let views = views.into_iter().map(|view| ViewJson::new(view, &identity));
    Ok(Json(ViewsJson { views: views.collect() }))
}

/// Save a view of the list of transfers.
///
/// Said again it is refused, for there is one of that name then. An operator may have 50; 100 may be shared in all.
#[utoipa::path(
    post, path = "/ops/v1/saved-views", tag = "transfers", operation_id = "save_view",
    request_body = NewView,
    responses((status = 201, description = "It is saved, and that is durable", body = ViewJson))
)]
pub(super) async fn save(
    State(ops): State<Ops>,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ViewJson>), Problem> {
    let body: NewView = parse(&whole(body)?)?;
    if body.shared && !identity.role.may(Permission::Act) {
        let why = "what all operators see takes the role operator: save it for yourself";
        return Err(Problem::new(kind::NOT_PERMITTED).detail(why.to_owned()));
    }
    let view = SavedView {
        id: id(),
        owner: identity.name.clone(),
        name: name(&body.name)?,
        query: query(&body.query)?,
        shared: body.shared,
        made_at: now_micros(),
    };
    at_a_pace(&ops, &identity)?;
    let act = identity.act("view_saved", view.id.as_str());
    let act = store::people::Act { after: Some(view.words()), ..act };
    let saving = ops.door.people.save_view(&view, &act, &identity.known()).await;
    saving.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(ViewJson::new(view, &identity))))
}

/// Delete a saved view.
///
/// One's own; an admin may delete another's.
#[utoipa::path(
    delete, path = "/ops/v1/saved-views/{id}", tag = "transfers", operation_id = "delete_view",
    params(("id" = String, Path, pattern = "^[0-9a-f]{32}$", description = "The view's id")),
    responses((status = 204, description = "It is deleted"))
)]
pub(super) async fn delete(
    State(ops): State<Ops>,
    identity: Identity,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Err(Problem::new(kind::NO_SUCH_VIEW));
    }
    at_a_pace(&ops, &identity)?;
    let act = identity.act("view_deleted", id.as_str());
    let who = (&identity.name, identity.role.may(Permission::Administer));
    let deleting = ops.door.people.delete_view(&id, who, &act, &identity.known()).await;
    deleting.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses whoever saves and deletes without end.
fn at_a_pace(ops: &Ops, identity: &Identity) -> Result<(), Problem> {
    if ops.door.may_keep(&identity.name) {
        return Ok(());
    }
    let why = format!(
        "{} saves and deletes views too often: a hundred at once, then one a minute",
        identity.name
    );
    Err(Problem::new(kind::TOO_MANY_REQUESTS).detail(why).retry_after(60))
}

/// An id that nobody guesses or gives twice.
fn id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What a view is called.
fn name(name: &str) -> Result<ForeignText, Problem> {
    let longest = SavedView::LONGEST_NAME;
    let characters = name.trim().chars().count();
    if characters > longest {
        return Err(rule(
            "name",
            &format!("must be at most {longest} characters, not {characters}"),
        ));
    }
    text("name", name, longest * LONGEST_CHARACTER, |_| false)
}

/// What stands behind the question mark, as it is kept: read by the list's own reader, and written anew.
fn query(query: &str) -> Result<String, Problem> {
    let longest = SavedView::LONGEST_QUERY;
    let fits = |query: &str| {
        let too_long =
            || rule("query", &format!("must be at most {longest} bytes, not {}", query.len()));
        (query.len() <= longest).then_some(()).ok_or_else(too_long)
    };
    fits(query)?;
    let kept = history::filter_of(query).map_err(|why| rule("query", &why))?;
    if kept.is_empty() {
        return Err(rule(
            "query",
            "must narrow the list: a view of all transfers is the list itself",
        ));
    }
    fits(&kept)?;
    Ok(kept)
}

fn refused(why: ViewRefused) -> Problem {
    match why {
        ViewRefused::NotKnown => Problem::new(kind::NOT_SIGNED_IN),
        ViewRefused::Exists => Problem::new(kind::VIEW_EXISTS)
            .detail("delete that one first, or choose another name".to_owned()),
        ViewRefused::TooMany => Problem::new(kind::NO_MORE_VIEWS)
            .detail(format!("one operator may have {}: delete some first", SavedView::MOST_EACH)),
        ViewRefused::TooManyShared => Problem::new(kind::NO_MORE_VIEWS).detail(format!(
            "{} may be shared in all: save it for yourself, or have one deleted",
            SavedView::MOST_SHARED
        )),
        ViewRefused::NoSuch => Problem::new(kind::NO_SUCH_VIEW),
        ViewRefused::Anothers(owner) => Problem::new(kind::NOT_PERMITTED)
            .detail(format!("it is {owner}'s: {owner} may delete it, and an admin")),
        ViewRefused::Store(error) => database(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_kept_as_the_list_reads_it() {
        for (sent, kept) in [
            ("counter=futures&state=ended", "counter=futures&state=ended"),
            ("state=ended&counter=futures", "counter=futures&state=ended"),
            ("app=a%20b%26c&since=20261121", "app=a%20b%26c&since=20261121"),
            ("app=a+b", "app=a%20b"),
            ("amount=5&currency=JPY", "amount=5&currency=JPY"),
        ] {
            assert_eq!(query(sent).ok().as_deref(), Some(kept), "{sent}");
        }
        for (sent, why) in [
            ("", "must narrow the list"),
            ("colour=red", "there is no member `colour`"),
            ("counter=FUTURES", "counter: "),
            ("state=done", "state: "),
            ("currency=CNY", "currency: must stand beside an amount"),
            ("app=a&app=b", "twice"),
            ("app=a&before=2026112100000000042", "a view is a filter"),
            ("app=a&format=csv", "a view is a filter"),
            ("app=a&limit=7", "a view is a filter"),
            ("app=期货", "as it stands in an address"),
            ("app=a b", "as it stands in an address"),
            ("app=a#b", "as it stands in an address"),
        ] {
            let refused = query(sent).expect_err(sent);
            let document = refused.document();
            let detail = document["detail"].as_str().expect("words");
            assert_eq!(
                (refused.slug(), document["field"].as_str()),
                ("rule_broken", Some("query"))
            );
            assert!(detail.contains(why), "{sent}: {detail}");
        }
        let long = |bytes: usize| format!("app={}", "a".repeat(bytes - 4));
        assert_eq!(query(&long(SavedView::LONGEST_QUERY)).map(|it| it.len()).ok(), Some(2048));
        assert!(query(&long(SavedView::LONGEST_QUERY + 1)).is_err());
        // What is short as it comes and long as it is kept.
        assert!(query(&format!("app={}", "+".repeat(1_000))).is_err());
    }

    #[test]
    fn a_name_has_a_hundred_characters_at_most_and_all_of_them_are_seen() {
        assert!(name(&"𠮷".repeat(100)).is_ok());
        assert_eq!(name(" 每天 ").ok().map(|it| it.to_string()).as_deref(), Some("每天"));
        for refused in [&"a".repeat(101), "", "  ", "a\u{202e}b", "a\nb"] {
            assert_eq!(name(refused).expect_err(refused).document()["field"], "name");
        }
        assert_ne!(id(), id());
        assert_eq!(id().len(), 32);
    }
}
