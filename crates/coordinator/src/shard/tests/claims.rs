//! Who has claimed what waits for a person, and for how long.

use super::parked::ended;
use super::persons::parked_in_record;
use super::*;
use crate::claimant::MOST_CLAIMS;
use crate::recovery;

impl Stage {
    pub(super) fn claim(&mut self, sequence: u64, who: &str) -> Result<Claimant, PersonRefused> {
        match self.hears(sequence, who, Said::Claim { note: "on the telephone".into() })? {
            Taken::Claimed(claimant) => Ok(claimant),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn unclaim(&mut self, sequence: u64, who: &str) -> Result<bool, PersonRefused> {
        match self.hears(sequence, who, Said::Unclaim)? {
            Taken::Unclaimed(was) => Ok(was),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_claimed_does_not_end_until_the_claim_is_over() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.park(1, Role::Credit);
    let claimed = stage.claim(1, "lin").expect("claimed");
    assert_eq!(claimed.until - claimed.since, 3_600 * SECOND);
    stage.answer_slowly(1, Finding::Done);
    assert!(ended(&stage.persist()).is_none(), "somebody has claimed it");
    stage.pass(1_800);
    // Said again, it lasts from then on.
    let renewed = stage.claim(1, "lin").expect("renewed");
    assert_eq!(renewed.since, claimed.since);
    assert_eq!(renewed.until, stage.now.wall + 3_600 * SECOND);
    stage.pass(3_599);
    assert!(ended(&stage.persist()).is_none());
    assert!(stage.shown(1).claim().is_some());
    let due = stage.shard.next_timer().expect("a timer");
    assert!(due <= stage.now.at + Duration::from_secs(1), "nothing else need happen");
    stage.pass(1);
    assert!(ended(&stage.persist()).is_some());
    assert!(matches!(told.try_recv(), Ok(WaiterReply::Final(_))));
}

#[test]
fn only_who_has_claimed_it_claims_it_no_longer_and_then_it_ends() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let claimed = stage.claim(1, "lin").expect("claimed");
    stage.answer_slowly(1, Finding::Done);
    assert_eq!(stage.claim(1, "wang"), Err(PersonRefused::Claimed(claimed.clone())));
    assert_eq!(stage.unclaim(1, "wang"), Err(PersonRefused::Claimed(claimed)));
    assert!(ended(&stage.persist()).is_none());
    assert_eq!(stage.unclaim(1, "lin"), Ok(true));
    assert!(ended(&stage.persist()).is_some());
    assert_eq!(stage.unclaim(1, "lin"), Err(PersonRefused::NotOpen));
}

/// One that is being asked about as its claim ends hears of that with the answer: it is not asked twice.
#[test]
fn a_claim_that_ends_while_it_is_asked_about_asks_nothing_more() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    assert!(stage.claim(1, "lin").is_ok());
    let (ticket, question) = stage.question(1);
    assert_eq!(stage.unclaim(1, "lin"), Ok(true));
    assert!(stage.ask().is_none());
    stage.deliver(ticket, found(&question, Finding::Done));
    assert!(ended(&stage.persist()).is_some());
}

#[test]
fn a_claim_is_of_what_waits_for_a_person_and_a_decision_ends_it() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.persist();
    stage.out.clear();
    assert_eq!(stage.claim(1, "lin"), Err(PersonRefused::Illegal(Illegal::NotParked)));
    assert_eq!(stage.claim(7, "lin"), Err(PersonRefused::NotOpen));
    let _told = stage.park(2, Role::Credit);
    assert_eq!(stage.unclaim(2, "lin"), Ok(false), "nobody had");
    assert!(stage.claim(2, "lin").is_ok());
    assert!(matches!(stage.decide(2, Decision::Refused), Err(PersonRefused::Illegal(_))));
    assert!(stage.shown(2).claim().is_some(), "what was not taken ends nothing");
    assert_eq!(stage.decide(2, Decision::Resume), Ok(()), "it is lin who has claimed it");
    stage.persist();
    assert_eq!(stage.shown(2).dealing, Dealing::Nobody);
    assert_eq!(stage.shard.dealings.next(), None);
}

#[test]
fn claims_are_bounded_and_the_end_of_one_makes_room() {
    let mut stage = Stage::new(Profile::default());
    let count = u64::try_from(MOST_CLAIMS).expect("small") + 1;
    for sequence in 1..=count {
        let new = stage.new_transfer(sequence);
        let mut transfer = Transfer::accepted(intent(&new));
        transfer.phase = Phase::Parked(ParkReason::Contradicted);
        let transfer = Box::new(transfer);
        let (updated_at, next_part) = (0, 0);
        let (left_alone, dealing) = (false, Dealing::Nobody);
        stage.handle(Input::Recovered {
            new,
            transfer,
            updated_at,
            next_part,
            left_alone,
            dealing,
        });
    }
    for sequence in 1..count {
        assert!(stage.claim(sequence, "lin").is_ok(), "{sequence}");
        assert!(stage.claim(sequence, "lin").is_ok(), "saying it again takes no more room");
    }
    assert_eq!(stage.claim(count, "lin"), Err(PersonRefused::TooManyClaims));
    assert!(stage.claim(1, "lin").is_ok(), "one that is in force is renewed");
    assert_eq!(stage.unclaim(7, "lin"), Ok(true));
    assert!(stage.claim(count, "lin").is_ok());
    stage.pass(3_600);
    assert_eq!(stage.shard.dealings.next(), None, "all are over");
}

/// A restart forgets neither what was proven nor who has claimed it; once the claim is over, it ends.
#[test]
fn what_was_proven_and_claimed_ends_after_a_restart_when_the_claim_is_over() {
    let (mut stage, mut memory) =
        (Stage::new(Profile::default()), store::memory::Memory::default());
    let new = stage.new_transfer(1);
    let _told = parked_in_record(&mut stage, &mut memory);
    let mut claimed = stage.says(1, "lin", Said::Claim { note: "on the telephone".into() });
    stage.record(&mut memory);
    assert!(matches!(claimed.try_recv(), Ok(Ok(Taken::Claimed(_)))));
    stage.answer_slowly(1, Finding::Done);
    stage.record(&mut memory);
    assert_eq!(stage.shard.len(), 1, "it is claimed");
    let mut next = Stage::new(Profile::default());
    next.now = stage.now;
    next.handle(recovery::taken_up(new, &memory.trail(master(1)), Tail::Whole));
    next.pass(60);
    next.record(&mut memory);
    assert_eq!(next.shard.len(), 1, "it is still claimed");
    next.pass(3_600);
    next.record(&mut memory);
    assert!(next.shard.is_empty(), "it has ended");
}

/// Said again before half of it is over, a claim is not written down again.
#[test]
fn a_claim_that_is_said_again_at_once_takes_no_place_in_the_trail() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let claimed = stage.claim(1, "lin").expect("claimed");
    let again = stage.says(1, "lin", Said::Claim { note: "on the telephone".into() }).try_recv();
    assert_eq!(again, Ok(Ok(Taken::Claimed(claimed))));
    let other = stage.says(1, "lin", Said::Claim { note: "at the bank".into() }).try_recv();
    assert!(other.is_err(), "another reason is written down first");
}

