//! A packet as text, for people: the very bytes, an element a line, without what is the session's own.

use crate::codec::SESSIONS_OWN;
use crate::terms::Trace;
use crate::xml::encoding::decoded;
use crate::xml::options::Encoding;

/// What stands before a value that the session gives. No value holds a quote or a bracket, so none of these stands
/// within one.
const BEFORE: [&str; 4] =
    ["<Payload version=\"1.0\" timestamp=\"", "<Request id=\"", "<Response id=\"", " requestId=\""];

/// The body of a frame as [`super::Futures`] writes it.
pub(super) fn spelled(body: &[u8], encoding: Encoding) -> String {
    let mut text = decoded(body, encoding, &Trace::default()).into_owned();
    for head in BEFORE {
        let Some(start) = text.find(head).map(|at| at + head.len()) else { continue };
        if let Some(length) = text[start..].find('"') {
            text.replace_range(start..start + length, SESSIONS_OWN);
        }
    }
    let mut depth: usize = 0;
    let mut lines = String::new();
    for line in text.replace("><", ">\n<").lines() {
        let (closes, stays) =
            (line.starts_with("</"), line.ends_with("/>") || line.starts_with("<?"));
        if closes {
            depth = depth.saturating_sub(1);
        }
        lines.extend(std::iter::repeat_n("  ", depth));
        lines.push_str(line);
        lines.push('\n');
        if !closes && !stays {
            depth += 1;
        }
    }
    lines
}
