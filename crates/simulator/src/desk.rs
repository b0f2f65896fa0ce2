//! The one task that owns the counter: it takes visits from all connections, keeps the books file
//! ahead of every answer, and remembers what is left for later, also for connections that are gone.

use crate::books_file::{BooksFile, BooksFileError};
use crate::counter::{Act, Chore, Counter, Deed, Upheaval, Visit};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How many connections may have left their visits without blocking; each leaves one batch a turn.
pub(crate) const QUEUE: usize = 256;

/// Batches taken into one write of the books file: enough to share it among many connections, few
/// enough that the first answer does not wait for long.
const BATCHES_A_TURN: usize = 64;

/// What one connection read in one turn.
pub(crate) struct Batch {
    pub(crate) seat: Option<Seat>,
    pub(crate) visits: Vec<Visit>,
    pub(crate) back: Back,
}

/// A connection as one of the bridge's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) channel: u16,
    /// Which connection of the counter's whole life it is.
    pub(crate) connection: u64,
}

/// The way back to a connection. Unbounded as a channel; a connection stops reading while many of
/// its batches are out, so it is bounded as a matter of fact.
pub(crate) type Back = mpsc::UnboundedSender<Delivery>;

/// What a connection gets back.
pub(crate) enum Delivery {
    /// For one batch; exactly one each, perhaps empty.
    Batch(Vec<Act>),
    /// For something that had been left for later.
    Late(Vec<Act>),
}

/// The owner of the counter.
pub(crate) struct Desk {
    pub(crate) counter: Counter,
    pub(crate) file: Option<BooksFile>,
    /// Goes up whenever all sessions are forgotten.
    pub(crate) sessions: watch::Sender<u64>,
    /// To whoever listens.
    pub(crate) restarts: mpsc::Sender<Duration>,
}

/// What is left for later, by when and in order.
type Later = BTreeMap<(Instant, u64), (Chore, Back)>;

impl Desk {
    /// Works until no connection can come any more. An error means that the books file cannot be
    /// written: nothing more may be answered. What is on its way then never arrives.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Batch>,
    ) -> Result<(), BooksFileError> {
        let mut later = Later::new();
        // Whoever signed on last as each channel.
        let mut seated: BTreeMap<u16, u64> = BTreeMap::new();
        let mut numbered = 0_u64;
        let mut batches = Vec::with_capacity(BATCHES_A_TURN);
        let mut deeds = Vec::new();
        let mut deliveries: Vec<(Back, Delivery)> = Vec::new();
        loop {
            let due = later.first_key_value().map(|((due, _), _)| *due);
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                taken = inbox.recv_many(&mut batches, BATCHES_A_TURN) => {
                    if taken == 0 {
                        return Ok(());
                    }
                }
            }
            let (at, now) = (unix_micros(), Instant::now());
            while let Some(entry) = later.first_entry()
                && entry.key().0 <= now
            {
                let (chore, back) = entry.remove();
                self.counter.attend(chore, at, &mut deeds);
                let acts = self.sort(&mut deeds, &back, now, &mut later, &mut numbered);
                deliveries.push((back, Delivery::Late(acts)));
            }
            for Batch { seat, visits, back } in batches.drain(..) {
                for visit in visits {
                    if !may_visit(&mut seated, seat, &visit) {
                        deeds.push(Deed::Here(Act::Close));
                        break;
                    }
                    self.counter.receive(visit, at, &mut deeds);
                }
                let acts = self.sort(&mut deeds, &back, now, &mut later, &mut numbered);
                deliveries.push((back, Delivery::Batch(acts)));
            }
            self.commit().await?;
            for (back, delivery) in deliveries.drain(..) {
                // A connection that is gone needs no answer.
                let _ = back.send(delivery);
            }
        }
    }

    /// Puts what happened into the file.
    async fn commit(&mut self) -> Result<(), BooksFileError> {
        let Some(file) = &mut self.file else {
            self.counter.take_lines().for_each(drop);
            return Ok(());
        };
        for line in self.counter.take_lines() {
            file.append(&line)?;
        }
        file.commit().await
    }

    /// Takes from the deeds what is not for the connection; the rest is handed back.
    fn sort(
        &self,
        deeds: &mut Vec<Deed>,
        back: &Back,
        now: Instant,
        later: &mut Later,
        numbered: &mut u64,
    ) -> Vec<Act> {
        let mut acts = Vec::with_capacity(deeds.len());
        for deed in deeds.drain(..) {
            match deed {
                Deed::Here(act) => acts.push(act),
                Deed::After(delay, chore) => {
                    *numbered += 1;
                    later.insert((now + delay, *numbered), (chore, back.clone()));
                }
                Deed::Everywhere(Upheaval::ForgetSessions) => {
                    self.sessions.send_modify(|epoch| *epoch += 1);
                }
                Deed::Everywhere(Upheaval::Restart(down)) => {
                    // Full: a restart is coming anyway.
                    let _ = self.restarts.try_send(down);
                }
            }
        }
        acts
    }
}

