use super::*;
use domain::message::CounterId;
use domain::serial::MasterSerial;
use store::Acknowledged;

const SECOND: i64 = 1_000_000;

/// A clock that a test moves.
struct Clock(Instant, i64);

impl Clock {
    fn new() -> Clock {
        Clock(Instant::now(), 1_000 * SECOND)
    }

    fn now(&self) -> Now {
        Now { wall: self.1, at: self.0 }
    }

    fn pass(&mut self, seconds: u64) {
        self.0 += Duration::from_secs(seconds);
        self.1 += i64::try_from(seconds).expect("few") * SECOND;
    }
}

fn futures() -> AlarmAbout {
    AlarmAbout::Counter(CounterId::new("futures").expect("a counter"))
}

fn transfer(number: i64) -> AlarmAbout {
    let master = MasterSerial::from_number(2_026_112_100_000_000_000 + number);
    AlarmAbout::Transfer(master.expect("a serial"))
}

/// The record takes what it lacks, as it is; what is told of that.
fn flush(book: &mut Book, now: Now, is_due: bool) -> Vec<String> {
    let writing = book.to_write(is_due);
    let first = 1 + i64::try_from(book.turns).expect("few");
    let numbers = writing.iter().zip(first..).map(|(one, new)| one.number.unwrap_or(new));
    let kept = numbers.zip(writing.iter().map(|one| one.alarm.clone())).collect();
    told(book.written(now, writing, kept))
}

fn told(told: Vec<Told>) -> Vec<String> {
    let words = told.into_iter().map(|told| match told {
        Told::Raised((number, _)) => format!("raised {number}"),
        Told::Seen((number, _)) => format!("seen {number}"),
        Told::Closed((number, _)) => format!("closed {number}"),
    });
    words.collect()
}

/// What a person says, as the record keeps it.
fn say(book: &mut Book, now: Now, number: i64, change: impl Fn(&mut Alarm)) -> Vec<String> {
    let sent = book.find(number).expect("it is open");
    let mut kept = sent.alarm.clone();
    change(&mut kept);
    let writing = Writing { number: Some(number), alarm: kept.clone() };
    told(book.written(now, vec![writing], vec![(number, kept)]))
}

fn seen(alarm: &mut Alarm) {
    let (who, note, times) = ("lin".into(), "I look".into(), alarm.times);
    alarm.acknowledged = Some(Acknowledged { at: 5, who, note, times });
}

fn over(alarm: &mut Alarm) {
    alarm.closed = Some(Closed { at: 6, who: Some("lin".into()), note: "asked them".into() });
}

#[test]
fn however_often_the_same_is_said_it_is_one_alarm_that_is_written_seldom() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    let raised = (0..100_000)
        .filter(|_| book.say(clock.now(), AlarmKind::Contradiction, futures(), "it lies"))
        .count();
    assert_eq!((raised, book.all().len(), book.to_write(false).len()), (1, 1, 1));
    assert_eq!(flush(&mut book, clock.now(), false), ["raised 1"]);
    assert!(book.to_write(true).is_empty(), "the record has all of it");
    clock.pass(1);
    for _ in 0..1_000 {
        assert!(!book.say(clock.now(), AlarmKind::Contradiction, futures(), "and lies"));
    }
    assert!(book.to_write(false).is_empty(), "that it was said again waits");
    let due = book.to_write(true);
    assert_eq!((due.len(), due[0].number, due[0].alarm.times), (1, Some(1), 101_000));
    assert_eq!(
        (&*due[0].alarm.text.to_string(), &*due[0].alarm.latest.to_string()),
        ("it lies", "and lies")
    );
    assert_eq!((due[0].alarm.raised_at, due[0].alarm.last_at), (1_000 * SECOND, 1_001 * SECOND));
}

