//! A counter without a connection: whoever keeps its books is in this process, and answers at once.

use crate::ask::{Ask, NotSent, RequestOutcome, Unclear};
use crate::counter::{Bounds, Counter, LastSignOn};
use crate::history::History;
use crate::sessions::Sessions;
use crate::spoken::{Spelled, Spoken};
use crate::status::{Counts, Health, Snapshot};
use domain::message::{CounterId, Instruction, Reply};
use domain::money::Amount;
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use supervise::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Who keeps the books of such a counter.
pub trait Answers: Send {
    /// What becomes of an instruction; when this returns, it has been done, and lasts. Whoever asks waits
    /// for it, and so do others who ask: it must not wait for anything itself. A panic says nothing of what
    /// was done; books that may be half changed by one are to be made whole before the next call.
    fn answer(&mut self, instruction: &Instruction) -> Reply;

    /// The accounting day of the books.
    fn settle_day(&self) -> Day;

    /// The highest of our serials that the books hold; `None` if they hold none.
    fn highest_serial(&self) -> Option<SubSerial>;
}

/// See the module. It can be asked from its beginning until `stop`.
pub struct InProcess {
    id: CounterId,
    profile: Arc<Profile>,
    bounds: Bounds,
    history: History,
    began: Instant,
    /// What the books held when it began, before this process asked anything.
    highest_serial: Option<SubSerial>,
    stop: CancellationToken,
    /// The day of the books as of the last answer: read each turn by every shard, and never waited for.
    settle_day: AtomicU32,
    // A lock, because shards and callers ask; it is held for one answer.
    inside: Mutex<Inside>,
    shown: watch::Sender<Arc<Snapshot>>,
}

struct Inside {
    answers: Box<dyn Answers>,
    counts: Counts,
}

impl InProcess {
    /// A counter of this name whose books are kept by `answers`.
    pub fn new(
        id: CounterId,
        profile: Profile,
        history: History,
        answers: impl Answers + 'static,
        stop: CancellationToken,
    ) -> InProcess {
        let highest_serial = answers.highest_serial();
        let inside = Inside { answers: Box::new(answers), counts: Counts::default() };
        let settle_day = AtomicU32::new(inside.answers.settle_day().number());
        let shown = watch::Sender::new(Arc::new(shown(&id, &inside, true)));
        InProcess {
            id,
            profile: Arc::new(profile),
            bounds: Bounds::default(),
            history,
            began: Instant::now(),
            highest_serial,
            settle_day,
            stop,
            inside: Mutex::new(inside),
            shown,
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of one request. Whether it may still be done is looked at once nobody else is
    /// answered; whoever keeps the books may fail, and then nothing is known of it.
    fn outcome(&self, instruction: &Instruction, deadline: Instant) -> RequestOutcome {
        let mut inside = self.inside();
        if !self.is_up() {
            return RequestOutcome::NotSent(NotSent::Stopping);
        }
        if deadline <= Instant::now() {
            return RequestOutcome::NotSent(NotSent::Expired);
        }
        inside.counts.sent += 1;
        let Inside { answers, counts } = &mut *inside;
        let answered = catch_unwind(AssertUnwindSafe(|| {
            let reply = answers.answer(instruction);
            (reply, answers.settle_day())
        }));
        match answered {
            Ok((reply, day)) => {
                counts.answered += 1;
                self.settle_day.store(day.number(), Ordering::Release);
                RequestOutcome::Answered(reply)
            }
            Err(_) => RequestOutcome::Unknown(Unclear::BadAnswer),
        }
    }
}

/// It has no connection to be shown, and is open at all hours.
fn shown(id: &CounterId, inside: &Inside, is_up: bool) -> Snapshot {
    Snapshot {
        counter: id.clone(),
        health: if is_up { Health::Up } else { Health::Down },
        settle_day: Some(inside.answers.settle_day()),
        open: is_up,
        connections: Vec::new(),
        queued: 0,
        in_flight: 0,
        counts: inside.counts,
    }
}

impl Counter for InProcess {
    fn id(&self) -> &CounterId {
        &self.id
    }

    fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    fn settle_day(&self) -> Option<Day> {
        Day::new(self.settle_day.load(Ordering::Acquire)).ok()
    }

    fn per_transfer_limit(&self) -> Option<Amount> {
        self.profile.per_transfer_limit
    }

    fn highest_serial(&self) -> Option<SubSerial> {
        self.highest_serial
    }

    fn session_began(&self) -> Option<Instant> {
        self.is_up().then_some(self.began)
    }

    fn sessions(&self) -> Option<Sessions> {
        Some(Sessions::at(self.began))
    }

    /// Nothing is on its way to it, so nothing has to be proven by that.
    fn renew_sessions(&self, _after: Instant) {}

    fn sign_on_changes(
        &self,
        known: LastSignOn,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            if self.last_sign_on() != known {
                return true;
            }
            self.stop.cancelled().await;
            false
        })
    }

