//! The messages that a transfer's trail is evidence of: for one transfer, and in no list.

use super::*;
use crate::exchanged::Messages;
use crate::transfers;

/// A trail as this version writes it: a credit that a counter says it posted otherwise.
fn trail() -> String {
    let done = json!({
        "role": "debit", "knowledge": "done", "sent": 1, "answer": { "code": 200, "text": "成交" },
        "counter_serial": "C1", "posted_day": 20_261_121,
    });
    let unknown = json!({ "role": "credit", "knowledge": "unknown", "sent": 1 });
    let silent = json!({
        "role": "credit", "knowledge": "unknown", "sent": 1, "answer": { "code": 200, "text": "" },
    });
    let parked = json!({ "parked": "credit_unresolved" });
    json!([
        { "at": 1, "event": "debit sent", "phase": "debit_sent",
          "leg": { "role": "debit", "knowledge": "unknown", "sent": 1 } },
        { "at": 2, "event": "debit: done (200 成交)", "phase": "credit_sent", "leg": done },
        { "at": 3, "event": "credit sent", "phase": "credit_sent", "leg": unknown },
        { "at": 4, "event": "credit: still unknown (200)", "phase": "credit_asking", "leg": silent,
          "received": { "posting": { "other": {
              "counter_serial": "", "settle_day": 20_261_121, "account": "7002", "amount": 100_000,
              "currency": "CNY",
          } } } },
        { "at": 5, "event": "credit asked about", "phase": "credit_asking" },
        { "at": 6, "event": "credit: still unknown (200)", "phase": parked, "leg": silent,
          "received": { "question": "look", "finding": "processing", "mark": "nothing" } },
        { "at": 7, "event": "credit: still unknown (200)", "phase": parked, "leg": silent, "under": 20_261_122,
          "received": { "question": "fence", "finding": "processing", "mark": "nothing" } },
    ])
    .to_string()
}

#[tokio::test]
async fn one_transfer_has_its_messages_and_no_list_has_them() {
    let open = Write { trail: Some((0, trail())), ..parked(42) };
    let rig = Rig::with(&["securities", "futures"], &[open]).await;
    let one = rig.seen(42).await;
    let entries = one["trail"].as_array().expect("a trail");
    let messages: Vec<&Value> = entries.iter().map(|entry| &entry["messages"]).collect();
    let text = |at: usize, what: &str| messages[at][what]["text"].as_str().expect("a message");
    assert_eq!(
        messages[0]["sent"],
        json!({
            "counter": "securities", "dialect": "securities",
            "text": "request_id: …\ndebit {\n  serial: 421\n  master: 2026112100000000042\n  settle_day: 20261121\n  \
                     account: \"6001\"\n  amount: 100000\n  currency: \"CNY\"\n  mark: 0x000000000000002a\n}\n",
        })
    );
    // Nothing more was written of it, and it is whole.
    let done = "posting_reply {\n  serial: 421\n  code: 200\n  text: \"成交\"\n  posted {\n    counter_serial: \"C1\"\n    \
                settle_day: 20261121\n    account: \"6001\"\n    amount: 100000\n    currency: \"CNY\"\n  }\n  \
                mark: 0x000000000000002a\n}\n";
    assert!(text(1, "received").ends_with(done), "{}", text(1, "received"));
    assert_eq!(messages[1]["received"]["differs"], json!([]));
    let rule =
        json!({ "number": 1, "heading": "DebitSent (debiting)", "line": "debit: answer Done" });
    assert_eq!(messages[1]["rule"], rule);
    assert!(text(2, "sent").contains("credit {\n") && text(2, "sent").contains("\"7001\""));
    assert!(text(3, "received").contains("account: \"7002\""), "{}", text(3, "received"));
    assert_eq!(messages[3]["received"]["differs"], json!(["account"]));
    assert_eq!(messages[3]["rule"]["number"], 9);
    assert!(text(4, "sent").contains("look: LOOK_ONLY"), "{}", text(4, "sent"));
    let found = text(5, "received");
    assert!(found.contains("PROCESSING") && !found.contains("mark"), "{found}");
    assert_eq!(messages[5]["received"]["came"], "awaited");
    // Beside what it answers: as an entry before says that it was sent, or else made again, where none says it.
    for (at, written, of) in
        [(1, true, "debit {\n"), (3, true, "credit {\n"), (5, true, "look: LOOK_ONLY")]
    {
        let asked = &messages[at]["received"]["asked"];
        assert_eq!(asked["written"], written, "{asked}");
        assert!(asked["text"].as_str().is_some_and(|text| text.contains(of)), "{asked}");
    }
    assert_eq!(messages[5]["received"]["asked"]["text"], messages[4]["sent"]["text"]);
    let asked = &messages[6]["received"]["asked"];
    assert_eq!((&asked["written"], &asked["counter"]), (&json!(false), &json!("futures")));
    let text = asked["text"].as_str().expect("a message");
    assert!(text.contains("settle_day: 20261122") && text.contains("FENCE"), "{text}");

    for list in ["/ops/v1/transfers", "/ops/v1/proven", "/ops/v1/proposals"] {
        let (_, listed) = rig.get(list).await;
        assert!(!listed.to_string().contains("messages"), "{listed}");
    }
}

/// A counter that is configured no more, and a part that cannot be read, take nothing else along.
#[test]
fn what_cannot_be_spelled_or_read_says_so() {
    let nobody = port::Counters::default();
    let entries: Vec<Entry> = serde_json::from_str(&trail()).expect("a trail");
    let spelled = json!(Messages::new(&nobody, &intent(43)).next(&entries[0]));
    assert_eq!(spelled["sent"]["dialect"], Value::Null);
    let text = spelled["sent"]["text"].as_str().expect("a message");
    assert!(text.starts_with("Debit(\n") && text.contains("account: 6001"), "{text}");
    let parts = ["[".to_owned(), trail()];
    let messages = Messages::new(&nobody, &intent(43));
    let shown = json!(transfers::trail(&parts, Some(messages)));
    assert_eq!(shown.as_array().map(Vec::len), Some(8));
    assert!(!shown.to_string().contains("messages"), "{shown}");
}