#[test]
fn an_alarm_is_raised_acknowledged_and_closed_and_said_again_is_another() {
    let (mut book, clock) = (Book::default(), Clock::new());
    let lies = |book: &mut Book| book.say(clock.now(), AlarmKind::Contradiction, futures(), "x");
    assert!(lies(&mut book));
    assert!(book.find(1).is_none(), "nobody can name what is not recorded");
    flush(&mut book, clock.now(), false);
    assert_eq!(say(&mut book, clock.now(), 1, seen), ["seen 1"]);
    assert!(!lies(&mut book), "it is open still");
    let open = book.find(1).expect("it is open");
    assert_eq!((open.alarm.times, open.alarm.acknowledged.map(|seen| seen.times)), (2, Some(1)));
    assert_eq!(say(&mut book, clock.now(), 1, over), ["closed 1"]);
    assert!(book.all().is_empty() && book.to_write(true).is_empty());
    assert!(lies(&mut book));
    let again = &book.all()[0];
    assert!(again.number.is_none() && again.alarm.acknowledged.is_none());
}

/// Between the look and the end, nobody has seen it.
#[test]
fn what_is_said_while_it_is_being_closed_opens_another() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    book.say(clock.now(), AlarmKind::Contradiction, futures(), "first");
    flush(&mut book, clock.now(), false);
    let mut alarm = book.find(1).expect("it is open").alarm;
    over(&mut alarm);
    clock.pass(1);
    book.say(clock.now(), AlarmKind::Contradiction, futures(), "second");
    book.say(clock.now(), AlarmKind::Contradiction, futures(), "third");
    let writing = vec![Writing { number: Some(1), alarm: alarm.clone() }];
    assert_eq!(told(book.written(clock.now(), writing, vec![(1, alarm)])), ["closed 1"]);
    let open = book.all();
    assert_eq!((open.len(), open[0].number, open[0].alarm.times), (1, None, 2));
    assert_eq!(open[0].alarm.text.to_string(), "third");
}

#[test]
fn what_lasts_closes_by_itself_when_it_has_been_over_for_a_while() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    let (kind, bridge) = (AlarmKind::Database, AlarmAbout::Bridge);
    assert!(!book.stands(clock.now(), kind, bridge.clone(), None));
    assert!(book.stands(clock.now(), kind, bridge.clone(), Some("away")));
    assert!(!book.stands(clock.now(), kind, bridge.clone(), Some("away")), "it is the same");
    flush(&mut book, clock.now(), false);
    // It comes and goes: one alarm, however often.
    for _ in 0..1_000 {
        book.stands(clock.now(), kind, bridge.clone(), None);
        assert!(book.find(1).expect("open").is_over);
        clock.pass(OVER_FOR.as_secs() - 1);
        book.close_what_is_over(clock.now());
        book.say(clock.now(), kind, bridge.clone(), "away again");
    }
    assert_eq!((book.all().len(), book.all()[0].alarm.times), (1, 1_001));
    book.stands(clock.now(), kind, bridge.clone(), None);
    clock.pass(OVER_FOR.as_secs());
    book.close_what_is_over(clock.now());
    assert!(book.all().is_empty());
    // Again, before the first is recorded to be closed.
    assert!(book.say(clock.now(), kind, bridge, "away"));
    let writing = book.to_write(false);
    let closed = writing[0].alarm.closed.as_ref().expect("it is closed");
    assert_eq!((writing.len(), &closed.who), (2, &None));
    assert_eq!(closed.note.to_string(), "it is over: the database records");
    let told = flush(&mut book, clock.now(), false);
    assert_eq!((told.len(), told[0].as_str(), book.to_write(true).len()), (2, "closed 1", 0));
}

/// A counter that two have readmitted and that is held anew, for another reason, before the first alarm has closed.
#[test]
fn what_begins_anew_before_it_has_closed_is_said_again_with_its_own_reason() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    let now = clock.now();
    let stands =
        |book: &mut Book, lasts| book.stands(now, AlarmKind::CounterHeld, futures(), lasts);
    assert!(stands(&mut book, Some("a foreign mark")));
    assert!(!stands(&mut book, Some("a foreign mark")), "it goes on");
    assert_eq!(book.all()[0].alarm.times, 1);
    assert!(!stands(&mut book, None) && !stands(&mut book, Some("it has seen later serials")));
    clock.pass(OVER_FOR.as_secs());
    book.close_what_is_over(clock.now());
    let all = book.all();
    assert_eq!((all.len(), all[0].is_over, all[0].alarm.times), (1, false, 2));
    assert_eq!(all[0].alarm.latest.to_string(), "it has seen later serials");
}

