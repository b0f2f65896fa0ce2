//! From what happens to a transfer to the step that follows.

use super::perform::slot;
use super::{Output, Shard};
use crate::accusations::Fault;
use crate::clock::Now;
use crate::events::Kind;
use crate::happening::Happening;
use crate::received::{Came, Heard, LATE, Received, evidence_words, heard_words};
use crate::record::{Awaited, Record};
use crate::world::World;
use domain::serial::Role;
use domain::transfer::{
    Action, Event, Evidence, Knowledge, LegReport, Outlook, Phase, Question, Step, Verdict, Weight,
    Words, step,
};
use supervise::trap::spring;

/// Happenings about one leg that are kept while the record is awaited. Nothing is awaited from a
/// counter then: whatever comes is late or unasked, and a few copies of it say all there is to say.
const MOST_HELD: usize = 32;

/// Late and unasked answers about one leg that are looked at while the transfer stays in its state.
/// A counter has a few things to say about a leg; the rest is repetition.
const MOST_LATE: u16 = 32;

/// Rounds of asking for a parked transfer that bring nothing and are written down. It is asked about
/// for as long as nobody decides, and its trail must stay readable, and short enough to be taken up.
const MOST_FRUITLESS: u16 = 32;

/// Only a decision may be against the rules, and here none is taken; were it otherwise, `guarded` would
/// park the transfer.
const NO_DECISION: &str = "what happens to a transfer is never against the rules";

/// Keeps in the record what an occurrence has taught, and how often nothing; `before` is the phase and what was
/// known of the leg when it came.
fn write_down(
    record: &mut Record,
    occurrence: Occurrence,
    (before, known): (Phase, Option<Knowledge>),
    verdict: Verdict,
    now: Now,
    out: &mut Vec<Output>,
) {
    let Occurrence { event, words, role, late, heard } = occurrence;
    let proof = matches!(&event, Event::Told(_, told) if told.evidence.is_proof());
    let learned = known != role.map(|role| record.transfer.leg(role).knowledge);
    let moved = before != record.transfer.phase;
    if before.state() != record.transfer.state() {
        (record.late, record.fruitless) = ([0; 3], 0);
    } else if learned {
        record.fruitless = 0;
    } else if matches!(before, Phase::Parked(_)) && role.is_some() && !late {
        record.fruitless = record.fruitless.saturating_add(1);
    }
    // What was known already is no news, however often it is said.
    let news = learned || moved || verdict == Verdict::Contradiction;
    if let Some(words) = words
        && (news || !late && record.fruitless <= MOST_FRUITLESS)
    {
        let received = match &event {
            Event::Told(role, told) => Received::beside(told, heard, *role, &record.transfer),
            Event::Wake | Event::Expire | Event::Decide(_) => None,
        };
        record.note_heard(now, words, role, heard.under, received);
    }
    // What ends a leg begins a new one; a refusal that is not worth that much yet must not
    // hurry the questions that follow it.
    if role.is_some_and(|role| proof && record.transfer.leg(role).knowledge.is_proof()) {
        record.pauses = 0;
    }
    if verdict == Verdict::Contradiction
        && let Some(role) = role
    {
        let state = before.state().as_str();
        let text = format!("it contradicted itself about the {role} (while {state})");
        accuse(record, role, &text, out);
    }
}

/// An event, its words for the trail, and the leg that it is about.
struct Occurrence {
    event: Event,
    words: Option<String>,
    role: Option<Role>,
    /// Nobody waited for it.
    late: bool,
    /// How it was said, if a counter said it.
    heard: Heard,
}

