//! The languages of pages. What pages say themselves is written in English where it is said and looked up here in
//! another language; what the operators' API says in sentences is recognized by what stands between the names and
//! numbers in it. Whatever is not known stays as it came: nothing is guessed, and others' words are nobody's to translate.

mod zh;

use axum::http::{HeaderMap, header};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The cookie that remembers which language somebody chose.
pub(crate) const COOKIE: &str = "language";

/// A language of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Words {
    /// English.
    #[default]
    En,
    /// Chinese, in simplified letters.
    Zh,
}

/// Digits of a transfer's serial.
const SERIAL_DIGITS: usize = 19;

static CHINESE: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| zh::texts().collect());

impl Words {
    /// All languages.
    pub(crate) const ALL: [Words; 2] = [Words::En, Words::Zh];

    /// Its code, as HTML and HTTP have it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Words::En => "en",
            Words::Zh => "zh-CN",
        }
    }

    /// Its name, in itself.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Words::En => "English",
            Words::Zh => "中文",
        }
    }

    /// A language by its code.
    pub(crate) fn by_code(code: &str) -> Option<Words> {
        Words::ALL.into_iter().find(|words| words.code() == code)
    }

    /// The one that somebody chose, or else the first of those that the browser's user reads.
    pub(crate) fn of(headers: &HeaderMap) -> Words {
        let texts = |name| headers.get_all(name).iter().filter_map(|text| text.to_str().ok());
        let chosen =
            texts(header::COOKIE).flat_map(|cookies| cookies.split(';')).find_map(|cookie| {
                let (name, value) = cookie.trim().split_once('=')?;
                if name == COOKIE { Words::by_code(value) } else { None }
            });
        chosen.unwrap_or_else(|| {
            let asked = texts(header::ACCEPT_LANGUAGE).flat_map(|list| list.split(','));
            let mut asked: Vec<(f32, Words)> = asked.filter_map(wanted).collect();
            asked.sort_by(|one, other| other.0.total_cmp(&one.0));
            asked.first().map(|(_, words)| *words).unwrap_or_default()
        })
    }

    /// The other languages.
    pub(crate) fn others(self) -> Vec<Words> {
        Words::ALL.into_iter().filter(|words| *words != self).collect()
    }

    /// A text of ours in this language.
    pub(crate) fn text(self, english: &str) -> &str {
        match self {
            Words::En => english,
            Words::Zh => CHINESE.get(english).copied().unwrap_or(english),
        }
    }

    /// A sentence of the operators' API in this language, clause by clause.
    pub(crate) fn say(self, english: &str) -> String {
        match self {
            Words::En => english.to_owned(),
            Words::Zh => {
                let all = CHINESE.get(english).map(|all| (*all).to_owned());
                // What ends with others' words is not taken apart: they may hold whatever they like.
                let all = all.or_else(|| self.fitting(english, |it| it.ends_with(TO_THE_END)));
                all.unwrap_or_else(|| self.clauses(english))
            }
        }
    }

    fn clauses(self, english: &str) -> String {
        let mut said = String::new();
        for (at, clause) in english.split("; ").enumerate() {
            let known = self.whole(clause);
            // Others' words keep the marks that they came with.
            said.push_str(if at == 0 {
                ""
            } else if known.is_some() {
                "；"
            } else {
                "; "
            });
            said.push_str(&known.unwrap_or_else(|| clause.to_owned()));
        }
        said
    }

    /// The same, if it is known as it stands.
    fn whole(self, english: &str) -> Option<String> {
        if let Some(text) = CHINESE.get(english) {
            return Some((*text).to_owned());
        }
        // What is said of a transfer that is named first.
        if let Some((serial, rest)) = english.split_once(": ")
            && serial.len() == SERIAL_DIGITS
            && serial.bytes().all(|byte| byte.is_ascii_digit())
        {
            return self.whole(rest).map(|rest| format!("{serial}：{rest}"));
        }
        self.fitting(english, |_| true)
    }

    /// What the first of these sentences that fits makes of it.
    fn fitting(self, english: &str, is_asked: impl Fn(&str) -> bool) -> Option<String> {
        zh::sentences().filter(|(pattern, _)| is_asked(pattern)).find_map(|(pattern, said)| {
            let parts = between(pattern, english)?;
            // What is a sentence only by a word of ours has names before it, and no sentence of others.
            let only = parts.iter().any(|part| part.whose == Whose::OursOnly);
            let is_it = |part: &Part<'_>| match part.whose {
                Whose::OursOnly => self.knows(part.text),
                Whose::Others => !only || !part.text.contains(": "),
                Whose::Ours | Whose::Sentence => true,
            };
            if !parts.iter().all(is_it) {
                return None;
            }
            let mut chinese = said.to_owned();
            for (at, part) in parts.iter().enumerate() {
                let shown = match part.whose {
                    Whose::Others => part.text.to_owned(),
                    Whose::Ours | Whose::OursOnly => self.known(part.text),
                    Whose::Sentence => {
                        self.whole(part.text).unwrap_or_else(|| part.text.to_owned())
                    }
                };
                chinese = chinese.replace(&format!("{{{at}}}"), &shown);
            }
            Some(chinese)
        })
    }

    /// Whether this is a text of ours as it stands.
    pub(crate) fn knows(self, english: &str) -> bool {
        match self {
            Words::En => true,
            Words::Zh => CHINESE.contains_key(english),
        }
    }

    /// Words of ours that stand between, one or several.
    fn known(self, part: &str) -> String {
        if let Some(text) = CHINESE.get(part) {
            return (*text).to_owned();
        }
        let one = |one: &str| match one.split_once(' ') {
            _ if CHINESE.contains_key(one) => self.text(one).to_owned(),
            Some((role, what)) => format!("{}{}", self.text(role), self.text(what)),
            None => one.to_owned(),
        };
        part.split(", ").map(one).collect::<Vec<_>>().join("、")
    }
}