#[test]
fn what_closed_before_it_was_recorded_is_told_whole() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    book.stands(clock.now(), AlarmKind::Database, AlarmAbout::Bridge, Some("away"));
    book.stands(clock.now(), AlarmKind::Database, AlarmAbout::Bridge, None);
    clock.pass(OVER_FOR.as_secs());
    book.close_what_is_over(clock.now());
    assert_eq!(flush(&mut book, clock.now(), false), ["raised 1", "closed 1"]);
    assert!(book.to_write(true).is_empty());
}

#[test]
fn alarms_about_transfers_are_bounded_and_one_says_how_many_there_was_no_room_for() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    for number in 1..=100_000 {
        book.say(clock.now(), AlarmKind::Contradiction, transfer(number), "refused");
    }
    let open = book.all();
    assert_eq!(open.len(), MOST_OF_TRANSFERS + 1);
    let many = open.iter().find(|open| open.alarm.kind == AlarmKind::TooMany).expect("it is said");
    assert_eq!((many.alarm.times, book.left_out()), (99_900, 99_900));
    assert!(book.say(clock.now(), AlarmKind::Database, AlarmAbout::Bridge, "away"), "has room");
    // There is room again as soon as one is closed.
    while !book.to_write(false).is_empty() {
        flush(&mut book, clock.now(), false);
    }
    book.close_what_is_over(clock.now());
    clock.pass(OVER_FOR.as_secs());
    book.close_what_is_over(clock.now());
    assert!(book.is_open(AlarmKind::TooMany, &AlarmAbout::Bridge), "there is no room yet");
    let one = book.all().into_iter().find(|open| open.alarm.about == transfer(7)).expect("open");
    say(&mut book, clock.now(), one.number.expect("recorded"), over);
    book.close_what_is_over(clock.now());
    clock.pass(OVER_FOR.as_secs());
    book.close_what_is_over(clock.now());
    assert!(!book.is_open(AlarmKind::TooMany, &AlarmAbout::Bridge));
}

#[test]
fn however_long_the_database_is_away_so_much_waits_for_it() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    for _ in 0..3 * MOST_ENDED {
        book.stands(clock.now(), AlarmKind::Database, AlarmAbout::Bridge, Some("away"));
        book.stands(clock.now(), AlarmKind::Database, AlarmAbout::Bridge, None);
        clock.pass(OVER_FOR.as_secs());
        book.close_what_is_over(clock.now());
    }
    assert_eq!((book.ended.len(), book.left_out()), (MOST_ENDED, 2 * MOST_ENDED as u64));
    assert_eq!(book.to_write(true).len(), A_BATCH);
}

/// Whichever was not written for longest: nobody who is loud keeps another's from the record.
#[test]
fn what_is_said_again_is_written_in_turn() {
    let (mut book, clock) = (Book::default(), Clock::new());
    let about = |number: usize| {
        AlarmAbout::Counter(CounterId::new(&format!("c{number:03}")).expect("a counter"))
    };
    let many = A_BATCH + 10;
    for _ in 0..2 {
        for number in 0..many {
            book.say(clock.now(), AlarmKind::Notice, about(number), "x");
        }
        while !book.to_write(false).is_empty() {
            flush(&mut book, clock.now(), false);
        }
    }
    assert_eq!(flush(&mut book, clock.now(), true), [""; 0]);
    for number in 0..many {
        book.say(clock.now(), AlarmKind::Notice, about(number), "x");
    }
    let next = book.to_write(true);
    let firsts: Vec<AlarmAbout> = next[..10].iter().map(|one| one.alarm.about.clone()).collect();
    assert_eq!(firsts, (A_BATCH..many).map(about).collect::<Vec<_>>());
}

