//! A page of transfers as a table for spreadsheets: RFC 4180, in UTF-8 with a byte order mark, without which
//! spreadsheets read it in the code page of the machine. Where the next page begins is in the header `link`
//! (RFC 8288).

use super::{LineJson, PageJson, Wanted};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

const TEXT: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"transfers.csv\"");

/// What says to a spreadsheet that the table is in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The names of the columns. They are added to at the end, and none is renamed.
const HEADER: [&str; 12] = [
    "master_serial",
    "state",
    "from_counter",
    "from_account",
    "to_counter",
    "to_account",
    "amount_minor_units",
    "currency",
    "app",
    "reason",
    "created_at",
    "ended_at",
];

/// A page, with the address of the next one.
pub(super) fn answer(wanted: &Wanted, page: &PageJson) -> Response {
    let mut answer = table(&page.transfers).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CONTENT_DISPOSITION, FILE);
    let next = page.next.as_ref().map(|next| next_page(wanted, next));
    // Of letters, digits and percent signs: it is a header's value.
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        headers.insert(LINK, next);
    }
    answer
}

fn next_page(wanted: &Wanted, next: &str) -> String {
    format!("</ops/v1/history?{}>; rel=\"next\"", query(wanted, Some(next)))
}

/// What is asked for, as it stands behind the question mark of an address.
pub(super) fn query(wanted: &Wanted, before: Option<&str>) -> String {
    let query: Vec<String> = wanted
        .fields()
        .into_iter()
        .chain([("before", before.map(str::to_owned))])
        .filter_map(|(name, value)| Some(format!("{name}={}", escaped(&value?))))
        .collect();
    query.join("&")
}

/// A value as it stands in a query (RFC 3986).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            // Writing into a text does not fail.
            other => drop(write!(text, "%{other:02X}")),
        }
    }
    text
}

fn table(lines: &[LineJson]) -> String {
    let mut text = String::from(BYTE_ORDER_MARK);
    text.push_str(&HEADER.join(","));
    text.push_str("\r\n");
    for line in lines {
        let amount = line.amount.to_string();
        let cells: [&str; HEADER.len()] = [
            &line.master_serial,
            line.state,
            &line.from.counter,
            &line.from.account,
            &line.to.counter,
            &line.to.account,
            &amount,
            &line.currency,
            &line.app,
            line.reason.as_deref().unwrap_or(""),
            &line.created_at,
            line.ended_at.as_deref().unwrap_or(""),
        ];
        text.push_str(&cells.map(cell).join(","));
        text.push_str("\r\n");
    }
    text
}

/// One cell. What a spreadsheet would take for a formula begins with an apostrophe: words of apps and counters stand in
/// the table, and nobody's words are to be reckoned.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(|first: char| {
        matches!(first, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
            || first.is_control()
    });
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    let is_plain = !text.contains(['"', ',', '\r', '\n']) && text.trim() == text;
    if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::AccountJson;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_never_a_formula() {
        for (text, written) in [
            ("", ""),
            ("shop", "shop"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            (" padded", "\" padded\""),
            ("\u{4f59}\u{989d}", "\u{4f59}\u{989d}"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("\t=1", "'\t=1"),
            ("\n=1", "\"'\n=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\u{1}x", "'\u{1}x"),
            ("'x", "'x"),
            ("1-1=0", "1-1=0"),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }

    #[test]
    fn a_table_says_how_it_is_written_and_has_a_header_and_a_row_for_each_transfer() {
        let account = |counter: &str, account: &str| AccountJson {
            counter: counter.to_owned(),
            account: account.to_owned(),
        };
        let line = LineJson {
            master_serial: "2026112100000000042".to_owned(),
            state: "refused",
            from: account("securities", "6001"),
            to: account("futures", "7001"),
            amount: 100_000,
            currency: "CNY".to_owned(),
            app: "=shop".to_owned(),
            reason: Some("securities refused, 余额不足".to_owned()),
            created_at: "2026-11-21T01:30:00.000000Z".to_owned(),
            ended_at: None,
        };
        assert_eq!(
            table(&[line]),
            "\u{feff}master_serial,state,from_counter,from_account,to_counter,to_account,\
             amount_minor_units,currency,app,reason,created_at,ended_at\r\n\
             2026112100000000042,refused,securities,6001,futures,7001,100000,CNY,'=shop,\
             \"securities refused, 余额不足\",2026-11-21T01:30:00.000000Z,\r\n"
        );
    }

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let wanted = Wanted {
            app: Some("a&b=\u{7c4c} >".to_owned()),
            before: Some("2026112100000000050".to_owned()),
            limit: Some(2),
            format: Some("csv".to_owned()),
            ..Wanted::default()
        };
        assert_eq!(
            next_page(&wanted, "2026112100000000042"),
            "</ops/v1/history?app=a%26b%3D%E7%B1%8C%20%3E&limit=2&format=csv\
             &before=2026112100000000042>; rel=\"next\""
        );
    }
}
