//! Takes values out of a table, one by one, and notes what is wrong with each. What is wrong with
//! one value never hides what is wrong with the next; what nobody asked for is a mistake too.

use super::mistake::{Mistake, Place, did_you_mean};
use super::tree::{Found, Node, Rows};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What was noted so far: mistakes, and what is allowed but should be known.
#[derive(Debug, Default)]
pub(super) struct Findings {
    mistakes: RefCell<Vec<Mistake>>,
    notes: RefCell<Vec<Mistake>>,
}

impl Findings {
    pub(super) fn mistake(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// All mistakes and all notes, in the order of their places.
    pub(super) fn take(self) -> (Vec<Mistake>, Vec<Mistake>) {
        let (mut mistakes, mut notes) = (self.mistakes.into_inner(), self.notes.into_inner());
        mistakes.sort();
        mistakes.dedup();
        notes.sort();
        (mistakes, notes)
    }
}

/// A value that was read, and where it stood.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
    /// The whole path of its key.
    pub(super) key: String,
}

impl<T> Located<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: f(self.value), place: self.place, key: self.key }
    }

    /// Notes that something is wrong with it.
    pub(super) fn wrong(&self, findings: &Findings, what: impl Display) {
        findings.mistake(Mistake {
            place: self.place.clone(),
            key: self.key.clone(),
            what: what.to_string(),
        });
    }

    /// Notes that it is allowed, but should be known.
    pub(super) fn note(&self, findings: &Findings, what: impl Display) {
        findings.notes.borrow_mut().push(Mistake {
            place: self.place.clone(),
            key: self.key.clone(),
            what: what.to_string(),
        });
    }
}

/// A table that is being read. [`Section::end`] it when everything known was asked for.
pub(super) struct Section<'f> {
    path: String,
    place: Place,
    rows: Rows,
    asked: Vec<&'static str>,
    findings: &'f Findings,
}

impl<'f> Section<'f> {
    /// The file as a whole.
    pub(super) fn root(rows: Rows, findings: &'f Findings) -> Section<'f> {
        Section { path: String::new(), place: Place::Whole, rows, asked: Vec::new(), findings }
    }

    /// Where mistakes are noted.
    pub(super) fn findings(&self) -> &'f Findings {
        self.findings
    }

    /// The section itself as something to point at.
    pub(super) fn here(&self) -> Located<()> {
        Located { value: (), place: self.place.clone(), key: self.path.clone() }
    }

    /// Something that should stand here and does not.
    pub(super) fn absent(&self, key: &'static str) -> Located<()> {
        Located { value: (), place: self.place.clone(), key: self.path_of(key) }
    }

