//! Operators, where they are signed in, their programs' tokens, and what they did.

use super::*;
use crate::people::{
    Act, ActFilter, Change, Digest, Factor, Known, NewFactor, NewOperator, NewSession, NewToken,
    People, SignedIn, Unchanged,
};
use ::people::{OperatorName, Role};

on_each_database!(
    an_operator_is_made_once_and_outlives_the_process,
    each_change_is_recorded_with_the_act_that_it_is,
    the_last_admin_stays_one,
    a_code_lets_nobody_in_twice_nor_an_earlier_one_after_it,
    a_recovery_code_is_good_once_and_only_for_its_operator,
    whoever_was_changed_or_disabled_meanwhile_is_not_let_in,
    a_new_password_ends_all_sessions_but_one_and_disabling_ends_everything,
    past_so_many_sessions_the_first_one_ends,
    an_act_is_only_of_whoever_is_still_known,
    of_two_who_take_the_last_admins_away_one_does,
    the_key_of_browsers_outlives_the_process,
    a_token_is_its_operators_until_it_is_ended,
    acts_are_found_by_who_did_them_and_by_what_they_are_about,
    what_became_of_an_act_is_said_once,
    people_are_looked_after_beside_a_bridge_that_holds_the_record,
);

/// The second factor of everybody here.
const SECRET: &str = "JBSWY3DPEHPK3PXP";

fn name(name: &str) -> OperatorName {
    name.parse().expect("a name")
}

fn act(at: i64, what: &str, about: &str) -> Act {
    Act {
        at,
        who: "root".into(),
        by: "the machine".to_owned(),
        act: what.to_owned(),
        about: about.into(),
        before: None,
        after: None,
        reason: Some("as a test wants".into()),
    }
}

fn digest(byte: u8) -> Digest {
    [byte; 32]
}

async fn people(url: &str) -> (Store, People) {
    let store = Store::open(url).await.expect("opens");
    let people = store.people();
    (store, people)
}

/// An operator with a second factor and two recovery codes.
async fn made(people: &People, called: &str, role: Role) {
    let new = NewOperator {
        name: name(called),
        role,
        password: format!("hash of {called}"),
        must_change: false,
        factor: Some(NewFactor {
            secret: SECRET.to_owned(),
            recovery: vec![digest(201), digest(202)],
        }),
    };
    people.add(&new, &act(1, "operator_added", called)).await.expect("it is made");
}

async fn alter(people: &People, called: &str, change: Change) -> Result<(), Unchanged> {
    people.alter(&name(called), &change, &act(5, "operator_changed", called)).await.map(drop)
}

fn session(called: &str, byte: u8, factor: Factor) -> NewSession {
    NewSession {
        digest: digest(byte),
        name: name(called),
        address: "127.0.0.1".to_owned(),
        agent: "a browser".into(),
        password: format!("hash of {called}"),
        second_factor: Some(SECRET.to_owned()),
        factor,
        over_before: 0,
        instead_of: None,
    }
}

/// What an operator is given who has lost everything.
fn given(factor: Option<(&str, u8)>) -> Change {
    Change::Given {
        password: "given".to_owned(),
        must_change: true,
        factor: factor.map(|(secret, code)| NewFactor {
            secret: secret.to_owned(),
            recovery: vec![digest(code)],
        }),
    }
}

/// By which session somebody is known.
fn by_session(byte: u8) -> Known {
    Known::Session(data_encoding::HEXLOWER.encode(&digest(byte)))
}

async fn signs_in(people: &People, new: &NewSession, at: i64) -> SignedIn {
    people.sign_in(new, &act(at, "sign_in", new.name.as_str())).await.expect("it is asked")
}

/// Whether what a browser holds still means somebody.
async fn is_open(people: &People, byte: u8) -> bool {
    people.session(&digest(byte)).await.expect("it is asked").is_some()
}

async fn kinds(people: &People) -> Vec<String> {
    let acts = people.acts(&ActFilter::default()).await.expect("they are read");
    acts.into_iter().map(|acted| acted.act.act).collect()
}

