//! How much was moved on a day, as the record has it.

use super::*;
use domain::money::{Amount, Currency};

on_each_database!(what_was_moved_on_a_day_is_what_was_completed);

async fn what_was_moved_on_a_day_is_what_was_completed(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let make = |sequence, app: &str, amount: i64, currency: &str| {
        let mut new = transfer(master(sequence), app, &sequence.to_string());
        new.order.amount = Amount::new(amount).expect("an amount");
        new.order.currency = currency.parse().expect("a currency");
        accept(&new)
    };
    let completed = |sequence| end(master(sequence), FinalState::Completed);
    let mut writes: Vec<Write> =
        (1..=7).map(|sequence| make(sequence, "shop", 10, "CNY")).collect();
    writes.extend([make(8, "shop", 5, "USD"), make(9, "bank", 1000, "CNY")]);
    writes.extend([make(10, "shop", 70, "CNY"), make(11, "shop", 70, "CNY")]);
    writes.extend([1, 2, 3, 4, 5, 6, 7, 8, 9].map(completed));
    writes.extend([
        end(master(10), FinalState::Refused),
        end(master(11), FinalState::Reversed),
        make(12, "shop", 70, "CNY"),
    ]);
    desk.record(writes).await;
    let day = master(1).day;
    let mut moved = store.moved_on(day).await.expect("asks");
    moved.sort_by_key(|moved| (moved.app.clone(), moved.currency));
    let told: Vec<(&str, Currency, u64, i64)> = moved
        .iter()
        .map(|moved| (moved.app.as_str(), moved.currency, moved.transfers, moved.sum))
        .collect();
    let currency = |code: &str| code.parse().expect("a currency");
    let (cny, usd) = (currency("CNY"), currency("USD"));
    assert_eq!(told, [("bank", cny, 1, 1000), ("shop", cny, 7, 70), ("shop", usd, 1, 5)]);
    for other in [day.unix_days() - 1, day.unix_days() + 1] {
        let other = domain::serial::Day::from_unix_days(other);
        assert_eq!(store.moved_on(other).await.expect("asks"), []);
    }
    store.close().await;
}
