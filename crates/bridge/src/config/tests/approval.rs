//! Above which amounts an admin has to approve.

use super::*;

#[test]
fn amounts_are_read_by_currency_and_whatever_else_is_named_with_its_line() {
    let above = |rows: &str| {
        let text =
            format!("database = 'sqlite:///b.sqlite'\n[operators.admin_approves_above]\n{rows}\n");
        read_with(&text, &[]).map(|config| config.operators.approval.admin_above)
    };
    assert_eq!(above("").expect("no bound"), std::collections::BTreeMap::new());
    let most = format!("CNY = 0\nUSD = {}", i64::MAX);
    let read = above(&most).expect("both edges");
    assert_eq!(read, [("CNY".to_owned(), 0), ("USD".to_owned(), i64::MAX)].into());
    for (rows, words) in [
        ("CNY = -1", "minor units"),
        ("CNY = 1.5", "minor units"),
        ("CNY = '1'", "minor units"),
        ("CNY = [1]", "minor units"),
        ("cny = 1", "currency"),
        ("yuan = 1", "currency"),
    ] {
        let mistakes = above(rows).expect_err(rows);
        let told: Vec<String> = mistakes.iter().map(|it| it.shown("b.toml")).collect();
        assert!(told.len() == 1 && told[0].contains(words), "{rows}: {told:?}");
        assert!(told[0].contains("admin_approves_above"), "{told:?}");
    }
}