impl Shard {
    /// One thing happens to one transfer.
    pub(super) fn happen(
        &mut self,
        sequence: u64,
        happening: Happening,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let Some(record) = self.open.get_mut(&sequence) else { return };
        if record.barrier.is_some() {
            return hold(record, happening, out);
        }
        let asked = matches!(record.awaited, Awaited::Outcome { .. });
        let role = happening.role();
        let (occurrence, fault) = occurrence(record, happening, world);
        if let (Some(text), Some(role)) = (fault, role) {
            accuse(record, role, &text, out);
        }
        let Some(occurrence) = occurrence else { return };
        if let (true, Some(role)) = (occurrence.late, occurrence.role)
            && !listen(record, role, out)
        {
            return;
        }
        if let Event::Told(role, LegReport { doubt: Some(doubt), .. }) = &occurrence.event
            && record.transfer.leg(*role).doubt != Some(*doubt)
            && record.doubts_told[slot(*role)].replace(*doubt) != Some(*doubt)
        {
            out.push(Output::Doubted {
                counter: record.counter(*role),
                doubt: *doubt,
                master: record.master(),
                role: *role,
            });
        }
        spring("step", || record.transfer.intent.order.amount.minor().to_string());
        let before = record.transfer.phase;
        let known = occurrence.role.map(|role| record.transfer.leg(role).knowledge);

        // Time is looked at before anything is decided: past its deadline nothing new is begun.
        let expired = record.look_at_deadline(world, now, self.config.patience);
        let mut followed = expired.expect(NO_DECISION);
        let ground = record.ground(world, self.config.patience);
        let in_vain = asked_in_vain(&occurrence.event);
        // What expiry began stands, unless the event brings proof, which may change everything.
        let proof = matches!(&occurrence.event, Event::Told(_, told) if told.evidence.is_proof());
        if followed.is_none() || proof {
            let Some(record) = self.open.get_mut(&sequence) else { return };
            let told = step(&mut record.transfer, &occurrence.event, &ground).expect(NO_DECISION);
            write_down(record, occurrence, (before, known), told.verdict, now, out);
            if told.action != Action::Stay {
                followed = Some(told);
            }
        }
        if let (Some(role), Some(Step { action: Action::Pause, .. })) = (in_vain, &followed) {
            self.want_sessions(sequence, role, now, world, out);
        }
        let overtaken = self.overtake(sequence, now, out);
        let Some(record) = self.open.get_mut(&sequence) else { return };
        let for_persons =
            [before, record.transfer.phase].iter().any(|phase| matches!(phase, Phase::Parked(_)));
        if for_persons {
            tell_persons(record, before, now, out);
        }
        // Nothing to do, and nothing awaited: it would never be looked at again. One that is parked
        // may be known as far as it can be; but what was asked, and answered beside the point, is not.
        let idle = record.awaited == Awaited::Nothing
            && (asked || !matches!(record.transfer.phase, Phase::Parked(_)));
        match followed {
            Some(step) => self.follow(sequence, step, None, now, world, out),
            None if idle => self.pause(sequence, now, out),
            None => {}
        }
        if for_persons {
            let ended = self.open.get(&sequence).map(|record| record.transfer.state());
            let ends = ended.filter(|state| state.is_final()).map(Outlook::Ends);
            self.show_as_before(sequence, before, ends, world);
        }
        if overtaken {
            self.freed(sequence, now, world, out);
        }
    }

    /// What waits for a person is shown so until its end is durable, and what it leads to is looked at
    /// whenever something has happened to it.
    pub(super) fn show_as_before(
        &mut self,
        sequence: u64,
        before: Phase,
        by_itself: Option<Outlook>,
        world: &World,
    ) {
        let Some(record) = self.open.get_mut(&sequence) else { return };
        if record.shown.is_some() && matches!(before, Phase::Parked(_)) {
            record.shown = Some(before);
            record.outlook = by_itself.or(record.outlook);
        }
        record.look_ahead(world, self.config.patience);
    }
}

/// Says what persons should know of how a transfer moved: that it needs one, why it does now, or that it
/// needs none any more.
pub(super) fn tell_persons(record: &mut Record, before: Phase, now: Now, out: &mut Vec<Output>) {
    let (master, phase) = (record.master(), record.transfer.phase);
    if let Phase::Parked(why) = phase {
        if phase != before {
            let text = why.as_str().to_owned();
            out.push(Output::Alarm { kind: Kind::NeedsOperator, master, text });
        }
    } else if phase.state().is_final() && record.transfer.imbalance().is_none() {
        let text = format!("all is proven: it ends by itself as {}", phase.state());
        record.note(now, text.clone(), None);
        out.push(Output::Alarm { kind: Kind::Resolved, master, text });
    }
}

/// Keeps what came while the record is awaited: a bounded number of things about each leg.
fn hold(record: &mut Record, happening: Happening, out: &mut Vec<Output>) {
    // What is awaited comes once, and without it nothing more would be asked.
    if happening.answers(record.awaited) {
        return record.held.push_back(happening);
    }
    let Some(role) = happening.role() else {
        // What was not answered says nothing that is waited for; and one waking is enough.
        let wakes = matches!(happening, Happening::Event(_));
        if wakes && !record.held.iter().any(|held| matches!(held, Happening::Event(_))) {
            record.held.push_back(happening);
        }
        return;
    };
    let about = record.held.iter().filter(|held| held.role() == Some(role)).count();
    if about < MOST_HELD {
        record.held.push_back(happening);
    } else {
        leave_out(record, role, out);
    }
}

/// Whether one more late answer about a leg is looked at.
fn listen(record: &mut Record, role: Role, out: &mut Vec<Output>) -> bool {
    let heard = &mut record.late[slot(role)];
    if *heard < MOST_LATE {
        *heard += 1;
        return true;
    }
    leave_out(record, role, out);
    false
}

/// Says once that a counter repeats itself, and counts every time.
fn leave_out(record: &mut Record, role: Role, out: &mut Vec<Output>) {
    let first = !std::mem::replace(&mut record.left_out[slot(role)], true);
    let text = first.then(|| {
        format!(
            "the counter repeats itself about the {role}: what more it says unasked is only counted"
        )
    });
    out.push(Output::LeftOut { counter: record.counter(role), master: record.master(), text });
}

impl Record {
    /// Whether a round of asking is written down.
    pub(super) fn is_told_of_rounds(&self) -> bool {
        self.fruitless < MOST_FRUITLESS
    }
}

