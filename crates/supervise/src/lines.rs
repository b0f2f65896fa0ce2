//! The log's way out. Whoever logs hands a line over and goes on at once: a thread of its own writes
//! it. What the sink does not take is dropped and counted, whether its reader has gone, its disk is
//! full or it takes no more for the moment; and when it takes lines again, the first one says how many
//! are missing.
//!
//! One call is one line, whatever its words say: those from outside cannot begin another, nor drive
//! the terminal of whoever reads the log.

use foreign::shown;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that wait to be written. More means that the sink is slower than what is said: a few seconds
/// of a very talkative process.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How long is waited before a sink that would block is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// Lines of this process's log that were dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines of this process's log were dropped so far: `log_lines_dropped_total`.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Where lines are handed over; clones are the same. Writing never fails and never waits for the sink.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inside: Mutex<Inside>,
    news: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line is on its way to the sink.
    writing: bool,
}

impl Lines {
    /// Starts the thread that writes to `sink`.
    pub fn to(sink: impl Write + Send + 'static) -> Lines {
        let lines = Lines(Arc::default());
        let shared = Arc::clone(&lines.0);
        let writer = Writer { sink, spoken_of: 0, torn: false };
        // Without a thread nothing is written, and all is counted.
        let _ = thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&shared));
        lines
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was handed over is written or dropped, at most so long.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let mut inside = self.0.inside();
        while (inside.writing || !inside.waiting.is_empty()) && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.0.news.wait_timeout(inside, left.min(AGAIN));
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Write for Lines {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let taken = line.len();
        let harmless = harmless(line);
        let line = harmless.as_deref().unwrap_or(line);
        let mut inside = self.0.inside();
        if inside.bytes + line.len() > MOST_BYTES {
            drop(inside);
            self.0.drop_lines(1);
        } else {
            inside.bytes += line.len();
            inside.waiting.push_back(line.to_vec());
            drop(inside);
            self.0.news.notify_all();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line as it may be written, where that is not as it is.
fn harmless(line: &[u8]) -> Option<Vec<u8>> {
    let (words, end) = line.strip_suffix(b"\n").map_or((line, ""), |words| (words, "\n"));
    // Most are of this kind, and are not looked at further.
    if words.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let words = String::from_utf8_lossy(words);
    Some(format!("{}{end}", shown(&words)).into_bytes())
}

impl Shared {
    // A lock, because all log and one writes; it is held while a line changes hands.
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_lines(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        DROPPED.fetch_add(count, Ordering::Relaxed);
    }

    /// The next line; waits for one.
    fn next(&self) -> Vec<u8> {
        let mut inside = self.inside();
        inside.writing = false;
        self.news.notify_all();
        loop {
            if let Some(line) = inside.waiting.pop_front() {
                inside.bytes -= line.len();
                inside.writing = true;
                return line;
            }
            inside = self.news.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Writer<S> {
    sink: S,
    /// Dropped lines that have been spoken of.
    spoken_of: u64,
    /// The sink took a part of a line, and not its end.
    torn: bool,
}

impl<S: Write> Writer<S> {
    fn run(mut self, shared: &Shared) {
        loop {
            let line = shared.next();
            if !self.write(&line, shared) {
                shared.drop_lines(1);
            }
        }
    }

    /// Writes a line, after word of those that are missing before it. `false`: it was not taken.
    fn write(&mut self, line: &[u8], shared: &Shared) -> bool {
        if self.torn && !self.put(b"\n") {
            return false;
        }
        let lost = shared.dropped.load(Ordering::Relaxed) - self.spoken_of;
        if lost > 0 {
            let word = format!("log: {lost} lines before this one could not be written\n");
            if !self.put(word.as_bytes()) {
                return false;
            }
            self.spoken_of += lost;
        }
        self.put(line)
    }

    /// All of it, or as much as the sink takes.
    fn put(&mut self, mut bytes: &[u8]) -> bool {
        let whole = bytes.len();
        while !bytes.is_empty() {
            match self.sink.write(bytes) {
                Ok(0) => break,
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The other end shares its file with somebody who made it so. Nobody but this thread
                // waits.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
                Err(_) => break,
            }
        }
        if bytes.len() < whole {
            self.torn = !bytes.is_empty();
        }
        bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A sink whose state the test decides.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        taken: Vec<u8>,
        fails: Option<ErrorKind>,
        /// Bytes that still fit.
        room: Option<usize>,
    }

    impl Sink {
        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.lock().expect("whole"));
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("whole").taken.clone()).expect("text")
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.lock().expect("whole");
            if let Some(kind) = state.fails {
                return Err(kind.into());
            }
            let count = state.room.unwrap_or(bytes.len()).min(bytes.len());
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            state.room = state.room.map(|room| room - count);
            state.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    fn log(lines: &mut Lines, text: &str) {
        lines.write_all(text.as_bytes()).expect("it never fails");
    }

    #[test]
    fn what_a_reader_who_has_gone_or_a_full_disk_loses_is_counted_and_said_later() {
        let sink = Sink::default();
        let mut lines = Lines::to(sink.clone());
        log(&mut lines, "one\n");
        lines.flush(LONG);
        for fails in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            sink.set(|state| state.fails = Some(fails));
            log(&mut lines, "lost\n");
            log(&mut lines, "lost\n");
            lines.flush(LONG);
        }
        assert_eq!(lines.dropped(), 4);
        sink.set(|state| state.fails = None);
        log(&mut lines, "two\n");
        log(&mut lines, "three\n");
        lines.flush(LONG);
        assert_eq!(
            sink.text(),
            "one\nlog: 4 lines before this one could not be written\ntwo\nthree\n"
        );
        assert!(dropped() >= 4);
    }

    #[test]
    fn a_line_is_one_line_and_drives_no_terminal() {
        let sink = Sink::default();
        let mut lines = Lines::to(sink.clone());
        log(&mut lines, "余额 said\nERROR forged \u{1b}[2J\u{202e}\u{9b}\n");
        lines.write_all(b"no text: \xff\n").expect("it never fails");
        log(&mut lines, "an end without an end of line");
        lines.flush(LONG);
        assert_eq!(
            sink.text(),
            "余额 said\\nERROR forged \\u001b[2J\\u202e\\u009b\nno text: \u{fffd}\n\
             an end without an end of line"
        );
    }

    #[test]
    fn a_line_of_which_a_part_fits_is_ended_before_the_next() {
        let sink = Sink::default();
        sink.set(|state| state.room = Some(3));
        let mut lines = Lines::to(sink.clone());
        log(&mut lines, "half a line\n");
        lines.flush(LONG);
        sink.set(|state| state.room = None);
        log(&mut lines, "whole\n");
        lines.flush(LONG);
        assert_eq!(sink.text(), "hal\nlog: 1 lines before this one could not be written\nwhole\n");
    }

    #[test]
    fn a_sink_that_takes_nothing_holds_nobody_up_and_little_memory() {
        /// Tells that it is written to, and takes it only when it is told to.
        struct Stuck(mpsc::Sender<()>, mpsc::Receiver<()>, Sink);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.send(());
                // When the test has gone, it takes everything.
                let _ = self.1.recv();
                self.2.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (reached, is_stuck) = mpsc::channel();
        let (go_on, stuck) = mpsc::channel();
        let sink = Sink::default();
        let mut lines = Lines::to(Stuck(reached, stuck, sink.clone()));
        let line = format!("{}\n", "x".repeat(1023));
        log(&mut lines, &line);
        // From here on the writer has one line in its hand, of which nothing is missing before it, and
        // takes no other.
        is_stuck.recv_timeout(LONG).expect("the first line reaches the sink");
        let fit = MOST_BYTES / line.len();
        for _ in 0..fit {
            log(&mut lines, &line);
        }
        assert_eq!((lines.0.inside().bytes, lines.dropped()), (MOST_BYTES, 0), "as many as fit");
        for _ in 0..100_000 {
            log(&mut lines, &line);
        }
        assert_eq!((lines.0.inside().bytes, lines.dropped()), (MOST_BYTES, 100_000));
        drop(go_on);
        lines.flush(LONG);
        log(&mut lines, "the last\n");
        lines.flush(LONG);
        let text = sink.text();
        assert!(text.ends_with("the last\n"));
        assert!(text.contains("log: 100000 lines before this one could not be written\n"));
    }
}
