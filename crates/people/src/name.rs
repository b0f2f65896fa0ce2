//! What an operator is called. The name stands in the record for ever beside what he did, so it is one that
//! cannot be mistaken for another: small letters, and nothing that is not seen.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// An operator's name: 1 to 32 bytes of `a-z`, `0-9`, `.`, `_` and `-`, the first of them a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperatorName(Arc<str>);

/// A text that is no operator's name. It does not quote the text: people type passwords into the wrong field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is 1 to {} of a-z, 0-9, '.', '_' and '-', and begins with a letter",
    OperatorName::LONGEST
)]
pub struct NotAName;

impl OperatorName {
    /// The longest name, in bytes.
    pub const LONGEST: usize = 32;

    /// Checks length and characters.
    pub fn new(text: &str) -> Result<OperatorName, NotAName> {
        let (first, rest) = text.as_bytes().split_first().ok_or(NotAName)?;
        let goes_on = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if text.len() <= Self::LONGEST && first.is_ascii_lowercase() && rest.iter().all(goes_on) {
            Ok(OperatorName(text.into()))
        } else {
            Err(NotAName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OperatorName {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<OperatorName, NotAName> {
        OperatorName::new(text)
    }
}

impl TryFrom<String> for OperatorName {
    type Error = NotAName;
    fn try_from(text: String) -> Result<OperatorName, NotAName> {
        OperatorName::new(&text)
    }
}

impl From<OperatorName> for String {
    fn from(name: OperatorName) -> String {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_small_letters_digits_and_three_signs_and_begins_with_a_letter() {
        let longest = "a".repeat(32);
        for good in ["a", "anna", "anna.b", "a_b-c.9", "z0", "a..", &longest] {
            let name: OperatorName = good.parse().expect(good);
            assert_eq!((name.as_str(), name.to_string().as_str()), (good, good));
        }
        let too_long = "a".repeat(33);
        for bad in
            ["", "Anna", "9a", ".a", "_a", "-a", "a b", "anna\n", "a@b", "änna", "аnna", &too_long]
        {
            assert_eq!(bad.parse::<OperatorName>(), Err(NotAName), "{bad:?}");
        }
    }

    #[test]
    fn the_error_says_what_a_name_is_and_not_what_was_typed() {
        assert_eq!(
            NotAName.to_string(),
            "a name is 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins with a letter"
        );
    }

    #[test]
    fn a_name_from_json_is_checked_as_any_other() {
        let name: OperatorName = serde_json::from_str("\"anna\"").expect("a name");
        assert_eq!(serde_json::to_string(&name).expect("JSON"), "\"anna\"");
        assert!(serde_json::from_str::<OperatorName>("\"Anna\"").is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_for_a_name_is_one_and_stays_as_it_is(text in ".{0,40}|[a-z0-9._-]{0,40}") {
            if let Ok(name) = OperatorName::new(&text) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!((1..=32).contains(&text.len()));
                prop_assert!(text.starts_with(|first: char| first.is_ascii_lowercase()));
                prop_assert!(!text.contains(|letter: char| letter.is_ascii_uppercase()));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
