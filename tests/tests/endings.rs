//! Every ending of a transfer, on every database that there is, judged by the counters' books.

use reqwest::StatusCode;
use system_tests::audit::{State, Told};
use system_tests::caller::{Caller, Order};
use system_tests::database::Kind;
use system_tests::town::{Faults, NOBODY, OPEN, POOR, RICH, RICHES, Town};

/// Orders that must end so, one after the other, in a town with these faults, on each database.
async fn check(faults: Faults<'_>, orders: &[(Order, State)]) {
    for kind in Kind::all() {
        let town = Town::start(kind, faults).await.expect("the town starts");
        for (order, ending) in orders {
            let ended = town.caller.ending(order).await;
            assert_eq!(
                ended.expect("it ends"),
                *ending,
                "{kind:?} {order:?}\n{}",
                town.bridge.log()
            );
        }
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}");
    }
}

#[tokio::test]
async fn money_moves() {
    let orders = [
        (Order::new("first", 100_000), State::Completed),
        (Order::new("smallest", 1), State::Completed),
        (Order::new("all-that-is-left", RICHES - 100_001), State::Completed),
    ];
    check(Faults::default(), &orders).await;
}

#[tokio::test]
async fn a_debit_that_is_refused_moves_nothing() {
    let orders = [
        (Order::new("too-much", 101).from(POOR), State::Refused),
        (Order::new("from-nobody", 100).from(NOBODY), State::Refused),
        (Order::new("just-enough", 100).from(POOR), State::Completed),
    ];
    check(Faults::default(), &orders).await;
}

#[tokio::test]
async fn a_credit_that_is_refused_is_given_back() {
    let orders = [
        (Order::new("to-nobody", 5_000).to(NOBODY), State::Reversed),
        (Order::new("all-of-it", RICHES), State::Completed),
    ];
    check(Faults::default(), &orders).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_is_asked_for() {
    let faults = Faults {
        securities: "[[rule]]\non = ['debit', 'reversal']\ntimes = 2\ndo = 'no_answer'",
        futures: "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'no_answer'",
        seed: 1,
        ..Faults::default()
    };
    let orders = [
        (Order::new("silence", 700), State::Completed),
        (Order::new("silence-again", 800).to(NOBODY), State::Reversed),
    ];
    check(faults, &orders).await;
}

#[tokio::test]
async fn a_request_that_never_arrives_is_sent_again_or_given_up() {
    let faults = Faults {
        securities: "[[rule]]\non = ['debit']\ntimes = 1\ndo = 'close_before'",
        futures: "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'drop'",
        seed: 1,
        ..Faults::default()
    };
    check(faults, &[(Order::new("lost-twice", 700), State::Completed)]).await;
}

#[tokio::test]
async fn nonsense_and_half_an_answer_are_no_answers() {
    let faults = Faults {
        securities: "[[rule]]\non = ['debit']\ntimes = 1\ndo = 'garbage'",
        futures: "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'half_write'",
        seed: 1,
        ..Faults::default()
    };
    check(faults, &[(Order::new("noise", 700), State::Completed)]).await;
}

#[tokio::test]
async fn an_answer_that_comes_twice_counts_once() {
    let rule = "[[rule]]\non = ['debit', 'credit', 'reversal']\ndo = 'twice'";
    let faults = Faults { securities: rule, futures: rule, seed: 1, ..Faults::default() };
    let orders = [
        (Order::new("twice", 700), State::Completed),
        (Order::new("twice-and-back", 700).to(NOBODY), State::Reversed),
    ];
    check(faults, &orders).await;
}

#[tokio::test]
async fn a_key_stands_for_one_order_for_ever() {
    for kind in Kind::all() {
        let mut town = Town::start(kind, Faults::default()).await.expect("the town starts");
        for order in [Order::new("done", 700), Order::new("not-done", 700).from(NOBODY)] {
            let first = town.caller.settle(&order).await.expect("it ends");
            let again = town.caller.send(&order).await.expect("an answer");
            assert_eq!(again, first, "the same bytes, signed anew");
            town.bridge.restart().await.expect("the bridge starts again");
            let later = town.caller.send(&order).await.expect("an answer");
            assert_eq!(later, first, "the same bytes, from the database");
            let other = Order { amount: 701, ..order };
            let refused = town.caller.send(&other).await.expect("an answer");
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        }
        assert_eq!(town.caller.told().await.expect("a list").len(), 2);
        assert_eq!(town.audit().await.expect("an audit"), []);
    }
}

#[tokio::test]
async fn many_callers_with_one_key_are_one_transfer() {
    for kind in Kind::all() {
        let town = Town::start(kind, Faults::default()).await.expect("the town starts");
        let callers: Vec<_> = (0..20)
            .map(|_| {
                let caller = town.caller.clone();
                tokio::spawn(async move { caller.settle(&Order::new("race", 10)).await })
            })
            .collect();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.expect("no panic").expect("it ends"));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        assert_eq!(town.caller.told().await.expect("a list").len(), 1);
        assert_eq!(town.audit().await.expect("an audit"), []);
    }
}

