//! How templates show what they are given. The language is a value that every page is rendered with.
#![expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "a filter has this shape, and the macro writes the rest"
)]

use crate::show;
use crate::words::Words;
use askama::filters::{Html, Safe, escape};
use askama::{Result, Values, filter_fn, get_value};
use std::borrow::Borrow;
use std::fmt::Display;

/// The name of the value.
pub(crate) const WORDS: &str = "words";

fn words(values: &dyn Values) -> Result<Words> {
    get_value::<Words>(values, WORDS).copied()
}

/// A text of ours in the reader's language.
#[filter_fn]
pub(crate) fn t(text: &str, values: &dyn Values) -> Result<String> {
    Ok(words(values)?.text(text).to_owned())
}

/// A sentence of the operators' API in the reader's language; a code as words.
#[filter_fn]
pub(crate) fn say(text: impl Display, values: &dyn Values) -> Result<String> {
    Ok(words(values)?.say(&show::plain_if_code(&text.to_string())))
}

/// An amount in minor units.
#[filter_fn]
pub(crate) fn money(
    minor: impl Borrow<i64>,
    _values: &dyn Values,
    currency: &str,
) -> Result<String> {
    Ok(show::money(*minor.borrow(), currency))
}

/// A time in RFC 3339, which a browser shows in its own zone.
#[filter_fn]
pub(crate) fn when(at: &str, _values: &dyn Values) -> Result<Safe<String>> {
    let (at, shown) = (escape(at, Html)?.to_string(), escape(show::clock(at), Html)?.to_string());
    Ok(Safe(format!("<time datetime=\"{at}\">{shown}</time>")))
}

/// A time in microseconds since 1970, which a browser shows in its own zone.
#[filter_fn]
pub(crate) fn moment(micros: impl Borrow<i64>, _values: &dyn Values) -> Result<Safe<String>> {
    let at = show::rfc3339(*micros.borrow());
    Ok(Safe(format!("<time datetime=\"{at}\">{}</time>", show::clock(&at))))
}

/// A message in lines of ours; whatever nobody would see of others' words in it is shown as everywhere.
#[filter_fn]
pub(crate) fn lines(text: &str, _values: &dyn Values) -> Result<String> {
    Ok(foreign::shown_by_lines(text).to_string())
}

/// Seconds as a span of time.
#[filter_fn]
pub(crate) fn span(seconds: impl Borrow<i64>, values: &dyn Values) -> Result<String> {
    Ok(show::duration(*seconds.borrow(), words(values)?))
}

/// `YYYYMMDD` as a day.
#[filter_fn]
pub(crate) fn day(number: impl Display, _values: &dyn Values) -> Result<String> {
    Ok(show::day(&number.to_string()))
}
