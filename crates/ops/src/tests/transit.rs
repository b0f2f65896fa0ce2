//! Money in transit, as operators see it.

use super::*;

#[tokio::test]
async fn money_in_transit_is_shown_by_pair_and_each_counter_says_what_it_knows() {
    let mut jpy = parked(43);
    if let Some(new) = &mut jpy.accept {
        new.order.currency = "JPY".parse().expect("a currency");
        new.order.amount = Amount::new(5).expect("an amount");
    }
    let rig = Rig::with(&["securities", "futures", "bank"], &[parked(42), jpy]).await;
    let (status, transit) = rig.get("/ops/v1/transit").await;
    assert_eq!(status, StatusCode::OK);
    let moving = |transfers: usize, minor: i64| {
        let by_age = json!({ "below_minute": 0, "below_hour": 0, "below_day": 0, "older": minor });
        json!({
            "transfers": transfers, "in_transit": minor, "by_age": by_age, "oldest_at": ACCEPTED_AT,
        })
    };
    let age = transit["now"].as_i64().expect("a time") - ACCEPTED_AT;
    assert!(age > 86_400_000_000, "{age}: it was accepted long ago");
    let pair = |currency: &str, moving: Value| json!({ "from": "securities", "to": "futures", "currency": currency, "moving": moving });
    assert_eq!(
        transit["pairs"],
        json!([pair("CNY", moving(1, 100_000)), pair("JPY", moving(1, 5))])
    );
    assert_eq!(transit["others"], json!([]));
    let total = &transit["totals"][0];
    assert_eq!((&total["moving"], &total["conserved"]), (&moving(1, 100_000), &json!(true)));
    assert_eq!((&total["difference"], &total["differs"]), (&json!(0), &Value::Null));
    assert_eq!(
        (&total["legs"]["debited"], &total["legs"]["credited"]),
        (&json!(100_000), &json!(0))
    );

    let at = |index: usize| transit["counters"][index].clone();
    assert_eq!((&at(0)["counter"], &at(0)["colour"]), (&json!("securities"), &json!("green")));
    assert_eq!((&at(2)["counter"], &at(2)["colour"]), (&json!("bank"), &json!("green")));
    let futures = at(1);
    assert_eq!((&futures["counter"], &futures["colour"]), (&json!("futures"), &json!("unknown")));
    assert_eq!(futures["why"], json!(["legs whose outcome is not known: 2"]));
    assert_eq!(
        (&futures["unknown_legs"], &futures["unknown_since"]),
        (&json!(2), &json!(ACCEPTED_AT))
    );
    assert_eq!(
        futures["money"],
        json!([
            { "currency": "CNY", "debited": 0, "credited": 0, "returned": 0, "awaited": 0, "unknown": 100_000 },
            { "currency": "JPY", "debited": 0, "credited": 0, "returned": 0, "awaited": 0, "unknown": 5 },
        ])
    );
    let oldest: Vec<&Value> = transit["transfers"]
        .as_array()
        .expect("transfers")
        .iter()
        .map(|it| &it["master_serial"])
        .collect();
    assert_eq!(oldest, ["2026112100000000042", "2026112100000000043"]);
    let (_, text) = rig.get("/metrics").await;
    for line in [
        "in_transit_conserved 1",
        "counter_unknown_legs{counter=\"bank\"} 0",
        "counter_unknown_minor_units{counter=\"futures\",currency=\"JPY\"} 5",
    ] {
        let line = format!("\ncounter_bridge_{line}\n");
        assert!(text.as_str().is_some_and(|text| text.contains(&line)), "{line}: {text}");
    }
    let (events, _) = rig.coordinator.events().follow();
    assert!(events.iter().all(|event| event.kind != coordinator::events::Kind::Defect));
}

#[tokio::test]
async fn nothing_in_transit_is_nothing_and_nobody_sees_it_without_a_name() {
    let rig = Rig::new(&["securities"], &[]).await;
    let (_, transit) = rig.get("/ops/v1/transit").await;
    for empty in ["totals", "pairs", "others", "transfers"] {
        assert_eq!(transit[empty], json!([]), "{empty}");
    }
    let why = "every leg is known, or its answer has only begun to be awaited";
    assert_eq!(transit["counters"][0]["why"], json!([why]));
    let nobody = Request::get("/ops/v1/transit").header(header::COOKIE, "session=no");
    let (status, _, _) = rig.send(nobody.body(Body::empty()).expect("a request")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let viewer = rig.token_of("li", OperatorRole::Viewer).await;
    let looks =
        Request::get("/ops/v1/transit").header(header::AUTHORIZATION, format!("Bearer {viewer}"));
    let (status, _, _) = rig.send(looks.body(Body::empty()).expect("a request")).await;
    assert_eq!(status, StatusCode::OK);
}