async fn an_operator_is_made_once_and_outlives_the_process(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Approver).await;
    let again = NewOperator {
        name: name("ann"),
        role: Role::Admin,
        password: "another".to_owned(),
        must_change: true,
        factor: None,
    };
    let refused = folk.add(&again, &act(2, "operator_added", "ann")).await;
    assert_eq!(refused, Err(Unchanged::Exists));
    assert_eq!(kinds(&folk).await, ["operator_added"], "what was not done is no act");
    store.close().await;
    let (store, folk) = people(&url).await;
    let ann = folk.operator(&name("ann")).await.expect("asks").expect("she is known");
    assert_eq!(
        (ann.role, ann.password.as_str(), ann.must_change),
        (Role::Approver, "hash of ann", false)
    );
    assert_eq!((ann.made_at, ann.made_by, ann.disabled_at), (1, "root".into(), None));
    assert_eq!(folk.operator(&name("bob")).await, Ok(None));
    made(&folk, "abe", Role::Viewer).await;
    let all = folk.operators().await.expect("asks");
    assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["abe", "ann"]);
    store.close().await;
}

async fn each_change_is_recorded_with_the_act_that_it_is(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Viewer).await;
    alter(&folk, "ann", Change::Role(Role::Operator)).await.expect("it is changed");
    alter(&folk, "ann", given(Some(("GEZDGNBV", 9)))).await.expect("it is changed");
    let ann = folk.operator(&name("ann")).await.expect("asks").expect("she is known");
    assert_eq!((ann.role, ann.password.as_str(), ann.must_change), (Role::Operator, "given", true));
    assert_eq!((ann.second_factor, ann.last_step), (Some("GEZDGNBV".to_owned()), None));
    alter(&folk, "ann", Change::Disabled(true)).await.expect("it is changed");
    alter(&folk, "ann", Change::Disabled(false)).await.expect("it is changed");
    assert_eq!(alter(&folk, "bob", given(None)).await, Err(Unchanged::Unknown));
    let acts = folk.acts(&ActFilter::default()).await.expect("they are read");
    let before: Vec<_> = acts.iter().map(|acted| acted.act.before.clone()).collect();
    let words = |text: &str| Some(text.into());
    let expected = [words("operator, disabled"), words("operator"), words("operator")];
    assert_eq!(before[..3], expected, "one for each change, none for what was refused");
    assert_eq!(before[3..], [words("viewer"), None]);
    store.close().await;
}

async fn the_last_admin_stays_one(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Admin).await;
    made(&folk, "bob", Role::Admin).await;
    alter(&folk, "bob", Change::Disabled(true)).await.expect("ann is left");
    for change in [Change::Disabled(true), Change::Role(Role::Approver)] {
        assert_eq!(alter(&folk, "ann", change).await, Err(Unchanged::LastAdmin));
    }
    let ann = folk.operator(&name("ann")).await.expect("asks").expect("she is known");
    assert_eq!((ann.role, ann.disabled_at), (Role::Admin, None), "nothing was changed");
    alter(&folk, "bob", Change::Disabled(false)).await.expect("he is back");
    alter(&folk, "ann", Change::Role(Role::Viewer)).await.expect("bob is left");
    store.close().await;
}

async fn a_code_lets_nobody_in_twice_nor_an_earlier_one_after_it(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    for (byte, step, expected) in [
        (1, 70, SignedIn::Begun),
        (2, 70, SignedIn::Refused),
        (3, 69, SignedIn::Refused),
        (4, 71, SignedIn::Begun),
    ] {
        let told = signs_in(&folk, &session("ann", byte, Factor::Step(step)), 10).await;
        assert_eq!(told, expected, "step {step}");
        assert_eq!(is_open(&folk, byte).await, expected == SignedIn::Begun);
    }
    let without = signs_in(&folk, &session("ann", 5, Factor::None), 10).await;
    assert_eq!(without, SignedIn::Refused, "she has a second factor");
    alter(&folk, "ann", given(None)).await.expect("it is taken away");
    let now = |byte, factor, second_factor: Option<&str>| NewSession {
        password: "given".to_owned(),
        second_factor: second_factor.map(str::to_owned),
        ..session("ann", byte, factor)
    };
    // A code of a factor that has been taken away, or was replaced, after it was looked at.
    for former in [Some(SECRET), Some("GEZDGNBV")] {
        let told = signs_in(&folk, &now(6, Factor::Step(99), former), 10).await;
        assert_eq!(told, SignedIn::Refused);
    }
    assert_eq!(signs_in(&folk, &now(7, Factor::None, None), 10).await, SignedIn::Begun);
    store.close().await;
}