/// One of the languages that a browser asks for, with its weight, if it is one of ours.
fn wanted(one: &str) -> Option<(f32, Words)> {
    let mut parts = one.split(';').map(str::trim);
    let tag = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
    let words = match tag.split('-').next()? {
        "zh" => Words::Zh,
        "en" => Words::En,
        _ => return None,
    };
    weight.ok().filter(|weight| *weight > 0.0).map(|weight| (weight, words))
}

/// What stands in a text where a pattern has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    text: &'a str,
    whose: Whose,
}

/// Whose words stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// A name, a number or what others said: it stays as it came.
    Others,
    /// Ours, where they are known.
    Ours,
    /// Ours, and known: otherwise it is another sentence.
    OursOnly,
    /// A sentence of ours, where it is known.
    Sentence,
}

/// The end of a pattern after which others' words go on to the end of the text, whatever they hold.
const TO_THE_END: &str = "{*}";

/// What stands in a text where a pattern has `{}` or `{*}`, for others' words, `{=}` or `{!}`, for ours, or `{~}`, for a sentence.
fn between<'a>(pattern: &str, text: &'a str) -> Option<Vec<Part<'a>>> {
    let mut literals = pattern.split('{');
    let mut rest = text.strip_prefix(literals.next()?)?;
    let mut found = Vec::new();
    let mut literals = literals.peekable();
    while let Some(literal) = literals.next() {
        let (mark, literal) = literal.split_once('}')?;
        let at = match literals.peek() {
            Some(_) => rest.find(literal)?,
            None if literal.is_empty() => rest.len(),
            None => rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal))?,
        };
        let whose = match mark {
            "=" => Whose::Ours,
            "!" => Whose::OursOnly,
            "~" => Whose::Sentence,
            _ => Whose::Others,
        };
        found.push(Part { text: rest.get(..at)?, whose });
        rest = rest.get(at + literal.len()..)?;
    }
    (rest.is_empty() && found.iter().all(|part| !part.text.is_empty())).then_some(found)
}

#[cfg(test)]
mod tests;