#[test]
fn what_the_database_did_not_confirm_is_read_by_writing_it_again() {
    let (mut book, clock) = (Book::default(), Clock::new());
    book.say(clock.now(), AlarmKind::Contradiction, futures(), "x");
    flush(&mut book, clock.now(), false);
    book.doubt(1);
    let writing = book.to_write(false);
    assert_eq!(writing.len(), 1);
    // It has taken the acknowledgement.
    let mut kept = writing[0].alarm.clone();
    seen(&mut kept);
    assert_eq!(told(book.written(clock.now(), writing, vec![(1, kept)])), ["seen 1"]);
    assert!(book.find(1).expect("open").alarm.acknowledged.is_some());
    // Or that it was closed.
    book.doubt(1);
    let writing = book.to_write(false);
    let mut kept = writing[0].alarm.clone();
    over(&mut kept);
    assert_eq!(told(book.written(clock.now(), writing, vec![(1, kept)])), ["closed 1"]);
    assert!(book.all().is_empty() && book.to_write(true).is_empty());
}

#[test]
fn what_was_open_before_is_open_and_of_two_of_the_same_one() {
    let (mut book, clock) = (Book::default(), Clock::new());
    book.say(clock.now(), AlarmKind::Foreign, futures(), "x");
    let alarm = book.all()[0].alarm.clone();
    let mut book = Book::default();
    let later = Alarm { raised_at: alarm.raised_at + 1, ..alarm.clone() };
    book.take_up(clock.now().wall, vec![(3, alarm), (9, later)], Vec::new());
    assert_eq!((book.all().len(), book.all()[0].number), (1, Some(9)));
    assert!(!book.say(clock.now(), AlarmKind::Foreign, futures(), "x"), "it is raised already");
    assert_eq!(flush(&mut book, clock.now(), false), ["closed 3"]);
}

/// While what was open cannot be read, what is said is in force here alone; then it is said again of what was open.
#[test]
fn what_was_said_before_it_was_known_what_was_open_is_said_of_that() {
    let (mut before, mut clock) = (Book::default(), Clock::new());
    before.say(clock.now(), AlarmKind::Foreign, futures(), "before");
    let mut known = before.all()[0].alarm.clone();
    seen(&mut known);
    clock.pass(60);
    let mut book = Book::default();
    assert!(!book.is_taken_up());
    for text in ["meanwhile", "and again"] {
        book.say(clock.now(), AlarmKind::Foreign, futures(), text);
    }
    book.say(clock.now(), AlarmKind::Notice, futures(), "new");
    book.take_up(clock.now().wall, vec![(3, known.clone())], vec![4, 5]);
    assert!(book.is_taken_up());
    let Alarm { text, latest, raised_at, times, acknowledged, .. } =
        book.find(3).expect("it is open").alarm;
    assert_eq!((text, latest), ("before".into(), "and again".into()));
    assert_eq!((raised_at, times, acknowledged), (known.raised_at, 3, known.acknowledged));
    assert_eq!(flush(&mut book, clock.now(), false), ["raised 1"], "only the other is new");
    assert!(flush(&mut book, clock.now(), true).is_empty());
    assert!(book.to_write(true).is_empty(), "how often it was said is recorded");
    // Those that cannot be read are known until they are set aside.
    book.set_aside(&[4]);
    assert_eq!(book.damaged(), [5]);
}

#[test]
fn nobody_has_seen_comes_first_and_long_texts_are_cut() {
    let (mut book, mut clock) = (Book::default(), Clock::new());
    for (kind, text) in [
        (AlarmKind::Foreign, "x".to_owned()),
        (AlarmKind::Notice, "é".repeat(5_000)),
        (AlarmKind::Contradiction, String::new()),
    ] {
        clock.pass(1);
        book.say(clock.now(), kind, futures(), &text);
    }
    while !book.to_write(false).is_empty() {
        flush(&mut book, clock.now(), false);
    }
    let newest = book.all()[0].clone();
    assert_eq!(newest.alarm.kind, AlarmKind::Contradiction);
    say(&mut book, clock.now(), newest.number.expect("recorded"), seen);
    let kinds: Vec<AlarmKind> = book.all().iter().map(|open| open.alarm.kind).collect();
    assert_eq!(kinds, [AlarmKind::Notice, AlarmKind::Foreign, AlarmKind::Contradiction]);
    assert_eq!(book.all()[0].alarm.text.as_received().len(), LONGEST);
    assert_eq!((clipped("abc"), clipped(&"é".repeat(1_001)).len()), ("abc", LONGEST));
}
