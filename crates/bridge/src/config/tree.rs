//! The values of a file, with the environment laid over them, each with its place. What a value is
//! meant to be is not known here.

use super::mistake::{Mistake, Place};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What every overriding variable begins with.
pub(super) const PREFIX: &str = "COUNTER_BRIDGE__";

/// Between two keys of a variable's name.
const SEPARATOR: &str = "__";

/// A value and where it was found. Shows nothing of itself: it may be a secret that stands in the
/// wrong place.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) node: Node,
}

/// A value.
pub(super) enum Node {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Found>),
    Table(Rows),
    /// A variable's value: what it is depends on what is wanted.
    Words(String),
    /// Something that is never wanted, by its name.
    Other(&'static str),
}

/// Keys and their values.
pub(super) type Rows = BTreeMap<String, Found>;

impl Node {
    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Node::Text(_) => "a text",
            Node::Number(_) => "a number",
            Node::Flag(_) => "true or false",
            Node::List(_) => "a list",
            Node::Table(_) => "a table",
            Node::Words(_) => "a variable's value",
            Node::Other(kind) => kind,
        }
    }
}

/// Reads a file's text. If it is not TOML, every fault of its syntax is named.
pub(super) fn parse(text: &str) -> Result<Rows, Vec<Mistake>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(rows(table.into_inner(), &lines));
    }
    let mistakes = errors.into_iter().map(|error| Mistake {
        place: error.span().map_or(Place::Whole, |span| Place::Line(lines.line(span.start))),
        key: String::new(),
        what: format!("not TOML: {}", error.message()),
    });
    Err(mistakes.collect())
}

/// Lays the variables that begin with [`PREFIX`] over the file's values.
pub(super) fn overlay(rows: &mut Rows, variables: &BTreeMap<String, String>) -> Vec<Mistake> {
    let mut overrides: Vec<(Vec<String>, &String, &String)> = variables
        .iter()
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.split(SEPARATOR);
            Some((path.map(str::to_lowercase).collect(), name, value))
        })
        .collect();
    // Elements are added in the order of their numbers: 2 before 10.
    overrides.sort_by(|(one, ..), (other, ..)| {
        let segments = one.iter().zip(other).map(|(one, other)| in_order(one, other));
        segments.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
    });
    let mut mistakes = Vec::new();
    for (path, name, value) in overrides {
        if let Err(what) = lay(rows, &path, name, value) {
            let place = Place::Variable(name.clone());
            mistakes.push(Mistake { place, key: path.join("."), what });
        }
    }
    mistakes
}

