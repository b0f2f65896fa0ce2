//! Tables for people. What comes from elsewhere is shown escaped: a counter's words must neither
//! drive a terminal nor begin a line.

use client::{Account, CounterAnswer, Knowledge, Leg, Role, Transfer};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use domain::shown::money;
use std::fmt::Write;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The width of a table that goes to a file.
const WIDTH_OF_A_FILE: u16 = 132;

/// An empty table with these columns.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    if table.width().is_none() {
        table.set_width(WIDTH_OF_A_FILE);
    }
    table
}

/// A text from elsewhere as it may stand on a terminal.
pub(crate) fn plain(text: &str) -> String {
    foreign::shown(text).to_string()
}

/// What there is, or a dash.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "–".to_owned(), plain)
}

/// `securities:6001`.
pub(super) fn place(account: &Account) -> String {
    plain(&format!("{}:{}", account.counter, account.account))
}

/// Seconds as people say them: `3 d 4 h`, `5 min 10 s`.
pub(crate) fn lasting(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A transfer with its legs.
pub(super) fn transfer(transfer: &Transfer) -> String {
    let mut text = format!("transfer {}: {}\n", plain(&transfer.master_serial), transfer.state);
    // Writing to a string does not fail.
    if let (Some(amount), Some(currency)) = (transfer.amount, &transfer.currency) {
        let shown = plain(&money(amount, currency));
        let _ = write!(text, "  {shown} ({amount} minor units)");
    }
    if let (Some(from), Some(to)) = (&transfer.from, &transfer.to) {
        let _ = write!(text, " from {} to {}", place(from), place(to));
    }
    for (word, said) in [("why", &transfer.reason), ("next", &transfer.next)] {
        if let Some(said) = said {
            let _ = write!(text, "\n  {word}: {}", plain(said));
        }
    }
    let (created, updated) = (when(transfer.created_at), when(transfer.updated_at));
    let _ = writeln!(text, "\n  accepted {created}, last change {updated}");
    let header = ["leg", "counter", "account", "sub serial", "known", "its number", "it said"];
    let mut legs = table(header);
    for leg in &transfer.legs {
        legs.add_row(row(leg));
    }
    let _ = write!(text, "{legs}");
    text
}

fn row(leg: &Leg) -> [String; 7] {
    let Leg { role, counter, account, sub_serial, knowledge, counter_serial, answer } = leg;
    [
        role_word(*role).to_owned(),
        plain(counter),
        plain(account),
        plain(sub_serial),
        knowledge_word(*knowledge).to_owned(),
        or_dash(counter_serial.as_deref()),
        answer.as_ref().map_or_else(
            || "–".to_owned(),
            |CounterAnswer { code, text }| plain(&format!("{code} {text}")),
        ),
    ]
}

fn when(at: OffsetDateTime) -> String {
    let at = at.replace_microsecond(0).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Debit => "debit",
        Role::Credit => "credit",
        Role::Reversal => "reversal",
    }
}

/// What is known of a leg, in words.
pub(super) const fn knowledge_word(knowledge: Knowledge) -> &'static str {
    match knowledge {
        Knowledge::NotSent => "not sent",
        Knowledge::Unknown => "unknown",
        Knowledge::Done => "done",
        Knowledge::Refused => "refused",
        Knowledge::NotExecuted => "never ran",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_as_people_say_them() {
        for (seconds, text) in [
            (-1, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(lasting(seconds), text);
        }
    }

    #[test]
    fn a_transfer_is_shown_with_its_legs_and_with_harmless_words() {
        let read: Transfer = serde_json::from_str(
            r#"{"master_serial":"2026112100000000042","state":"crediting",
                "from":{"counter":"securities","account":"6001"},
                "to":{"counter":"futures","account":"8001"},"amount":100000,"currency":"CNY",
                "legs":[{"role":"debit","counter":"securities","account":"6001",
                  "sub_serial":"000000000421","knowledge":"done","counter_serial":"S9",
                  "answer":{"code":200,"text":"posted\u001b[2J"}},
                 {"role":"credit","counter":"futures","account":"8001",
                  "sub_serial":"000000000422","knowledge":"unknown"}],
                "next":"the credit is asked about","created_at":"2026-11-21T10:00:00Z",
                "updated_at":"2026-11-21T10:00:01.25Z"}"#,
        )
        .expect("a transfer");
        let shown = transfer(&read);
        for words in [
            "transfer 2026112100000000042: crediting",
            "1,000.00 CNY (100000 minor units) from securities:6001 to futures:8001",
            "next: the credit is asked about",
            "accepted 2026-11-21T10:00:00Z, last change 2026-11-21T10:00:01Z",
            "000000000421",
            r"200 posted\u001b[2J",
            "unknown",
        ] {
            assert!(shown.contains(words), "{words} is not in\n{shown}");
        }
        assert!(!shown.contains('\u{1b}'));
    }
}
