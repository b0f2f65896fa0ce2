//! Which of several requests under one key begins the transfer, and what the others are told. Pure:
//! what was seen comes in, what to do next comes out.
//!
//! The map of keys in memory only says whom to ask. A claim in it may still come to nothing: the key
//! may have been used long ago, or the record may refuse. So nothing of it is told before the
//! claim's own shard has said that it is the record's, or the record itself has been read.

use domain::serial::MasterSerial;

/// A transfer that a key is claimed for, or belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    /// Its serial.
    pub(crate) master: MasterSerial,
    /// What it was claimed, or recorded, for.
    pub(crate) fingerprint: [u8; 32],
}

/// What was seen of a key last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Seen {
    /// Nobody claims it in this process.
    Nobody,
    /// Somebody claims it; whether it is the record's is not known.
    Claimed(Claim),
    /// The shard of that claim says that it is durable.
    Durable(Claim),
    /// The shard of that claim does not have it, or no longer: it has ended, or never was recorded,
    /// or is about to be taken up.
    NotOpen,
    /// The record has it, and it has ended.
    Ended(Claim),
    /// The record has it, and it is open.
    Open(Claim),
    /// The record does not have it.
    Unrecorded,
}

/// What one who wants to use a key does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    /// Claims it, unless somebody was quicker.
    Claim,
    /// Asks the shard of this transfer, and waits until it is durable or comes to nothing.
    AskShard(Claim),
    /// Reads the record.
    ReadRecord,
    /// Looks at the map again.
    LookAgain,
    /// Says something that is so.
    Say(Verdict),
}

/// What is said of a key that is in use. Each of them is the record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// It is in use by this open transfer, for the same.
    InProgress(MasterSerial),
    /// It was used by this transfer, for something else.
    Reused(MasterSerial),
    /// It was used by this transfer, for the same, and that has ended: its answer again.
    Replay(MasterSerial),
}