fn in_order(one: &str, other: &str) -> Ordering {
    match (one.parse::<usize>(), other.parse::<usize>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

fn lay(rows: &mut Rows, path: &[String], name: &str, value: &str) -> Result<(), String> {
    let place = || Place::Variable(name.to_owned());
    let (key, rest) = path.split_first().ok_or("names no key")?;
    if key.is_empty() {
        return Err("a key in its name is empty: write two underscores between keys".to_owned());
    }
    if rest.is_empty() {
        let node = Node::Words(value.to_owned());
        rows.insert(key.clone(), Found { place: place(), node });
        return Ok(());
    }
    let below = rows
        .entry(key.clone())
        .or_insert_with(|| Found { place: place(), node: Node::Table(Rows::new()) });
    match &mut below.node {
        Node::Table(rows) => lay(rows, rest, name, value),
        Node::List(list) => lay_in_list(list, rest, name, value),
        Node::Text(_) | Node::Number(_) | Node::Flag(_) | Node::Words(_) | Node::Other(_) => {
            Err(format!("{key} is one value: nothing stands under it"))
        }
    }
}

fn lay_in_list(
    list: &mut Vec<Found>,
    path: &[String],
    name: &str,
    value: &str,
) -> Result<(), String> {
    let place = || Place::Variable(name.to_owned());
    let (number, rest) = path.split_first().ok_or("names no element")?;
    let index: usize =
        number.parse().map_err(|_| format!("{number} is not the number of an element, from 0"))?;
    if index > list.len() {
        return Err(format!("there is no element {index}; the next one is {}", list.len()));
    }
    if index == list.len() {
        list.push(Found { place: place(), node: Node::Table(Rows::new()) });
    }
    let element = &mut list[index];
    if rest.is_empty() {
        *element = Found { place: place(), node: Node::Words(value.to_owned()) };
        return Ok(());
    }
    match &mut element.node {
        Node::Table(rows) => lay(rows, rest, name, value),
        Node::List(list) => lay_in_list(list, rest, name, value),
        Node::Text(_) | Node::Number(_) | Node::Flag(_) | Node::Words(_) | Node::Other(_) => {
            Err(format!("element {index} is one value: nothing stands under it"))
        }
    }
}

fn rows(table: DeTable<'_>, lines: &Lines) -> Rows {
    table
        .into_iter()
        .map(|(key, value)| {
            let mut found = found(value, lines);
            // A table's place is its header, or its first key; any other value's, its key.
            if !matches!(found.node, Node::Table(_) | Node::List(_)) {
                found.place = Place::Line(lines.line(key.span().start));
            }
            (key.into_inner().into_owned(), found)
        })
        .collect()
}

fn found(value: Spanned<DeValue<'_>>, lines: &Lines) -> Found {
    let place = Place::Line(lines.line(value.span().start));
    let node = match value.into_inner() {
        DeValue::String(text) => Node::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Node::Other("a number that is far too large"), Node::Number),
        DeValue::Boolean(flag) => Node::Flag(flag),
        DeValue::Float(_) => Node::Other("a number with a fraction"),
        DeValue::Datetime(_) => Node::Other("a date or time"),
        DeValue::Array(list) => {
            Node::List(list.into_iter().map(|element| found(element, lines)).collect())
        }
        DeValue::Table(table) => Node::Table(rows(table, lines)),
    };
    Found { place, node }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        let after_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(std::iter::once(0).chain(after_ends.map(|(at, _)| at + 1)).collect())
    }

    /// The line of the byte at `offset`, from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(rows: &Rows, path: &[&str]) -> usize {
        let (key, rest) = path.split_first().expect("a path");
        let found = &rows[*key];
        match (&found.node, rest) {
            (_, []) => match found.place {
                Place::Line(line) => line,
                Place::Variable(_) | Place::Whole => panic!("not in the file"),
            },
            (Node::Table(rows), rest) => line_of(rows, rest),
            (Node::List(list), [number, rest @ ..]) => {
                let element = &list[number.parse::<usize>().expect("a number")];
                match (&element.node, rest) {
                    (Node::Table(rows), [_, ..]) => line_of(rows, rest),
                    _ => match element.place {
                        Place::Line(line) => line,
                        Place::Variable(_) | Place::Whole => panic!("not in the file"),
                    },
                }
            }
            _ => panic!("{key} is one value"),
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let text = "a = 1\n\n[t]\nb = 2\nl = [\n  1,\n  2,\n]\n[[e]]\nc = 3\n[[e]]\nc.d = 4\n";
        let rows = parse(text).map_err(|_| ()).expect("TOML");
        for (path, line) in [
            (&["a"][..], 1),
            (&["t"], 3),
            (&["t", "b"], 4),
            (&["t", "l", "0"], 6),
            (&["t", "l", "1"], 7),
            (&["e", "0"], 9),
            (&["e", "0", "c"], 10),
            (&["e", "1"], 11),
            (&["e", "1", "c", "d"], 12),
        ] {
            assert_eq!(line_of(&rows, path), line, "{path:?}");
        }
    }

    #[test]
    fn every_fault_of_syntax_is_named_with_its_line() {
        let mistakes = parse("a = 1\na = 2\nb = \nc = 3\nd = [1\n").err().expect("not TOML");
        let lines: Vec<&Place> = mistakes.iter().map(|mistake| &mistake.place).collect();
        assert!(lines.contains(&&Place::Line(2)) && lines.contains(&&Place::Line(3)), "{lines:?}");
        assert!(mistakes.iter().all(|mistake| mistake.what.starts_with("not TOML: ")));
    }

    fn laid(text: &str, variables: &[(&str, &str)]) -> (Rows, Vec<Mistake>) {
        let mut rows = parse(text).map_err(|_| ()).expect("TOML");
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mistakes = overlay(&mut rows, &variables.collect());
        (rows, mistakes)
    }

    #[test]
    fn variables_reach_tables_and_elements_in_the_order_of_their_numbers() {
        let names: Vec<String> =
            (1..12).map(|index| format!("COUNTER_BRIDGE__E__{index}__ID")).collect();
        let mut variables: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), "x")).collect();
        variables.push(("COUNTER_BRIDGE__T__B", "9"));
        variables.push(("OTHER__T__B", "8"));
        let (rows, mistakes) = laid("[t]\nb = 1\n[[e]]\nid = 'a'\n", &variables);
        assert_eq!(mistakes, []);
        let Node::List(elements) = &rows["e"].node else { panic!("a list") };
        assert_eq!(elements.len(), 12);
        let Node::Table(table) = &rows["t"].node else { panic!("a table") };
        assert!(matches!(&table["b"].node, Node::Words(words) if words == "9"));
    }

    #[test]
    fn variables_that_reach_nothing_are_mistakes() {
        let text = "a = 1\n[[e]]\nid = 'a'\n";
        for (name, word) in [
            ("COUNTER_BRIDGE__", "two underscores"),
            ("COUNTER_BRIDGE__A__B", "one value"),
            ("COUNTER_BRIDGE__E__2__ID", "no element 2"),
            ("COUNTER_BRIDGE__E__X__ID", "not the number"),
            ("COUNTER_BRIDGE__E__0__ID__X", "one value"),
            ("COUNTER_BRIDGE__E____ID", "not the number"),
        ] {
            let (_, mistakes) = laid(text, &[(name, "v")]);
            assert_eq!(mistakes.len(), 1, "{name}");
            assert!(mistakes[0].what.contains(word), "{name}: {}", mistakes[0].what);
            assert_eq!(mistakes[0].place, Place::Variable(name.to_owned()));
        }
    }
}
