//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable, by its name.
    Variable(String),
    /// Nowhere: it is about the file as a whole.
    Whole,
}

/// One thing that is wrong. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// Where.
    pub(crate) place: Place,
    /// The key with those that it stands under, such as `counter.heartbeat_s`; may be empty.
    pub(crate) key: String,
    /// What is wrong, and what to write instead.
    pub(crate) what: String,
}

/// Everything that is wrong with one file and its environment, in the order of its lines; never
/// empty. Shows itself as one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistakes {
    /// The name of the file, as it was given.
    pub(crate) file: String,
    /// What is wrong.
    pub(crate) list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.list.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&mistake.shown(&self.file))?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl Mistakes {
    /// One line for each.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|mistake| mistake.shown(&self.file))
    }
}

impl Mistake {
    /// The mistake as a line for people: `bridge.toml:17: counter.heartbeat_s: must be …`.
    pub(crate) fn shown(&self, file: &str) -> String {
        let place = match &self.place {
            Place::Line(line) => format!("{file}:{line}"),
            Place::Variable(name) => format!("environment {name}"),
            Place::Whole => file.to_owned(),
        };
        match (&self.place, self.key.as_str()) {
            // The variable's name is the key.
            (Place::Variable(_), _) | (_, "") => format!("{place}: {}", self.what),
            (Place::Line(_) | Place::Whole, key) => format!("{place}: {key}: {}", self.what),
        }
    }
}

/// The word among `known` that was probably meant by `word`, if any is near.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= ((candidate.len() + 1) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean X?)`, or nothing.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let known = ["listen", "public_url", "nonces"];
        assert_eq!(nearest("lsiten", known), Some("listen"));
        assert_eq!(nearest("public-url", known), Some("public_url"));
        assert_eq!(nearest("nonce", known), Some("nonces"));
        assert_eq!(nearest("heartbeat", known), None);
        assert_eq!(did_you_mean("listn", known), " (did you mean listen?)");
    }

    #[test]
    fn each_place_is_shown_in_its_way() {
        let mistake = |place| Mistake { place, key: "api.listen".into(), what: "is wrong".into() };
        assert_eq!(mistake(Place::Line(3)).shown("b.toml"), "b.toml:3: api.listen: is wrong");
        assert_eq!(mistake(Place::Whole).shown("b.toml"), "b.toml: api.listen: is wrong");
        let variable = Place::Variable("COUNTER_BRIDGE__API__LISTEN".into());
        assert_eq!(
            mistake(variable).shown("b.toml"),
            "environment COUNTER_BRIDGE__API__LISTEN: is wrong"
        );
    }
}