async fn a_recovery_code_is_good_once_and_only_for_its_operator(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    made(&folk, "bob", Role::Operator).await;
    let code = Factor::Recovery(digest(201));
    assert_eq!(signs_in(&folk, &session("ann", 1, code), 10).await, SignedIn::Begun);
    assert_eq!(signs_in(&folk, &session("ann", 2, code), 11).await, SignedIn::Refused);
    assert_eq!(signs_in(&folk, &session("bob", 3, code), 12).await, SignedIn::Begun);
    let other = Factor::Recovery(digest(203));
    assert_eq!(signs_in(&folk, &session("ann", 4, other), 13).await, SignedIn::Refused);
    let recovers = async |byte| folk.recovers(&name("ann"), &digest(byte)).await.expect("asks");
    assert!(!recovers(201).await && recovers(202).await && !recovers(203).await);
    alter(&folk, "ann", given(Some((SECRET, 203)))).await.expect("it is changed");
    assert!(!recovers(202).await && recovers(203).await);
    let now =
        |byte, factor| NewSession { password: "given".to_owned(), ..session("ann", byte, factor) };
    let former = Factor::Recovery(digest(202));
    assert_eq!(signs_in(&folk, &now(5, former), 14).await, SignedIn::Refused);
    assert_eq!(signs_in(&folk, &now(6, other), 15).await, SignedIn::Begun);
    store.close().await;
}

async fn whoever_was_changed_or_disabled_meanwhile_is_not_let_in(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    let mut former = session("ann", 1, Factor::Step(1));
    former.password = "what it was".to_owned();
    assert_eq!(signs_in(&folk, &former, 10).await, SignedIn::Refused);
    alter(&folk, "ann", Change::Disabled(true)).await.expect("it is changed");
    assert_eq!(signs_in(&folk, &session("ann", 2, Factor::Step(2)), 10).await, SignedIn::Refused);
    let nobody = session("nobody", 3, Factor::None);
    assert_eq!(signs_in(&folk, &nobody, 10).await, SignedIn::Refused);
    assert!(!kinds(&folk).await.contains(&"sign_in".to_owned()));
    store.close().await;
}

async fn a_new_password_ends_all_sessions_but_one_and_disabling_ends_everything(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Admin).await;
    made(&folk, "bob", Role::Admin).await;
    for byte in [1, 2] {
        signs_in(&folk, &session("ann", byte, Factor::Step(i64::from(byte))), 10).await;
    }
    signs_in(&folk, &session("bob", 3, Factor::Step(1)), 10).await;
    let own = |former: &str, but| Change::Own {
        former: former.to_owned(),
        password: "new".to_owned(),
        factor: None,
        but: digest(but),
    };
    // Not over what an admin has changed since, nor in a session that has ended.
    assert_eq!(alter(&folk, "ann", own("another", 2)).await, Err(Unchanged::Overtaken));
    assert_eq!(alter(&folk, "ann", own("hash of ann", 9)).await, Err(Unchanged::Overtaken));
    assert!(is_open(&folk, 1).await, "nothing was changed");
    alter(&folk, "ann", own("hash of ann", 2)).await.expect("it is changed");
    assert_eq!((is_open(&folk, 1).await, is_open(&folk, 2).await), (false, true));
    let ann = folk.operator(&name("ann")).await.expect("asks").expect("she is known");
    assert_eq!((ann.password.as_str(), ann.second_factor.as_deref()), ("new", Some(SECRET)));
    let token = NewToken {
        digest: digest(7),
        name: name("ann"),
        label: "a script".into(),
        role: Role::Viewer,
        expires_at: 99,
    };
    assert_eq!(folk.add_token(&token, &act(11, "token_added", "ann")).await, Ok(true));
    alter(&folk, "ann", Change::Disabled(true)).await.expect("it is changed");
    assert!(!is_open(&folk, 2).await);
    assert_eq!(folk.token(&digest(7)).await, Ok(None));
    assert!(is_open(&folk, 3).await, "another's session goes on");
    let refused = folk.add_token(&token, &act(12, "token_added", "ann")).await;
    assert_eq!(refused, Ok(false), "she may not act");
    store.close().await;
}