/// The leg that a question was about whose answer proves nothing as long as a copy may still be on
/// its way.
fn asked_in_vain(event: &Event) -> Option<Role> {
    match event {
        Event::Told(
            role,
            LegReport { evidence: Evidence::NotFound | Evidence::Refused, weight, .. },
        ) => (*weight == Weight::Query).then_some(*role),
        Event::Told(..) | Event::Wake | Event::Expire | Event::Decide(_) => None,
    }
}

impl Happening {
    /// Whether it is the outcome that is awaited.
    fn answers(&self, awaited: Awaited) -> bool {
        let (Happening::Answered { ticket, .. } | Happening::Unanswered { ticket, .. }) = self
        else {
            return false;
        };
        matches!(awaited, Awaited::Outcome { ticket: current, .. } if current == *ticket)
    }

    /// The leg that a counter spoke about, if one did.
    fn role(&self) -> Option<Role> {
        match self {
            Happening::Unasked(words) | Happening::Answered { words, .. } => Some(words.role()),
            Happening::Event(_) | Happening::Unanswered { .. } => None,
        }
    }
}

/// Counts it against the counter of a leg, which is the one that spoke.
fn accuse(record: &Record, role: Role, text: &str, out: &mut Vec<Output>) {
    let counter = record.transfer.place(role).counter.clone();
    let text = format!("{counter}: {text}");
    let master = record.master();
    out.push(Output::Accuse { counter, fault: Fault::Contradiction, master, text });
}

/// What has happened, in the machine's terms; `None` if it is to be dropped. And what is to be held
/// against the counter that spoke, whether or not it is dropped.
fn occurrence(
    record: &mut Record,
    happening: Happening,
    world: &World,
) -> (Option<Occurrence>, Option<String>) {
    match happening {
        Happening::Event(event) => {
            record.awaited = Awaited::Nothing;
            (
                Some(Occurrence {
                    event,
                    words: None,
                    role: None,
                    late: false,
                    heard: Heard::default(),
                }),
                None,
            )
        }
        Happening::Unasked(words) => heard(record, words, None, Came::Unasked, world),
        Happening::Answered { ticket, words } => {
            let current = answers(record, ticket);
            heard(record, words, current, Came::Late, world)
        }
        Happening::Unanswered { ticket, evidence, why } => {
            let unanswered = answers(record, ticket).map(|(role, question)| {
                let subject = if question.is_some() { "question about the " } else { "" };
                Occurrence {
                    event: Event::Told(role, LegReport::nothing(evidence, weight(question))),
                    words: Some(format!("{subject}{role}: {why}")),
                    role: Some(role),
                    late: false,
                    heard: Heard::default(),
                }
            });
            (unanswered, None)
        }
    }
}

/// What the ticket was for, if it is the one that is awaited; then it is awaited no more.
fn answers(record: &mut Record, ticket: u64) -> Option<(Role, Option<Question>)> {
    match record.awaited {
        Awaited::Outcome { ticket: current, role, question } if current == ticket => {
            record.awaited = Awaited::Nothing;
            Some((role, question))
        }
        Awaited::Outcome { .. } | Awaited::Nothing | Awaited::Timer { .. } => None,
    }
}

/// What a leg's own counter said, if it is what is awaited or proof; `otherwise` is how it came if not.
fn heard(
    record: &Record,
    words: Words,
    current: Option<(Role, Option<Question>)>,
    otherwise: Came,
    world: &World,
) -> (Option<Occurrence>, Option<String>) {
    let role = words.role();
    let question = current.and_then(|(_, question)| question).unwrap_or(Question::Look);
    let profile = &world.get(record.counter(role)).profile;
    let mismatch = words.mismatch(&record.transfer, profile);
    let told = LegReport::heard(&record.transfer, words, profile, question);
    let fault = mismatch.filter(|_| told.doubt.is_none()).map(|mismatch| {
        format!("the counter claims a posting for the {role} that {mismatch}: it proves nothing")
    });
    // A doubt that is new holds whenever it arrives, as proof does.
    let doubted = told.doubt.is_some_and(|doubt| record.transfer.leg(role).doubt != Some(doubt));
    if current.is_none() && !told.evidence.is_proof() && !doubted {
        return (None, fault);
    }
    if current.is_none() && record.transfer.may_be_of_another_day(role, told.evidence) {
        return (None, fault);
    }
    let mut words = heard_words(role, evidence_words(&told), told.answer.as_ref());
    if current.is_none() {
        words.push_str(LATE);
    }
    let (event, late) = (Event::Told(role, told), current.is_none());
    let came = if late { otherwise } else { Came::Awaited };
    let question = current.and_then(|(_, question)| question);
    let under = question.and_then(|_| record.under(role));
    let heard = Heard { came, question, under };
    (Some(Occurrence { event, words: Some(words), role: Some(role), late, heard }), fault)
}

fn weight(question: Option<Question>) -> Weight {
    match question {
        None => Weight::Answer,
        Some(Question::Look) => Weight::Query,
        Some(Question::Fence | Question::Settled) => Weight::Truth,
    }
}
