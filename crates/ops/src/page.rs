//! The page for people: a few files, embedded, that need nothing from anywhere else.

use axum::http::{HeaderName, HeaderValue, header};

type Asset = ([(HeaderName, HeaderValue); 1], &'static str);

const fn asset(media_type: &'static str, text: &'static str) -> Asset {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], text)
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// `GET /`.
pub(super) async fn html() -> Asset {
    asset("text/html; charset=utf-8", include_str!("page/page.html"))
}

/// `GET /sign-in`.
pub(super) async fn sign_in() -> Asset {
    asset("text/html; charset=utf-8", include_str!("page/sign_in.html"))
}

/// `GET /sign_in.js`: what becomes of what is typed there.
pub(super) async fn sign_in_script() -> Asset {
    asset(SCRIPT, include_str!("page/sign_in.js"))
}

/// `GET /page.js`: what is fetched and followed, and where it is put.
pub(super) async fn script() -> Asset {
    asset(SCRIPT, include_str!("page/page.js"))
}

/// `GET /parked.js`: transfers that need a person.
pub(super) async fn parked() -> Asset {
    asset(SCRIPT, include_str!("page/parked.js"))
}

/// `GET /decide.js`: what two persons decide about one of these.
pub(super) async fn decide() -> Asset {
    asset(SCRIPT, include_str!("page/decide.js"))
}

/// `GET /links.js`: what is done about a counter.
pub(super) async fn links() -> Asset {
    asset(SCRIPT, include_str!("page/links.js"))
}

/// `GET /search.js`: transfers by whatever number is in hand.
pub(super) async fn search() -> Asset {
    asset(SCRIPT, include_str!("page/search.js"))
}

/// `GET /tools.js`: what the scripts share.
pub(super) async fn tools() -> Asset {
    asset(SCRIPT, include_str!("page/tools.js"))
}

/// `GET /words.js`: numbers and times as people read them.
pub(super) async fn words() -> Asset {
    asset(SCRIPT, include_str!("page/words.js"))
}

/// `GET /page.css`.
pub(super) async fn style() -> Asset {
    asset("text/css; charset=utf-8", include_str!("page/page.css"))
}

/// `GET /icon.svg`.
pub(super) async fn icon() -> Asset {
    asset("image/svg+xml", include_str!("page/icon.svg"))
}

#[cfg(test)]
mod tests {
    const FILES: [(&str, &str); 12] = [
        ("page.html", include_str!("page/page.html")),
        ("page.js", include_str!("page/page.js")),
        ("parked.js", include_str!("page/parked.js")),
        ("decide.js", include_str!("page/decide.js")),
        ("links.js", include_str!("page/links.js")),
        ("search.js", include_str!("page/search.js")),
        ("tools.js", include_str!("page/tools.js")),
        ("words.js", include_str!("page/words.js")),
        ("page.css", include_str!("page/page.css")),
        ("icon.svg", include_str!("page/icon.svg")),
        ("sign_in.html", include_str!("page/sign_in.html")),
        ("sign_in.js", include_str!("page/sign_in.js")),
    ];

    /// The page escapes what the terminal and the log escape: its table is the same.
    #[test]
    fn what_nobody_sees_is_shown_on_the_page_as_everywhere() {
        let tools = include_str!("page/tools.js");
        let table = tools.split_once("/[").and_then(|(_, rest)| rest.split_once("]/gu"));
        let (table, _) = table.expect("a table");
        let code = |text: &str| {
            let digits = text.strip_prefix("\\u{")?.strip_suffix('}')?;
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        };
        let ranges: Vec<_> = table
            .replace("}\\u", "} \\u")
            .split(' ')
            .map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                code(first).expect("a letter")..=code(last).expect("a letter")
            })
            .collect();
        assert_eq!(ranges.len(), 11);
        for letter in '\0'..=char::MAX {
            let escaped = ranges.iter().any(|range| range.contains(&letter));
            assert_eq!(escaped, foreign::is_unseen(letter), "{letter:?}");
        }
    }

    #[test]
    fn what_needs_a_person_stands_first() {
        let page = include_str!("page/page.html");
        let first = page.split("<section").nth(1).expect("a section");
        assert!(first.contains("Needs a person"), "{first}");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_never_reads_data_as_markup() {
        for (name, text) in FILES {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for forbidden in [
                "https://",
                "http://",
                "@import",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "style=\"",
                "onclick=",
            ] {
                assert!(!text.contains(forbidden), "{name} has {forbidden:?}");
            }
        }
    }
}