/// Too many callers: the next is told at once, signed or not, and nothing of its order is begun.
#[tokio::test]
async fn whoever_is_too_many_is_told_at_once() {
    let faults = Faults { coordinator: "most_callers = 1", ..Faults::default() };
    let town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    town.securities.freeze().expect("frozen");
    let first = tokio::spawn({
        let caller = town.caller.clone();
        async move { caller.post("first", &Order::new("first", 10).body(), 30).await }
    });
    // A transfer that is shown is durable, and its caller waits.
    town.caller.until_there_are(1).await.expect("begun");
    let second = Order::new("second", 20);
    let said = town.caller.send(&second).await.expect("an answer");
    assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS, "{said:?}");
    let unsigned = system_tests::http::client().post(format!("{}/v1/transfers", town.bridge.api()));
    let unsigned = system_tests::http::send(unsigned.body(second.body())).await.expect("an answer");
    assert_eq!(unsigned.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(unsigned.headers["retry-after"], "1");
    assert_eq!(town.caller.told().await.expect("a list").len(), 1);
    town.securities.thaw().expect("thawed");
    let first = first.await.expect("no panic").expect("an answer");
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    assert_eq!(town.caller.ending(&second).await.expect("it ends"), State::Completed);
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn apps_see_their_own_transfers_only() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let other = Caller::new(&town.other_app, &town.bridge.api()).expect("a caller");
    let order = Order::new("shared-key", 700);
    let told: Told =
        town.caller.settle(&order).await.and_then(|said| said.json()).expect("it ends");
    assert_eq!(other.told().await.expect("a list"), []);
    let path = format!("/v1/transfers/{}", told.master_serial);
    let peek = other.get(&path).await.expect("an answer");
    assert_eq!(peek.status, StatusCode::NOT_FOUND, "{peek:?}");
    let absent = other.get("/v1/transfers/2026112100000000999").await.expect("an answer");
    assert_eq!(peek.body, absent.body, "as if there were none");
    let own = town.caller.get(&path).await.expect("an answer");
    assert_eq!(own.json::<Told>().expect("a transfer"), told);
}

#[tokio::test]
async fn balances_and_entries_are_the_counters_own() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    town.caller.settle(&Order::new("one", 700)).await.expect("it ends");
    for (counter, account, available) in
        [("securities", RICH, RICHES - 700), ("futures", OPEN, 700)]
    {
        let path = format!("/v1/counters/{counter}/accounts/{account}/balance");
        let said = town.caller.get(&path).await.expect("an answer");
        assert_eq!(said.status, StatusCode::OK, "{said:?}");
        let balance: serde_json::Value = said.json().expect("a balance");
        assert_eq!(balance["available"], available, "{balance}");
    }
}

#[tokio::test]
async fn who_does_not_sign_is_told_what_to_sign() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let url = format!("{}/v1/transfers", town.bridge.api());
    let http = system_tests::http::client();
    for (request, wanted) in [
        (http.get(&url), r#"sig=("@method" "@target-uri");created"#),
        (
            http.post(&url).body("{}"),
            r#"sig=("@method" "@target-uri" "content-digest" "idempotency-key");created"#,
        ),
    ] {
        let answer = system_tests::http::send(request).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers["www-authenticate"], "Signature");
        let said = answer.headers["accept-signature"].to_str().expect("text");
        assert!(said.starts_with(wanted), "{said}");
    }
}
