//! Saved views: whose they are, how many, and what is seen of them.

use super::*;
use crate::people::{
    Act, ActFilter, Change, Known, NewOperator, NewToken, People, SavedView, ViewRefused,
};
use ::people::{OperatorName, Role};
use sea_orm::ConnectionTrait;

on_each_database!(
    a_view_outlives_the_process_and_is_its_owners_until_it_is_shared,
    past_so_many_views_no_more_are_saved,
    a_view_is_deleted_by_its_owner_or_an_admin,
    whoever_is_disabled_saves_nothing_and_what_was_shared_stays,
    a_view_that_was_altered_is_not_shown,
);

fn name(name: &str) -> OperatorName {
    name.parse().expect("a name")
}

fn act(what: &str) -> Act {
    Act {
        at: 7,
        who: "root".into(),
        by: "a test".to_owned(),
        act: what.to_owned(),
        about: "a view".into(),
        before: None,
        after: None,
        reason: None,
    }
}

/// The people of a database, and operators by their tokens.
async fn people(url: &str, names: &[&str]) -> (Store, People) {
    let store = Store::open(url).await.expect("opens");
    let people = store.people();
    for (number, called) in (1_u8..).zip(names) {
        let new = NewOperator {
            name: name(called),
            role: Role::Operator,
            password: "nobody's".to_owned(),
            must_change: false,
            factor: None,
        };
        people.add(&new, &act("operator_added")).await.expect("it is made");
        let token = NewToken {
            digest: [number; 32],
            name: name(called),
            label: "a test".into(),
            role: Role::Operator,
            expires_at: i64::MAX,
        };
        assert_eq!(people.add_token(&token, &act("token_added")).await, Ok(true));
    }
    (store, people)
}

/// By what the operator of that number is known.
fn known(number: u8) -> Known {
    Known::Token(data_encoding::HEXLOWER.encode(&[number; 32]))
}

fn saved(number: u64, owner: &str, called: &str, shared: bool) -> SavedView {
    SavedView {
        id: format!("{number:032x}"),
        owner: name(owner),
        name: called.into(),
        query: "counter=futures&state=ended".to_owned(),
        shared,
        made_at: 5,
    }
}

async fn save(people: &People, view: &SavedView, by: u8) -> Result<(), ViewRefused> {
    people.save_view(view, &act("view_saved"), &known(by)).await
}

async fn seen(people: &People, called: &str) -> Vec<String> {
    let views = people.views(&name(called)).await.expect("they are read");
    views.into_iter().map(|view| view.name.as_received().to_owned()).collect()
}

async fn delete(
    people: &People,
    id: u64,
    (who, is_admin, by): (&str, bool, u8),
) -> Result<(), ViewRefused> {
    let id = format!("{id:032x}");
    people.delete_view(&id, (&name(who), is_admin), &act("view_deleted"), &known(by)).await
}

async fn a_view_outlives_the_process_and_is_its_owners_until_it_is_shared(url: String) {
    let (store, folk) = people(&url, &["ann", "bob"]).await;
    // A hundred characters, of four bytes each.
    let long = "𠮷".repeat(SavedView::LONGEST_NAME);
    let own = saved(1, "ann", &long, false);
    assert_eq!(save(&folk, &own, 1).await, Ok(()));
    assert_eq!(save(&folk, &saved(2, "ann", "期货 · каждый день", true), 1).await, Ok(()));
    assert_eq!(
        save(&folk, &saved(3, "bob", &long, false), 2).await,
        Ok(()),
        "names are an owner's"
    );
    let again = saved(4, "ann", &long, false);
    assert_eq!(save(&folk, &again, 1).await, Err(ViewRefused::Exists));
    let in_anothers_name = saved(5, "ann", "not hers", false);
    assert_eq!(save(&folk, &in_anothers_name, 2).await, Err(ViewRefused::NotKnown));
    store.close().await;
    let store = Store::open(&url).await.expect("opens");
    let folk = store.people();
    let views = folk.views(&name("ann")).await.expect("they are read");
    assert_eq!(views.len(), 2);
    assert!(views.contains(&own), "{views:?}");
    assert_eq!(seen(&folk, "bob").await, ["期货 · каждый день", long.as_str()]);
    let acts = folk.acts(&ActFilter::default()).await.expect("they are read");
    let saved = acts.iter().filter(|acted| acted.act.act == "view_saved").count();
    assert_eq!(saved, 3, "what was refused is no act");
    store.close().await;
}

