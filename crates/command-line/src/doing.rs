//! How far something is that takes long: told on a terminal, in one line that goes away again, and
//! nowhere else.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// What is done by then is not worth a word.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Between two looks at how far it is.
const EVERY: Duration = Duration::from_millis(500);
/// The longest line, in characters, where the terminal does not say how many it has: it must not wrap, or
/// it would not go away.
const LONGEST: usize = 79;
/// To the beginning of the line, and nothing on it.
const CLEAR: &str = "\r\u{1b}[K";

/// Something that is being done; it is over when this is dropped.
pub struct Doing {
    how_far: Arc<HowFar>,
    /// Where it is told, if somebody looks.
    told: Option<(Arc<Line>, JoinHandle<()>)>,
}

/// How far it is.
#[derive(Debug, Default)]
struct HowFar {
    done: AtomicU64,
    /// 0 while it is not known.
    of: AtomicU64,
}

/// The line, which is painted by a task of its own and cleared by whoever is done.
struct Line(Mutex<Painted>);

struct Painted {
    out: Box<dyn Write + Send>,
    is_there: bool,
    is_over: bool,
}

/// Begins something: `what` says what, `unit` of what there are so many. Within a runtime of tokio, one of whose
/// tasks tells it.
pub fn doing(what: impl Into<String>, unit: &'static str) -> Doing {
    let out: Option<Box<dyn Write + Send>> =
        io::stderr().is_terminal().then(|| Box::new(io::stderr()) as Box<dyn Write + Send>);
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    let longest = match usize::from(columns) {
        0 => LONGEST,
        columns => columns - 1,
    };
    Doing::at(what.into(), unit, longest, out)
}

impl Doing {
    fn at(
        what: String,
        unit: &'static str,
        longest: usize,
        out: Option<Box<dyn Write + Send>>,
    ) -> Doing {
        let how_far = Arc::<HowFar>::default();
        let told = out.map(|out| {
            let line = Arc::new(Line(Mutex::new(Painted { out, is_there: false, is_over: false })));
            let (seen, painted) = (how_far.clone(), line.clone());
            (line, tokio::spawn(paint(what, unit, longest, seen, painted)))
        });
        Doing { how_far, told }
    }

    /// So many are done.
    pub fn done(&self, done: u64) {
        self.how_far.done.store(done, Ordering::Relaxed);
    }

    /// One more is done.
    pub fn one_more(&self) {
        self.how_far.done.fetch_add(1, Ordering::Relaxed);
    }

    /// There are so many in all.
    pub fn of(&self, of: u64) {
        self.how_far.of.store(of, Ordering::Relaxed);
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some((line, painter)) = &self.told {
            painter.abort();
            line.end();
        }
    }
}

async fn paint(
    what: String,
    unit: &'static str,
    longest: usize,
    how_far: Arc<HowFar>,
    line: Arc<Line>,
) {
    let began = Instant::now();
    let mut looks = interval_at(began + AT_ONCE, EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (done, of) = (how_far.done.load(Ordering::Relaxed), how_far.of.load(Ordering::Relaxed));
        let text = words(&what, unit, done, of, began.elapsed().as_secs());
        line.paint(&text.chars().take(longest).collect::<String>());
    }
}

/// `reading the record: 12,000 transfers (7 s)`.
fn words(what: &str, unit: &str, done: u64, of: u64, seconds: u64) -> String {
    match (done, of) {
        (0, 0) => format!("{what} ({seconds} s)"),
        (_, 0) => format!("{what}: {} {unit} ({seconds} s)", grouped(done)),
        _ => format!("{what}: {} of {} {unit} ({seconds} s)", grouped(done), grouped(of)),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Line {
    fn paint(&self, text: &str) {
        let mut painted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !painted.is_over {
            painted.is_there = true;
            // A terminal that has gone away is told nothing more.
            let _ = write!(painted.out, "{CLEAR}{text}").and_then(|()| painted.out.flush());
        }
    }

    fn end(&self) {
        let mut painted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        painted.is_over = true;
        if painted.is_there {
            let _ = write!(painted.out, "{CLEAR}").and_then(|()| painted.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would stand on a terminal.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        fn said(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_told_and_goes_away_again() {
        let screen = Screen::default();
        let doing =
            Doing::at("reading".into(), "transfers", LONGEST, Some(Box::new(screen.clone())));
        doing.done(1200);
        tokio::time::sleep(Duration::from_millis(1999)).await;
        assert_eq!(screen.said(), "");
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(screen.said(), "\r\u{1b}[Kreading: 1,200 transfers (2 s)");
        doing.of(5000);
        doing.one_more();
        tokio::time::sleep(EVERY).await;
        assert!(screen.said().ends_with("\r\u{1b}[Kreading: 1,201 of 5,000 transfers (2 s)"));
        drop(doing);
        let said = screen.said();
        assert!(said.ends_with("(2 s)\r\u{1b}[K"), "{said:?}");
        tokio::time::sleep(AT_ONCE).await;
        assert_eq!(screen.said(), said, "it is over");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_at_once_is_not_worth_a_word() {
        let screen = Screen::default();
        drop(Doing::at("reading".into(), "transfers", LONGEST, Some(Box::new(screen.clone()))));
        tokio::time::sleep(AT_ONCE * 2).await;
        assert_eq!(screen.said(), "");
        Doing::at("reading".into(), "transfers", LONGEST, None).one_more();
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_never_wraps() {
        let screen = Screen::default();
        let doing = Doing::at("w".repeat(200), "x", 10, Some(Box::new(screen.clone())));
        tokio::time::sleep(AT_ONCE + EVERY / 2).await;
        assert_eq!(screen.said(), format!("{CLEAR}{}", "w".repeat(10)));
        drop(doing);
    }

    #[test]
    fn how_far_it_is_is_said_in_words() {
        assert_eq!(words("looking", "pages", 0, 0, 3), "looking (3 s)");
        assert_eq!(words("waiting", "s", 0, 7, 3), "waiting: 0 of 7 s (3 s)");
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (100_000, "100,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
