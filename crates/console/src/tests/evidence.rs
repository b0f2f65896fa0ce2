//! The messages of a transfer, on its page and in the file that is carried away.

use super::*;
use crate::assets::STYLE;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

const FILE: &str = "/transfers/2026113000000000006/evidence.html";

/// What stands in an element, without its marks.
fn inside<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("{begin} is not in {page}"));
    rest.split_once(end).expect("its end").0
}

#[tokio::test]
async fn each_entry_opens_its_message_as_sent_and_as_received() {
    let rig = Rig::new();
    let (_, _, page) = rig.get("/transfers/2026113000000000006", "en").await;
    // The first says nothing more than its line.
    assert!(!page.contains("id=\"message-0\""), "{page}");
    let sent = inside(&page, "<details id=\"message-1\">", "</details>");
    assert!(sent.contains("As sent to futures"), "{sent}");
    assert!(sent.contains("<pre class=\"code\">&#60;Debit&#62;\n  6001\n</pre>"), "{sent}");
    let rule = "By DOMAIN §3, rule 1; transfer-table.md: CreditWaiting (crediting), wake";
    assert!(sent.contains(rule), "{sent}");
    // Beside what it answers, and with the fields in which it differs.
    let received = inside(&page, "<details id=\"message-2\">", "</details>");
    let shown = format!("<pre class=\"code\">&#60;Answer&#62;\n{HARMLESS}\n</pre>");
    assert!(received.contains(&shown), "{received}");
    assert!(received.contains("&#60;Debit&#62;\n  6001\n"), "{received}");
    let summary = inside(received, "<summary id=\"message-2-of\">", "</summary>");
    assert!(summary.contains("not as it was ordered"), "{summary}");
    assert!(received.contains("What it says is not what was ordered: amount, settle day"));
    assert!(received.contains("rule 9</p>"), "{received}");
    assert!(!received.contains("stands in no line of its own"), "{received}");
    let unasked = inside(&page, "<details id=\"message-3\">", "</details>");
    assert!(unasked.contains("Nobody had asked for it.") && !unasked.contains("As sent to"));
    assert!(!unasked.contains("not what was ordered") && !unasked.contains("DOMAIN"), "{unasked}");
    assert!(page.contains(&format!("<a href=\"{FILE}\" download>")), "{page}");
}

/// Of questions in vain only so many are written down: the answer stands beside its own, and not beside an older one.
#[tokio::test]
async fn an_answer_whose_question_has_no_line_stands_beside_it_and_says_so() {
    let rig = Rig::new();
    for (language, says) in [
        (
            "en",
            "Its question stands in no line of its own: of questions that bring nothing 32 in a row",
        ),
        ("zh-CN", "所答的询问没有单独成行：连续无果的询问只记 32 次，这次在其后。"),
    ] {
        for page in ["/transfers/2026113000000000006", FILE] {
            let (_, _, page) = rig.get(page, language).await;
            let found = inside(&page, "<details id=\"message-4\"", "</details>");
            assert!(found.contains(says), "{found}");
            assert!(found.contains("&#60;Query&#62;\n  6001\n"), "{found}");
            assert!(!found.contains("&#60;Debit&#62;"), "{found}");
        }
    }
}

#[tokio::test]
async fn the_file_opens_wherever_it_lies_and_may_do_nothing() {
    let rig = Rig::new();
    for (asked, language) in [("en", "en"), ("zh-CN", "zh-CN")] {
        let (status, headers, page) = rig.get(FILE, asked).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let name = format!("attachment; filename=\"transfer-{SERIAL}-evidence.html\"");
        assert_eq!(headers[header::CONTENT_DISPOSITION], name.as_str());
        // Its one style is the one that is allowed, to the byte; and the rule goes with it.
        let digest = BASE64.encode(&Sha256::digest(inside(&page, "<style>", "</style>")));
        let rules = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        );
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], rules.as_str());
        let carried = inside(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\">");
        assert_eq!(carried.replace("&#39;", "'"), rules);
        assert!(page.starts_with(&format!("<!doctype html>\n<html lang=\"{language}\">")));
        let rest = page.replace(STYLE, "");
        for outside in [
            "<script", "<link", "<img", "<form", "<iframe", "href=", "src=\"", "style=", "url(",
            "\u{202e}",
        ] {
            assert!(!rest.contains(outside), "{outside}: {rest}");
        }
        assert!(
            page.contains(HARMLESS) && page.contains("<details id=\"message-2\" open>"),
            "{page}"
        );
    }
    for (method, _, headers, _) in rig.asked() {
        assert_eq!(method, Method::GET);
        assert_eq!(headers[header::COOKIE], "__Host-session=secret");
    }
}

#[tokio::test]
async fn who_may_not_look_gets_no_file() {
    let rig = Rig::new();
    let problem = json!({ "type": "/errors/not_signed_in", "title": "Nobody is signed in" });
    rig.answers("GET /ops/v1/session", 401, problem);
    let (status, headers, _) = rig.get(FILE, "en").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(!headers.contains_key(header::CONTENT_DISPOSITION));
    let (status, headers, _) = Rig::new().get("/transfers/x%22/evidence.html", "en").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!headers.contains_key(header::CONTENT_DISPOSITION));
}