    fn is_up(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// Nobody waits: who asks has the answer before the next can ask.
    fn is_crowded(&self) -> bool {
        false
    }

    fn ask_all(&self, asks: Vec<Ask>) {
        for Ask { ticket, instruction, deadline, reply_to } in asks {
            let outcome = self.outcome(&instruction, deadline);
            reply_to.deliver(&self.id, ticket, outcome);
        }
        self.shown.send_if_modified(|was| {
            let now = shown(&self.id, &self.inside(), self.is_up());
            let is_other = was.settle_day != now.settle_day;
            *was = Arc::new(now);
            is_other
        });
    }

    fn snapshot(&self) -> Snapshot {
        shown(&self.id, &self.inside(), self.is_up())
    }

    fn follow(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.shown.subscribe()
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn tasks(&self) -> &[Arc<Task>] {
        &[]
    }

    fn reconnect_now(&self) {}

    fn release(&self) {}

    fn recheck(&self) {}

    fn leave(&self) {}

    fn come_back(&self) {}

    /// It never was bytes.
    fn spelled(&self, message: Spoken<'_>) -> Spelled {
        message.plainly()
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{Delivery, ReplyTo, Ticket};
    use domain::message::{AccountId, Answer, AnswerCode, BalanceQuery, BalanceReply};
    use domain::money::Currency;
    use foreign::ForeignText;
    use std::time::Duration;
    use tokio::sync::mpsc;

    /// Counts its days by what it is asked.
    struct Busy(u32);

    impl Answers for Busy {
        fn answer(&mut self, instruction: &Instruction) -> Reply {
            let Instruction::Balance(query) = instruction else {
                panic!("it is asked for nothing else")
            };
            assert_ne!(query.account.as_str(), "9999", "as a test wants");
            self.0 += 1;
            let answer = Answer { code: AnswerCode::DONE, text: ForeignText::default() };
            Reply::Balance(BalanceReply { answer, balance: None })
        }

        fn settle_day(&self) -> Day {
            Day::new(20_261_120 + self.0).expect("a day")
        }

        fn highest_serial(&self) -> Option<SubSerial> {
            "000000000421".parse().ok()
        }
    }

    fn counter() -> (InProcess, CancellationToken) {
        let stop = CancellationToken::new();
        let id = CounterId::new("ledger").expect("an id");
        let history = History::default();
        (InProcess::new(id, Profile::default(), history, Busy(0), stop.clone()), stop)
    }

    fn asks(deadline: Instant, count: u64) -> (Vec<Ask>, mpsc::UnboundedReceiver<Delivery>) {
        let (deliver, delivered) = mpsc::unbounded_channel();
        let account = AccountId::new("6001").expect("an account");
        let query = BalanceQuery { account, currency: Currency::CNY };
        let ask = |number| Ask {
            ticket: Ticket(number),
            instruction: Instruction::Balance(query.clone()),
            deadline,
            reply_to: ReplyTo::Queue(deliver.clone()),
        };
        ((0..count).map(ask).collect(), delivered)
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_answered_at_once_and_in_its_order() {
        let (counter, _stop) = counter();
        let shown = counter.follow();
        let (asks, mut delivered) = asks(Instant::now() + Duration::from_secs(1), 3);
        counter.ask_all(asks);
        for number in 0..3 {
            let Delivery { counter, ticket, outcome } = delivered.try_recv().expect("an outcome");
            assert_eq!((counter.as_str(), ticket), ("ledger", Ticket(number)));
            assert!(matches!(outcome, RequestOutcome::Answered(Reply::Balance(_))), "{outcome:?}");
        }
        assert_eq!(counter.settle_day(), Day::new(20_261_123).ok());
        assert_eq!(shown.borrow().settle_day, counter.settle_day());
        let counts = counter.snapshot().counts;
        assert_eq!((counts.sent, counts.answered), (3, 3));
        assert_eq!(counter.highest_serial(), "000000000421".parse().ok());
    }

    /// A defect of the books costs one answer, and neither those beside it nor whoever asks.
    #[tokio::test(start_paused = true)]
    async fn where_the_books_fail_nothing_is_known_of_that_request() {
        let (counter, _stop) = counter();
        let (mut asks, mut delivered) = asks(Instant::now() + Duration::from_secs(1), 3);
        let Instruction::Balance(query) = &mut asks[1].instruction else { panic!("a balance") };
        query.account = AccountId::new("9999").expect("an account");
        counter.ask_all(asks);
        let mut outcome = || delivered.try_recv().expect("an outcome").outcome;
        assert!(matches!(outcome(), RequestOutcome::Answered(_)));
        assert_eq!(outcome(), RequestOutcome::Unknown(Unclear::BadAnswer));
        assert!(matches!(outcome(), RequestOutcome::Answered(_)));
        assert_eq!(counter.settle_day(), Day::new(20_261_122).ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_too_late_is_not_done() {
        let (counter, stop) = counter();
        let (late, mut delivered) = asks(Instant::now(), 1);
        counter.ask_all(late);
        let outcome = delivered.try_recv().expect("an outcome").outcome;
        assert_eq!(outcome, RequestOutcome::NotSent(NotSent::Expired));
        let known = counter.last_sign_on();
        stop.cancel();
        let (after, mut delivered) = asks(Instant::now() + Duration::from_secs(1), 1);
        counter.ask_all(after);
        let outcome = delivered.try_recv().expect("an outcome").outcome;
        assert_eq!(outcome, RequestOutcome::NotSent(NotSent::Stopping));
        assert_eq!((counter.snapshot().counts.sent, counter.snapshot().health), (0, Health::Down));
        assert!(counter.sign_on_changes(known).await, "it cannot be asked any more");
        assert!(!counter.sign_on_changes(counter.last_sign_on()).await, "and never will be");
    }
}