    /// Whether there is such a key, and it was not asked for yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.rows.contains_key(key)
    }

    /// Notes that `key` is missing, if it is; `meaning` says what it is for.
    pub(super) fn require(&self, key: &'static str, meaning: &str) {
        if !self.has(key) {
            self.absent(key).wrong(self.findings, format!("is missing: {meaning}"));
        }
    }

    /// Any value, as it was found.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Located<Node>> {
        self.asked.push(key);
        self.catch(key)
    }

    /// A value that should not be there, if it is: its key is not one to write.
    pub(super) fn catch(&mut self, key: &'static str) -> Option<Located<Node>> {
        let Found { place, node } = self.rows.remove(key)?;
        Some(Located { value: node, place, key: self.path_of(key) })
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let found = self.take(key)?;
        self.as_text(found, "a text in quotes")
    }

    /// A text that is read as something else; `wanted` says as what, for people.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        wanted: &str,
    ) -> Option<Located<T>> {
        let found = self.take(key)?;
        let text = self.as_text(found, wanted)?;
        let value = text.value.parse().ok();
        if value.is_none() {
            text.wrong(self.findings, format!("must be {wanted}, not {:?}", text.value));
        }
        value.map(|value| text.map(|_| value))
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<Located<T>> {
        let words = || choices.iter().map(|(word, _)| *word);
        let wanted = words().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
        let found = self.take(key)?;
        let text = self.as_text(found, &wanted)?;
        let chosen = choices.iter().find(|(word, _)| *word == text.value);
        if chosen.is_none() {
            let near = did_you_mean(&text.value, words());
            text.wrong(self.findings, format!("must be {wanted}, not {:?}{near}", text.value));
        }
        chosen.map(|(_, choice)| text.map(|_| *choice))
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<Located<bool>> {
        let found = self.take(key)?;
        let flag = match &found.value {
            Node::Flag(flag) => Some(*flag),
            Node::Words(words) => words.parse().ok(),
            Node::Text(_) | Node::Number(_) | Node::List(_) | Node::Table(_) | Node::Other(_) => {
                None
            }
        };
        if flag.is_none() {
            let what = format!("must be true or false, not {}", told(&found.value));
            found.wrong(self.findings, what);
        }
        flag.map(|flag| found.map(|_| flag))
    }

    /// A whole number within limits.
    pub(super) fn number<T>(
        &mut self,
        key: &'static str,
        limits: RangeInclusive<T>,
    ) -> Option<Located<T>>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let found = self.take(key)?;
        let number = match &found.value {
            Node::Number(number) => Some(*number),
            Node::Words(words) => words.parse().ok(),
            Node::Text(_) | Node::Flag(_) | Node::List(_) | Node::Table(_) | Node::Other(_) => None,
        };
        let value = number.and_then(|number| T::try_from(number).ok());
        let value = value.filter(|value| limits.contains(value));
        if value.is_none() {
            let (least, most) = (limits.start(), limits.end());
            let what = format!("must be {least} to {most}, not {}", told(&found.value));
            found.wrong(self.findings, what);
        }
        value.map(|value| found.map(|_| value))
    }

    /// Texts; from a variable, with commas between them.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        let list = self.take(key)?;
        let wanted = "a list of texts, such as [\"one\", \"two\"]";
        let place = |node, place: &Place| Located {
            value: node,
            place: place.clone(),
            key: list.key.clone(),
        };
        let elements = match list.value {
            Node::Words(words) => {
                let words = words.split(',').map(|word| word.trim().to_owned());
                return Some(words.map(|word| place((), &list.place).map(|()| word)).collect());
            }
            Node::List(elements) => elements,
            Node::Table(rows) => self.elements(rows, &list.key),
            node @ (Node::Text(_) | Node::Number(_) | Node::Flag(_) | Node::Other(_)) => {
                let what = format!("must be {wanted}, not {}", told(&node));
                place((), &list.place).wrong(self.findings, what);
                return None;
            }
        };
        let elements = elements.into_iter();
        let located = elements.map(|found| Located {
            value: found.node,
            place: found.place,
            key: list.key.clone(),
        });
        Some(located.filter_map(|element| self.as_text(element, "a text in quotes")).collect())
    }

    /// A table; an empty one if there is none.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'f> {
        match self.take(key) {
            Some(found) => self.below(found),
            None => Section {
                path: self.path_of(key),
                place: self.place.clone(),
                rows: Rows::new(),
                asked: Vec::new(),
                findings: self.findings,
            },
        }
    }

    /// Tables, `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'f>> {
        let Some(found) = self.take(key) else { return Vec::new() };
        let elements = match found.value {
            Node::List(elements) => elements,
            // Made of variables alone; in a file it is `[key]`, meant as `[[key]]`.
            Node::Table(rows) if matches!(found.place, Place::Variable(_)) => {
                self.elements(rows, &found.key)
            }
            ref node @ (Node::Table(_)
            | Node::Text(_)
            | Node::Number(_)
            | Node::Flag(_)
            | Node::Words(_)
            | Node::Other(_)) => {
                let what = format!("must be tables, [[{}]], not {}", found.key, node.kind());
                found.wrong(self.findings, what);
                return Vec::new();
            }
        };
        let located = elements.into_iter().map(|element| Located {
            value: element.node,
            place: element.place,
            key: found.key.clone(),
        });
        located.map(|element| self.below(element)).collect()
    }

    /// All rows that are left, whatever their keys: for tables whose keys are the user's.
    pub(super) fn rows(&mut self) -> Vec<(String, Located<Node>)> {
        let rows = std::mem::take(&mut self.rows).into_iter();
        rows.map(|(name, Found { place, node })| {
            let key = join(&self.path, &name);
            (name, Located { value: node, place, key })
        })
        .collect()
    }

    /// Notes every key that nobody asked for.
    pub(super) fn end(self) {
        for (name, Found { place, .. }) in &self.rows {
            let known = self.asked.iter().copied();
            let what = match did_you_mean(name, known) {
                near if near.is_empty() && self.asked.is_empty() => "there is no such key".into(),
                near if near.is_empty() => {
                    format!("there is no such key; there are {}", self.asked.join(", "))
                }
                near => format!("there is no such key{near}"),
            };
            self.findings.mistake(Mistake {
                place: place.clone(),
                key: join(&self.path, name),
                what,
            });
        }
    }

    /// A text, or a mistake.
    pub(super) fn as_text(&self, found: Located<Node>, wanted: &str) -> Option<Located<String>> {
        let Located { value, place, key } = found;
        match value {
            Node::Text(value) | Node::Words(value) => Some(Located { value, place, key }),
            node @ (Node::Number(_)
            | Node::Flag(_)
            | Node::List(_)
            | Node::Table(_)
            | Node::Other(_)) => {
                let what = format!("must be {wanted}, not {}", told(&node));
                Located { value: (), place, key }.wrong(self.findings, what);
                None
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn below(&self, found: Located<Node>) -> Section<'f> {
        let Located { value, place, key } = found;
        let rows = match value {
            Node::Table(rows) => rows,
            node @ (Node::Text(_)
            | Node::Number(_)
            | Node::Flag(_)
            | Node::List(_)
            | Node::Words(_)
            | Node::Other(_)) => {
                let what = format!("must be a table, not {}", node.kind());
                Located { value: (), place: place.clone(), key: key.clone() }
                    .wrong(self.findings, what);
                Rows::new()
            }
        };
        Section { path: key, place, rows, asked: Vec::new(), findings: self.findings }
    }

    /// The elements of a list that variables alone make: their keys are 0, 1, 2 and so on.
    fn elements(&self, rows: Rows, path: &str) -> Vec<Found> {
        let mut numbered = Vec::with_capacity(rows.len());
        for (name, found) in rows {
            match name.parse::<usize>() {
                Ok(number) => numbered.push((number, found)),
                Err(_) => self.findings.mistake(Mistake {
                    place: found.place,
                    key: join(path, &name),
                    what: format!("{name} is not the number of an element, from 0"),
                }),
            }
        }
        numbered.sort_by_key(|(number, _)| *number);
        for (index, (number, found)) in numbered.iter().enumerate() {
            if index != *number {
                self.findings.mistake(Mistake {
                    place: found.place.clone(),
                    key: join(path, &number.to_string()),
                    what: format!("there is no element {number}; the next one is {index}"),
                });
                break;
            }
        }
        numbered.into_iter().map(|(_, found)| found).collect()
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A value as people are told of it.
fn told(node: &Node) -> String {
    match node {
        Node::Text(text) | Node::Words(text) => {
            format!("{:?}", text.chars().take(60).collect::<String>())
        }
        Node::Number(number) => number.to_string(),
        Node::Flag(flag) => flag.to_string(),
        Node::List(_) | Node::Table(_) | Node::Other(_) => node.kind().to_owned(),
    }
}
