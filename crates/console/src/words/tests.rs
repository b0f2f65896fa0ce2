mod events;

use super::*;
use axum::http::HeaderValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn texts(name: &str, ending: &str) -> Vec<String> {
    let read = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder");
    let mut folders = vec![folder(name)];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in read(folder) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
                all.push(std::fs::read_to_string(path).expect("a text"));
            }
        }
    }
    all
}

/// What stands in quotes before `|t` in the templates.
fn of_templates() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts("templates", ".html") {
        for (before, _) in text.match_indices("\"|t").map(|(at, _)| text.split_at(at)) {
            let (_, quoted) = before.rsplit_once('"').expect("an opening quote");
            found.insert(quoted.to_owned());
        }
    }
    found
}

#[test]
fn whatever_a_template_says_is_said_in_chinese() {
    let said = of_templates();
    assert!(said.len() > 150, "{}", said.len());
    let missing: Vec<_> = said.iter().filter(|text| !CHINESE.contains_key(text.as_str())).collect();
    assert!(missing.is_empty(), "not in Chinese: {missing:#?}");
}

/// Titles of pages, what is said of what was done, and roles are said in Rust.
#[test]
fn whatever_the_pages_code_says_is_said_in_chinese() {
    for text in ["Overview", "Somebody new", "A token for a program", "Change your password"] {
        assert!(CHINESE.contains_key(text), "{text}");
    }
    let mut sources = texts("src", ".rs");
    sources.retain(|text| !text.contains("#[test]"));
    let sources = sources.join("\n");
    let mut found = 0;
    for mark in
        ["words.text(", "refuses(StatusCode::NOT_FOUND, ", "refuses(StatusCode::FORBIDDEN, "]
    {
        for (at, _) in sources.match_indices(mark) {
            let rest = sources.get(at + mark.len()..).expect("more").trim_start();
            let Some(quoted) = rest.strip_prefix('"') else { continue };
            let (text, _) = quoted.split_once('"').expect("a closing quote");
            assert!(CHINESE.contains_key(text), "{text}");
            found += 1;
        }
    }
    assert!(found >= 3, "{found}");
    assert!(CHINESE.contains_key(crate::doing::SENT_BEFORE));
    for (_, text) in crate::view::DONE {
        assert!(CHINESE.contains_key(text), "{text}");
    }
    // What a page says of a decision and of a message, by a word of the API.
    let shown = include_str!("../view/transfers.rs");
    for text in shown.split(" => \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(text.is_empty() || CHINESE.contains_key(text), "{text}");
    }
}

#[test]
fn nothing_is_said_twice_and_no_place_is_lost() {
    let mut seen = BTreeMap::new();
    for (english, chinese) in zh::texts() {
        let before = seen.insert(english, chinese);
        assert!(before.is_none_or(|before| before == chinese), "{english}: {before:?}, {chinese}");
        assert!(!chinese.is_ascii(), "{english}: {chinese}");
    }
    for (english, chinese) in zh::sentences() {
        for at in 0..english.matches('{').count() {
            assert!(chinese.contains(&format!("{{{at}}}")), "{english}: {chinese} lacks {at}");
        }
    }
}

/// The terms that the field has are those of the glossary.
#[test]
fn terms_are_those_of_the_glossary() {
    let glossary = std::fs::read_to_string(folder("../../docs/GLOSSARY.md")).expect("a glossary");
    let terms = glossary.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    });
    let mut held = 0;
    for (term, chinese) in terms {
        if let Some(said) = CHINESE.get(term.as_str()) {
            assert_eq!(*said, chinese, "{term}");
            held += 1;
        }
    }
    assert!(held >= 10, "{held}");
}

