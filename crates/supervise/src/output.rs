//! Lines for whoever reads standard output and standard error. `println!` panics when the reader has
//! gone or the disk is full; here it is an error that ends a command quietly, and that what runs for
//! long may ignore. Whatever is said here is harmless to a terminal, even if a word of it comes from
//! outside and was put in as it came.

use foreign::shown_by_lines;
use std::fmt;
use std::io::{self, ErrorKind, Write};

/// How a command ends whose reader has gone: as a shell shows one that was ended by SIGPIPE.
pub const READER_GONE: u8 = 141;

/// What the system says of a failure, without the number that it has there: `connection refused` tells a
/// person all that `(os error 111)` could.
pub fn in_words(error: &io::Error) -> String {
    let said = error.to_string();
    match said.split_once(" (os error ") {
        Some((words, number)) => {
            let rest = number.split_once(')').map_or("", |(_, rest)| rest);
            format!("{words}{rest}")
        }
        None => said,
    }
}

/// What was to be said on standard output could not be.
#[derive(Debug)]
pub struct Unsaid(io::Error);

impl Unsaid {
    /// The exit code of a command whose answer could not be given.
    pub fn exit_code(&self) -> u8 {
        if self.is_quiet() { READER_GONE } else { 1 }
    }

    /// Whether the reader went away, which is no mistake of anybody.
    pub fn is_quiet(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output cannot be written: {}", self.0)
    }
}

impl std::error::Error for Unsaid {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Says a line on standard output. See [`say!`](crate::say).
pub fn line(text: fmt::Arguments<'_>) -> Result<(), Unsaid> {
    write_line(&mut io::stdout().lock(), text)
}

/// Writes bytes as they are to standard output.
pub fn bytes(bytes: &[u8]) -> Result<(), Unsaid> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Unsaid)
}

/// Says a line on standard error, as far as that is possible. See [`tell!`](crate::tell).
pub fn error_line(text: fmt::Arguments<'_>) {
    // Whoever would hear of an error here is the one who is not there.
    let _ = write_line(&mut io::stderr().lock(), text);
}

/// Clears a terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Says something in the place of all that stands on a terminal.
pub fn screen(text: fmt::Arguments<'_>) -> Result<(), Unsaid> {
    write_after(CLEAR, &mut io::stdout().lock(), text)
}

fn write_line(out: &mut impl Write, text: fmt::Arguments<'_>) -> Result<(), Unsaid> {
    write_after("", out, text)
}

fn write_after(before: &str, out: &mut impl Write, text: fmt::Arguments<'_>) -> Result<(), Unsaid> {
    // In one piece: several processes may write to one terminal or file.
    let text = text.to_string();
    let line = format!("{before}{}\n", shown_by_lines(&text));
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Unsaid)
}

/// Ends the process if something could not be said: quietly where the reader has gone. For programs
/// that hold nothing that must be put in order first.
pub fn or_leave(said: Result<(), Unsaid>) {
    if let Err(unsaid) = said {
        if !unsaid.is_quiet() {
            error_line(format_args!("{unsaid}"));
        }
        std::process::exit(i32::from(unsaid.exit_code()));
    }
}

/// Says a line on standard output: `println!` whose failure is a [`Result`](Unsaid).
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(::std::format_args!($($text)*)) };
}

/// Says a line on standard output, or ends the process: see [`or_leave`].
#[macro_export]
macro_rules! say_or_leave {
    ($($text:tt)*) => {
        $crate::output::or_leave($crate::output::line(::std::format_args!($($text)*)))
    };
}

/// Says a line on standard output if anybody reads it, for what goes on in any case.
#[macro_export]
macro_rules! say_if_heard {
    ($($text:tt)*) => {
        // It is done for its own sake, and has things to put in order when it ends.
        drop($crate::output::line(::std::format_args!($($text)*)))
    };
}

/// Says a line on standard error: `eprintln!` that never fails.
#[macro_export]
macro_rules! tell {
    ($($text:tt)*) => { $crate::output::error_line(::std::format_args!($($text)*)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_without_its_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(in_words(&refused), "Connection refused");
        let put_in = io::Error::other(format!("it failed: {refused}, and that twice"));
        assert_eq!(in_words(&put_in), "it failed: Connection refused, and that twice");
        assert_eq!(in_words(&io::Error::other("closed")), "closed");
    }
    use std::fs::OpenOptions;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_said_whole_and_a_reader_who_has_gone_is_no_panic() {
        let mut said = Vec::new();
        write_line(&mut said, format_args!("{} of {}", 1, 2)).expect("said");
        assert_eq!(said, b"1 of 2\n");
        let unsaid = write_line(&mut Gone, format_args!("x")).expect_err("nobody reads");
        assert!(unsaid.is_quiet());
        assert_eq!(unsaid.exit_code(), 141);
    }

    #[test]
    fn nothing_that_is_said_drives_a_terminal() {
        let mut said = Vec::new();
        write_line(&mut said, format_args!("a\nb\u{1b}[2J\r\u{9b}5m\u{202e}")).expect("said");
        assert_eq!(said, b"a\nb\\u001b[2J\\r\\u009b5m\\u202e\n");
        said.clear();
        write_after(CLEAR, &mut said, format_args!("a\u{1b}[H")).expect("said");
        assert_eq!(said, b"\x1b[2J\x1b[Ha\\u001b[H\n", "only what is our own drives it");
    }

    #[test]
    fn a_full_disk_is_said_and_is_a_failure() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
        let unsaid = write_line(&mut full, format_args!("x")).expect_err("full");
        assert!(!unsaid.is_quiet());
        assert_eq!(unsaid.exit_code(), 1);
        assert!(unsaid.to_string().starts_with("standard output cannot be written: "), "{unsaid}");
    }
}