async fn past_so_many_sessions_the_first_one_ends(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    for byte in 1..=17 {
        let new = session("ann", byte, Factor::Step(i64::from(byte)));
        signs_in(&folk, &new, i64::from(byte)).await;
    }
    assert_eq!((is_open(&folk, 1).await, is_open(&folk, 2).await), (false, true));
    let open = folk.sessions(&name("ann")).await.expect("they are read");
    assert_eq!((open.len(), open[0].began_at), (16, 17));
    let ending = act(20, "sign_out", "ann");
    assert_eq!(folk.end_session(&open[0].digest, &ending).await, Ok(true));
    assert_eq!(folk.end_session(&open[0].digest, &ending).await, Ok(false), "it has ended");
    assert!(!is_open(&folk, 17).await);
    folk.saw_session(&digest(16), 16, 90).await.expect("it is written");
    folk.saw_session(&digest(16), 16, 91).await.expect("another was quicker");
    folk.saw_session(&digest(16), 90, 80).await.expect("the clock was set back");
    let (seen, ann) = folk.session(&digest(16)).await.expect("asks").expect("it goes on");
    assert_eq!((seen.seen_at, seen.began_at, ann.name.as_str()), (80, 16, "ann"));
    // What is over by its age goes with the next sign-in, and so does what the browser had before.
    let next = NewSession {
        over_before: 10,
        instead_of: Some(digest(15)),
        ..session("ann", 18, Factor::Step(18))
    };
    assert_eq!(signs_in(&folk, &next, 30).await, SignedIn::Begun);
    let open = folk.sessions(&name("ann")).await.expect("they are read");
    let began: Vec<i64> = open.iter().map(|session| session.began_at).collect();
    assert_eq!(began, [30, 16, 14, 13, 12, 11, 10]);
    store.close().await;
}

async fn an_act_is_only_of_whoever_is_still_known(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    signs_in(&folk, &session("ann", 1, Factor::Step(1)), 10).await;
    let tries = async |by: &Known| folk.act(&act(11, "claimed", "42"), by).await.expect("asks");
    assert!(tries(&by_session(1)).await.is_some());
    assert_eq!(tries(&by_session(2)).await, None);
    let token = Known::Token(data_encoding::HEXLOWER.encode(&digest(1)));
    assert_eq!(tries(&token).await, None, "a session is no token");
    alter(&folk, "ann", Change::Disabled(true)).await.expect("it is changed");
    assert_eq!(tries(&by_session(1)).await, None);
    let recorded = kinds(&folk).await;
    assert_eq!(recorded.iter().filter(|kind| *kind == "claimed").count(), 1, "{recorded:?}");
    store.close().await;
}

/// Two who change at the same moment do not overtake each other: on a server, each in a transaction of its own.
async fn of_two_who_take_the_last_admins_away_one_does(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Admin).await;
    made(&folk, "bob", Role::Admin).await;
    for _ in 0..20 {
        // Another handle has a turn of its own.
        let other = store.people();
        let (one, two) = tokio::join!(
            alter(&folk, "ann", Change::Role(Role::Viewer)),
            alter(&other, "bob", Change::Role(Role::Viewer)),
        );
        let refused = [&one, &two].iter().filter(|it| ***it == Err(Unchanged::LastAdmin)).count();
        assert_eq!(refused, 1, "{one:?} {two:?}");
        for called in ["ann", "bob"] {
            alter(&folk, called, Change::Role(Role::Admin)).await.expect("it is changed");
        }
    }
    store.close().await;
}

async fn the_key_of_browsers_outlives_the_process(url: String) {
    let (store, folk) = people(&url).await;
    assert_eq!(folk.device_key(digest(1)).await, Ok(digest(1)));
    store.close().await;
    let (store, folk) = people(&url).await;
    assert_eq!(folk.device_key(digest(2)).await, Ok(digest(1)));
    store.close().await;
}

