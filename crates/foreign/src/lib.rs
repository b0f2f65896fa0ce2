//! Words from outside: a counter's, a caller's, an operator's. They are kept as they came, for they
//! are evidence, and shown in a way that can neither drive a terminal, nor forge a line of the log,
//! nor turn around what stands beside them.
//!
//! [`ForeignText`] is what such words are while they travel; its `Display` is already safe, so
//! whoever puts them into a sentence cannot forget it. [`shown`] is the same for a text of another
//! type. What must have the words as they came (the record, JSON, a comparison) says
//! [`ForeignText::as_received`], and can be found by that name.
//!
//! ```
//! use foreign::ForeignText;
//!
//! let words = ForeignText::from("done\u{1b}[2J\nok");
//! assert_eq!(words.to_string(), r"done\u001b[2J\nok");
//! assert_eq!(words.as_received(), "done\u{1b}[2J\nok");
//! ```

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// Words from outside, as they came. See the crate's documentation.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ForeignText(String);

impl ForeignText {
    /// The words as they came, for what keeps or compares them. What shows them uses `Display`.
    pub fn as_received(&self) -> &str {
        &self.0
    }

    /// The words as they came, for what keeps them.
    pub fn into_received(self) -> String {
        self.0
    }

    /// At most the first `most` characters.
    #[must_use]
    pub fn clipped(&self, most: usize) -> ForeignText {
        match self.0.char_indices().nth(most) {
            Some((end, _)) => self.0[..end].into(),
            None => self.clone(),
        }
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for ForeignText {
    fn from(text: String) -> ForeignText {
        ForeignText(text)
    }
}

impl From<&str> for ForeignText {
    fn from(text: &str) -> ForeignText {
        ForeignText(text.to_owned())
    }
}

impl PartialEq<str> for ForeignText {
    fn eq(&self, text: &str) -> bool {
        self.0 == text
    }
}

impl PartialEq<&str> for ForeignText {
    fn eq(&self, text: &&str) -> bool {
        self.0 == *text
    }
}

impl fmt::Display for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(&self.0).fmt(f)
    }
}

impl fmt::Debug for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", shown(&self.0))
    }
}

/// How a text from outside is shown: see [`shown`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    text: &'a str,
    keeps_lines: bool,
}

/// The text for a person, in one line. Every character that a person would not see, or that would
/// change how others are seen, is written as JSON writes it: `\n`, `\u001b`, `\u202e`. That is one
/// notation for terminals, logs and pages, and a line of JSON stays what it is. A backslash stays a
/// backslash: the words are to be read, not to be read back.
pub fn shown(text: &str) -> Shown<'_> {
    Shown { text, keeps_lines: false }
}

/// As [`shown`], but ends of lines and tabs stay: for a text whose lines and columns are our own.
pub fn shown_by_lines(text: &str) -> Shown<'_> {
    Shown { text, keeps_lines: true }
}

impl Shown<'_> {
    /// Whether all of it is shown as it is.
    pub fn is_as_it_is(&self) -> bool {
        // Most texts are of this kind and are not looked at by character.
        self.text.bytes().all(|byte| matches!(byte, b' '..=b'~') || self.keeps(byte.into()))
            || self.text.chars().all(|letter| !is_unseen(letter) || self.keeps(letter))
    }

    fn keeps(&self, letter: char) -> bool {
        self.keeps_lines && matches!(letter, '\n' | '\t')
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_as_it_is() {
            return f.write_str(self.text);
        }
        for letter in self.text.chars() {
            match letter {
                letter if !is_unseen(letter) || self.keeps(letter) => f.write_char(letter)?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                letter => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a character is not seen itself, and does something to what is: the control characters
/// (C0, DEL and C1: a terminal obeys them), the marks that order letters in two directions (a number
/// can be made to read backwards by them), the ends of lines and paragraphs that are not `\n`, and
/// what joins, separates or tags without a sign of its own (two names that look the same would
/// differ). Unicode's `Cc`, `Zl`, `Zp`, and of `Cf` what has no shape.
pub const fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a counter once said to drive an operator's terminal and to forge a line of the log.
    const HOSTILE: &str =
        "\u{1b}[2J\u{1b}[1;31mALL FINAL\u{1b}]0;x\u{7}\r\u{202e}001\u{9b}5m\nsecond";
    const HARMLESS: &str =
        r"\u001b[2J\u001b[1;31mALL FINAL\u001b]0;x\u0007\r\u202e001\u009b5m\nsecond";

    #[test]
    fn words_are_shown_so_that_they_do_nothing_and_kept_as_they_came() {
        let text = ForeignText::from(HOSTILE);
        assert_eq!(text.to_string(), HARMLESS);
        assert_eq!(format!("{text:?}"), format!("\"{HARMLESS}\""));
        assert_eq!(text.as_received(), HOSTILE);
        let kept = serde_json::to_string(&text).expect("JSON");
        assert_eq!(serde_json::from_str::<ForeignText>(&kept).expect("JSON"), text);
    }

    #[test]
    fn words_that_do_nothing_are_shown_as_they_are() {
        for text in ["", "posted", "余额不足", "café – naïve", "a\\nb \"c\"", "🙂", "١٢٣", "~ "]
        {
            assert!(shown(text).is_as_it_is(), "{text}");
            assert_eq!(shown(text).to_string(), text);
        }
    }

    #[test]
    fn words_are_cut_between_characters() {
        let text = ForeignText::from("余额不足");
        for (most, kept) in [(0, ""), (1, "余"), (3, "余额不"), (4, "余额不足"), (5, "余额不足")]
        {
            assert_eq!(text.clipped(most), kept);
        }
    }

    /// Every character is either itself or its JSON escape, and the table has sharp edges.
    #[test]
    fn each_character_is_itself_or_its_escape() {
        let mut unseen = 0;
        for letter in '\0'..=char::MAX {
            let text = letter.to_string();
            let seen = shown(&text).to_string();
            if is_unseen(letter) {
                unseen += 1;
                assert!(seen.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{seen}");
                let read: String = serde_json::from_str(&format!("\"{seen}\"")).expect("an escape");
                assert_eq!(read, text);
            } else {
                assert_eq!(seen, text);
                assert!(!letter.is_control());
            }
        }
        assert_eq!(unseen, 32 + 33 + 1 + 1 + 1 + 5 + 7 + 16 + 1 + 3 + 128);
        for (seen, unseen) in [
            (' ', '\u{1f}'),
            ('~', '\u{7f}'),
            ('\u{a0}', '\u{9f}'),
            ('\u{200a}', '\u{200b}'),
            ('\u{2010}', '\u{200f}'),
            ('\u{2027}', '\u{2028}'),
            ('\u{202f}', '\u{202e}'),
            ('\u{205f}', '\u{2060}'),
            ('\u{2070}', '\u{206f}'),
            ('\u{fffc}', '\u{fffb}'),
            ('\u{fffd}', '\u{e0001}'),
        ] {
            assert!(!is_unseen(seen) && is_unseen(unseen), "{seen:?} {unseen:?}");
        }
    }

    #[test]
    fn lines_of_ours_stay_lines() {
        assert_eq!(shown_by_lines("a\tb\nb\u{1b}\r\n").to_string(), "a\tb\nb\\u001b\\r\n");
        assert!(shown_by_lines("a\nb\n").is_as_it_is());
        assert!(!shown("a\n").is_as_it_is());
    }
}
