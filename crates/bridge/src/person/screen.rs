//! What is shown again and again on a terminal has to fit it: what does not would push the first lines, the
//! most important ones, out of sight.

use std::io::Stdout;
use unicode_width::UnicodeWidthChar;

/// How much a terminal shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    rows: usize,
    columns: usize,
}

impl Size {
    /// That of the terminal behind standard output; `None` where it does not say.
    pub(super) fn of(terminal: &Stdout) -> Option<Size> {
        let size = rustix::termios::tcgetwinsize(terminal).ok()?;
        let size = Size { rows: size.ws_row.into(), columns: size.ws_col.into() };
        (size.rows > 0 && size.columns > 0).then_some(size)
    }

    /// Rows that a line takes: one that is too long goes on in the next, and a wide letter does so where
    /// only half of it has room.
    fn rows_of(self, line: &str) -> usize {
        let (mut rows, mut used) = (1, 0);
        for letter in line.chars() {
            let wide = letter.width().unwrap_or(0);
            if used + wide > self.columns {
                (rows, used) = (rows + 1, 0);
            }
            used += wide;
        }
        rows
    }
}

/// As much of the beginning as fits, and how much there is below. The last row is the cursor's.
pub(super) fn fitted(text: &str, size: Size) -> String {
    let room = size.rows.saturating_sub(1).max(1);
    let lines: Vec<&str> = text.lines().collect();
    let all: usize = lines.iter().map(|line| size.rows_of(line)).sum();
    if all <= room {
        return text.to_owned();
    }
    let mut shown = Vec::new();
    // One row is for the word about the others.
    let mut left = room - 1;
    for line in &lines {
        let Some(rest) = left.checked_sub(size.rows_of(line)) else { break };
        left = rest;
        shown.push(*line);
    }
    let more = format!("… {} lines more: a taller window shows them", lines.len() - shown.len());
    let more: String = more.chars().take(size.columns).collect();
    shown.push(&more);
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, (rows, columns): (usize, usize), expected: &str) {
        assert_eq!(fitted(text, Size { rows, columns }), expected);
    }

    #[test]
    fn what_fits_is_shown_whole_and_of_more_the_beginning() {
        check("a\nb\nc", (4, 60), "a\nb\nc");
        check("a\nb\nc", (3, 60), "a\n… 2 lines more: a taller window shows them");
        check("a\nb\nc", (2, 60), "… 3 lines more: a taller window shows them");
        check("a\nb\nc", (1, 60), "… 3 lines more: a taller window shows them");
        check("a\n\nc", (4, 60), "a\n\nc");
        check("a", (1, 60), "a");
    }

    #[test]
    fn a_line_that_goes_on_in_the_next_row_takes_both() {
        let text = format!("{}\nb", "a".repeat(10));
        check(&text, (4, 5), &text);
        check(&text, (3, 10), &text);
        check(&text, (3, 9), "… 2 lines");
        check("证券\nb", (4, 2), "证券\nb");
        check("证券\nb", (3, 2), "… ");
        check("证券\nb", (4, 3), "证券\nb");
        check("证券\nb", (3, 3), "… 2");
        check("证券\nb", (3, 4), "证券\nb");
    }
}