/// All that the coordinator says of transfers is held here against the catalogue.
#[test]
fn what_is_said_of_transfers_is_said_in_chinese() {
    let said = std::fs::read_to_string(folder("../coordinator/src/view/sentences.txt"));
    let said = said.expect("what the coordinator says");
    let mut count = 0;
    for sentence in said.lines() {
        let chinese = Words::Zh.say(sentence);
        // Names of the examples, and codes and words of their counters.
        let mut rest = chinese.clone();
        for name in ["securities", "futures", "wang", "402", "poor"] {
            rest = rest.replace(name, "");
        }
        let left: String = rest.chars().filter(char::is_ascii_alphabetic).collect();
        assert!(left.is_empty(), "{sentence}: {chinese}: {left}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

/// What is left in English of a sentence, less what is quoted, an address of a document, and names of the example.
fn left_of(sentence: &str, names: &[&str]) -> String {
    let chinese = Words::Zh.say(sentence);
    let quoted = chinese.split('`').skip(1).step_by(2);
    let mut rest = quoted.fold(chinese.clone(), |rest, quoted| rest.replace(quoted, ""));
    for name in names.iter().chain(&["docs/operating.md"]) {
        rest = rest.replace(name, "");
    }
    rest.chars().filter(char::is_ascii_alphabetic).collect()
}

/// All that is said of a counter and of what to do about it is held here against the catalogue.
#[test]
fn what_is_said_of_counters_is_said_in_chinese() {
    let said = std::fs::read_to_string(folder("../ops/src/said_of_counters.txt"));
    let said = said.expect("what is said of counters");
    for sentence in said.lines() {
        let left = left_of(
            sentence,
            &["futures", "lin", "looked", "2026-11-22T10:00:00.000000Z", "2026-11-22T10:00:00Z"],
        );
        assert!(left.is_empty(), "{sentence}: {}: {left}", Words::Zh.say(sentence));
    }
    assert!(said.lines().count() >= 12, "{said}");
}

/// Each cause that a link has a text for, as its source has it, with other words in their places.
#[test]
fn why_a_connection_ended_is_said_in_chinese() {
    let source = std::fs::read_to_string(folder("../link/src/session/cause.rs"));
    let source = source.expect("the causes");
    let mut held = 0;
    for text in source.split("#[error(").skip(1) {
        let quoted = text.split_once('"').and_then(|(_, rest)| rest.split_once('"'));
        let (text, _) = quoted.expect("a text");
        // A name, a number, or what somebody else said stands in each place; the first of a rejection is ours.
        let mut sentence = text.replacen("({})", "(another version)", 1);
        while let Some((before, (_, after))) =
            sentence.split_once('{').and_then(|(one, rest)| Some((one, rest.split_once('}')?)))
        {
            sentence = format!("{before}1{after}");
        }
        if sentence.chars().any(char::is_alphabetic) {
            let left = left_of(&sentence, &[]);
            assert!(left.is_empty(), "{sentence}: {}: {left}", Words::Zh.say(&sentence));
            held += 1;
        }
    }
    assert!(held >= 20, "{held}");
}

#[test]
fn a_sentence_is_known_by_what_stands_between_its_names() {
    for (english, chinese) in [
        ("securities refused the debit: 402 too poor", "securities 拒绝出账：402 too poor"),
        (
            "futures is still asked what became of the credit; proven so far: debit done; an operator may decide without it; wang has claimed it",
            "仍在询问 futures：入账结果；已确证：出账已成功；操作员可不等其结果而裁定；wang 已登记处理",
        ),
        (
            "proven: debit done, credit never executed; it ends by itself",
            "已确证：出账已成功、入账确未执行；将自动终结",
        ),
        (
            "It gets no new transfers; what is begun there goes on to its end. `counter-bridge release futures --note \"…\"` lets it go on.",
            "不再接收新转账；已开始的继续到终结。`counter-bridge release futures --note \"…\"` 可解除。",
        ),
        // Others' words are nobody's to translate, whatever they sound like.
        ("wang has claimed it: they say, credit done", "wang 已登记处理：they say, credit done"),
        ("x refused the debit: 402 a, busy", "x 拒绝出账：402 a, busy"),
        ("admin has claimed it", "admin 已登记处理"),
        ("a sentence of somebody else's", "a sentence of somebody else's"),
        ("", ""),
    ] {
        assert_eq!(Words::Zh.say(english), chinese);
        assert_eq!(Words::En.say(english), english);
    }
}

#[test]
fn what_stands_between_is_found_and_never_empty() {
    let texts = |pattern, text| {
        let parts: Option<Vec<Part<'_>>> = between(pattern, text);
        parts.map(|parts| {
            parts.into_iter().map(|part| (part.text, part.whose == Whose::Ours)).collect::<Vec<_>>()
        })
    };
    let both = Some(vec![("a", false), ("b is c", true)]);
    assert_eq!(texts("{} is {=}", "a is b is c"), both);
    assert_eq!(texts("the {=} is sent", "the debit is sent"), Some(vec![("debit", true)]));
    assert_eq!(texts("the {} is sent", "the  is sent"), None);
    assert_eq!(texts("the {} is sent", "the is sent"), None);
    assert_eq!(texts("{}: {}", "a: "), None);
    assert_eq!(texts("{}a", "a"), None);
    assert_eq!(texts("all of it", "all of it"), Some(vec![]));
    assert_eq!(texts("all of it", "all of it, and more"), None);
}

#[test]
fn the_language_is_the_chosen_one_or_the_browsers() {
    let of = |cookie: Option<&'static str>, accept: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::COOKIE, cookie), (header::ACCEPT_LANGUAGE, accept)] {
            value.map(|value| headers.insert(name, HeaderValue::from_static(value)));
        }
        Words::of(&headers)
    };
    for (cookie, accept, expected) in [
        (None, None, Words::En),
        (None, Some("zh-CN,zh;q=0.9,en;q=0.8"), Words::Zh),
        (None, Some("en;q=0.7, zh-TW;q=0.8"), Words::Zh),
        (None, Some("fr, de;q=0.5"), Words::En),
        (None, Some("zh;q=0, en"), Words::En),
        (None, Some("zh;q=broken"), Words::En),
        (Some("__Host-session=x; language=zh-CN"), Some("en"), Words::Zh),
        (Some("language=en"), Some("zh"), Words::En),
        (Some("language=fr; Language=zh-CN"), Some("zh"), Words::Zh),
    ] {
        assert_eq!(of(cookie, accept), expected, "{cookie:?} {accept:?}");
    }
}

/// How alarms end, and what there is to do about them, is written beside what decides it.
#[test]
fn what_is_said_of_alarms_is_said_in_chinese() {
    let said = std::fs::read_to_string(folder("../coordinator/src/alarm_ends.rs"));
    let said = said.expect("how alarms end");
    let words = |mark: &str| -> Vec<String> {
        let rests = said.match_indices(mark).map(|(at, _)| said[at + mark.len()..].trim_start());
        let quoted = rests.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
        quoted.map(str::to_owned).collect()
    };
    let (by_itself, by_person) = (words("Ends::ByItself("), words("Ends::ByPerson("));
    assert_eq!((by_itself.len(), by_person.len()), (5, 5));
    for when in by_itself {
        for sentence in [format!("it closes by itself when {when}"), format!("it is over: {when}")]
        {
            assert!(CHINESE.contains_key(sentence.as_str()), "{sentence}");
        }
    }
    for what in by_person {
        assert!(CHINESE.contains_key(what.as_str()), "{what}");
    }
}