/// Whether a visit is taken: once a session has begun, nothing more is taken from older connections of
/// its channel, though it may have been read before (docs/peers/counter.md, Sign-on).
fn may_visit(seated: &mut BTreeMap<u16, u64>, seat: Option<Seat>, visit: &Visit) -> bool {
    let Some(Seat { channel, connection }) = seat else { return true };
    let newest = seated.entry(channel).or_insert(connection);
    match visit {
        // Where we dial, our own proof is the last that we say before the session begins.
        Visit::SignedOn(_) | Visit::Prove(_) => *newest = connection,
        Visit::SignOn(_) => return true,
        Visit::Heartbeat(_) | Visit::Request(..) | Visit::SignOff => {}
    }
    *newest == connection
}

/// Microseconds since 1970 UTC, by the machine's clock.
pub(crate) fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::{Books, Rules};
    use crate::faults::Dice;
    use domain::message::{AccountId, CounterId, Instruction, Look, Query};
    use domain::money::Currency;
    use domain::profile::Profile;
    use domain::serial::{Day, Role, Sequence, SubSerial};
    use std::fs::File;
    use wire::payload::RequestId;

    #[test]
    fn nothing_is_taken_from_an_older_connection_of_a_channel() {
        let mut seated = BTreeMap::new();
        let mut may = |channel, connection, visit: &Visit| {
            may_visit(&mut seated, Some(Seat { channel, connection }), visit)
        };
        let (signed_on, beat) = (Visit::SignedOn(10), Visit::Heartbeat(1));
        assert!(may(0, 1, &signed_on) && may(0, 1, &beat));
        assert!(may(1, 2, &signed_on) && may(0, 1, &beat), "another channel is another");
        assert!(may(0, 3, &signed_on) && may(0, 3, &beat));
        assert!(!may(0, 1, &beat) && may(1, 2, &beat));
    }

    /// A fence is a fact, and a fact that is not in the file is not told.
    #[tokio::test]
    async fn nothing_is_answered_that_could_not_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("books.jsonl");
        std::fs::write(&path, "").expect("writes");
        let day = Day::new(20_261_121).expect("a day");
        let rules = Rules {
            counter: CounterId::new("securities").expect("an id"),
            profile: Profile::default(),
            currency: Currency::CNY,
            settings: Vec::new(),
            open: true,
            tells_highest_serial: true,
        };
        let mut books = Books::new(rules, day);
        books.open_account(&AccountId::new("A").expect("an account"), 1, 0).expect("opens");
        let unwritable = File::open(&path).expect("opens for reading alone");
        let desk = Desk {
            counter: Counter::new(books, Dice::new(Vec::new(), 0), None),
            file: Some(BooksFile::around(path, unwritable)),
            sessions: watch::channel(0).0,
            restarts: mpsc::channel(1).0,
        };
        let (visits, inbox) = mpsc::channel(1);
        let (back, mut deliveries) = mpsc::unbounded_channel();
        let sequence = Sequence::new(1).expect("a sequence");
        let fence = Instruction::Query(Query {
            serial: SubSerial { sequence, role: Role::Debit },
            settle_day: day,
            look: Look::Fence,
            mark: None,
        });
        let visit = Visit::Request(RequestId(1), fence);
        let batch = Batch { seat: None, visits: vec![visit], back };
        assert!(visits.send(batch).await.is_ok());
        let ended = desk.run(inbox).await;
        assert!(matches!(ended, Err(BooksFileError::Write { .. })), "{ended:?}");
        assert!(deliveries.recv().await.is_none(), "it was answered");
    }
}