/// What one who wants a key for `fingerprint` does after it has seen this.
pub(crate) fn next(fingerprint: &[u8; 32], seen: Seen) -> Next {
    let judge = |claim: Claim, same: fn(MasterSerial) -> Verdict| {
        let verdict = if claim.fingerprint == *fingerprint { same } else { Verdict::Reused };
        Next::Say(verdict(claim.master))
    };
    match seen {
        Seen::Nobody => Next::Claim,
        Seen::Claimed(claim) => Next::AskShard(claim),
        Seen::NotOpen => Next::ReadRecord,
        Seen::Unrecorded => Next::LookAgain,
        Seen::Durable(claim) | Seen::Open(claim) => judge(claim, Verdict::InProgress),
        Seen::Ended(claim) => judge(claim, Verdict::Replay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::serial::{Day, Sequence};
    use std::collections::{BTreeMap, HashSet, VecDeque};

    fn claim(number: u64, body: u8) -> Claim {
        let day = Day::new(20_261_121).expect("a day");
        let sequence = Sequence::new(number).expect("a sequence");
        Claim { master: MasterSerial { day, sequence }, fingerprint: [body; 32] }
    }

    /// What somebody was told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Told {
        Said(Verdict),
        /// Its own transfer is durable, or has ended.
        Begun(MasterSerial),
        /// 503: nothing was recorded for it.
        NotRecorded,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Caller {
        Does(Next),
        AwaitsShard(Claim),
        AwaitsOwn(Claim),
        /// Its own insert met the key, so that the record is read.
        AfterDuplicate,
        Told(Told),
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Mail {
        Begin(usize, Claim),
        IsDurable(usize, Claim),
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Opened {
        claim: Claim,
        owner: usize,
        durable: bool,
        waiting: Vec<usize>,
    }

    /// One key, one shard, the journal and the record, and some who call at the same time.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        bodies: Vec<u8>,
        callers: Vec<Caller>,
        claimed: Option<Claim>,
        mailbox: VecDeque<Mail>,
        open: BTreeMap<u64, Opened>,
        /// What the journal has still to write.
        writes: VecDeque<u64>,
        /// Keys that the shard's task has still to take out of the map.
        closing: Vec<Claim>,
        row: Option<(Claim, bool)>,
        /// How often the database may still refuse for a reason of its own.
        refusals: u8,
        next_number: u64,
    }

    impl World {
        fn new(bodies: &[u8], row: Option<(Claim, bool)>, refusals: u8) -> World {
            World {
                callers: bodies.iter().map(|_| Caller::Does(Next::LookAgain)).collect(),
                bodies: bodies.to_vec(),
                claimed: None,
                mailbox: VecDeque::new(),
                open: BTreeMap::new(),
                writes: VecDeque::new(),
                closing: Vec::new(),
                row,
                refusals,
                next_number: 10,
            }
        }

        /// Everything that can happen next.
        fn steps(&self) -> Vec<World> {
            let mut after = Vec::new();
            for caller in 0..self.callers.len() {
                after.extend(self.step_of(caller));
            }
            if !self.mailbox.is_empty() {
                after.push(self.take_mail());
            }
            if !self.writes.is_empty() {
                after.push(self.write(false));
                if self.refusals > 0 {
                    after.push(self.write(true));
                }
            }
            if let [claim, ..] = self.closing[..] {
                let mut world = self.clone();
                world.closing.remove(0);
                world.claimed = world.claimed.filter(|held| *held != claim);
                after.push(world);
            }
            for (number, opened) in &self.open {
                if opened.durable {
                    after.push(self.end(*number));
                }
            }
            after
        }

        fn see(&mut self, caller: usize, seen: Seen) {
            self.callers[caller] = match next(&[self.bodies[caller]; 32], seen) {
                Next::Say(verdict) => {
                    self.check(self.bodies[caller], verdict);
                    Caller::Told(Told::Said(verdict))
                }
                next => Caller::Does(next),
            };
        }

        /// What is told is so at that very moment.
        fn check(&self, body: u8, verdict: Verdict) {
            let (row, ended) = self.row.expect("the key is recorded");
            let same = row.fingerprint == [body; 32];
            let so = match verdict {
                // It may end between the look and the answer; it was open, and GET finds it.
                Verdict::InProgress(master) => same && row.master == master,
                Verdict::Replay(master) => same && row.master == master && ended,
                Verdict::Reused(master) => !same && row.master == master,
            };
            assert!(so, "{verdict:?} to {body} with {row:?} recorded");
        }

        fn step_of(&self, caller: usize) -> Option<World> {
            let mut world = self.clone();
            match world.callers[caller] {
                Caller::Does(Next::LookAgain) => {
                    let seen = world.claimed.map_or(Seen::Nobody, Seen::Claimed);
                    world.see(caller, seen);
                }
                Caller::Does(Next::Claim) => {
                    if let Some(held) = world.claimed {
                        world.see(caller, Seen::Claimed(held));
                    } else {
                        let own = claim(world.next_number, world.bodies[caller]);
                        world.next_number += 1;
                        // Under the map's lock, both.
                        world.claimed = Some(own);
                        world.mailbox.push_back(Mail::Begin(caller, own));
                        world.callers[caller] = Caller::AwaitsOwn(own);
                    }
                }
                Caller::Does(Next::AskShard(claim)) => {
                    world.mailbox.push_back(Mail::IsDurable(caller, claim));
                    world.callers[caller] = Caller::AwaitsShard(claim);
                }
                Caller::Does(Next::ReadRecord) => {
                    let seen = match world.row {
                        Some((row, true)) => Seen::Ended(row),
                        Some((row, false)) => Seen::Open(row),
                        None => Seen::Unrecorded,
                    };
                    world.see(caller, seen);
                }
                Caller::AfterDuplicate => {
                    let (row, ended) = world.row.expect("the insert met it");
                    world.see(caller, if ended { Seen::Ended(row) } else { Seen::Open(row) });
                }
                Caller::Does(Next::Say(_))
                | Caller::AwaitsShard(_)
                | Caller::AwaitsOwn(_)
                | Caller::Told(_) => return None,
            }
            Some(world)
        }

        fn take_mail(&self) -> World {
            let mut world = self.clone();
            match world.mailbox.pop_front().expect("there is one") {
                Mail::Begin(owner, claim) => {
                    let number = claim.master.sequence.number();
                    let opened = Opened { claim, owner, durable: false, waiting: Vec::new() };
                    world.open.insert(number, opened);
                    world.writes.push_back(number);
                }
                Mail::IsDurable(caller, claim) => {
                    let number = claim.master.sequence.number();
                    match world.open.get_mut(&number) {
                        Some(opened) if opened.durable => world.see(caller, Seen::Durable(claim)),
                        Some(opened) => opened.waiting.push(caller),
                        None => world.see(caller, Seen::NotOpen),
                    }
                }
            }
            world
        }

        fn write(&self, refused: bool) -> World {
            let mut world = self.clone();
            let number = world.writes.pop_front().expect("there is one");
            if !refused && world.row.is_none() {
                let opened = world.open.get_mut(&number).expect("it waits for this");
                opened.durable = true;
                let (claim, owner) = (opened.claim, opened.owner);
                let waiting = std::mem::take(&mut opened.waiting);
                world.row = Some((claim, false));
                world.callers[owner] = Caller::Told(Told::Begun(claim.master));
                for caller in waiting {
                    world.see(caller, Seen::Durable(claim));
                }
                return world;
            }
            let opened = world.open.remove(&number).expect("it waits for this");
            world.closing.push(opened.claim);
            for caller in opened.waiting {
                world.see(caller, Seen::NotOpen);
            }
            world.callers[opened.owner] = if refused {
                world.refusals -= 1;
                // As `Told::NotRecorded`: the record is looked at, and may have it from before.
                match world.row {
                    Some(_) => Caller::AfterDuplicate,
                    None => Caller::Told(Told::NotRecorded),
                }
            } else {
                Caller::AfterDuplicate
            };
            world
        }

        fn end(&self, number: u64) -> World {
            let mut world = self.clone();
            let opened = world.open.remove(&number).expect("it is open");
            world.row = Some((opened.claim, true));
            world.closing.push(opened.claim);
            world
        }
    }

    /// Goes through every order in which things can happen. Says how many worlds there were.
    fn explore(bodies: &[u8], row: Option<(Claim, bool)>, refusals: u8) -> usize {
        let mut seen = HashSet::new();
        let mut rest = vec![World::new(bodies, row, refusals)];
        while let Some(world) = rest.pop() {
            let after = world.steps();
            if after.is_empty() {
                let told = |caller: &Caller| matches!(caller, Caller::Told(_));
                assert!(world.callers.iter().all(told), "nobody waits for ever: {world:?}");
                let begun = world
                    .callers
                    .iter()
                    .filter(|caller| matches!(caller, Caller::Told(Told::Begun(_))));
                assert_eq!(begun.count(), usize::from(row.is_none() && world.row.is_some()));
            }
            for world in after {
                if seen.insert(world.clone()) {
                    rest.push(world);
                }
            }
        }
        seen.len()
    }

    #[test]
    fn in_no_order_of_things_is_anybody_told_what_is_not_recorded() {
        let before = claim(1, 7);
        let mut worlds = 0;
        for bodies in [&[7, 7][..], &[7, 8], &[7, 7, 7], &[7, 7, 8], &[7, 8, 9]] {
            for row in [None, Some((before, true)), Some((before, false))] {
                for refusals in 0..=1 {
                    worlds += explore(bodies, row, refusals);
                }
            }
        }
        assert!(worlds > 10_000, "{worlds}");
    }
}