async fn past_so_many_views_no_more_are_saved(url: String) {
    let (store, folk) = people(&url, &["ann", "bob", "cid"]).await;
    let each = SavedView::MOST_EACH;
    for number in 0..each {
        let view = saved(number, "ann", &number.to_string(), true);
        assert_eq!(save(&folk, &view, 1).await, Ok(()), "{number}");
        let view = saved(1_000 + number, "bob", &number.to_string(), true);
        assert_eq!(save(&folk, &view, 2).await, Ok(()), "{number}");
    }
    assert_eq!(each * 2, SavedView::MOST_SHARED);
    assert_eq!(
        save(&folk, &saved(5_000, "ann", "more", false), 1).await,
        Err(ViewRefused::TooMany)
    );
    let shared = saved(6_000, "cid", "mine", true);
    assert_eq!(save(&folk, &shared, 3).await, Err(ViewRefused::TooManyShared));
    assert_eq!(save(&folk, &SavedView { shared: false, ..shared }, 3).await, Ok(()));
    assert_eq!(delete(&folk, 3, ("ann", false, 1)).await, Ok(()));
    assert_eq!(save(&folk, &saved(6_001, "cid", "for all", true), 3).await, Ok(()));
    assert_eq!(seen(&folk, "cid").await.len(), 101);
    store.close().await;
}

async fn a_view_is_deleted_by_its_owner_or_an_admin(url: String) {
    let (store, folk) = people(&url, &["ann", "bob"]).await;
    for (number, shared) in [(1, false), (2, true), (3, true)] {
        let view = saved(number, "ann", &number.to_string(), shared);
        assert_eq!(save(&folk, &view, 1).await, Ok(()));
    }
    let anothers = Err(ViewRefused::Anothers(name("ann")));
    for (id, is_admin, expected) in [
        (9, false, Err(ViewRefused::NoSuch)),
        (1, false, Err(ViewRefused::NoSuch)),
        (2, false, anothers),
        (2, true, Ok(())),
        (2, true, Err(ViewRefused::NoSuch)),
    ] {
        assert_eq!(delete(&folk, id, ("bob", is_admin, 2)).await, expected, "{id} {is_admin}");
    }
    assert_eq!(delete(&folk, 3, ("ann", false, 2)).await, Err(ViewRefused::NotKnown));
    assert_eq!(delete(&folk, 3, ("ann", false, 1)).await, Ok(()));
    assert_eq!(seen(&folk, "ann").await, ["1"]);
    let acts = folk.acts(&ActFilter::default()).await.expect("they are read");
    let deleted: Vec<&str> = acts
        .iter()
        .filter(|acted| acted.act.act == "view_deleted")
        .map(|acted| acted.act.before.as_ref().expect("what it was").as_received())
        .collect();
    let what = |name: &str| format!("ann, shared, counter=futures&state=ended: {name}");
    assert_eq!(deleted, [what("3"), what("2")]);
    store.close().await;
}

async fn whoever_is_disabled_saves_nothing_and_what_was_shared_stays(url: String) {
    let (store, folk) = people(&url, &["ann", "bob"]).await;
    for (number, shared) in [(1, false), (2, true)] {
        let view = saved(number, "ann", &number.to_string(), shared);
        assert_eq!(save(&folk, &view, 1).await, Ok(()));
    }
    let change = async |disabled: bool| {
        let act = act("operator_changed");
        folk.alter(&name("ann"), &Change::Disabled(disabled), &act).await.expect("it is done");
    };
    change(true).await;
    // Her token has ended with it; and were it known a moment longer, she may not act.
    assert_eq!(save(&folk, &saved(3, "ann", "3", false), 1).await, Err(ViewRefused::NotKnown));
    assert_eq!(delete(&folk, 2, ("ann", false, 1)).await, Err(ViewRefused::NotKnown));
    assert_eq!(seen(&folk, "bob").await, ["2"]);
    change(false).await;
    assert_eq!(seen(&folk, "ann").await, ["1", "2"]);
    store.close().await;
}

async fn a_view_that_was_altered_is_not_shown(url: String) {
    let (store, folk) = people(&url, &["ann"]).await;
    for number in [1, 2] {
        let view = saved(number, "ann", &number.to_string(), false);
        assert_eq!(save(&folk, &view, 1).await, Ok(()));
    }
    let writer = crate::connect::writer(&crate::address::Address::parse(&url).expect("an address"));
    let alter = "UPDATE saved_view SET query = 'counter=evil' WHERE name = '2'";
    writer.execute_unprepared(alter).await.expect("it is altered");
    writer.close().await.expect("closes");
    assert_eq!(seen(&folk, "ann").await, ["1"], "the others are");
    assert_eq!(delete(&folk, 2, ("ann", false, 1)).await, Ok(()), "and it can be removed");
    store.close().await;
}