async fn a_token_is_its_operators_until_it_is_ended(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    let token = |byte: u8, called: &str| NewToken {
        digest: digest(byte),
        name: name(called),
        label: "Prometheus".into(),
        role: Role::Viewer,
        expires_at: 99,
    };
    for byte in 1..=64 {
        let (new, added) = (token(byte, "ann"), act(i64::from(byte), "token_added", "ann"));
        assert_eq!(folk.add_token(&new, &added).await, Ok(true), "{byte}");
    }
    let added = act(65, "token_added", "ann");
    assert_eq!(folk.add_token(&token(65, "ann"), &added).await, Ok(false), "she has 64");
    assert_eq!(folk.add_token(&token(66, "nobody"), &added).await, Ok(false));
    folk.saw_token(&digest(64), 70).await.expect("it is written");
    let all = folk.tokens(&name("ann")).await.expect("they are read");
    assert_eq!((all.len(), all[0].seen_at, all[1].seen_at), (64, Some(70), None));
    assert_eq!((all[0].role, all[0].expires_at), (Role::Viewer, 99));
    let (found, ann) = folk.token(&digest(64)).await.expect("asks").expect("it is known");
    assert_eq!((found, ann.name.as_str()), (all[0].clone(), "ann"));
    let ending = act(71, "token_ended", "ann");
    assert_eq!(folk.end_token(&all[0].digest, &ending).await, Ok(true));
    assert_eq!(folk.end_token(&all[0].digest, &ending).await, Ok(false));
    assert_eq!(folk.token(&digest(64)).await, Ok(None));
    store.close().await;
}

async fn acts_are_found_by_who_did_them_and_by_what_they_are_about(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    signs_in(&folk, &session("ann", 1, Factor::Step(1)), 10).await;
    for number in 0..250_i64 {
        let mut one = act(number, "looked", if number % 2 == 0 { "even" } else { "odd" });
        one.who = if number < 10 { "ann".into() } else { "bob".into() };
        folk.act(&one, &by_session(1)).await.expect("asks").expect("it is recorded");
    }
    let times = async |filter: &ActFilter| -> Vec<i64> {
        let page = folk.acts(filter).await.expect("they are read");
        page.into_iter().map(|acted| acted.act.at).collect()
    };
    let first = folk.acts(&ActFilter::default()).await.expect("they are read");
    assert_eq!((first.len(), first[0].act.at, first[99].act.at), (100, 249, 150));
    assert_eq!(first[0].act.reason, Some("as a test wants".into()));
    let next = ActFilter { before: Some(first[99].number), ..ActFilter::default() };
    assert_eq!(times(&next).await[0], 149);
    let of_ann = ActFilter { who: Some("ann".to_owned()), ..ActFilter::default() };
    assert_eq!(times(&of_ann).await, (0..10).rev().collect::<Vec<_>>());
    let odd = ActFilter { about: Some("odd".to_owned()), ..of_ann };
    assert_eq!(times(&odd).await, [9, 7, 5, 3, 1]);
    store.close().await;
}

async fn what_became_of_an_act_is_said_once(url: String) {
    let (store, folk) = people(&url).await;
    made(&folk, "ann", Role::Operator).await;
    signs_in(&folk, &session("ann", 1, Factor::Step(1)), 10).await;
    let deciding = act(1, "decided", "2026112100000000042");
    let number = folk.act(&deciding, &by_session(1)).await.expect("asks").expect("it is recorded");
    let outcome = async || folk.acts(&ActFilter::default()).await.expect("read")[0].outcome.clone();
    assert_eq!(outcome().await, None);
    for word in ["done", "refused"] {
        folk.done(number, word).await.expect("it is recorded");
    }
    assert_eq!(outcome().await, Some("done".into()));
    store.close().await;
}

async fn people_are_looked_after_beside_a_bridge_that_holds_the_record(url: String) {
    let first = People::open(&url).await.expect("it makes the tables");
    made(&first, "ann", Role::Admin).await;
    first.close().await;
    let store = Store::open(&url).await.expect("nobody holds it");
    let beside = People::open(&url).await.expect("it is asked beside the bridge");
    made(&beside, "bob", Role::Viewer).await;
    beside.close().await;
    assert_eq!(store.people().operators().await.expect("asks").len(), 2);
    store.close().await;
}
