//! Follows what the links and the database say unasked, and passes it on.

use crate::clock::now_micros;
use crate::events::{Events, Kind};
use crate::inner::Inner;
use crate::mail::Mail;
use crate::posted::{self, Posted};
use crate::reach;
use crate::shard::Input;
use domain::message::{CounterId, Reply};
use domain::serial::SubSerial;
use port::{Counter, CounterIndex, LastSignOn, Unmatched};
use std::sync::Arc;
use std::time::Duration;
use store::{AlarmAbout, AlarmKind, JournalHealth, RecordStanding};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

/// How often it is said what was left out of the log and of the events.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// When a counter is asked once more how far it has seen our serials, if it could not be asked.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// What a counter says unasked may still decide a leg.
pub(crate) async fn route_unmatched(
    inner: Arc<Inner>,
    unmatched: Arc<Mutex<mpsc::Receiver<Unmatched>>>,
) {
    let mut unmatched = unmatched.lock().await;
    while let Some(said) = unmatched.recv().await {
        match said {
            Unmatched::Reply { counter, reply, .. } => route_reply(&inner, &counter, reply).await,
            Unmatched::Notice { counter, notice } => {
                let severity = notice.severity.as_str();
                let text = format!("{counter} says ({severity}): {}", notice.text);
                if notice.severity.is_alarm() {
                    let about = AlarmAbout::Counter(counter.clone());
                    inner.events.raise(AlarmKind::Notice, about, &text);
                }
                say(&inner, &counter, &text);
            }
            Unmatched::Malformed { counter, serial, error } => {
                let about = serial.map(|serial| format!(" about {serial}")).unwrap_or_default();
                let text = format!("{counter} sent something unreadable{about}: {error}");
                say(&inner, &counter, &text);
            }
        }
    }
}

/// What one counter says is logged and shown as often as others can read it.
fn say(inner: &Inner, counter: &CounterId, text: &str) {
    if inner.events.record_of(now_micros(), Kind::Notice, counter.as_str(), text) {
        tracing::warn!(%counter, "{text}");
    }
}

/// Says what was left out of those that have fallen silent.
pub(crate) async fn tell_left_out(events: Events) {
    let mut every = tokio::time::interval(TOLD_EVERY);
    loop {
        every.tick().await;
        for text in events.tell_left_out(now_micros()) {
            tracing::warn!("{text}");
        }
    }
}

async fn route_reply(inner: &Inner, counter: &CounterId, reply: Reply) {
    if let Some(serial) = reply.serial() {
        let mail = Mail::Input(Input::Unasked { speaker: counter.clone(), reply });
        // A shard that has stopped takes nothing more; recovery asks the counter itself.
        let _ = inner.shard_of(serial.sequence).send(mail).await;
    }
}

/// Wakes what waits for a counter as soon as it is back.
pub(crate) async fn watch_sessions(inner: Arc<Inner>, index: CounterIndex) {
    let counter = &inner.counters[index];
    let mut told = None;
    loop {
        let known = counter.last_sign_on();
        let began = known.session_began;
        if began.is_some() && began != told {
            for shard in &inner.shards {
                let _ = shard.send(Mail::Input(Input::SessionBegan(index))).await;
            }
        }
        told = began;
        if !counter.sign_on_changes(known).await {
            break;
        }
    }
}

/// How it is found out how far a counter has seen our serials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// It has said so at its sign-on.
    With(SubSerial),
    /// It is asked what it posted.
    Asked,
    /// Not now: there is no session, or it was asked in an earlier one.
    Not,
}

impl Comparison {
    fn of(told: Option<SubSerial>, is_up: bool, was_asked: bool) -> Comparison {
        match (told, is_up, was_asked) {
            (Some(told), _, _) => Comparison::With(told),
            (None, true, false) => Comparison::Asked,
            (None, true, true) | (None, false, _) => Comparison::Not,
        }
    }
}

/// Asks a counter that says nothing at its sign-on. `false`: its session was gone before it had answered.
async fn ask_for_serials(inner: &Inner, counter: &dyn Counter) -> bool {
    match posted::last_posted(inner, counter).await {
        Posted::Last(serial) => reach::look(inner, counter.id(), serial).await,
        Posted::Nothing => {}
        Posted::Unsaid(why) => {
            let text = format!(
                "whether the record lacks something of {counter} shows only in its answers: it says \
                 neither at sign-on nor when it is asked how far it has seen our serials ({why}). It \
                 may have seen none yet",
                counter = counter.id()
            );
            say(inner, counter.id(), &text);
        }
        Posted::Gone => return false,
    }
    true
}

/// Holds what a counter says of our serials against what the record gave out: what it says at each
/// sign-on, on whichever connection; and where it says nothing, what it posted last, once in a life.
pub(crate) async fn watch_serials(inner: Arc<Inner>, index: CounterIndex) {
    let counter = &inner.counters[index];
    let mut asked = false;
    loop {
        let known = counter.last_sign_on();
        let in_vain =
            match Comparison::of(known.highest_serial, known.session_began.is_some(), asked) {
                Comparison::With(told) => {
                    reach::look(&inner, counter.id(), told).await;
                    inner.compared[index.0].send_replace(Some(told));
                    false
                }
                Comparison::Asked => {
                    asked = ask_for_serials(&inner, &**counter).await;
                    !asked
                }
                Comparison::Not => false,
            };
        if !signs_on_again(&**counter, known, in_vain).await {
            break;
        }
    }
}

