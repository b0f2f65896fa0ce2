//! Transfers of any time, listed and searched.

use super::*;

/// The running numbers in an answer, in its order.
fn numbers(lines: &Value) -> Vec<u64> {
    let serial = |line: &Value| {
        let serial = line["master_serial"].as_str().expect("a serial");
        serial.parse::<MasterSerial>().expect("a serial").sequence.number()
    };
    lines.as_array().expect("lines").iter().map(serial).collect()
}

#[tokio::test]
async fn what_is_open_and_what_has_ended_is_found_by_whatever_number_is_in_hand() {
    let rig = Rig::new(&["securities", "futures"], &[41, 42, 43]).await;
    rig.decide(42, "completed").await;
    let master = intent(42).master;
    let debit = master.leg(Role::Debit).to_string();
    for (text, by, expected) in [
        (master.to_string(), "master_serial", vec![42]),
        (debit, "sub_serial", vec![42]),
        ("41".to_owned(), "sequence", vec![41]),
        ("00000000043".to_owned(), "sequence", vec![43]),
        ("key-42".to_owned(), "idempotency_key", vec![42]),
        ("7001".to_owned(), "account", vec![43, 42, 41]),
    ] {
        let (status, told) = rig.get(&format!("/ops/v1/search?q={text}")).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let found = told["found"].as_array().expect("what was found");
        let found: Vec<_> = found.iter().filter(|found| found["by"] == by).collect();
        assert_eq!(found.len(), 1, "{text}: {told}");
        assert_eq!(numbers(&found[0]["transfers"]), expected, "{text}: {told}");
        assert_eq!(found[0]["next"], Value::Null);
    }
    let (_, none) = rig.get("/ops/v1/search?q=nothing").await;
    assert_eq!(none, json!({"found": []}));
    for query in ["", "?q=", "?q=%20", "?q=1&app=demo"] {
        let (status, told) = rig.get(&format!("/ops/v1/search{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {told}");
    }
}

#[tokio::test]
async fn a_list_of_all_times_is_narrowed_and_goes_on_where_it_ended() {
    let rig = Rig::new(&["securities", "futures"], &[41, 42, 43]).await;
    rig.decide(42, "completed").await;
    let listed = async |query: &str| {
        let (status, told) = rig.get(&format!("/ops/v1/history?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {told}");
        let next = told["next"].as_str().map(str::to_owned);
        (numbers(&told["transfers"]), next, told)
    };
    assert_eq!(listed("").await.0, [43, 42, 41]);
    let (ended, _, told) = listed("state=ended").await;
    assert_eq!(ended, [42]);
    let line = &told["transfers"][0];
    assert_eq!((&line["state"], &line["app"]), (&json!("completed"), &json!("demo")));
    assert!(line["ended_at"].is_string() && line["amount"] == 100_000, "{line}");
    assert_eq!(listed("state=needs_operator&app=demo").await.0, [43, 41]);
    for nothing in ["app=other", "account=9999", "since=20261122", "until=20261120"] {
        let (found, next, _) = listed(nothing).await;
        assert_eq!((found, next), (Vec::new(), None), "{nothing}");
    }
    let around = "since=20261121&until=20261121&account=6001&counter=securities";
    let (first, next, _) = listed(&format!("{around}&limit=2")).await;
    assert_eq!(first, [43, 42]);
    let before = next.expect("there is more");
    let (rest, next, _) = listed(&format!("{around}&limit=2&before={before}")).await;
    assert_eq!((rest, next), (vec![41], None));
    assert_eq!(rig.get("/ops/v1/history?sum=1").await.0, StatusCode::BAD_REQUEST);
}

/// A page that is cut where the days begin that are not wanted is the last one, though older transfers come behind it.
#[tokio::test]
async fn a_page_is_cut_where_it_becomes_too_old_and_is_the_last() {
    let on = |number: u64, day: u32| {
        let mut write = parked(number);
        write.master.day = Day::new(day).expect("a day");
        if let Some(new) = &mut write.accept {
            new.master = write.master;
        }
        write
    };
    let writes = [on(40, 20_261_118), on(41, 20_261_119), on(42, 20_261_121), on(43, 20_261_121)];
    let rig = Rig::with(&["securities", "futures"], &writes).await;
    let listed = async |query: &str| {
        let (status, told) = rig.get(&format!("/ops/v1/history?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {told}");
        (numbers(&told["transfers"]), told["next"].as_str().map(str::to_owned))
    };
    let (all, next) = listed("limit=3").await;
    assert_eq!((all, next.is_some()), (vec![43, 42, 41], true));
    assert_eq!(listed("limit=3&since=20261121").await, (vec![43, 42], None), "in its middle");
    assert_eq!(listed("limit=3&since=20261120").await, (vec![43, 42], None), "of no transfer");
    let (first, next) = listed("limit=2&since=20261119").await;
    assert_eq!(first, [43, 42]);
    let before = next.expect("one more is wanted");
    let rest = listed(&format!("limit=2&since=20261119&before={before}")).await;
    assert_eq!(rest, (vec![41], None));
    // Where it ends with the last that is wanted, whether more is wanted is seen by the next one.
    let (first, next) = listed("limit=2&since=20261121").await;
    assert_eq!(first, [43, 42]);
    if let Some(before) = next {
        let rest = listed(&format!("limit=2&since=20261121&before={before}")).await;
        assert_eq!(rest, (vec![], None));
    }
}

/// The same as [`parked`], and the counter has answered its debit with this serial of its own.
fn answered(number: u64, serial: &str) -> store::Write {
    let mut write = parked(number);
    if let Some((_, trail)) = &mut write.trail {
        let said = format!(r#""sent":1,"counter_serial":"{serial}""#);
        *trail = trail.replacen(r#""sent":1"#, &said, 1);
    }
    write
}

#[tokio::test]
async fn a_counters_own_serial_finds_all_that_it_answered_with_it_the_newest_first() {
    let writes = [answered(41, "F-9/1"), answered(42, "F-9/1"), answered(43, "F-9/2"), parked(44)];
    let rig = Rig::with(&["securities", "futures"], &writes).await;
    rig.decide(42, "completed").await;
    let (status, told) = rig.get("/ops/v1/search?q=F-9/1").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["found"][0]["by"], "counter_serial", "{told}");
    assert_eq!(numbers(&told["found"][0]["transfers"]), [42, 41]);
    assert_eq!(
        (told["found"].as_array().map(Vec::len), &told["found"][0]["next"]),
        (Some(1), &Value::Null)
    );
    let (mut query, mut seen) = ("counter_serial=F-9/1&limit=1".to_owned(), Vec::new());
    loop {
        let (status, told) = rig.get(&format!("/ops/v1/history?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        seen.extend(numbers(&told["transfers"]));
        let Some(next) = told["next"].as_str() else { break };
        query = format!("counter_serial=F-9/1&limit=1&before={next}");
    }
    assert_eq!(seen, [42, 41]);
    for (query, expected) in [
        ("counter_serial=F-9/1&state=completed", vec![42]),
        ("counter_serial=F-9/1&state=needs_operator", vec![41]),
        ("counter_serial=F-9/1&account=7001&app=demo", vec![42, 41]),
        ("counter_serial=F-9/1&account=9999", vec![]),
        ("counter_serial=f-9/1", vec![]),
    ] {
        let (_, told) = rig.get(&format!("/ops/v1/history?{query}")).await;
        assert_eq!(numbers(&told["transfers"]), expected, "{query}");
    }
    for blank in ["", "%20%20"] {
        let (status, _) = rig.get(&format!("/ops/v1/history?counter_serial={blank}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{blank:?}");
    }
}

/// A counter may write its serials in a column of a fixed width.
#[tokio::test]
async fn what_is_looked_for_is_compared_with_the_spaces_around_it() {
    let rig =
        Rig::with(&["securities", "futures"], &[answered(41, "F-9 "), answered(42, "F-9")]).await;
    rig.decide(41, "completed").await;
    rig.decide(42, "completed").await;
    for (written, expected) in [("F-9%20", vec![41]), ("F-9", vec![42]), ("%20F-9", vec![])] {
        let (_, told) = rig.get(&format!("/ops/v1/history?counter_serial={written}")).await;
        assert_eq!(numbers(&told["transfers"]), expected, "{written}");
        let (_, told) = rig.get(&format!("/ops/v1/search?q={written}")).await;
        let found = told["found"].as_array().expect("what was found").first();
        let found = found.map_or_else(Vec::new, |found| numbers(&found["transfers"]));
        assert_eq!(found, expected, "{written}");
    }
}

#[tokio::test]
async fn a_list_is_narrowed_by_amount_whoever_has_it_in_hand() {
    let mut other = parked(43);
    if let Some(new) = &mut other.accept {
        new.order.amount = Amount::new(100_001).expect("an amount");
    }
    let rig = Rig::with(&["securities", "futures"], &[parked(41), parked(42), other]).await;
    rig.decide(42, "completed").await;
    for (query, expected) in [
        ("amount=100000", vec![42, 41]),
        ("amount=100001", vec![43]),
        ("amount=100002", vec![]),
        ("amount=100000&currency=CNY", vec![42, 41]),
        ("amount=100000&currency=USD", vec![]),
        ("amount=100000&state=completed", vec![42]),
        ("amount=100000&state=needs_operator", vec![41]),
        ("amount=100000&state=needs_operator&app=demo", vec![41]),
        ("amount=100001&state=needs_operator&app=demo", vec![43]),
        ("amount=100000&app=demo", vec![42, 41]),
        ("amount=100000&app=other", vec![]),
        ("amount=100000&account=7001", vec![42, 41]),
        ("amount=100001&account=7001&counter=securities", vec![]),
        ("amount=100000&since=20261122", vec![]),
    ] {
        let (status, told) = rig.get(&format!("/ops/v1/history?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {told}");
        assert_eq!(numbers(&told["transfers"]), expected, "{query}");
    }
    for (query, field) in
        [("amount=0", "amount"), ("amount=1.5", "amount"), ("currency=CNY", "currency")]
    {
        let (status, told) = rig.get(&format!("/ops/v1/history?{query}")).await;
        assert_eq!((status, &told["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn a_list_is_a_table_where_that_is_asked_for_and_says_where_it_goes_on() {
    let mut forged = parked(42);
    if let Some(new) = &mut forged.accept {
        new.app = "=1+1,\"x\"".into();
    }
    let rig = Rig::with(&["securities", "futures"], &[parked(41), forged]).await;
    rig.decide(42, "completed").await;
    let table = async |target: &str| {
        let request = Request::get(target).body(Body::empty()).expect("a request");
        let (status, headers, body) = rig.send(request).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let kind = headers[header::CONTENT_TYPE].to_str().expect("words").to_owned();
        assert_eq!(kind, "text/csv; charset=utf-8; header=present");
        let link = headers.get(header::LINK).map(|link| link.to_str().expect("words").to_owned());
        (body, link)
    };
    let (body, link) = table("/ops/v1/history?format=csv&limit=1&account=7001").await;
    let lines: Vec<&str> = body.split("\r\n").collect();
    let [columns, row, ""] = lines[..] else { panic!("{body}") };
    assert!(
        columns.starts_with("\u{feff}master_serial,state,")
            && columns.ends_with(",created_at,ended_at")
    );
    let serial = intent(42).master;
    let from = "completed,securities,6001,futures,7001,100000,CNY";
    assert!(row.starts_with(&format!("{serial},{from},\"'=1+1,\"\"x\"\"\",")), "{row}");
    assert!(row.ends_with('Z') && row.contains(",20"), "when it ended, at its end: {row}");
    let next = |link: Option<String>| {
        let link = link.expect("a page may follow");
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        next.expect("an address").to_owned()
    };
    let (body, link) = table(&next(link)).await;
    assert!(body.contains(&format!("\r\n{},needs_operator,", intent(41).master)), "{body}");
    assert_eq!(body.lines().count(), 2);
    let (body, link) = table(&next(link)).await;
    assert_eq!((body.lines().count(), link), (1, None), "of nothing there are the names");
    let (status, told) = rig.get("/ops/v1/history?format=xml").await;
    assert_eq!((status, &told["field"]), (StatusCode::BAD_REQUEST, &json!("format")));
}