/// What this software cannot read is for a later version to find as it was: nobody's claim is written over it.
#[test]
fn what_is_left_alone_is_not_claimed() {
    let mut stage = Stage::new(Profile::default());
    let new = stage.new_transfer(1);
    let mut transfer = Transfer::accepted(intent(&new));
    transfer.phase = Phase::Parked(ParkReason::Illegal);
    let (transfer, dealing) = (Box::new(transfer), Dealing::Nobody);
    let (updated_at, next_part, left_alone) = (0, 0, true);
    stage.handle(Input::Recovered { new, transfer, updated_at, next_part, left_alone, dealing });
    assert_eq!(stage.claim(1, "lin"), Err(PersonRefused::LeftAlone));
    assert!(stage.out.is_empty());
    assert_eq!(stage.decide(1, Decision::Refused), Ok(()), "it can be decided");
}

/// A claim or a proposal whose time was over while nobody was there holds up nothing.
#[test]
fn what_was_over_while_the_bridge_was_down_is_over() {
    let (mut stage, mut memory) =
        (Stage::new(Profile::default()), store::memory::Memory::default());
    let new = stage.new_transfer(1);
    let _told = parked_in_record(&mut stage, &mut memory);
    let mut claimed = stage.says(1, "lin", Said::Claim { note: "on the telephone".into() });
    stage.record(&mut memory);
    assert!(matches!(claimed.try_recv(), Ok(Ok(Taken::Claimed(_)))));
    for (hours, claimed) in [(0, true), (1, false)] {
        let mut next = Stage::new(Profile::default());
        next.now = Now {
            wall: stage.now.wall + hours * 3_600 * SECOND,
            at: stage.now.at + Duration::from_hours(hours.unsigned_abs()),
        };
        next.handle(recovery::taken_up(new.clone(), &memory.trail(master(1)), Tail::Whole));
        assert_eq!(next.shown(1).claim().is_some(), claimed, "after {hours} hours");
    }
}