/// Waits for another sign-on. One that was asked in vain is waited for no longer than [`ASKED_AGAIN`]: its session
/// may go on all the same, and had only not begun to take requests. `false`: it has been let go.
async fn signs_on_again(counter: &dyn Counter, known: LastSignOn, in_vain: bool) -> bool {
    let changes = counter.sign_on_changes(known);
    if in_vain { timeout(ASKED_AGAIN, changes).await.unwrap_or(true) } else { changes.await }
}

/// What the store found out about its record counts for everybody.
pub(crate) fn look_at_record(inner: &Inner) {
    let standing = inner.store.standing().borrow().clone();
    if let RecordStanding::Behind { why } = standing
        && inner.standing.fall_behind(why.clone())
    {
        let text = format!("the record is behind: {why}; nothing that moves money is sent");
        inner.events.raise(AlarmKind::RecordBehind, AlarmAbout::Bridge, &text);
        inner.events.record(now_micros(), Kind::Database, None, text);
    }
}

/// Follows whether the record is behind: found out by the store, or by what counters have seen, which
/// the store then remembers.
pub(crate) async fn watch_record(inner: Arc<Inner>) {
    let (mut found, mut declared) = (inner.store.standing(), inner.standing.follow());
    loop {
        look_at_record(&inner);
        if let Some(why) = inner.standing.behind()
            && *inner.store.standing().borrow() == RecordStanding::Current
        {
            inner.journal.fall_behind(why);
        }
        let changed = tokio::select! {
            changed = found.changed() => changed,
            changed = declared.changed() => changed,
        };
        if changed.is_err() {
            break;
        }
    }
}

/// Tells operators when the database fails and when it is back.
pub(crate) async fn watch_journal(inner: Arc<Inner>) {
    let mut health = inner.journal.health();
    while health.changed().await.is_ok() {
        let text = match &*health.borrow_and_update() {
            JournalHealth::Ok => "the database records again".to_owned(),
            JournalHealth::Failing { why, .. } => {
                let text = format!("the database does not record: {why}");
                tracing::error!("{text}");
                inner.events.raise(AlarmKind::Database, AlarmAbout::Bridge, &text);
                text
            }
        };
        inner.events.record(now_micros(), Kind::Database, None, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::message::Instruction;
    use domain::profile::Profile;
    use domain::serial::Day;
    use port::history::History;
    use port::{Answers, InProcess};
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn a_counter_is_asked_once_and_only_if_it_does_not_say_it() {
        let told = SubSerial::from_number(71).expect("a serial");
        for (told, is_up, was_asked, expected) in [
            (Some(told), true, false, Comparison::With(told)),
            (Some(told), false, true, Comparison::With(told)),
            (None, true, false, Comparison::Asked),
            (None, true, true, Comparison::Not),
            (None, false, false, Comparison::Not),
            (None, false, true, Comparison::Not),
        ] {
            assert_eq!(Comparison::of(told, is_up, was_asked), expected);
        }
    }

    /// A counter in this process; nothing is asked of it here.
    #[derive(Debug)]
    struct Books;

    impl Answers for Books {
        fn answer(&mut self, instruction: &Instruction) -> Reply {
            panic!("it is asked {instruction:?}")
        }

        fn settle_day(&self) -> Day {
            Day::from_unix_days(20_000)
        }

        fn highest_serial(&self) -> Option<SubSerial> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_counter_that_could_not_be_asked_is_asked_again_though_its_session_goes_on() {
        let id = CounterId::new("ledger").expect("an id");
        let stop = CancellationToken::new();
        let (profile, history) = (Profile::default(), History::default());
        let counter = InProcess::new(id, profile, history, Books, stop.clone());
        let known = counter.last_sign_on();
        let began = Instant::now();
        assert!(signs_on_again(&counter, known, true).await, "it is still there");
        assert_eq!(began.elapsed(), ASKED_AGAIN);
        let waits = timeout(ASKED_AGAIN * 1000, signs_on_again(&counter, known, false));
        assert!(waits.await.is_err(), "one that has answered is not asked again");
        stop.cancel();
        assert!(signs_on_again(&counter, known, true).await, "its session has ended");
        let known = counter.last_sign_on();
        assert!(!signs_on_again(&counter, known, true).await, "it has been let go");
        assert!(!signs_on_again(&counter, known, false).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_told_some_time_whoever_has_fallen_silent() {
        let events = Events::default();
        let (_, mut feed) = events.follow();
        for _ in 0..1_000 {
            events.record_of(1, Kind::Notice, "evil", "x");
        }
        let telling = tokio::spawn(tell_left_out(events));
        let told = tokio::time::timeout(Duration::from_mins(10), async {
            loop {
                let text = feed.recv().await.expect("it goes on").text;
                if text != "x" {
                    return text;
                }
            }
        });
        let told = told.await.expect("it is told");
        assert!(told.starts_with("evil: ") && told.contains("left out"), "{told}");
        telling.abort();
    }
}
